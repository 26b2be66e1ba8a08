"""What every Tracker has to do, whatever is behind it: determinism, identity over media time, exact resumption."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from pipeline.protocols import Tracker
from pipeline.track.bytetrack import ByteTracker
from pipeline.types import Track
from tests.unit.track.worlds import START_S, finding, finding_of, looks_at, street

TRACKERS: list[Callable[[], Tracker]] = [ByteTracker]


@pytest.fixture(params=TRACKERS, ids=lambda make: make.__name__)
def make(request: pytest.FixtureRequest) -> Callable[[], Tracker]:
    return request.param  # type: ignore[no-any-return]


def box(x: float, foot_y: float = 300.0, height: float = 100.0) -> np.ndarray:
    return np.array([x - 20, foot_y - height, x + 20, foot_y])


def walk(tracker: Tracker, times: list[float], speed: float = 60.0) -> list[tuple[Track, ...]]:
    return [tracker.update(finding_of(t, [("person", 0.9, box(100 + speed * t))], k)) for k, t in enumerate(times)]


def test_the_same_findings_give_the_same_tracks(make: Callable[[], Tracker]) -> None:
    findings = [finding(look, k) for k, look in enumerate(looks_at(street(3), 3))]
    first, second = make(), make()
    assert [first.update(f) for f in findings] == [second.update(f) for f in findings]


def test_ids_are_counted_per_tracker(make: Callable[[], Tracker]) -> None:
    for _ in range(2):
        assert {track.id for tracks in walk(make(), [0, 0.2, 0.4]) for track in tracks} == {1}


def test_snapshots_do_not_change_afterwards(make: Callable[[], Tracker]) -> None:
    tracker = make()
    kept = walk(tracker, [0, 0.2, 0.4])[-1]
    before = repr(kept)
    walk(tracker, [0.6, 0.8])
    assert repr(kept) == before


def test_dropped_frames_do_not_change_who_is_who(make: Callable[[], Tracker]) -> None:
    rng = np.random.default_rng(0)
    every = [k / 5 for k in range(40)]
    some = [t for t in every if t < 1 or rng.random() < 0.5]
    for times in (every, some):
        assert {track.id for tracks in walk(make(), times) for track in tracks} == {1}


def test_the_motion_model_runs_on_media_time(make: Callable[[], Tracker]) -> None:
    tracker = make()
    times = [k / 5 for k in range(10)]
    walk(tracker, times)
    late = tracker.update(finding_of(3.4, [("person", 0.9, box(100 + 60 * 3.4))], 99))  # 1.6 s later, 96 px on
    assert [track.id for track in late] == [1]


def test_velocity_is_in_pixels_per_second_at_any_frame_rate(make: Callable[[], Tracker]) -> None:
    for fps in (2, 5, 15):
        track = walk(make(), [k / fps for k in range(4 * fps)])[-1][0]
        assert track.velocity_xy[0] == pytest.approx(60, rel=0.12)
        assert track.velocity_xy[1] == pytest.approx(0, abs=3)


def test_heartbeats_do_not_lose_who_stands_still(make: Callable[[], Tracker]) -> None:
    tracker = make()
    walk(tracker, [0, 0.2, 0.4], speed=0)
    ids = []
    for k in range(1, 30):
        missed = k % 4 == 3  # the detector overlooks him now and then
        seen = [] if missed else [("person", 0.9, box(100))]
        ids.append([t.id for t in tracker.update(finding_of(0.4 + 2 * k, seen, 10 + k, gate="heartbeat"))])
    assert ids == [[1]] * 29


def test_a_new_session_begins_with_new_tracks(make: Callable[[], Tracker]) -> None:
    tracker = make()
    walk(tracker, [0, 0.2, 0.4])
    after = [
        track.id
        for k in range(3)
        for track in tracker.update(finding_of(0.6 + k / 5, [("person", 0.9, box(130))], k, session=2))
    ]
    assert after
    assert 1 not in after


def test_a_tick_looks_at_nothing_and_forgets_nothing(make: Callable[[], Tracker]) -> None:
    tracker = make()
    walk(tracker, [0, 0.2, 0.4], speed=0)
    assert tracker.update(finding_of(0.6, [], 4, is_tick=True)) == ()
    assert [t.id for t in tracker.update(finding_of(0.8, [("person", 0.9, box(100))], 5))] == [1]


def test_a_person_never_becomes_a_car(make: Callable[[], Tracker]) -> None:
    tracker = make()
    walk(tracker, [0, 0.2, 0.4], speed=0)
    labels = set()
    for k in range(3, 20):
        labels |= {(t.id, t.label) for t in tracker.update(finding_of(k / 5, [("car", 0.9, box(100))], k))}
    assert (1, "car") not in labels
    assert any(label == "car" for _, label in labels)


def test_a_car_that_is_sometimes_called_a_truck_is_one_car(make: Callable[[], Tracker]) -> None:
    tracker = make()
    seen = set()
    for k in range(30):
        label = "truck" if k % 4 == 2 else "car"
        seen |= {(t.id, t.label) for t in tracker.update(finding_of(k / 5, [(label, 0.7, box(100 + 4 * k))], k))}
    assert seen == {(1, "car")}


def test_two_boxes_on_one_vehicle_are_one_track(make: Callable[[], Tracker]) -> None:
    tracker = make()
    for k in range(10):
        tracks = tracker.update(finding_of(k / 5, [("car", 0.6, box(100)), ("truck", 0.5, box(101))], k))
    assert [t.label for t in tracks] == ["car"]


def test_times_of_a_track_are_media_times(make: Callable[[], Tracker]) -> None:
    track = walk(make(), [1.0, 1.2, 1.4, 1.6])[-1][0]
    assert track.first_at_s - START_S == pytest.approx(1.0)
    assert track.last_at_s - START_S == pytest.approx(1.6)
    assert track.age_s == pytest.approx(0.6)


@pytest.mark.parametrize("cut", [0, 1, 7, 20, 55, 90])
def test_a_restored_tracker_goes_on_bit_by_bit(make: Callable[[], Tracker], cut: int) -> None:
    findings = [finding(look, k) for k, look in enumerate(looks_at(street(5), 5, drop=0.2))]
    unbroken, first, second = make(), make(), make()
    expected = [unbroken.update(f) for f in findings]
    for each in findings[:cut]:
        first.update(each)
    second.restore(json.loads(json.dumps(first.state(), sort_keys=True)))
    assert [second.update(f) for f in findings[cut:]] == expected[cut:]
    assert second.state() == unbroken.state()


@pytest.mark.parametrize("state", [{}, {"version": 99}])
def test_a_state_of_another_version_is_refused(make: Callable[[], Tracker], state: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="version"):
        make().restore(state)


def test_a_hundred_strangers_in_a_storm_of_boxes_stay_bounded(make: Callable[[], Tracker]) -> None:
    tracker, rng = make(), np.random.default_rng(1)
    for k in range(30):
        corners = rng.uniform(0, 600, (500, 2))
        storm = [("person", 0.9, np.array([x, y, x + 15, y + 40])) for x, y in corners]
        tracks = tracker.update(finding_of(k / 5, storm, k))
    assert len(tracks) <= 300
    assert len(json.dumps(tracker.state())) < 500_000
