"""Gate and health on real recordings (``../shared/data``): no false fault, real faults found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.ingest.health import HealthMonitor
from pipeline.ingest.motion import MotionGate

DATA = Path(__file__).resolve().parents[3] / "../shared/data"
CLIPS = (
    "footage/street_night_group.mp4",
    "footage/lobby_topdown.mp4",
    "vad/avenue_normal/train01_1000_1299.mp4",
)
LOOKS_PER_S = 4
Luma = NDArray[np.uint8]


@pytest.fixture(scope="module", params=CLIPS)
def pictures(request: pytest.FixtureRequest) -> list[Luma]:
    """Up to 12 s of luma of each clip at about 4 pictures per second, at most 640 wide."""
    path = DATA / request.param
    if not path.exists():
        pytest.skip(f"no footage at {path}")
    film = cv2.VideoCapture(str(path))
    step = max(1, round(film.get(cv2.CAP_PROP_FPS) / LOOKS_PER_S))
    taken: list[Luma] = []
    index = 0
    while len(taken) < 12 * LOOKS_PER_S and film.grab():
        if index % step == 0:
            luma = cv2.cvtColor(film.retrieve()[1], cv2.COLOR_BGR2GRAY)
            scale = min(1.0, 640 / luma.shape[1])
            taken.append(np.asarray(cv2.resize(luma, None, fx=scale, fy=scale), np.uint8))
        index += 1
    film.release()
    return taken


def _held(pictures: list[Luma], fault: Callable[[Luma], Luma], from_s: float) -> set[str]:
    """Every condition held within 10 s after ``fault`` began at ``from_s``; the clip is looped."""
    monitor = HealthMonitor()
    held: set[str] = set()
    for i in range(int((from_s + 10) * LOOKS_PER_S)):
        at_s = i / LOOKS_PER_S
        luma = pictures[i % len(pictures)]
        held |= set(monitor.update(fault(luma) if at_s >= from_s else luma, at_s).conditions)
    return held


def test_the_gate_is_open_while_people_move(pictures: list[Luma]) -> None:
    gate = MotionGate()
    readings = [gate.update(luma, i / LOOKS_PER_S) for i, luma in enumerate(pictures)]
    assert all(reading.is_open for reading in readings)
    assert sum(len(reading.boxes_norm) > 0 for reading in readings) > 0.5 * len(readings)


def test_a_still_of_the_place_closes_it(pictures: list[Luma]) -> None:
    still = np.median(np.stack(pictures), axis=0)
    rng = np.random.default_rng(0)
    gate = MotionGate()
    readings = [
        gate.update(np.clip(still + rng.normal(0, 3, still.shape), 0, 255).astype(np.uint8), i / LOOKS_PER_S)
        for i in range(30 * LOOKS_PER_S)
    ]
    assert not any(reading.is_open for reading in readings[6 * LOOKS_PER_S :])


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (lambda luma: luma, set()),
        (lambda luma: (16 + 0.3 * (luma.astype(np.float32) - 16)).astype(np.uint8), set()),
        (lambda luma: np.full_like(luma, 17), {"black"}),
        (lambda luma: cv2.GaussianBlur(luma, (0, 0), 4), {"defocused"}),
        (lambda luma: np.full_like(luma, 80), {"covered"}),
        (lambda luma: np.roll(luma, int(0.15 * luma.shape[1]), 1), {"moved"}),
    ],
    ids=["nothing", "lights off", "black", "defocused", "covered", "moved"],
)
def test_faults_are_found_and_nothing_else(
    pictures: list[Luma], fault: Callable[[Luma], Luma], expected: set[str]
) -> None:
    held = _held(pictures, fault, 15.0)
    assert held - {"frozen"} == expected
    assert "frozen" not in held or expected & {"black", "covered"}  # a constant picture stands still as well
