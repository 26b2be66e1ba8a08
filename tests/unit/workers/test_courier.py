"""Handing findings over beside the detector: in order, once, and with nothing lost while Redis is away."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence

import numpy as np
import pytest

from pipeline.bus.topics import DETECTIONS, FRAMES, Topic
from pipeline.detect.stage import Outcome
from pipeline.protocols import Lease, Message
from pipeline.telemetry import Telemetry
from pipeline.types import Detections, Finding, Frame, FrameKey, Looks
from tests.contract.bus_messages import frame, tick
from tests.unit.workers.flaky import FlakyBus
from workers.courier import ROLE, Courier

LEASE = Lease("gate", "detect", "one")


class Counting:
    """A looker whose looks are how many frames of a camera it has seen, and whose memory is that number."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}
        self.is_broken = False

    def look(self, frame: Frame, detections: Detections) -> tuple[Detections, Looks]:
        if self.is_broken:
            raise RuntimeError("broken")
        camera = frame.ref.key.camera
        self.seen[camera] = self.seen.get(camera, 0) + 1
        none = np.zeros((0, 4), np.float32)
        values = np.zeros((len(detections), 0), np.float32)
        return detections, Looks((), values, ("seen",), np.array([self.seen[camera]]), none, none)

    def forget(self, camera: str) -> None:
        self.seen.pop(camera, None)

    def memory(self, camera: str) -> bytes:
        return b"%d" % self.seen[camera] if camera in self.seen else b""

    def recall(self, camera: str, memory: bytes, upcoming: FrameKey) -> bool:
        if not memory.isdigit() or int(memory) > upcoming.seq:
            return False
        self.seen[camera] = int(memory)
        return True


def outcome(bus: FlakyBus, *seqs: int, camera: str = "gate", tick_seq: int | None = None) -> Outcome:
    """Frames put on their stream, and what a detect stage would make of them."""
    frames = [tick(seq, camera) if seq == tick_seq else frame(seq, camera) for seq in seqs]
    for one in frames:
        bus.append(camera, FRAMES, one)
    entries = bus.read({(camera, FRAMES): "0"}, max_entries=100, block_s=0.0)[camera, FRAMES]
    ids = [entry.id for entry in entries if entry.message.ref.key.seq in seqs]  # type: ignore[union-attr]
    findings = [Finding(one.ref, one.note, None if one.i420 is None else Detections.empty(), "seer") for one in frames]
    return Outcome(camera, tuple(ids), tuple(findings), tuple(frames))


def new_courier(bus: FlakyBus, looker: Counting | None = None, *, is_kept: bool = False) -> Courier:
    keep = {"gate": LEASE} if is_kept else {}
    if is_kept:
        assert bus.acquire(LEASE, 60.0)
    return Courier(bus, Telemetry("detect", stream=io.StringIO()), threading.Event(), looker, keep=keep)


def handed_over(bus: FlakyBus, camera: str = "gate") -> list[Finding]:
    entries = bus.read({(camera, DETECTIONS): "0"}, max_entries=100, block_s=0.0).get((camera, DETECTIONS), [])
    return [entry.message for entry in entries if isinstance(entry.message, Finding)]


def looked(bus: FlakyBus) -> list[float | None]:
    return [None if one.looks is None else one.looks.scene("seen") for one in handed_over(bus)]


def test_findings_arrive_in_order_and_their_frames_leave():
    bus = FlakyBus()
    courier = new_courier(bus)
    for step in ((0, 1), (2,), (3, 4)):
        courier.take([outcome(bus, *step)])
    courier.close()
    assert [one.ref.key.seq for one in handed_over(bus)] == [0, 1, 2, 3, 4]
    assert bus.depth("gate", FRAMES) == 0
    assert looked(bus) == [None] * 5


