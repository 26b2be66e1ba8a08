"""What every Looker and every bus do with looks: the same in one process or several, whoever dies in between."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from pipeline.bus.topics import DETECTIONS
from pipeline.detect.stage import DetectStage
from pipeline.embed.visual import VisualLooker
from pipeline.protocols import Entry, Looker
from pipeline.replay import find
from pipeline.telemetry import Telemetry
from pipeline.types import Detections, Finding, Frame, Looks
from tests.contract.bus_messages import finding
from tests.contract.conftest import NewBus
from tests.unit.embed.stage_set import SIZE_WH, detections, frame, pasted, texture
from workers.courier import Courier

LOOKERS: list[Callable[[], Looker]] = [VisualLooker]


@pytest.fixture(params=LOOKERS, ids=lambda make: make.__name__)
def new_looker(request: pytest.FixtureRequest) -> Callable[[], Looker]:
    return request.param  # type: ignore[no-any-return]


class Seer:
    """A detector that knows where the thing of :func:`recording` is."""

    name, labels, input_wh = "seer", ("person",), SIZE_WH

    def detect(self, frames: list[Frame]) -> list[Detections]:
        return [detections([(40 + one.ref.key.seq / 20, 60, 80 + one.ref.key.seq / 20, 140)]) for one in frames]


def recording(count: int = 12, camera: str = "gate") -> Iterator[Frame]:
    wall, thing = texture(), texture((40, 80), seed=3, low=20, high=240)
    for look in range(count):
        if look == 5:
            yield frame(None, look / 5 - 0.01, camera=camera)
        yield frame(pasted(wall, thing, 40 + look * 10, 60), look / 5, camera=camera)


def assert_same(one: Looks | None, other: Looks | None) -> None:
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert (one.names, one.scene_names) == (other.names, other.scene_names)
        for name in ("values", "scene_values", "moving_xyxy", "still_xyxy"):
            assert getattr(one, name).tobytes() == getattr(other, name).tobytes()


def test_looks_belong_to_their_finding(new_looker: Callable[[], Looker]) -> None:
    for found in find(Seer(), recording(), new_looker()):
        if found.detections is None:
            assert found.looks is None
        else:
            assert found.looks is not None
            assert len(found.looks.values) == len(found.detections) == 1


def test_any_batch_gives_the_same_looks(new_looker: Callable[[], Looker]) -> None:
    frames = list(recording())
    whole = list(find(Seer(), frames, new_looker()))
    looker = new_looker()
    single = [found for one in frames for found in find(Seer(), [one], looker)]
    for one, other in zip(whole, single, strict=True):
        assert_same(one.looks, other.looks)


def test_what_is_forgotten_starts_over(new_looker: Callable[[], Looker]) -> None:
    looker = new_looker()
    first = list(find(Seer(), recording(), looker))
    looker.forget("gate")
    looker.forget("never seen")
    for one, other in zip(first, find(Seer(), recording(), looker), strict=True):
        assert_same(one.looks, other.looks)


def test_looks_come_over_every_bus_as_they_were(new_bus: NewBus) -> None:
    looked = list(find(Seer(), recording(4), VisualLooker()))
    bus = new_bus()
    for one in looked:
        bus.append("gate", DETECTIONS, one)
    bus.append("gate", DETECTIONS, finding(3))
    entries = new_bus().read({("gate", DETECTIONS): "0"}, max_entries=10, block_s=0.0)["gate", DETECTIONS]
    got = [entry.message for entry in entries]
    for before, after in zip([*looked, finding(3)], got, strict=True):
        assert isinstance(after, Finding)
        assert_same(before.looks, after.looks)


@pytest.mark.parametrize("died", ["before the looks were saved", "before the hand-over", "after the hand-over"])
@pytest.mark.parametrize("at", [0, 1, 4])
def test_a_worker_that_dies_changes_no_look(new_bus: NewBus, at: int, died: str) -> None:
    expected = list(find(Seer(), recording(), VisualLooker()))
    bus = new_bus()
    waiting = [Entry(f"{place}-0", one) for place, one in enumerate(recording())]
    steps = [waiting[begin : begin + 3] for begin in range(0, len(waiting), 3)]
    courier = new_courier(bus)
    for place, step in enumerate(steps):
        if place == at and died == "before the looks were saved":
            courier = new_courier(bus)
        if place == at and died == "before the hand-over":
            courier._looked_at(courier._looker, outcome_of(step))  # saved, and then nothing more
            courier = new_courier(bus)
        courier.take([outcome_of(step)])
        courier.wait()
        if place == at and died == "after the hand-over":
            courier = new_courier(bus)
    courier.close()
    entries = bus.read({("gate", DETECTIONS): "0"}, max_entries=100, block_s=0.0)["gate", DETECTIONS]
    assert len(entries) == len(expected)
    for entry, one in zip(entries, expected, strict=True):
        assert isinstance(entry.message, Finding)
        assert entry.message.ref == one.ref
        assert_same(entry.message.looks, one.looks)


def outcome_of(step: list[Entry]):
    stage = DetectStage(Seer(), lambda *_: None, max_batch=8, max_age_s=1.0)
    for entry in step:
        stage.offer("gate", entry, None)
    (outcome,) = stage.step(0.0)
    return replace(outcome, entry_ids=())  # nothing of these is on the stream of frames


def new_courier(bus) -> Courier:
    from workers.claims import Claims

    telemetry = Telemetry("detect", stream=io.StringIO(), is_quiet=True)
    claims = Claims(bus, "detect", "one", ["gate"])
    assert bus.acquire(claims.lease("gate"), 600.0)
    courier = Courier(bus, telemetry, threading.Event(), VisualLooker(), keep={"gate": claims.lease("gate")})
    courier.recall("gate")
    return courier


def test_looks_differ_where_nothing_was_kept() -> None:
    """The test above would pass if looks depended on one picture alone; they do not."""
    frames = [one for one in recording() if one.i420 is not None]
    whole = [found.looks for found in find(Seer(), frames, VisualLooker())]
    (fresh,) = find(Seer(), [frames[6]], VisualLooker())
    assert fresh.looks is not None
    assert whole[6] is not None
    assert np.isnan(fresh.looks.of(0, "flow_px_per_s"))
    assert whole[6].of(0, "flow_px_per_s") > 10
