"""Time is never poisoned: what jumps, stands still or is missing begins a new session, and media time only grows."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.timestamps import DriftWatch, SessionLine, TimestampValidator, with_first_stamps
from pipeline.video.media import CodedPacket

MS = Fraction(1, 1000)


def coded(
    pts: int | None, dts: int | None = None, *, key: bool = False, corrupt: bool = False, duration: int = 0
) -> CodedPacket:
    return CodedPacket(pts, dts, duration, key, corrupt, b"x")


def started(*, step_s: float = 0.04) -> TimestampValidator:
    validator = TimestampValidator(MS, step_s=step_s)
    assert validator.check(coded(0, 0, key=True)).packet is not None
    return validator


def test_nothing_is_taken_before_the_first_key_frame() -> None:
    validator = TimestampValidator(MS)
    assert validator.check(coded(0)).reason == "before_key_frame"
    assert validator.check(coded(40, key=True)).packet is not None


@pytest.mark.parametrize("bad", [coded(40, corrupt=True), CodedPacket(40, 40, 0, False, False, b"")])
def test_corrupt_and_empty_packets_are_dropped_with_a_reason(bad: CodedPacket) -> None:
    verdict = started().check(bad)
    assert (verdict.packet, verdict.reason) == (None, "corrupt")


def test_b_frames_are_not_a_jump() -> None:
    validator = started()
    for pts, dts in [(160, 40), (80, 80), (40, 120), (120, 160), (320, 200), (240, 240)]:
        assert validator.check(coded(pts, dts)).breaks is None


@pytest.mark.parametrize(("pts", "why"), [(11_000, "jump_forward"), (2**33 // 90, "jump_forward")])
def test_a_jump_forward_begins_a_session(pts: int, why: str) -> None:
    validator = started()
    verdict = validator.check(coded(pts))
    assert verdict.breaks == why
    assert verdict.packet is not None
    assert validator.check(coded(pts + 40)).breaks is None


def test_a_jump_backward_begins_a_session() -> None:
    validator = started()
    for pts in range(40, 4000, 40):
        validator.check(coded(pts))
    assert validator.check(coded(0, key=True)).breaks == "jump_backward"
    assert validator.check(coded(40)).breaks is None


def test_a_pause_shorter_than_the_limit_is_no_jump() -> None:
    assert started().check(coded(9_900)).breaks is None


def test_missing_stamps_are_counted_on_from_the_last() -> None:
    validator = started()
    packets = [validator.check(coded(None)).packet for _ in range(3)]
    assert [packet.pts for packet in packets if packet] == [40, 80, 120]


def test_stamps_that_stand_still_are_given_up_and_counted() -> None:
    validator = started()
    verdicts = [validator.check(coded(0)) for _ in range(60)]
    breaks = [verdict.breaks for verdict in verdicts if verdict.breaks]
    assert breaks == ["stuck"]
    last = [verdict.packet.pts for verdict in verdicts[-5:] if verdict.packet]
    assert [b - a for a, b in pairwise(last)] == [40] * 4


def test_first_packets_without_stamps_get_theirs_from_the_first_that_has_some() -> None:
    packets = [coded(None, key=True), coded(None), coded(10_080), coded(10_120)]
    assert [packet.pts for packet in with_first_stamps(packets, 40)] == [10_000, 10_040, 10_080, 10_120]


def test_a_source_without_any_stamps_is_not_held_back_for_ever() -> None:
    taken = 0

    def endless() -> object:
        nonlocal taken
        while True:
            taken += 1
            yield coded(None, key=True)

    first = next(iter(with_first_stamps(endless(), 40)))  # type: ignore[arg-type]
    assert first.pts is None
    assert taken < 12


stamp = st.one_of(st.none(), st.integers(-(2**40), 2**40), st.integers(0, 2_000))


@given(st.lists(st.tuples(stamp, stamp, st.booleans(), st.booleans(), st.integers(0, 100_000)), max_size=200))
def test_whatever_comes_media_time_of_a_camera_stays_bounded_and_sessions_grow(
    stamps: list[tuple[int | None, int | None, bool, bool, int]],
) -> None:
    validator = TimestampValidator(MS)
    line = SessionLine()
    session = None
    reached_s, ids = 0.0, []
    for pts, dts, key, corrupt, duration in stamps:
        verdict = validator.check(coded(pts, dts, key=key, corrupt=corrupt, duration=duration))
        if verdict.packet is None:
            continue
        if session is None or verdict.breaks:
            session = line.begin(verdict.packet.pts, MS)
            ids.append(session.id)
            assert session.origin_at.timestamp() >= reached_s - 1e-6
        at_s = session.at_s(verdict.packet.pts)
        assert at_s <= reached_s + 10.5, "no packet leads more than the largest allowed gap ahead"
        line.reach(at_s)
        reached_s = max(reached_s, at_s)
    assert ids == sorted(set(ids))


def test_recordings_are_anchored_at_start_then_creation_then_the_epoch() -> None:
    made_at = datetime(2024, 5, 1, 12, tzinfo=UTC)
    assert SessionLine(start_at_s=1000.5).begin(77, MS, created_at=made_at).origin_at.timestamp() == 1000.5
    assert SessionLine().begin(77, MS, created_at=made_at).origin_at == made_at
    assert SessionLine().begin(77, MS).origin_at == datetime(1970, 1, 1, tzinfo=UTC)


def test_sessions_follow_each_other_and_never_overlap() -> None:
    line = SessionLine(start_at_s=100.0)
    first = line.begin(0, MS)
    line.reach(130.0)
    second = line.begin(0, MS, created_at=datetime(1999, 1, 1, tzinfo=UTC))
    third = line.begin(0, MS)
    assert second.origin_at.timestamp() == 130.0
    assert first.id < second.id < third.id


def test_a_later_recording_keeps_its_own_time() -> None:
    line = SessionLine()
    line.begin(0, MS, created_at=datetime(2024, 5, 1, 12, tzinfo=UTC))
    later = line.begin(0, MS, created_at=datetime(2024, 5, 1, 13, tzinfo=UTC))
    assert later.origin_at == datetime(2024, 5, 1, 13, tzinfo=UTC)


def test_a_wall_clock_set_back_does_not_turn_media_time_back() -> None:
    line = SessionLine(after=(5_000_000, 5_000.0))
    session = line.begin(0, MS, wall_s=4_000.0)
    assert session.origin_at.timestamp() == 5_000.0
    assert session.id > 5_000_000


def test_session_ids_are_utc_milliseconds() -> None:
    assert SessionLine().begin(0, MS, wall_s=1_700_000_000.1234).id == 1_700_000_000_123


def test_a_clock_that_runs_away_is_noticed_and_jitter_is_not() -> None:
    watch = DriftWatch(window_s=60)
    assert not any(watch.has_drifted(s, s + (3.0 if s % 7 else 0.1)) for s in range(300))
    watch.reset()
    assert any(watch.has_drifted(s * 1.2, s) for s in range(300))
    watch.reset()
    assert any(watch.has_drifted(s * 0.9, s) for s in range(300))