def test_handing_over_runs_beside_the_next_step():
    bus, may_go_on = FlakyBus(), threading.Event()
    begun = threading.Event()

    class Slow(FlakyBus):
        def exchange(
            self, camera: str, consumed: Sequence[tuple[Topic, str]], produced: Sequence[tuple[Topic, Message]]
        ) -> None:
            begun.set()
            assert may_go_on.wait(10)
            super().exchange(camera, consumed, produced)

    bus = Slow()
    courier = new_courier(bus)
    courier.take([outcome(bus, 0)])  # returns while the bus is busy
    assert begun.wait(10)
    assert not handed_over(bus)
    may_go_on.set()
    courier.wait()
    assert len(handed_over(bus)) == 1
    courier.close()


def test_a_bus_that_is_away_is_waited_for():
    bus = FlakyBus()
    courier = new_courier(bus, Counting(), is_kept=True)
    bus.failures = {"exchange": 1, "save_state": 1}
    courier.take([outcome(bus, 0, 1)])
    courier.close()
    assert looked(bus) == [1.0, 2.0]


def test_what_goes_wrong_while_handing_over_is_raised_at_the_next_step():
    bus, looker = FlakyBus(), Counting()
    courier = new_courier(bus, looker)
    looker.is_broken = True
    courier.take([outcome(bus, 0)])
    with pytest.raises(RuntimeError, match="broken"):
        courier.take([outcome(bus, 1)])
    looker.is_broken = False
    courier.wait()
    courier.take([outcome(bus, 1)])
    courier.close()
    assert [one.ref.key.seq for one in handed_over(bus)] == [1]
    assert bus.depth("gate", FRAMES) == 1  # the one that failed waits for a successor


def test_close_raises_what_was_under_way():
    bus, looker = FlakyBus(), Counting()
    looker.is_broken = True
    courier = new_courier(bus, looker)
    courier.take([outcome(bus, 0)])
    with pytest.raises(RuntimeError, match="broken"):
        courier.close()


def test_looks_go_with_pictures_and_not_with_ticks():
    bus = FlakyBus()
    courier = new_courier(bus, Counting())
    courier.take([outcome(bus, 0, 1, 2, tick_seq=1), outcome(bus, 0, camera="yard")])
    courier.close()
    assert looked(bus) == [1.0, None, 2.0]
    assert [one.looks.scene("seen") for one in handed_over(bus, "yard") if one.looks] == [1.0]
    assert bus.load_state("gate", ROLE) is None  # a live camera's memory is not kept


def test_a_recordings_memory_goes_to_its_next_worker():
    bus = FlakyBus()
    first = new_courier(bus, Counting(), is_kept=True)
    first.take([outcome(bus, 0, 1)])
    first.close()
    second = new_courier(bus, Counting(), is_kept=True)
    second.recall("gate")
    second.take([outcome(bus, 2)])
    second.close()
    assert looked(bus) == [1.0, 2.0, 3.0]


def test_a_forgotten_camera_starts_over_and_others_go_on():
    bus, looker = FlakyBus(), Counting()
    courier = new_courier(bus, looker)
    courier.take([outcome(bus, 0), outcome(bus, 0, camera="yard")])
    courier.wait()
    courier.forget("gate")
    courier.take([outcome(bus, 1), outcome(bus, 1, camera="yard")])
    courier.close()
    assert looked(bus) == [1.0, 1.0]
    assert [one.looks.scene("seen") for one in handed_over(bus, "yard") if one.looks] == [1.0, 2.0]


@pytest.mark.parametrize("saved", [b"", b"\x01", b"\xff\xff\xff\xff12", b"\x00\x00\x00\x00not a number"])
def test_a_damaged_memory_is_started_over(saved: bytes):
    bus = FlakyBus()
    bus.save_state("gate", ROLE, saved)
    courier = new_courier(bus, Counting(), is_kept=True)
    courier.recall("gate")
    courier.take([outcome(bus, 0)])
    courier.close()
    assert looked(bus) == [1.0]


def test_a_memory_is_not_saved_once_the_lease_is_anothers():
    bus = FlakyBus()
    courier = new_courier(bus, Counting(), is_kept=True)
    bus.release(LEASE)
    assert bus.acquire(Lease("gate", "detect", "two"), 60.0)
    courier.take([outcome(bus, 0)])
    courier.close()
    assert bus.load_state("gate", ROLE) is None
