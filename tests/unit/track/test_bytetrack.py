"""What this tracker promises beyond the contract: how well it keeps identities, weak boxes, coasting, bad states."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.track.bytetrack import ByteTracker, TrackerSettings
from pipeline.track.kalman import advance, begin, boxes_of, correct, measure
from tests.unit.track.worlds import START_S, finding_of, looks_at, score, street


def box(x: float, height: float = 100.0) -> np.ndarray:
    return np.array([x - 20, 300 - height, x + 20, 300])


@pytest.mark.parametrize(
    ("every", "drop", "hole_s", "min_idf1", "max_switches"),
    [(2, 0.0, 0.0, 0.75, 60), (6, 0.0, 0.0, 0.7, 60), (6, 0.3, 0.0, 0.65, 70), (6, 0.0, 1.0, 0.65, 70)],
    ids=["15 fps", "5 fps", "5 fps, 30 % dropped", "5 fps, holes of 1 s"],
)
def test_identities_in_a_busy_street(
    every: int, drop: float, hole_s: float, min_idf1: float, max_switches: int
) -> None:
    scores = [
        score(ByteTracker(), looks_at(street(seed, people=9), seed, every=every, drop=drop, hole_s=hole_s))
        for seed in range(6)
    ]
    assert np.mean([s.idf1 for s in scores]) >= min_idf1
    assert sum(s.switches for s in scores) <= max_switches
    assert min(s.recall for s in scores) >= 0.7


def test_a_weak_box_keeps_a_track_and_starts_none() -> None:
    tracker = ByteTracker()
    for k in range(5):
        assert tracker.update(finding_of(k / 5, [("person", 0.2, box(100))], k)) == ()
    for k in range(5, 8):
        tracker.update(finding_of(k / 5, [("person", 0.8, box(100))], k))
    for k in range(8, 30):
        tracks = tracker.update(finding_of(k / 5, [("person", 0.2, box(100))], k))
        assert [t.id for t in tracks] == [1]
        assert tracks[0].last_at_s == pytest.approx(START_S + k / 5)


def test_one_look_is_not_a_track() -> None:
    tracker = ByteTracker()
    assert tracker.update(finding_of(0, [("person", 0.9, box(100))], 0)) == ()
    assert tracker.update(finding_of(0.2, [], 1)) == ()
    assert tracker.update(finding_of(0.4, [("person", 0.9, box(100))], 2)) == ()


def test_a_missed_track_coasts_briefly_and_is_found_again_within_its_time() -> None:
    tracker = ByteTracker()
    for k in range(5):
        tracker.update(finding_of(k / 5, [("person", 0.9, box(100 + 10 * k))], k))
    coasting = tracker.update(finding_of(1.0, [], 5))
    assert coasting[0].last_at_s < START_S + 1.0
    assert coasting[0].xyxy[0] > box(140)[0] + 2  # it goes on with its velocity
    assert tracker.update(finding_of(1.6, [], 8)) == ()
    assert [t.id for t in tracker.update(finding_of(2.6, [("person", 0.9, box(230))], 13))] == [1]


def test_a_hole_of_the_stream_forgets_but_a_quiet_one_does_not() -> None:
    for gate, known in (("open", ()), ("heartbeat", (1,))):
        tracker = ByteTracker()
        for k in range(3):
            tracker.update(finding_of(k / 5, [("person", 0.9, box(100))], k))
        after = tracker.update(finding_of(30, [("person", 0.9, box(100))], 9, gate=gate))  # type: ignore[arg-type]
        assert tuple(t.id for t in after) == known


def test_a_cyclist_is_one_track_under_the_surest_word() -> None:
    tracker, seen = ByteTracker(), set()
    for k in range(20):
        word = ("bicycle", 0.4) if k % 5 == 4 else ("person", 0.8)
        seen |= {(t.id, t.label) for t in tracker.update(finding_of(k / 5, [(*word, box(100 + 5 * k))], k))}
    assert seen == {(1, "person")}


def test_boxes_are_smoother_than_what_was_seen() -> None:
    tracker, rng = ByteTracker(), np.random.default_rng(2)
    raw, smooth = [], []
    for k in range(60):
        seen = box(300) + rng.normal(0, 4, 4)
        raw.append(seen[0])
        smooth += [track.xyxy[0] for track in tracker.update(finding_of(k / 5, [("person", 0.9, seen)], k))]
    assert np.std(np.diff(smooth[10:])) < 0.85 * np.std(np.diff(raw[10:]))


def test_the_filter_learns_a_velocity_and_grows_unsure_while_it_sees_nothing() -> None:
    motion, spread = begin(measure(np.array([[0, 0, 40, 100]], np.float32)))
    for k in range(1, 20):
        motion, spread = advance(motion, spread, 0.2)
        motion, spread = correct(motion, spread, measure(np.array([[6 * k, 0, 40 + 6 * k, 100]], np.float32)))
    assert motion[0, 1, 0] == pytest.approx(30, rel=0.05)
    once, unsure = advance(motion, spread, 1.0)
    assert boxes_of(once)[0, 0] == pytest.approx(6 * 19 + 30, rel=0.05)
    assert (unsure[0, 0] > spread[0, 0]).all()
    halves = advance(*advance(motion, spread, 0.5), 0.5)
    np.testing.assert_allclose(halves[0], once, rtol=1e-12)  # two half seconds are one second
    np.testing.assert_allclose(halves[1], unsure, rtol=1e-9)


@pytest.mark.parametrize(
    "changes", [{"motion": [[1.0]]}, {"lives": [{}]}, {"next_id": None}, {"lives": 3}, {"at_s": "soon"}]
)
def test_a_damaged_state_is_refused(changes: dict[str, object]) -> None:
    tracker = ByteTracker()
    for k in range(3):
        tracker.update(finding_of(k / 5, [("person", 0.9, box(100))], k))
    with pytest.raises(ValueError, match="damaged"):
        ByteTracker().restore({**tracker.state(), **changes})


@pytest.mark.parametrize(
    "settings",
    [{"low_confidence": 0.6, "high_confidence": 0.5}, {"high_confidence": 2.0}, {"confirm_hits": 0}, {"max_tracks": 0}],
)
def test_settings_refuse_nonsense(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        TrackerSettings(**settings)  # type: ignore[arg-type]
