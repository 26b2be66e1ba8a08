"""What is measured of tracks and of the frame, in units that hold for any camera."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from pipeline.unusual.features import FeatureFold, Glimpse
from pipeline.unusual.samples import COLUMNS, SCENE_COLUMNS, SceneSamples, TextSamples, TrackSamples, column
from tests.unit.unusual.life import HEIGHT, Person, moment


def walk(steps: int, person: object, **kwargs: object) -> Glimpse:
    """The last glimpse of somebody whose box ``person(at_s)`` gives."""
    fold = FeatureFold()
    for step in range(steps):
        at_s = step * 0.2
        glimpse = fold.measure(moment(at_s, [(1, "person", person(at_s), 20.0)], **kwargs))  # type: ignore[operator, arg-type]
    return glimpse


def value(glimpse: Glimpse, name: str, row: int = 0) -> float:
    return float(column(glimpse.rows, name)[row])


def test_velocity_is_in_picture_heights_per_second() -> None:
    glimpse = walk(6, lambda at_s: (100 + 36 * at_s, 100, 140 + 36 * at_s, 200))
    assert value(glimpse, "velocity_x") == pytest.approx(36 / HEIGHT, rel=1e-3)
    assert value(glimpse, "velocity_y") == pytest.approx(0, abs=1e-6)
    assert value(glimpse, "flow") == pytest.approx(20 / HEIGHT, rel=1e-3)


def test_the_same_way_at_another_frame_rate_gives_the_same_velocity() -> None:
    fold = FeatureFold()
    for step in range(26):
        at_s = step * 0.04
        box = (100 + 36 * at_s, 100, 140 + 36 * at_s, 200)
        glimpse = fold.measure(moment(at_s, [(1, "person", box, 20.0)]))
    assert value(glimpse, "velocity_x") == pytest.approx(36 / HEIGHT, rel=1e-2)


def test_who_falls_sinks_and_who_is_hidden_from_below_does_not() -> None:
    falling = walk(6, lambda at_s: (100, 100 + 60 * at_s, 140 + 40 * at_s, 200))
    hidden = walk(6, lambda at_s: (100, 100, 140, 200 - 60 * at_s))
    coming = walk(6, lambda at_s: (100, 100 + 60 * at_s, 140, 200 + 60 * at_s))
    assert value(falling, "collapse") == pytest.approx(0.6, abs=0.01)
    assert value(hidden, "collapse") == pytest.approx(0, abs=1e-6)
    assert value(coming, "collapse") == pytest.approx(0, abs=1e-6)


def test_a_box_cut_off_by_the_picture_has_no_shape() -> None:
    glimpse = walk(6, lambda at_s: (0, 100, 40, 200))
    assert math.isnan(value(glimpse, "height"))
    assert math.isnan(value(glimpse, "growth_per_s"))
    assert math.isfinite(value(glimpse, "foot_y"))


def test_a_part_of_a_person_is_not_a_person() -> None:
    people: list[Person] = [(1, "person", (100, 100, 140, 200), 0.0), (2, "person", (105, 105, 135, 150), 0.0)]
    both = moment(0.0, people)
    unsure = both.tracks[1].__class__(2, "person", 0.2, people[1][2], 0.0, both.tracks[1].last_at_s, detection=1)
    glimpse = FeatureFold().measure(type(both)(both.finding, (both.tracks[0], unsure)))
    assert [track.id for track in glimpse.tracks] == [1]
    bag = moment(0.0, [people[0], (2, "bag", people[1][2], 0.0)])
    assert len(FeatureFold().measure(bag).tracks) == 2


def test_gap_and_closing_speed_of_two_who_meet() -> None:
    fold = FeatureFold()
    for step in range(6):
        x = 200 - 36 * step * 0.2
        people: list[Person] = [(1, "person", (80, 100, 120, 200), 0.0), (2, "person", (x, 100, x + 40, 200), 0.0)]
        glimpse = fold.measure(moment(step * 0.2, people))
    assert value(glimpse, "gap") == pytest.approx((164 - 80) / HEIGHT, rel=1e-3)
    assert value(glimpse, "closing", 1) == pytest.approx(36 / HEIGHT, rel=1e-3)


def test_without_looks_boxes_still_tell() -> None:
    glimpse = walk(6, lambda at_s: (100, 100, 140, 200), has_looks=False)
    assert math.isnan(value(glimpse, "flow"))
    assert math.isnan(float(glimpse.scene[SCENE_COLUMNS.index("outside_share")]))
    assert math.isfinite(value(glimpse, "velocity_x"))


def test_unseen_time_breaks_the_way() -> None:
    fold = FeatureFold()
    for step in range(6):
        fold.measure(moment(step * 0.2, [(1, "person", (100, 100, 140, 200), 0.0)]))
    glimpse = fold.measure(moment(1.4, [(1, "person", (400, 100, 440, 200), 0.0)], missing_s=5.0))
    assert math.isnan(value(glimpse, "velocity_x"))


def test_a_restored_fold_measures_the_same() -> None:
    one, other = FeatureFold(), FeatureFold()
    boxes = [(100 + 7.0 * i, 100 - i, 140 + 7.0 * i, 200) for i in range(9)]
    for step, box in enumerate(boxes[:5]):
        one.measure(moment(step * 0.2, [(1, "person", box, 5.0)]))
    other.restore(json.loads(json.dumps(one.state())))
    for step, box in enumerate(boxes[5:], start=5):
        glimpses = [fold.measure(moment(step * 0.2, [(1, "person", box, 5.0)])) for fold in (one, other)]
        assert np.array_equal(glimpses[0].rows, glimpses[1].rows, equal_nan=True)
        assert np.array_equal(glimpses[0].scene, glimpses[1].scene, equal_nan=True)


def test_samples_survive_json_bit_by_bit() -> None:
    random = np.random.default_rng(1)
    rows = random.normal(size=(7, len(COLUMNS)))
    rows[2, 3] = np.nan
    tracks = TrackSamples.of(rows, random.normal(size=(7, 64)), ["person"] * 7, range(7), range(7), [1] * 7)
    again = TrackSamples.from_state(json.loads(json.dumps(tracks.state())))
    for name, array in tracks.arrays().items():
        assert np.array_equal(getattr(again, name), array, equal_nan=array.dtype.kind == "f")
    texts = TextSamples(np.ones((1, 4), np.float16), ("a person",), np.array([1.0]))
    assert TextSamples.from_state(json.loads(json.dumps(texts.state()))).text == ("a person",)


@pytest.mark.parametrize("damage", [{"zlib": "AAAA"}, {"shape": [1, 2]}, {"dtype": "<i8"}])
def test_damaged_samples_are_refused(damage: dict[str, object]) -> None:
    state = SceneSamples.of(np.ones((3, len(SCENE_COLUMNS))), [1.0, 2.0, 3.0]).state()
    state["rows"] = {**state["rows"], **damage}
    with pytest.raises(ValueError, match=r"sample|reshape|cannot|multiple"):
        SceneSamples.from_state(state)


def test_words_of_another_encoder_replace_the_old_ones() -> None:
    old = TextSamples(np.ones((2, 4), np.float16), ("a", "b"), np.array([1.0, 2.0]))
    new = TextSamples(np.ones((1, 8), np.float16), ("c",), np.array([3.0]))
    assert TextSamples.joined([old, new]).text == ("c",)
    assert TextSamples.joined([old, TextSamples.empty()]).text == ("a", "b")
