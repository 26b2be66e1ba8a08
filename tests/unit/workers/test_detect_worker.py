"""The detect worker on a memory bus: frames become findings with looks, and a failing detector loses nothing."""

from __future__ import annotations

import io
import threading
import time

import numpy as np
import pytest

from pipeline.bus.memory import MemoryBus
from pipeline.bus.topics import DETECTIONS, FRAMES
from pipeline.detect.stage import DetectStage
from pipeline.embed.visual import VisualLooker
from pipeline.errors import InferenceError
from pipeline.replay import find
from pipeline.telemetry import Telemetry
from pipeline.types import Detections, Finding, Frame
from tests.unit.embed.stage_set import SIZE_WH, detections, frame, pasted, texture
from tests.unit.workers.flaky import FlakyBus
from workers.claims import Claims
from workers.detect import work
from workers.runtime import Liveness


class Seer:
    """A detector that sees one person in every picture."""

    name, labels, input_wh = "seer", ("person",), SIZE_WH

    def __init__(self) -> None:
        self.is_broken = False

    def detect(self, frames: list[Frame]) -> list[Detections]:
        if self.is_broken:
            raise InferenceError("The runtime failed.")
        return [detections([(60, 60, 120, 140)]) for _ in frames]


def scene() -> list[Frame]:
    wall, thing = texture(), texture((40, 80), seed=3, low=20, high=240)
    return [frame(pasted(wall, thing, 40 + look * 10, 60), look / 5) for look in range(5)]


def detect(bus: MemoryBus, seer: Seer, looker: VisualLooker | None, is_done) -> None:
    """Run the worker until ``is_done`` or ten seconds have passed."""
    stop = threading.Event()
    telemetry = Telemetry("detect", stream=io.StringIO())
    stage = DetectStage(seer, telemetry.count, max_batch=2, max_age_s=1.0)
    claims = Claims(bus, "detect", "one", ["gate"])
    liveness = Liveness(time.monotonic)
    until_s = time.monotonic() + 10

    def watch() -> None:
        while not is_done() and time.monotonic() < until_s and not stop.wait(0.01):
            pass
        stop.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work(bus, claims, stage, telemetry, liveness, stop, recorded=frozenset({"gate"}), looker=looker)
    finally:
        stop.set()
        watcher.join()


def found(bus: MemoryBus) -> list[Finding]:
    entries = bus.read({("gate", DETECTIONS): "0"}, max_entries=100, block_s=0.0).get(("gate", DETECTIONS), [])
    return [entry.message for entry in entries if isinstance(entry.message, Finding)]


@pytest.mark.parametrize("has_looks", [True, False])
def test_frames_become_findings_like_those_of_one_process(has_looks):
    bus = FlakyBus()
    for one in scene():
        bus.append("gate", FRAMES, one)
    detect(bus, Seer(), VisualLooker() if has_looks else None, lambda: len(found(bus)) == 5)
    expected = list(find(Seer(), scene(), VisualLooker() if has_looks else None))
    for one, other in zip(found(bus), expected, strict=True):
        assert one.ref == other.ref
        assert (one.looks is not None) == has_looks
        if one.looks is not None and other.looks is not None:
            np.testing.assert_array_equal(one.looks.values, other.looks.values)


def test_a_detector_that_fails_ends_the_worker_with_1_and_leaves_the_frames():
    bus, seer = FlakyBus(), Seer()
    for one in scene():
        bus.append("gate", FRAMES, one)
    seer.is_broken = True
    with pytest.raises(InferenceError) as caught:
        detect(bus, seer, VisualLooker(), lambda: False)
    assert caught.value.exit_code == 1
    assert bus.depth("gate", FRAMES) == 5
    seer.is_broken = False
    bus.release(Claims(bus, "detect", "one", ["gate"]).lease("gate"))
    detect(bus, seer, VisualLooker(), lambda: len(found(bus)) == 5)
    assert [one.ref.key.seq for one in found(bus)] == [one.ref.key.seq for one in scene()]
