"""The writer's memory of a stream, held against a plain model of what should be kept."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pipeline.bus.ledger import Ledger, Line
from pipeline.bus.topics import FRAMES, PACKETS

TOPIC = replace(PACKETS, max_entries=5, max_bytes=1_000, max_age_s=10.0)


def test_an_empty_stream_has_room_for_anything() -> None:
    assert Ledger(TOPIC).excess(10**9, 0.0) == []


def test_each_bound_names_the_oldest_entries() -> None:
    lines = [Line(str(number), 100, float(number)) for number in range(4)]
    ledger = Ledger(TOPIC, lines)
    assert ledger.excess(100, 4.0) == []
    assert ledger.excess(700, 4.0) == lines[:1]
    assert ledger.excess(100, 12.5) == lines[:3]
    assert ledger.excess(5_000, 4.0) == lines
    ledger.add(Line("4", 0, 4.0))
    assert ledger.excess(0, 5.0) == lines[:1]


def test_a_topic_bounded_by_entries_only() -> None:
    ledger = Ledger(FRAMES, [Line("", 10**9, -1e9)] * FRAMES.max_entries)
    assert len(ledger.excess(10**9, 1e9)) == 1


def test_a_clock_that_jumps_back_drops_nothing_by_age() -> None:
    ledger = Ledger(TOPIC, [Line("0", 1, 1_000.0), Line("1", 1, 1_001.0)])
    assert ledger.excess(1, 5.0) == []


@given(st.lists(st.tuples(st.integers(0, 1_500), st.floats(0, 5))), st.integers(0, 8))
def test_it_keeps_to_its_bounds(messages: list[tuple[int, float]], depth: int) -> None:
    ledger, kept, at_s = Ledger(TOPIC), [], 0.0
    for number, (size_bytes, step_s) in enumerate(messages):
        at_s += step_s
        gone = ledger.excess(size_bytes, at_s)
        assert gone == kept[: len(gone)]
        kept = kept[len(gone) :]
        ledger.keep_newest(len(kept))
        line = Line(str(number), size_bytes, at_s)
        ledger.add(line)
        kept.append(line)
        assert len(kept) == len(ledger) <= 5
        assert len(kept) == 1 or sum(held.size_bytes for held in kept) <= 1_000
        assert kept[0].end_s >= at_s - 10.0
    ledger.keep_newest(depth)
    assert len(ledger) == min(depth, len(kept))
