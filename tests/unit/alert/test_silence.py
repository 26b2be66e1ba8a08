"""Dismissed alerts: the same sort of thing at the same place is silent, everything else is not."""

from __future__ import annotations

import pytest

from pipeline.alert.settings import AlertSettings, Zone, ZoneRule
from pipeline.alert.silence import Silence, SilencedJudge, silence_of
from pipeline.alert.stage import AlertStage, standard_judges
from pipeline.types import Alert, Finding
from tests.unit.alert.acting import START_S, KnowingTracker, finding, person, play, scene, thing

WHOLE = Zone("yard", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))
SETTINGS = AlertSettings("gate", zones=(WHOLE,), rules=(ZoneRule(name="r", zone="yard", labels=("person", "animal")),))


def stage(*silences: Silence) -> AlertStage:
    judges = tuple(SilencedJudge(judge, silences) for judge in standard_judges(SETTINGS))
    return AlertStage(SETTINGS, KnowingTracker(), judges, "cafe")


def standing(x: float, label: str = "person", from_s: float = 0.0) -> list[Finding]:
    who = person(1, x) if label == "person" else thing(1, label, x, size=100)
    return scene(lambda t: [who] if t - from_s < 5 else [], from_s + 12, from_s=from_s)


def opened(x: float = 300) -> Alert:
    return play(stage(), standing(x))[0]


def test_the_same_thing_at_the_same_place_is_silent() -> None:
    silences = silence_of(opened(), is_expected=False)
    assert play(stage(*silences), standing(300)) == []
    assert play(stage(*silences), standing(305)) == []


def test_another_place_or_another_sort_of_thing_is_not() -> None:
    silences = silence_of(opened(), is_expected=False)
    assert play(stage(*silences), standing(500))
    assert play(stage(*silences), standing(300, "dog"))


def test_somebody_beside_it_is_not_covered() -> None:
    silences = silence_of(opened(), is_expected=False)
    both = scene(lambda t: [person(1, 300), person(2, 500)] if t < 5 else [], 12)
    assert play(stage(*silences), both)


def test_expected_means_expected_at_that_time_of_day() -> None:
    silences = silence_of(opened(), is_expected=True)
    day_s, hour_s = 86_400.0, 3600.0
    for from_s, is_silent in ((0, True), (day_s, True), (day_s - 0.9 * hour_s, True), (1.5 * hour_s, False)):
        assert (play(stage(*silences), standing(300, from_s=from_s)) == []) is is_silent


def test_midnight_is_no_border() -> None:
    moved = 86_400.0 - START_S % 86_400.0  # midnight
    here = silence_of(opened(), is_expected=False)[0].xyxy_norm
    for clock_s, from_s, is_silent in ((86_000.0, 600.0, True), (600.0, -600.0, True), (86_000.0, 9000.0, False)):
        silence = Silence("a", "zone", "r", "person", here, clock_s)
        assert (play(stage(silence), standing(300, from_s=moved + from_s)) == []) is is_silent


def test_the_state_is_the_same_with_and_without() -> None:
    findings = standing(300)[:10]
    plain, silent = stage(), stage(*silence_of(opened(), is_expected=False))
    play(plain, findings)
    play(silent, findings)
    assert silent.state()["judges"] == plain.state()["judges"]
    again = stage()
    again.restore(silent.state())
    assert play(again, standing(300)[10:])


def test_what_cannot_be_silenced_says_so() -> None:
    offline = play(stage(), [finding(0, None, conditions=("offline",)), finding(5, None, conditions=("offline",))])
    with pytest.raises(ValueError, match="health_alerts: false"):
        silence_of(offline[0], is_expected=False)
    nobody = Alert(**{**{f: getattr(opened(), f) for f in Alert.__slots__}, "tracks": ()})
    with pytest.raises(ValueError, match="about no object"):
        silence_of(nobody, is_expected=True)


def test_camera_health_is_never_silent() -> None:
    silences = silence_of(opened(), is_expected=False)
    assert play(stage(*silences), [finding(t, None, conditions=("offline",)) for t in range(5)])
