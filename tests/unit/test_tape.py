"""The tape: every frame once and in order, and the packets around a moment whoever asks and whenever."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.errors import SourceError
from pipeline.tape import Tape
from pipeline.types import Frame, PacketBatch
from tests.contract.bus_messages import START_S, frame, packets


def recording(seconds: int) -> Iterator[Frame | PacketBatch]:
    """Five frames per second, then the batch of that second's packets."""
    for second in range(seconds):
        yield from (frame(second * 5 + n) for n in range(5))
        yield packets(second)


def numbers(batches: tuple[PacketBatch, ...]) -> list[float]:
    return [batch.at_s(batch.packets[0].pts) - START_S for batch in batches]


def test_frames_come_once_and_in_order_whatever_is_asked_in_between() -> None:
    tape, seen = Tape(recording(20)), []
    for one in tape:
        seen.append(one.ref.key.seq)
        if one.ref.key.seq % 7 == 0:
            tape.around(one.ref.at_s)
    assert seen == list(range(100))


def test_the_packets_around_a_moment_reach_beyond_it() -> None:
    tape = Tape(recording(20))
    first = next(tape)
    assert numbers(tape.around(first.ref.at_s)) == [0.0, 1.0]


@pytest.mark.parametrize("ahead", [1, 4, 8])
def test_what_is_found_does_not_depend_on_how_far_was_read(ahead: int) -> None:
    tape, found = Tape(recording(20), keep_s=5), {}
    frames: list[Frame] = []
    for one in tape:
        frames.append(one)
        while len(frames) >= ahead:
            now = frames.pop(0)
            found[now.ref.key.seq] = numbers(tape.around(now.ref.at_s))
    for seq in range(30, 60):
        moment_s = seq / 5
        assert any(at_s <= moment_s for at_s in found[seq])
        assert found[seq][-1] + 0.04 >= min(moment_s + 1, 19)


def test_old_packets_are_forgotten() -> None:
    tape = Tape(recording(100), keep_s=5)
    for _ in tape:
        pass
    assert len(tape.around(START_S + 99)) <= 7


def test_the_end_of_a_recording_ends_the_search() -> None:
    tape = Tape(recording(3))
    next(tape)
    assert numbers(tape.around(START_S + 500)) == [0.0, 1.0, 2.0]
    assert len(list(tape)) == 14


def test_a_recording_without_packets_is_not_read_to_its_end_for_one_moment() -> None:
    read = 0

    def frames() -> Iterator[Frame]:
        nonlocal read
        for seq in range(1_000):
            read += 1
            yield frame(seq)

    tape = Tape(frames())
    next(tape)
    assert tape.around(START_S) == ()
    assert read < 200
    assert len(list(tape)) == 999


def test_damage_further_on_is_told_when_its_frames_are_asked_for() -> None:
    def damaged() -> Iterator[Frame | PacketBatch]:
        yield from recording(1)
        raise SourceError("The file is damaged.")

    tape = Tape(damaged())
    next(tape)
    assert numbers(tape.around(START_S)) == [0.0]
    assert [next(tape).ref.key.seq for _ in range(4)] == [1, 2, 3, 4]
    with pytest.raises(SourceError, match="damaged"):
        next(tape)
