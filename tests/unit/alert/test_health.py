"""Camera health: every condition becomes an incident in time, and recovers; stronger ones hide weaker ones."""

from __future__ import annotations

import pytest

from pipeline.alert.health import HealthJudge
from pipeline.alert.settings import AlertSettings
from pipeline.types import HEALTH_CONDITIONS, HealthCondition
from tests.unit.alert.acting import finding, phases, play, scene, shown, stage_of

PLAIN = AlertSettings("gate")


@pytest.mark.parametrize("condition", HEALTH_CONDITIONS)
def test_every_condition_opens_within_ten_seconds_and_closes_on_recovery(condition: HealthCondition) -> None:
    def look(k: int) -> object:
        is_ill = 10 <= k < 30
        return finding(
            k, None if is_ill and condition == "offline" else [], seq=k, conditions=(condition,) if is_ill else ()
        )

    alerts = play(stage_of(PLAIN), [look(k) for k in range(50)])  # type: ignore[misc]
    assert shown(alerts) == [("opened", "camera_health", 10.0), ("closed", "camera_health", 32.0)]
    assert alerts[0].evidence[0].cue == condition
    assert alerts[0].title.startswith("Camera ‘gate’ ")


def test_losing_a_camera_is_critical() -> None:
    alert = play(stage_of(PLAIN), [finding(0, None, conditions=("offline",))])[0]
    assert (alert.severity, alert.title, alert.rule) == ("critical", "Camera ‘gate’ is offline", None)


def test_a_covered_camera_does_not_also_report_black_and_blurred() -> None:
    covered = [finding(k, [], seq=k, conditions=("black", "defocused", "covered")) for k in range(10)]
    assert [a.evidence[0].cue for a in play(stage_of(PLAIN), covered)] == ["covered"]


def test_a_turned_camera_that_is_cut_off_is_not_turned_back() -> None:
    turned = [finding(k, [], seq=k, conditions=("moved",)) for k in range(5)]
    cut = [finding(5 + k, None, seq=5 + k, conditions=("offline",)) for k in range(20)]
    back = [finding(25 + k, [], seq=25 + k) for k in range(8)]
    stage = stage_of(PLAIN)
    assert phases(play(stage, turned + cut)) == [("opened", "camera_health")] * 2
    assert phases(play(stage, back)) == [("closed", "camera_health")] * 2


def test_a_low_frame_rate_does_not_hide_a_covered_lens() -> None:
    both = [finding(k, [], seq=k, conditions=("low_frame_rate", "covered")) for k in range(5)]
    assert {a.evidence[0].cue for a in play(stage_of(PLAIN), both)} == {"low_frame_rate", "covered"}


def test_black_says_how_dark() -> None:
    alert = play(stage_of(PLAIN), [finding(0, [], conditions=("black",), brightness=3.4)])[0]
    assert alert.evidence[0].observed == "mean brightness 3 of 255"


def test_it_can_be_switched_off() -> None:
    quiet = AlertSettings("gate", is_health_alerted=False)
    assert play(stage_of(quiet), [finding(k, None, conditions=("offline",)) for k in range(5)]) == []


def test_a_flapping_condition_is_one_incident() -> None:
    flaps = [finding(k, [], seq=k, conditions=("moved",) if k % 3 else ()) for k in range(60)]
    assert [a.phase for a in play(stage_of(PLAIN), flaps) if a.phase != "updated"] == ["opened"]


@pytest.mark.parametrize("state", [{}, {"held": "moved"}, {"held": ["drunk"]}])
def test_a_damaged_state_is_refused(state: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="health state"):
        HealthJudge("gate").restore(state)


def test_healthy_findings_say_nothing() -> None:
    assert play(stage_of(PLAIN), scene(lambda _: [], 10)) == []
