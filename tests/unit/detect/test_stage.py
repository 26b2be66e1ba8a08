"""Scheduling of frames across cameras, with a detector that only remembers what it was shown."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.detect.stage import DROPPED, DetectStage, Outcome
from pipeline.errors import ModelError
from pipeline.protocols import Entry
from pipeline.types import Detections, Finding, Frame
from tests.unit.detect import toys

PICTURE = np.zeros((3, 2), np.uint8)


class Watcher:
    """A detector whose one detection carries the frame's number as its x, and which keeps the batches it was given."""

    name, labels, input_wh = "watcher", ("person",), (2, 2)

    def __init__(self) -> None:
        self.batches: list[list[tuple[str, int]]] = []
        self.is_broken = False

    def detect(self, frames: list[Frame]) -> list[Detections]:
        if self.is_broken:
            raise ModelError("broken")
        self.batches.append([(frame.ref.key.camera, frame.ref.key.seq) for frame in frames])
        return [Detections(np.array([[f.ref.key.seq, 0, 9999, 1]]), np.ones(1), ("person",)) for f in frames]


class Bench:
    """A stage with its watcher and its drops counted."""

    def __init__(self, max_batch: int = 8, max_age_s: float = 1.0) -> None:
        self.drops: Counter[tuple[str, str]] = Counter()
        self.watcher = Watcher()
        self.stage = DetectStage(self.watcher, self._count, max_batch=max_batch, max_age_s=max_age_s)

    def _count(self, name: str, camera: str, reason: str) -> None:
        assert name == DROPPED
        self.drops[camera, reason] += 1

    def offer(
        self, camera: str, seq: int, since_s: float | None = 0.0, *, tick: bool = False, end: bool = False
    ) -> None:
        frame = toys.frame(None if tick else PICTURE, camera=camera, seq=seq, is_end=end)
        self.stage.offer(camera, Entry(str(seq), frame), since_s)

    def drain(self, now_s: float = 0.0) -> list[Outcome]:
        outcomes = []
        while self.stage.has_waiting:
            outcomes += self.stage.step(now_s)
        return outcomes


def seen(outcomes: list[Outcome], camera: str = "a") -> list[tuple[int, bool]]:
    """(sequence number, was it looked at) of every finding of a camera, in order."""
    findings: list[Finding] = [f for one in outcomes if one.camera == camera for f in one.findings]
    for finding in findings:
        if finding.detections is not None:
            assert finding.detections.xyxy[0, 0] == finding.ref.key.seq
    return [(finding.ref.key.seq, finding.detections is not None) for finding in findings]


def settled(outcomes: list[Outcome], camera: str = "a") -> list[str]:
    return [entry_id for one in outcomes if one.camera == camera for entry_id in one.entry_ids]


def test_only_the_newest_live_picture_is_looked_at():
    bench = Bench()
    for seq in range(4):
        bench.offer("a", seq)
    outcomes = bench.drain()
    assert seen(outcomes) == [(3, True)]
    assert settled(outcomes) == ["0", "1", "2", "3"]
    assert bench.drops == {("a", "superseded"): 3}


def test_a_stale_picture_is_dropped_unseen():
    bench = Bench(max_age_s=1.0)
    bench.offer("a", 0, since_s=10.0)
    bench.offer("b", 0, since_s=10.5)
    outcomes = bench.drain(now_s=11.25)
    assert seen(outcomes, "a") == []
    assert settled(outcomes, "a") == ["0"]
    assert seen(outcomes, "b") == [(0, True)]
    assert bench.drops == {("a", "stale"): 1}


def test_ticks_pass_in_their_place_without_the_detector():
    bench = Bench()
    bench.offer("a", 0, tick=True)
    bench.offer("a", 1)
    bench.offer("a", 2, tick=True)
    assert seen(bench.drain()) == [(0, False), (1, True), (2, False)]
    assert bench.watcher.batches == [[("a", 1)]]
    bench.offer("a", 3, tick=True)
    assert seen(bench.drain()) == [(3, False)]
    assert bench.watcher.batches == [[("a", 1)]]


def test_a_tick_waits_for_the_picture_before_it():
    bench = Bench(max_batch=1)
    bench.offer("a", 0)
    bench.offer("b", 0, since_s=0.5)
    bench.offer("b", 1, since_s=0.5, tick=True)
    first, second = bench.stage.step(0.5), bench.stage.step(0.5)
    assert (seen(first, "a"), seen(first, "b")) == ([(0, True)], [])
    assert seen(second, "b") == [(0, True), (1, False)]


