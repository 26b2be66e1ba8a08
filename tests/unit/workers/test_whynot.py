"""why-not: the gate is named, and the change that is shown alerts while a little less does not."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from pipeline.errors import UsageError
from pipeline.settings import SiteSettings
from pipeline.telemetry import Telemetry
from pipeline.types import Finding, utc_from_s
from pipeline.unusual.judge import UnusualJudge, UnusualSettings
from tests.unit.alert.acting import START_S, Thing, finding, person, scene, thing
from tests.unit.ledger.books import site_from, write_book
from tests.unit.unusual.life import life
from workers.normality import Shelf
from workers.rules_shown import config_value
from workers.whynot import RuleSilence, Silence, why_not
from workers.whynot_page import print_silence

SITE = """
cameras:
  gate:
    url: rtsp://camera/1
    unusual: false
    zones: {yard: [[0.5, 0.5], [0.9, 0.5], [0.9, 0.95], [0.5, 0.95]]}
    lines: {sill: [[0.4, 0.7], [0.4, 0.9]]}
    rules: [RULE]
"""
AT = utc_from_s(START_S + 20)


def ask(folder: Path, rule: str, findings: Sequence[Finding], within_s: float = 20.0) -> Silence:
    site = site_from(SITE.replace("RULE", rule), folder)
    write_book(site, findings)
    return why_not(site, site.ledger_dir, "gate", AT, within_s=within_s)


def standing(x: float, until_s: float = 40, confidence: float = 0.9, **more: float) -> list[Finding]:
    """Somebody stands at ``x`` (of 640) from second 10 on for a while."""

    def things(t: float) -> list[Thing]:
        return [person(1, x, confidence=confidence)] if 10 <= t <= more.get("leaves_s", 30) else []

    return scene(things, until_s)


def only(silence: Silence) -> RuleSilence:
    (rule,) = silence.rules
    return rule


def changes(one: RuleSilence) -> dict[str, str]:
    return {change.knob.name: config_value(change.needed) for change in one.alone or one.together}


def test_a_stay_that_was_too_short_is_told_to_the_tenth_of_a_second(tmp_path: Path) -> None:
    silence = ask(tmp_path, "{kind: loitering, min_stay_s: 60, open_after_s: 0}", standing(400, leaves_s=25))
    assert silence.gate == "threshold"
    assert list(changes(only(silence))) == ["min_stay_s"]
    needed = float(changes(only(silence))["min_stay_s"])
    assert 14 < needed < 15.5
    rule = "{kind: loitering, min_stay_s: %s, open_after_s: 0}"
    assert ask(tmp_path / "a", rule % needed, standing(400, leaves_s=25)).gate == "none"
    assert ask(tmp_path / "b", rule % (needed + 0.3), standing(400, leaves_s=25)).gate == "threshold"


def test_weak_tracks_are_stopped_by_confidence(tmp_path: Path) -> None:
    silence = ask(tmp_path, "{kind: zone, zone: yard, min_confidence: 0.8}", standing(400, confidence=0.55))
    assert (silence.gate, list(changes(only(silence)))) == ("confidence", ["min_confidence"])
    assert float(changes(only(silence))["min_confidence"]) == pytest.approx(0.55, abs=0.011)


def test_who_was_outside_the_zone_is_told_how_large_it_would_have_to_be(tmp_path: Path) -> None:
    silence = ask(tmp_path, "{kind: zone, zone: yard}", standing(250))  # 0.39 of the picture, the zone begins at 0.5
    assert silence.gate == "zone"
    (change,) = only(silence).alone
    left = min(x for x, _ in change.needed)
    assert change.knob.name == "zones.yard"
    assert 0.36 < left < 0.392
    grown = ask(tmp_path / "a", "{kind: zone, zone: yard}", standing(400))
    assert grown.gate == "none"


def test_off_duty_is_a_matter_of_the_schedule(tmp_path: Path) -> None:
    silence = ask(tmp_path, '{kind: zone, zone: yard, schedule: ["Mon-Fri 22:00-06:00"]}', standing(400))
    assert silence.gate == "schedule"
    assert changes(only(silence)) == {"schedule": "always (leave it out)"}


def test_another_class_of_object_is_named(tmp_path: Path) -> None:
    findings = scene(lambda t: [thing(1, "dog", 400)], 40)
    silence = ask(tmp_path, "{kind: zone, zone: yard, labels: [person]}", findings)
    assert (silence.gate, changes(only(silence))) == ("class", {"labels": "[person, dog]"})


def test_a_passer_by_was_gone_before_the_hold_was_over(tmp_path: Path) -> None:
    silence = ask(tmp_path, "{kind: zone, zone: yard, open_after_s: 8}", standing(400, leaves_s=14))
    assert (silence.gate, list(changes(only(silence)))) == ("persistence", ["open_after_s"])
    assert 3.5 < float(changes(only(silence))["open_after_s"]) < 5


def test_who_comes_back_too_soon_meets_the_cool_down(tmp_path: Path) -> None:
    def things(t: float) -> list[Thing]:
        return [person(1, 400)] if t <= 3 or 12 <= t <= 25 else []

    rule = "{kind: zone, zone: yard, close_after_s: 2, cool_down_s: 60}"
    silence = ask(tmp_path, rule, scene(things, 40), within_s=12)
    assert (silence.gate, list(changes(only(silence)))) == ("cool-down", ["cool_down_s"])


def test_two_gates_at_once_are_both_named_and_none_in_vain(tmp_path: Path) -> None:
    rule = '{kind: loitering, min_stay_s: 60, min_confidence: 0.8, schedule: ["22:00-06:00"], cool_down_s: 5}'
    silence = ask(tmp_path, rule, standing(400, confidence=0.6))
    assert only(silence).alone == ()
    assert list(changes(only(silence))) == ["schedule", "min_confidence", "min_stay_s"]
    assert silence.gate == "schedule"


def test_an_alert_that_was_there_is_shown(tmp_path: Path) -> None:
    silence = ask(tmp_path, "{kind: zone, zone: yard}", standing(400))
    assert (silence.gate, len(silence.alerts), silence.rules) == ("none", 1, ())


@pytest.mark.parametrize(
    ("findings", "gate", "words"),
    [
        ([], "coverage", "has no finding of that time"),
        ([finding(t, None, conditions=("offline",)) for t in range(40)], "coverage", "offline"),
        ([finding(t, [], conditions=("black",)) for t in range(40)], "coverage", "black"),
        ([finding(2 * t, [], gate="heartbeat") for t in range(20)], "motion", "nothing moved"),
        (scene(lambda _: [], 40), "detection", "nothing was detected"),
        (scene(lambda t: [person(1, 400, confidence=0.12)] if t % 2 < 0.1 else [], 40), "detection", "too weak"),
    ],
)
def test_what_never_reached_a_rule_is_told(tmp_path: Path, findings: list[Finding], gate: str, words: str) -> None:
    silence = ask(tmp_path, "{kind: zone, zone: yard}", findings)
    assert silence.gate == gate
    assert words in silence.reason


def test_nothing_of_the_kind_has_no_remedy(tmp_path: Path) -> None:
    silence = ask(tmp_path, "{kind: line, line: sill}", standing(560))
    assert (only(silence).alone, only(silence).together, silence.gate) == ((), (), "rules")


def test_the_page_names_lines_of_the_site_file(tmp_path: Path) -> None:
    site = site_from(SITE.replace("RULE", "{kind: loitering, min_stay_s: 60}"), tmp_path)
    write_book(site, standing(400))
    silence = why_not(site, site.ledger_dir, "gate", AT)
    text, lines = io.StringIO(), io.StringIO()
    print_silence(silence, site, Console(file=text, width=200), as_json=False)
    print_silence(silence, site, Console(file=lines), as_json=True)
    record = json.loads(lines.getvalue())
    (change,) = record["rules"][0]["alone"]
    assert change["key"] == "cameras.gate.rules[0].min_stay_s"
    assert f"threshold: {change['key']}: {change['needed']}   # now 60" in text.getvalue()
    assert record["seen"]["labels"][0]["label"] == "person"


def test_an_unknown_camera_is_one_sentence(tmp_path: Path) -> None:
    site = site_from(SITE.replace("RULE", "{kind: crowd}"), tmp_path)
    with pytest.raises(UsageError, match="has no camera 'yard'; it has gate"):
        why_not(site, site.ledger_dir, "yard", AT)


LEARNING = """
cameras:
  gate:
    url: rtsp://camera/1
    alerts_per_day: 0.5
    warm_up_s: 200
    rules: []
