"""Lasting ids: broken tracks are joined where that is plausible, and nobody ever wears somebody else's id."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pipeline.alert.continuity import Continuity
from pipeline.alert.settings import AlertSettings, LoiteringRule
from pipeline.types import Track
from tests.unit.alert.acting import Thing, finding, person, phases, play, scene, stage_of

WH = (640, 360)


def track(
    number: int, x: float, at_s: float, *, since_s: float | None = None, label: str = "person", height: float = 100
) -> Track:
    since = at_s if since_s is None else since_s
    return Track(number, label, 0.9, (x - 20, 300 - height, x + 20, 300), since, at_s)


def follow(continuity: Continuity, at_s: float, *tracks: Track) -> list[tuple[int, float]]:
    return [(t.id, t.first_at_s) for t in continuity.follow(tracks, at_s, WH)]


def test_a_new_track_where_one_was_lost_is_the_same_object() -> None:
    continuity = Continuity()
    follow(continuity, 1, track(1, 300, 1))
    assert follow(continuity, 2) == []
    assert follow(continuity, 3, track(2, 320, 3)) == [(1, 1)]
    assert follow(continuity, 4, track(2, 340, 4, since_s=3)) == [(1, 1)]


@pytest.mark.parametrize(
    ("later", "why"),
    [
        (track(2, 500, 3), "too far"),
        (track(2, 300, 3, label="car"), "another kind"),
        (track(2, 300, 3, height=40), "another size"),
        (track(2, 300, 9), "too late"),
    ],
)
def test_what_does_not_fit_is_somebody_else(later: Track, why: str) -> None:
    continuity = Continuity()
    follow(continuity, 1, track(1, 300, 1))
    assert follow(continuity, later.last_at_s, later)[0][0] == 2, why


def test_who_left_at_the_border_has_left() -> None:
    continuity = Continuity()
    follow(continuity, 1, track(1, 25, 1))
    assert follow(continuity, 2, track(2, 30, 2)) == [(2, 2)]


def test_somebody_beside_a_visible_object_is_not_that_object() -> None:
    continuity = Continuity()
    follow(continuity, 1, track(1, 300, 1))
    assert follow(continuity, 2, track(1, 300, 2, since_s=1), track(2, 320, 2)) == [(1, 1), (2, 2)]


def test_a_lost_track_that_comes_back_after_its_id_went_on_gets_another() -> None:
    continuity = Continuity()
    follow(continuity, 1, track(1, 300, 1))
    assert follow(continuity, 2, track(2, 310, 2)) == [(1, 1)]
    both = follow(continuity, 3, track(1, 300, 3, since_s=1), track(2, 320, 3, since_s=2))
    assert sorted(i for i, _ in both) == [1, 2]
    assert dict(both)[1] == 1


def test_no_id_is_ever_worn_by_two() -> None:
    rng = np.random.default_rng(4)
    continuity = Continuity()
    for k in range(600):
        shown = [int(i) for i in rng.choice(40, rng.integers(0, 9), replace=False)]
        tracks = [track(i + 1, 100 + 12 * i + rng.normal(0, 20), k / 5, since_s=max(0, k / 5 - 2)) for i in shown]
        ids = [t.id for t in continuity.follow(tracks, k / 5, WH)]
        assert len(set(ids)) == len(ids) == len(shown)
    assert len(json.dumps(continuity.state())) < 100_000


def test_a_loiterer_whose_track_breaks_is_still_one_loiterer() -> None:
    def breaks(t: float) -> list[Thing]:
        return [] if 4 < t < 5.5 else [person(1 if t <= 4 else 2, 300)]

    settings = AlertSettings("gate", rules=(LoiteringRule(name="lo", min_stay_s=8),))
    alerts = play(stage_of(settings), scene(breaks, 12))
    assert phases(alerts) == [("opened", "loitering")]
    assert alerts[0].updated_at.timestamp() == pytest.approx(finding(8.4).ref.at_s, abs=0.21)


def test_the_state_goes_on_exactly() -> None:
    first, second = Continuity(), Continuity()
    follow(first, 1, track(1, 300, 1))
    follow(first, 2, track(2, 310, 2))
    second.restore(json.loads(json.dumps(first.state())))
    later = (track(1, 300, 3, since_s=1), track(3, 500, 3))
    assert follow(second, 3, *later) == follow(first, 3, *later)
    with pytest.raises(ValueError, match="damaged"):
        second.restore({"known": 3})
