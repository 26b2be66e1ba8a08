"""The describe worker on a memory bus: every request answered once, nothing lost, nothing spent twice."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.bus.memory import MemoryBus
from pipeline.bus.topics import DESCRIBER, DESCRIPTIONS, MAX_WAITING, PACKETS, Topic
from pipeline.bus.urgency import urgency
from pipeline.describe.budget import Budget, Caps
from pipeline.describe.settings import DescribeSettings
from pipeline.descriptions import DescribeRequest, SceneDescription
from pipeline.errors import BusError, ModelError, SourceError, StorageError
from pipeline.ingest.camera import CameraConfig, CameraReader
from pipeline.ingest.source import SourceConfig
from pipeline.protocols import Entry, Message
from pipeline.types import Frame, PacketBatch
from tests.clips import write_clip
from tests.contract.bus_messages import request
from tests.unit.workers.describing import WORDS, DryBus, Pad, Said, model_says, stage
from workers.describe import load_budget, packet_pictures, save_budget, work
from workers.runtime import Liveness


def descriptions(bus: MemoryBus, camera: str = "gate") -> list[SceneDescription]:
    found = bus.read({(camera, DESCRIPTIONS): "0"}, max_entries=10_000, block_s=0.0).get((camera, DESCRIPTIONS), [])
    return [entry.message for entry in found if isinstance(entry.message, SceneDescription)]


def run(bus: DryBus, of: object, said: Said, pad: Pad, *, batch: int = 4, hold_s: float = 60.0) -> None:
    work(
        bus,
        of,  # type: ignore[arg-type]
        pad.book,
        said.telemetry,
        Liveness(time.monotonic),
        bus.stop,
        batch=batch,
        hold_s=hold_s,
        now=lambda: 1_000.0,
    )


def test_what_was_asked_is_described_kept_and_finished() -> None:
    bus, said = DryBus(threading.Event()), Said()
    pad = Pad(said.telemetry)
    for seq in range(3):
        bus.request(request(seq, alert_id=f"a_{seq}"))
    run(bus, stage(model_says(), said.count), said, pad)
    found = descriptions(bus)
    assert {one.alert_id for one in found} == {"a_0", "a_1", "a_2"}
    assert {(one.text, one.source) for one in found} == {(WORDS, "server:told")}
    assert len(pad.kept) == 3
    assert pad.forgotten == [1_000.0 - 86_400.0], "once per hour"
    assert bus.requests_waiting() == 0
    assert not [event for event in said.counted if event[0] == "describe_dropped"]


def test_frames_that_are_gone_are_one_event_and_grounded_words() -> None:
    bus, said = DryBus(threading.Event()), Said()
    pad = Pad(said.telemetry)
    bus.request(request(1, alert_id="a_1"))
    run(bus, stage(model_says(), said.count, shown=packet_pictures(bus, DescribeSettings())), said, pad)
    (found,) = descriptions(bus)
    assert (found.source, found.text, found.alert_id) == ("grounded", request(1).text, "a_1")
    assert said.counted == {("describe_dropped", "gate", "frames_gone"): 1}
    assert said.events.count("describe_failed") == 1
    assert pad.kept == [found]


def test_a_bus_that_does_not_give_packets_costs_the_pictures_only() -> None:
    class NoPackets(DryBus):
        def read(self, positions: object, **options: object) -> dict[tuple[str, Topic], list[Entry]]:
            if any(topic is PACKETS for _, topic in positions):  # type: ignore[attr-defined]
                raise BusError("The second server is away.")
            return super().read(positions, **options)  # type: ignore[arg-type]

    bus, said = NoPackets(threading.Event()), Said()
    bus.request(request(1))
    run(
        bus,
        stage(model_says(), said.count, shown=packet_pictures(bus, DescribeSettings())),
        said,
        Pad(said.telemetry),
    )
    assert [one.source for one in descriptions(bus)] == ["grounded"]
    assert said.counted["describe_dropped", "gate", "frames_gone"] == 1


def test_a_model_that_fails_is_grounded_words_and_one_event_each() -> None:
    def fail() -> None:
        raise ModelError("server:told did not reply (HTTP 500).")

    bus, said = DryBus(threading.Event()), Said()
    for seq in range(3):
        bus.request(request(seq))
    run(bus, stage(model_says(before=fail), said.count), said, Pad(said.telemetry), batch=1)
    assert [one.source for one in descriptions(bus)] == ["grounded"] * 3
    assert said.counted["describe_dropped", "gate", "model_failed"] == 3
    assert said.events == ["describe_failed"] * 3


def test_a_bus_that_goes_away_in_between_loses_and_doubles_nothing() -> None:
    class Flaky(DryBus):
        failures = 2

        def append(self, camera: str, topic: Topic, message: Message, *, wait_s: float | None = None) -> bool:
            if self.failures:
                self.failures -= 1
                raise BusError("Redis is away.")
            return super().append(camera, topic, message, wait_s=wait_s)

    bus, said = Flaky(threading.Event()), Said()
    pad = Pad(said.telemetry)
    bus.request(request(1))
    run(bus, stage(model_says(), said.count), said, pad)
    assert len(descriptions(bus)) == len(pad.kept) == 1


def test_a_describer_that_dies_leaves_its_request_to_another() -> None:
    class Killed(BaseException):
        pass

    def die() -> None:
        raise Killed

    clock = [0.0]
    bus, said = DryBus(threading.Event(), clock=lambda: clock[0]), Said()
    bus.request(request(1, alert_id="a_1"))
    with pytest.raises(Killed):
        run(bus, stage(model_says(before=die), said.count), said, Pad(said.telemetry))
    assert descriptions(bus) == []
    clock[0] = 61.0
    run(bus, stage(model_says(), said.count), said, Pad(said.telemetry))
    assert [one.alert_id for one in descriptions(bus)] == ["a_1"]


def test_what_was_spent_outlives_a_describer_that_dies_in_the_call() -> None:
    class Killed(BaseException):
        pass

    caps = Caps(calls_per_hour=1)
    bus, said = DryBus(threading.Event()), Said()
    for seq in range(2):
        bus.request(request(seq))
    spent = Budget(caps)

    def keep_and_die() -> None:
        save_budget(bus, spent, 0)
        raise Killed

    with pytest.raises(Killed):
        run(bus, stage(model_says(before=keep_and_die), said.count, budget=spent), said, Pad(said.telemetry), batch=1)
    budget = Budget(caps)
    assert load_budget(bus, budget, 0, said.telemetry)
    run(bus, stage(model_says(), said.count, budget=budget), said, Pad(said.telemetry), batch=1)
    assert [one.source for one in descriptions(bus)] == ["grounded"]
    assert said.counted["describe_dropped", "gate", "calls_per_hour"] == 1
    assert said.events.count("describe_budget_spent") == 1


def test_a_budget_that_cannot_be_read_is_begun_anew_and_said() -> None:
    bus, said, budget = MemoryBus(), Said(), Budget(Caps())
    assert not load_budget(bus, budget, 0, said.telemetry)
    for saved in (b"not JSON", b'{"version": 99}'):
        bus.save_state(DESCRIBER, "budget:0", saved)
        assert load_budget(bus, budget, 0, said.telemetry)
    assert said.events == ["budget_state_refused"] * 2


def test_nothing_is_asked_while_the_budget_cannot_be_kept() -> None:
    """The requests are not lost: they come back when their time is up."""
    clock = [0.0]
    bus, said, asked = DryBus(threading.Event(), clock=lambda: clock[0]), Said(), []
    bus.request(request(1))

    def refuse() -> None:
        clock[0] += 100.0  # their time is up meanwhile
        if clock[0] < 250:
            raise BusError("Redis is out of memory.")
        asked.append(1)

    run(bus, stage(model_says(before=refuse), said.count), said, Pad(said.telemetry), hold_s=60.0)
    assert asked == [1]
    assert len(descriptions(bus)) == 1


def test_a_disk_that_is_full_costs_the_search_and_nothing_else() -> None:
    errors: list[Exception | None] = [StorageError("The disk is full."), StorageError("The disk is full."), None]
    bus, said = DryBus(threading.Event()), Said()
    pad = Pad(said.telemetry, lambda: errors.pop(0))
    for seq in range(3):
        bus.request(request(seq))
    run(bus, stage(model_says(), said.count), said, pad)
    assert len(descriptions(bus)) == 3
    assert len(pad.kept) == 1
    assert said.counted["describe_dropped", "gate", "not_kept"] == 2
    assert said.events == ["descriptions_not_kept"]


def test_a_storm_keeps_within_the_budget_and_serves_the_high_scores() -> None:
    rng = np.random.default_rng(7)
    said = Said()
    bus = DryBus(threading.Event(), count=said.count)
    reasons = ("alert", "scene_change", "periodic")
    storm: list[DescribeRequest] = [
        request(seq, reasons[int(rng.integers(3))], float(rng.random()))  # type: ignore[arg-type]
        for seq in range(10_000)
    ]
    for each in storm:
        bus.request(each)
    run(
        bus,
        stage(model_says(), said.count, budget=Budget(Caps(calls_per_minute=20))),
        said,
        Pad(said.telemetry),
        batch=8,
    )
    found = descriptions(bus)
    served = {one.ref.key for one in found if one.source != "grounded"}
    best = sorted(storm, key=urgency, reverse=True)[:20]
    assert served == {each.ref.key for each in best}
    assert len(found) == MAX_WAITING
    assert said.counted["describe_dropped", "gate", "queue_full"] == 10_000 - MAX_WAITING
    assert said.counted["describe_dropped", "gate", "calls_per_minute"] == MAX_WAITING - 20


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> list[Frame | PacketBatch]:
    path = write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=100, fps=10, gop=20)
    config = CameraConfig("gate", SourceConfig(str(path)), batch_s=0.5, analysis_wh=(160, 96))
    return list(CameraReader(config))


def test_pictures_come_from_the_packets_on_the_bus(clip: list[Frame | PacketBatch]) -> None:
    bus = MemoryBus()
    for value in clip:
        if isinstance(value, PacketBatch):
            bus.append("gate", PACKETS, value)
    moment = [value for value in clip if isinstance(value, Frame)][-20].ref
    asked = replace(request(1), ref=moment)
    (whole, *_) = packet_pictures(bus, DescribeSettings())(replace(asked, facts=replace(asked.facts, objects=())))
    assert abs(whole.at_s - moment.at_s) < 0.11
    assert whole.rgb.std() > 0
    with pytest.raises(SourceError):
        packet_pictures(bus, DescribeSettings())(replace(request(1), ref=request(9_999).ref))


def test_packets_of_another_camera_are_not_shown(clip: list[Frame | PacketBatch], tmp_path: Path) -> None:
    bus = MemoryBus()
    with pytest.raises(SourceError):
        packet_pictures(bus, DescribeSettings())(request(1, camera="yard"))
