"""Two lists of alerts held against each other."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from pipeline.ledger.compare import compare, stories
from pipeline.types import Alert, AlertTrack, Severity, utc_from_s

START_S = 1_790_000_000.0


def alert(number: int, opens_s: float, *, rule: str = "zone", severity: Severity = "warning", track: int = 1) -> Alert:
    at = utc_from_s(START_S + opens_s)
    tracks = (AlertTrack(track, "person", (0.1, 0.1, 0.2, 0.4)),)
    return Alert(
        id=f"a_{number}",
        revision=1,
        phase="opened",
        camera="gate",
        kind="zone",
        severity=severity,
        score=0.5,
        opened_at=at,
        updated_at=at,
        closed_at=None,
        title=f"no. {number}",
        text="",
        text_source="grounded",
        tracks=tracks,
        evidence=(),
        rule=rule,
    )


def closed(opened: Alert, after_s: float, severity: Severity | None = None) -> Alert:
    at = opened.opened_at + timedelta(seconds=after_s)
    told = opened.severity if severity is None else severity
    return replace(opened, revision=2, phase="closed", closed_at=at, updated_at=at, severity=told)


def test_a_story_takes_the_peak_of_its_revisions() -> None:
    (story,) = stories([closed(alert(1, 0, severity="critical"), 9, "info"), alert(1, 0, severity="critical")])
    assert (story.severity, story.title) == ("critical", "no. 1")
    assert story.closed_at == utc_from_s(START_S + 9)


def test_what_is_alike_is_the_same_and_what_is_not_is_named() -> None:
    old = [alert(1, 0), alert(2, 100, track=2), alert(3, 200, track=3), alert(4, 300, track=4)]
    new = [
        alert(1, 0),
        alert(2, 100, severity="critical", track=2),
        alert(33, 212.5, track=3),
        alert(5, 400, track=5),
    ]
    found = compare(old, new)
    assert [(outcome.what, outcome.shown.id) for outcome in found.outcomes] == [
        ("same", "a_1"),
        ("changed", "a_2"),
        ("moved", "a_33"),
        ("removed", "a_4"),
        ("added", "a_5"),
    ]
    assert found.of("moved")[0].moved_s == 12.5
    assert (found.old_count, found.new_count) == (4, 4)


def test_another_rule_another_track_or_another_hour_is_another_incident() -> None:
    old = [closed(alert(1, 0), 10)]
    for other in (alert(2, 5, rule="line"), alert(2, 5, track=9), alert(2, 3600)):
        assert [outcome.what for outcome in compare(old, [other]).outcomes] == ["removed", "added"]


def test_the_nearest_of_several_is_what_it_moved_to() -> None:
    found = compare([alert(1, 0)], [alert(2, 50), alert(3, 2), alert(4, 20)])
    assert {outcome.shown.id: outcome.what for outcome in found.outcomes} == {
        "a_3": "moved",
        "a_2": "added",
        "a_4": "added",
    }


def test_nothing_against_nothing() -> None:
    assert compare([], []).outcomes == ()