"""


def learning(folder: Path) -> tuple[SiteSettings, list[Finding]]:
    """A site, and 40 seconds of people who walk to and fro."""
    site = site_from(LEARNING, folder)
    findings = [moment.finding for moment in life(200, 240)]
    write_book(site, findings)
    return site, findings


def test_a_camera_that_has_learned_nothing_is_warming_up(tmp_path: Path) -> None:
    site, findings = learning(tmp_path)
    silence = why_not(site, site.ledger_dir, "gate", findings[100].ref.captured_at, within_s=10)
    assert silence.unusual is not None
    assert (silence.gate, silence.unusual.gate, silence.unusual.needed_per_day) == ("warm-up", "warm-up", None)


def test_a_score_below_the_level_is_told_with_the_alerts_a_day_that_would_do(tmp_path: Path) -> None:
    site, findings = learning(tmp_path)
    judge = UnusualJudge(UnusualSettings("gate", warm_up_s=1e5))
    for moment in life(0, 240):
        judge.judge(moment)
    judge.settle()
    Shelf(site.normality_dir, "gate", Telemetry("alert", stream=io.StringIO())).keep(judge.normality, 1.0)
    silence = why_not(site, site.ledger_dir, "gate", findings[100].ref.captured_at, within_s=10)
    found = silence.unusual
    assert found is not None
    assert found.gate in ("threshold", "budget")
    assert found.present_per_day == 0.5
    if found.gate == "threshold":
        assert found.score < found.level
        assert found.needed_per_day is None or found.needed_per_day > 0.5
    text = io.StringIO()
    print_silence(silence, site, Console(file=text, width=200), as_json=False)
    assert f"unusual behaviour: {found.gate}" in text.getvalue()