def test_the_end_of_a_recording_is_never_dropped():
    bench = Bench(max_age_s=1.0)
    bench.offer("a", 0, since_s=0.0)
    bench.offer("a", 1, since_s=0.0, end=True)
    bench.offer("a", 2, since_s=0.0)
    assert seen(bench.drain(now_s=100.0)) == [(1, True)]
    assert bench.drops == {("a", "superseded"): 1, ("a", "stale"): 1}


def test_no_frame_of_a_recording_is_dropped_and_batches_fill_up():
    bench = Bench(max_batch=4)
    for seq in range(5):
        bench.offer("a", seq, None)
    bench.offer("b", 0, None)
    outcomes = bench.drain(now_s=1e9)
    assert seen(outcomes) == [(seq, True) for seq in range(5)]
    assert bench.watcher.batches == [[("a", 0), ("b", 0), ("a", 1), ("a", 2)], [("a", 3), ("a", 4)]]
    assert not bench.drops


def test_the_camera_served_longest_ago_comes_first():
    bench = Bench(max_batch=2)
    order = []
    for turn in range(6):
        for camera in "abcde":
            bench.offer(camera, turn, since_s=float(turn))
        bench.stage.step(float(turn))
        order += [camera for camera, _ in bench.watcher.batches[-1]]
    assert order == list("abcdeabcdeab")


def test_a_newcomer_does_not_wait_behind_the_busy():
    bench = Bench(max_batch=1)
    for turn in range(3):
        bench.offer("busy", turn)
        bench.stage.step(0.0)
    bench.offer("busy", 3)
    bench.offer("new", 0)
    assert seen(bench.stage.step(0.0), "new") == [(0, True)]


def test_a_failing_detector_loses_nothing():
    bench = Bench()
    bench.offer("a", 0, tick=True)
    bench.offer("a", 1)
    bench.watcher.is_broken = True
    with pytest.raises(ModelError):
        bench.stage.step(0.0)
    bench.watcher.is_broken = False
    assert seen(bench.drain()) == [(0, False), (1, True)]


def test_a_forgotten_camera_leaves_its_frames_on_the_stream():
    bench = Bench()
    bench.offer("a", 0)
    bench.offer("b", 0)
    bench.stage.forget("a")
    bench.stage.forget("never seen")
    outcomes = bench.drain()
    assert settled(outcomes, "a") == []
    assert seen(outcomes, "b") == [(0, True)]


def test_something_else_in_the_stream_is_settled_and_counted():
    bench = Bench()
    frame = toys.frame(PICTURE, camera="a")
    bench.stage.offer("a", Entry("0", Finding(frame.ref, frame.note, None)), 0.0)
    outcomes = bench.drain()
    assert (seen(outcomes), settled(outcomes)) == ([], ["0"])
    assert bench.drops == {("a", "not_a_frame"): 1}


def test_an_empty_step_settles_nothing():
    bench = Bench()
    assert bench.stage.step(0.0) == []
    assert not bench.watcher.batches


@pytest.mark.parametrize(("max_batch", "max_age_s"), [(0, 1.0), (1, 0.0), (1, float("nan"))])
def test_nonsense_bounds_are_refused(max_batch, max_age_s):
    with pytest.raises(ValueError, match="expected"):
        Bench(max_batch, max_age_s)


arrivals = st.lists(
    st.tuples(st.sampled_from("abc"), st.booleans(), st.booleans(), st.floats(0, 5), st.booleans()), max_size=40
)


@given(arrivals, st.integers(1, 5))
def test_every_entry_is_settled_once_in_order_and_every_drop_counted(steps, max_batch):
    bench = Bench(max_batch)
    outcomes: list[Outcome] = []
    offered: dict[str, list[str]] = {}
    ends: set[tuple[str, int]] = set()
    for seq, (camera, is_tick, is_end, now_s, is_step) in enumerate(steps):
        bench.offer(camera, seq, None if camera == "c" else seq / 8, tick=is_tick, end=is_end)
        offered.setdefault(camera, []).append(str(seq))
        if is_tick or is_end or camera == "c":
            ends.add((camera, seq))
        if is_step:
            outcomes += bench.stage.step(now_s)
    outcomes += bench.drain(5.0)
    for camera, ids in offered.items():
        assert settled(outcomes, camera) == ids
        numbers = [seq for seq, _ in seen(outcomes, camera)]
        assert numbers == sorted(numbers)
        dropped = sum(n for (name, _), n in bench.drops.items() if name == camera)
        assert len(numbers) + dropped == len(ids)
        assert {seq for name, seq in ends if name == camera} <= set(numbers)
    assert all(len(batch) <= max_batch for batch in bench.watcher.batches)
