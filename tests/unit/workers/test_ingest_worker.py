"""The ingest worker on a memory bus: live cameras drop, recordings wait, and what comes next is later."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator

from pipeline.bus.memory import MemoryBus
from pipeline.bus.topics import FRAMES, PACKETS
from pipeline.errors import SourceRefused, VedetteError
from pipeline.protocols import Lease
from pipeline.telemetry import Telemetry
from pipeline.types import Frame, PacketBatch
from tests.contract.bus_messages import SESSION, START_S, frame, packets
from tests.unit.workers.flaky import FlakyBus
from workers import ingest as role
from workers.claims import Claims
from workers.ingest import Past
from workers.runtime import Liveness


def run(bus: MemoryBus, read: role.Reader, *, wait_s: float | None = None) -> VedetteError | None:
    stop = threading.Event()
    telemetry = Telemetry("ingest", stream=io.StringIO())
    claims = Claims(bus, "ingest", "one", ["gate"])
    liveness = Liveness(time.monotonic)
    return role.work(bus, claims, "gate", [read], telemetry, liveness, stop, wait_s=wait_s)


def seqs(bus: MemoryBus) -> list[int]:
    entries = bus.read({("gate", FRAMES): "0"}, max_entries=100, block_s=0.0).get(("gate", FRAMES), [])
    return [entry.message.ref.key.seq for entry in entries if isinstance(entry.message, Frame)]


def test_frames_and_packets_reach_their_streams() -> None:
    bus = MemoryBus()

    error = run(bus, lambda _: iter([frame(1), packets(1), frame(2)]))

    assert error is None
    assert seqs(bus) == [1, 2]
    assert bus.depth("gate", PACKETS) == 1


def test_a_live_camera_drops_its_oldest_frames() -> None:
    bus = MemoryBus()

    run(bus, lambda _: iter(frame(n) for n in range(50)))

    assert seqs(bus) == list(range(50 - FRAMES.max_entries, 50))


def test_a_recording_waits_for_room_and_loses_nothing() -> None:
    bus = MemoryBus()
    taken: list[int] = []
    done = threading.Event()

    def consume() -> None:
        while not (done.is_set() and bus.depth("gate", FRAMES) == 0):
            entries = bus.read({("gate", FRAMES): "0"}, max_entries=3, block_s=0.01).get(("gate", FRAMES), [])
            for entry in entries:
                assert isinstance(entry.message, Frame)
                taken.append(entry.message.ref.key.seq)
                bus.exchange("gate", [(FRAMES, entry.id)], [])

    consumer = threading.Thread(target=consume)
    consumer.start()
    run(bus, lambda _: iter(frame(n) for n in range(40)), wait_s=0.05)
    done.set()
    consumer.join(10.0)

    assert taken == list(range(40))


def test_a_live_camera_goes_on_while_the_bus_is_away() -> None:
    bus = FlakyBus()
    bus.failures["append"] = 1

    def read(_: Past | None) -> Iterator[Frame | PacketBatch]:
        yield frame(1)
        time.sleep(role.BUS_REST_S + 0.05)
        yield frame(2)

    error = run(bus, read)

    assert error is None
    assert seqs(bus) == [2]


def test_the_next_process_is_told_where_the_last_one_stopped() -> None:
    bus = MemoryBus()
    pasts: list[Past | None] = []

    def read(past: Past | None) -> Iterator[Frame | PacketBatch]:
        pasts.append(past)
        yield frame(5)

    run(bus, read)
    run(bus, read)

    assert pasts == [None, (SESSION, START_S + 1.0)]


def test_what_ended_the_reading_is_reported() -> None:
    def read(_: Past | None) -> Iterator[Frame | PacketBatch]:
        yield frame(1)
        raise SourceRefused("No picture in that file can be decoded.")

    error = run(MemoryBus(), read)

    assert isinstance(error, SourceRefused)
    assert error.exit_code == 2


def test_a_camera_that_somebody_else_reads_is_left_to_them() -> None:
    bus = MemoryBus()
    bus.acquire(Lease("gate", "ingest", "another machine"), 60.0)
    stop = threading.Event()
    telemetry = Telemetry("ingest", stream=io.StringIO())
    claims = Claims(bus, "ingest", "one", ["gate"])
    threading.Timer(0.4, stop.set).start()

    role.work(bus, claims, "gate", [lambda _: iter([frame(1)])], telemetry, Liveness(time.monotonic), stop)

    assert seqs(bus) == []
