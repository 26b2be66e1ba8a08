"""What every bus does alike: memory, one Redis, two Redises, TLS with ACL, Cluster."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from pipeline.bus.topics import DETECTIONS, FRAMES, PACKETS, Topic
from pipeline.errors import MessageError, UsageError
from pipeline.protocols import Bus, Entry, Lease
from pipeline.types import Finding, Frame, PacketBatch
from tests.contract.bus_messages import alert, finding, frame, packets, tick
from tests.contract.conftest import NewBus

LONG_S = 60.0
"""For waits that end early when all is well."""


def read(bus: Bus, topic: Topic, after: str = "0", camera: str = "gate", max_entries: int = 1_000) -> list[Entry]:
    return bus.read({(camera, topic): after}, max_entries=max_entries, block_s=0.0).get((camera, topic), [])


def seqs(entries: list[Entry]) -> list[int]:
    return [entry.message.ref.key.seq for entry in entries]  # type: ignore[union-attr]


def test_messages_come_back_as_they_were_and_in_order(new_bus: NewBus) -> None:
    bus = new_bus()
    sent = [frame(0), tick(1), frame(2)]
    assert all(bus.append("gate", FRAMES, message) for message in sent)
    got = [entry.message for entry in read(new_bus(), FRAMES)]
    for before, after in zip(sent, got, strict=True):
        assert isinstance(after, Frame)
        assert (after.ref, after.note) == (before.ref, before.note)
        assert (after.i420 is None) == (before.i420 is None)
        if after.i420 is not None and before.i420 is not None:
            np.testing.assert_array_equal(after.i420, before.i420)
            assert not after.i420.flags.writeable


def test_findings_and_packets_come_back_as_they_were(new_bus: NewBus) -> None:
    bus = new_bus()
    bus.append("gate", DETECTIONS, finding(3))
    bus.append("gate", PACKETS, packets(0))
    (entry,) = read(bus, DETECTIONS)
    assert isinstance(entry.message, Finding)
    assert entry.message.detections is not None
    expected = finding(3).detections
    assert expected is not None
    for name in ("xyxy", "confidence", "embedding"):
        np.testing.assert_array_equal(getattr(entry.message.detections, name), getattr(expected, name))
    assert entry.message.detections.label == expected.label
    assert (entry.message.ref, entry.message.note) == (finding(3).ref, finding(3).note)
    (entry,) = read(bus, PACKETS)
    assert isinstance(entry.message, PacketBatch)
    assert entry.message == packets(0)


def test_reading_goes_on_after_a_position_and_newest_skips_the_past(new_bus: NewBus) -> None:
    bus = new_bus()
    assert bus.newest("gate", FRAMES) == "0"
    for seq in range(3):
        bus.append("gate", FRAMES, frame(seq))
    entries = read(bus, FRAMES)
    assert len({entry.id for entry in entries}) == 3
    assert seqs(read(bus, FRAMES, entries[0].id)) == [1, 2]
    assert bus.newest("gate", FRAMES) == entries[-1].id
    assert read(bus, FRAMES, bus.newest("gate", FRAMES)) == []
    assert seqs(read(bus, FRAMES, max_entries=2)) == [0, 1]


def test_live_a_full_stream_drops_its_oldest_and_counts_them(new_bus: NewBus) -> None:
    counted: Counter[tuple[str, str, str]] = Counter()
    bus = new_bus(count=lambda *event: counted.update([event]))
    for seq in range(FRAMES.max_entries + 3):
        assert bus.append("gate", FRAMES, frame(seq))
    assert seqs(read(bus, FRAMES)) == list(range(3, FRAMES.max_entries + 3))
    assert counted == {("bus_dropped", "gate", "frames_full"): 3}


def test_what_readers_took_is_not_counted_as_dropped(new_bus: NewBus) -> None:
    counted: Counter[str] = Counter()
    bus = new_bus(count=lambda name, camera, reason: counted.update([reason]))
    for seq in range(40):
        bus.append("gate", FRAMES, frame(seq))
        (entry,) = read(bus, FRAMES)
        bus.exchange("gate", [(FRAMES, entry.id)], [])
    assert counted == {}
    assert bus.depth("gate", FRAMES) == 0


def test_waiting_for_room_adds_nothing_when_there_is_none(new_bus: NewBus) -> None:
    bus = new_bus()
    for seq in range(FRAMES.max_entries):
        assert bus.append("gate", FRAMES, frame(seq), wait_s=0.0)
    assert not bus.append("gate", FRAMES, frame(99), wait_s=0.0)
    assert not bus.append("gate", FRAMES, frame(99), wait_s=0.05)
    assert seqs(read(bus, FRAMES)) == list(range(FRAMES.max_entries))
    bus.trim("gate", FRAMES, read(bus, FRAMES)[0].id)
    assert bus.append("gate", FRAMES, frame(99), wait_s=LONG_S)


def test_a_second_writer_that_waits_takes_nothing_from_the_first(new_bus: NewBus) -> None:
    writers = [new_bus(), new_bus()]
    sent = [seq for seq in range(24) if writers[seq % 2].append("gate", FRAMES, frame(seq), wait_s=0.0)]
    assert seqs(read(new_bus(), FRAMES)) == sent
    assert sent[: FRAMES.max_entries] == list(range(FRAMES.max_entries))


def test_back_pressure_loses_nothing(new_bus: NewBus) -> None:
    n_frames = 60
    bus, reader = new_bus(), new_bus()
    refused: list[int] = []

    def produce() -> None:
        refused.extend(seq for seq in range(n_frames) if not bus.append("gate", FRAMES, frame(seq), wait_s=LONG_S))

    producer = threading.Thread(target=produce)
    producer.start()
    got: list[int] = []
    deepest = 0
    while len(got) < n_frames:
        found = reader.read({("gate", FRAMES): "0"}, max_entries=4, block_s=LONG_S)
        assert found, "nothing came"
        deepest = max(deepest, reader.depth("gate", FRAMES))
        for entry in found["gate", FRAMES]:
            assert isinstance(entry.message, Frame)
            got.append(entry.message.ref.key.seq)
            reader.exchange("gate", [(FRAMES, entry.id)], [(DETECTIONS, finding(got[-1]))])
    producer.join()
    assert refused == []
    assert got == list(range(n_frames))
    assert seqs(read(bus, DETECTIONS)) == got
    assert deepest <= FRAMES.max_entries


@pytest.mark.parametrize(
    ("topic", "n_bytes", "kept"),
    [
        (replace(PACKETS, max_bytes=10_000), 2_000, 5),
        (replace(PACKETS, max_age_s=7.0), 2_000, 8),
        (replace(PACKETS, max_entries=6), 2_000, 6),
        (replace(PACKETS, max_bytes=1_000), 2_000, 1),
    ],
    ids=["bytes", "age", "entries", "one-too-big"],
)
def test_packets_are_bounded_and_stay_so_over_a_restart(new_bus: NewBus, topic: Topic, n_bytes: int, kept: int) -> None:
    for bus, first in ((new_bus(), 0), (new_bus(), 15)):
        for number in range(first, first + 15):
            assert bus.append("gate", topic, packets(number, n_bytes=n_bytes))
            assert bus.depth("gate", topic) <= kept
    left = [entry.message for entry in read(new_bus(), topic)]
    assert left == [packets(number, n_bytes=n_bytes) for number in range(30 - kept, 30)]


def test_packets_wait_for_bytes_too(new_bus: NewBus) -> None:
    topic = replace(PACKETS, max_bytes=4_000)
    bus = new_bus()
    assert bus.append("gate", topic, packets(0, n_bytes=2_000), wait_s=0.0)
    assert bus.append("gate", topic, packets(1, n_bytes=2_000), wait_s=0.0)
    assert not bus.append("gate", topic, packets(2, n_bytes=2_000), wait_s=0.02)
    new_bus().trim("gate", topic, read(bus, topic)[0].id)
    assert bus.append("gate", topic, packets(2, n_bytes=2_000), wait_s=LONG_S)
    assert [entry.message for entry in read(bus, topic)] == [packets(n, n_bytes=2_000) for n in (1, 2)]


def test_an_exchange_takes_effect_once(new_bus: NewBus) -> None:
    bus = new_bus()
    for seq in range(3):
        bus.append("gate", FRAMES, frame(seq))
    first, second, third = read(bus, FRAMES)
    for client in (bus, bus, new_bus()):
        client.exchange("gate", [(FRAMES, first.id)], [(DETECTIONS, finding(0))])
    assert seqs(read(bus, FRAMES)) == [1, 2]
    assert seqs(read(bus, DETECTIONS)) == [0]
    consumed = [(FRAMES, second.id), (FRAMES, third.id)]
    bus.exchange("gate", consumed, [(DETECTIONS, finding(1)), (DETECTIONS, finding(2))])
    assert read(bus, FRAMES) == []
    assert seqs(read(bus, DETECTIONS)) == [0, 1, 2]


def test_an_exchange_may_only_remove_or_only_add(new_bus: NewBus) -> None:
    bus = new_bus()
    bus.append("gate", FRAMES, frame(0))
    bus.exchange("gate", [(FRAMES, read(bus, FRAMES)[0].id)], [])
    bus.exchange("gate", [], [(DETECTIONS, finding(0))])
    bus.exchange("gate", [], [(DETECTIONS, finding(1))])
    bus.exchange("gate", [], [])
    assert bus.depth("gate", FRAMES) == 0
    assert seqs(read(bus, DETECTIONS)) == [0, 1]


def test_exchanging_a_frame_that_was_dropped_meanwhile_still_adds_its_finding(new_bus: NewBus) -> None:
    bus = new_bus()
    bus.append("gate", FRAMES, frame(0))
    (entry,) = read(bus, FRAMES)
    bus.trim("gate", FRAMES, entry.id)
    bus.exchange("gate", [(FRAMES, entry.id)], [(DETECTIONS, finding(0))])
    assert seqs(read(bus, DETECTIONS)) == [0]


def test_trim_forgets_up_to_and_including(new_bus: NewBus) -> None:
    bus = new_bus()
    for seq in range(5):
        bus.append("gate", DETECTIONS, finding(seq))
    entries = read(bus, DETECTIONS)
    bus.trim("gate", DETECTIONS, "0")
    assert bus.depth("gate", DETECTIONS) == 5
    bus.trim("gate", DETECTIONS, entries[2].id)
    assert seqs(read(bus, DETECTIONS)) == [3, 4]
    bus.trim("gate", DETECTIONS, entries[4].id)
    assert bus.depth("gate", DETECTIONS) == 0
    bus.append("gate", DETECTIONS, finding(5))
    assert seqs(read(bus, DETECTIONS, entries[4].id)) == [5]


def test_one_read_serves_many_cameras(new_bus: NewBus) -> None:
    bus = new_bus()
    cameras = [f"cam {number} ü" for number in range(12)]
    for camera in cameras:
        for seq in range(3):
            bus.append(camera, FRAMES, frame(seq, camera))
        bus.append(camera, DETECTIONS, finding(9, camera))
    wanted = dict.fromkeys(itertools.product([*cameras, "idle"], (FRAMES, DETECTIONS)), "0")
    found = bus.read(wanted, max_entries=2, block_s=LONG_S)
    assert {key: seqs(entries) for key, entries in found.items()} == {
        (camera, topic): [0, 1] if topic is FRAMES else [9] for camera in cameras for topic in (FRAMES, DETECTIONS)
    }


@pytest.mark.parametrize("cameras", [("gate",), ("gate", "yard", "hall")])
def test_a_waiting_read_wakes_up(new_bus: NewBus, cameras: tuple[str, ...]) -> None:
    bus, writer = new_bus(), new_bus()
    camera = cameras[-1]
    timer = threading.Timer(0.05, writer.append, (camera, FRAMES, frame(0, camera)))
    timer.start()
    found = bus.read(dict.fromkeys(((name, FRAMES) for name in cameras), "0"), max_entries=8, block_s=LONG_S)
    timer.join()
    assert list(found) == [(camera, FRAMES)]
    assert bus.read({(camera, FRAMES): found[camera, FRAMES][0].id}, max_entries=8, block_s=0.02) == {}


def test_what_does_not_belong_on_a_stream_is_refused(new_bus: NewBus) -> None:
    bus = new_bus()
    with pytest.raises(MessageError, match="frames of gate carry Frame, got Finding"):
        bus.append("gate", FRAMES, finding(0))
    with pytest.raises(MessageError, match="message of camera 'yard'"):
        bus.append("gate", FRAMES, frame(0, "yard"))
    with pytest.raises(MessageError, match="detections of gate"):
        bus.exchange("gate", [], [(DETECTIONS, frame(0))])
    assert bus.depth("gate", FRAMES) == bus.depth("gate", DETECTIONS) == 0


@pytest.mark.parametrize("name", ["", "a{b", "a}b"])
def test_camera_names_that_would_break_a_hash_tag_are_refused(new_bus: NewBus, name: str) -> None:
    with pytest.raises(ValueError, match="camera name"):
        new_bus().depth(name, FRAMES)


def test_states_are_replaced_and_kept_apart(new_bus: NewBus) -> None:
    bus = new_bus()
    assert bus.load_state("gate", "alert") is None
    bus.save_state("gate", "alert", b"\x00one")
    bus.save_state("gate", "alert", b"\x00two\xff")
    bus.save_state("yard", "alert", b"")
    assert new_bus().load_state("gate", "alert") == b"\x00two\xff"
    assert bus.load_state("yard", "alert") == b""
    assert bus.load_state("gate", "detect") is None


def test_a_lease_has_one_holder(new_bus: NewBus) -> None:
    bus, other = new_bus(), new_bus()
    mine, theirs = Lease("gate", "detect", "worker-1"), Lease("gate", "detect", "worker-2")
    assert bus.acquire(mine, LONG_S)
    assert bus.acquire(mine, LONG_S)
    assert not other.acquire(theirs, LONG_S)
    assert other.acquire(replace(theirs, camera="yard"), LONG_S)
    assert other.acquire(replace(theirs, role="alert"), LONG_S)
    other.release(theirs)
    assert not other.acquire(theirs, LONG_S)
    bus.release(mine)
    assert other.acquire(theirs, LONG_S)
    assert not bus.acquire(mine, LONG_S)


def test_a_state_is_saved_only_under_a_lease_that_is_held(new_bus: NewBus) -> None:
    bus = new_bus()
    mine, theirs = Lease("gate", "alert", "me"), Lease("gate", "alert", "them")
    assert not bus.save_state("gate", "alert", b"nobody's", lease=mine)
    bus.acquire(mine, 60.0)
    assert bus.save_state("gate", "alert", b"mine", lease=mine)

    bus.release(mine)
    bus.acquire(theirs, 60.0)

    assert not bus.save_state("gate", "alert", b"late", lease=mine)
    assert bus.load_state("gate", "alert") == b"mine"


def test_a_lease_that_is_not_renewed_is_taken_over(new_bus: NewBus) -> None:
    bus = new_bus()
    assert bus.acquire(Lease("gate", "detect", "dead"), 0.05)
    heir = Lease("gate", "detect", "heir")
    attempts = (new_bus().acquire(heir, LONG_S) for _ in iter(lambda: threading.Event().wait(0.01), None))
    assert next(attempt for attempt in itertools.islice(attempts, 5_000) if attempt)
    assert not bus.acquire(Lease("gate", "detect", "dead"), 0.05)


def test_an_alert_revision_is_published_once(new_bus: NewBus) -> None:
    bus = new_bus()
    assert bus.publish_alert(alert(1))
    assert not bus.publish_alert(alert(1))
    assert not new_bus().publish_alert(alert(1))
    assert bus.publish_alert(alert(1, revision=2))
    assert bus.publish_alert(alert(2))
    got = bus.alerts("0", max_entries=10, block_s=0.0)
    assert [published for _, published in got] == [alert(1), alert(1, revision=2), alert(2)]


def test_workers_that_race_publish_each_revision_once(new_bus: NewBus) -> None:
    n_alerts = 20
    wins: list[bool] = []
    clients = [new_bus() for _ in range(4)]
    start = threading.Barrier(len(clients))

    def publish(bus: Bus) -> None:
        start.wait()
        wins.extend(bus.publish_alert(alert(number)) for number in range(n_alerts))

    threads = [threading.Thread(target=publish, args=(bus,)) for bus in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(wins) == n_alerts
    ids = [published.id for _, published in clients[0].alerts("0", max_entries=1_000, block_s=0.0)]
    assert sorted(ids) == [alert(number).id for number in range(n_alerts)]


def test_alerts_resume_from_a_position_without_loss(new_bus: NewBus) -> None:
    bus = new_bus()
    for number in range(10):
        bus.publish_alert(alert(number))
    got, position = [], "0"
    while batch := bus.alerts(position, max_entries=3, block_s=0.0):
        assert len(batch) <= 3
        got += [published for _, published in batch]
        position = batch[-1][0]
    assert got == [alert(number) for number in range(10)]
    timer = threading.Timer(0.05, new_bus().publish_alert, (alert(10),))
    timer.start()
    ((_, published),) = bus.alerts(position, max_entries=3, block_s=LONG_S)
    timer.join()
    assert published == alert(10)


@pytest.mark.parametrize("since", ["", "-1", "last", "1-", "1-2-3", "٣", "1\n"])
def test_a_position_that_is_none_is_the_callers_mistake(new_bus: NewBus, since: str) -> None:
    with pytest.raises(UsageError, match="no position of an alert"):
        new_bus().alerts(since, max_entries=1, block_s=0.0)
