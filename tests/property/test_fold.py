"""The alert stage is a fold: restarted equals unbroken, redelivered equals once, whatever the camera shows.

Random streets, cameras that go dark, holes, heartbeats and new sessions, under every rule there is, with the real
tracker.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.alert.message import from_json, to_json
from pipeline.alert.schedule import Schedule, Window
from pipeline.alert.settings import (
    AbsenceRule,
    AlertSettings,
    CrowdRule,
    ForbiddenClassRule,
    Line,
    LineRule,
    LoiteringRule,
    ObjectLeftRule,
    ObjectRemovedRule,
    PolicySettings,
    SpeedRule,
    WrongWayRule,
    Zone,
    ZoneRule,
)
from pipeline.alert.stage import AlertStage, standard_judges
from pipeline.track.bytetrack import ByteTracker
from pipeline.types import HEALTH_CONDITIONS, Alert, Finding
from tests.unit.alert.acting import Thing, finding, person, thing

EVERY_RULE = AlertSettings(
    "gate",
    zones=(Zone("yard", ((0.4, 0.0), (1.0, 0.0), (1.0, 1.0), (0.4, 1.0))),),
    lines=(Line("sill", (0.5, 0.9), (0.5, 0.1)),),
    rules=(
        ZoneRule(name="zone", zone="yard", min_dwell_s=0.5, cool_down_s=2),
        ZoneRule(name="hours", zone="yard", schedule=Schedule((Window(0, 14 * 60 + 14),), "UTC")),
        LineRule(name="line", line="sill"),
        LoiteringRule(name="loiter", min_stay_s=3),
        CrowdRule(name="crowd", min_count=3, min_duration_s=1),
        ObjectLeftRule(name="left", min_still_s=2),
        ObjectRemovedRule(name="removed", min_still_s=2, min_gone_s=1),
        SpeedRule(name="speed", max_sizes_per_s=0.6),
        WrongWayRule(name="way", allowed_norm=(1, 0), labels=("person", "vehicle")),
        ForbiddenClassRule(name="dogs", labels=("animal",)),
        AbsenceRule(name="post", min_absence_s=2),
    ),
    policy=PolicySettings(min_update_gap_s=0.5, update_every_s=3, max_blind_s=4),
)
FAST = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def stage() -> AlertStage:
    return AlertStage(EVERY_RULE, ByteTracker(), standard_judges(EVERY_RULE), "cafe")


def stream(seed: int, looks: int = 90) -> list[Finding]:
    """A camera's day in half a minute."""
    rng = np.random.default_rng(seed)
    walkers = [
        (rng.uniform(0, 640), rng.uniform(-90, 90), rng.uniform(120, 350), rng.uniform(40, 120)) for _ in range(5)
    ]
    findings, t, session, seq = [], 0.0, 1, 0
    for k in range(looks):
        t += float(rng.choice([0.2, 0.4, 1.2, 2.0, 9.0], p=[0.86, 0.06, 0.03, 0.03, 0.02]))
        seq += int(rng.choice([1, 2, 7], p=[0.9, 0.07, 0.03]))
        if rng.random() < 0.015:
            session, seq = session + 1, 0
        is_sick = rng.random() < 0.08
        conditions = (HEALTH_CONDITIONS[int(rng.integers(len(HEALTH_CONDITIONS)))],) if is_sick else ()
        findings.append(
            finding(
                t,
                None if conditions == ("offline",) else _things(walkers, t, rng),
                seq=seq,
                session=session,
                gate="heartbeat" if rng.random() < 0.1 else "open",
                conditions=conditions,
                ended=bool(k == looks - 1 and rng.random() < 0.5),
            )
        )
    return findings


def _things(walkers: Sequence[tuple[float, ...]], t: float, rng: np.random.Generator) -> list[Thing]:
    if 17 < t < 22:
        return []
    seen = []
    for i, (x, speed, foot_y, height) in enumerate(walkers):
        if rng.random() < 0.9:
            place = (x + speed * t) % 760 - 60
            seen.append(person(i, place + rng.normal(0, 2), foot_y, height, float(rng.uniform(0.3, 0.95))))
    if 3 < t < 16 and rng.random() < 0.9:
        seen.append(thing(90, "backpack", 300, 330))
    if rng.random() < 0.3:
        seen.append(thing(91, str(rng.choice(["dog", "car", "truck"])), 100 + 10 * t, 200, 50))
    return seen


def fold(of: AlertStage, findings: Sequence[Finding]) -> list[Alert]:
    return [alert for each in findings for alert in of.step(each)]


def texts(alerts: Sequence[Alert]) -> list[str]:
    return [to_json(alert) for alert in alerts]


@FAST
@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(0, 89), min_size=1, max_size=3))
def test_restarted_anywhere_equals_unbroken(seed: int, cuts: list[int]) -> None:
    findings = stream(seed)
    unbroken = stage()
    expected = texts(fold(unbroken, findings))
    got, part, begin = [], stage(), 0
    for cut in [*sorted(cuts), len(findings)]:
        got += texts(fold(part, findings[begin:cut]))
        saved = json.dumps(part.state(), sort_keys=True)
        part, begin = stage(), cut
        part.restore(json.loads(saved))
    assert got == expected
    assert json.dumps(part.state(), sort_keys=True) == json.dumps(unbroken.state(), sort_keys=True)


@FAST
@given(seed=st.integers(0, 10_000), data=st.data())
def test_redelivery_takes_effect_once(seed: int, data: st.DataObject) -> None:
    findings = stream(seed)
    delivered = list(findings)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(1, len(delivered)))
        back = data.draw(st.integers(1, 20))
        delivered[at:at] = delivered[max(0, at - back) : at]
    assert texts(fold(stage(), delivered)) == texts(fold(stage(), findings))


@FAST
@given(seed=st.integers(0, 10_000))
def test_every_story_is_well_formed(seed: int) -> None:
    alerts = fold(stage(), stream(seed))
    stories: dict[str, list[Alert]] = {}
    for alert in alerts:
        stories.setdefault(alert.id, []).append(alert)
        assert abs(sum(e.share for e in alert.evidence) - 1) < 1e-6
        assert alert.title
        assert alert.text
        assert 0 <= alert.score <= 1
        assert len({track.id for track in alert.tracks}) == len(alert.tracks)
        assert to_json(from_json(to_json(alert))) == to_json(alert)
    for story in stories.values():
        assert [a.revision for a in story] == list(range(1, len(story) + 1))
        assert story[0].phase == "opened"
        assert all(a.phase == "updated" for a in story[1:-1])
        assert len({(a.kind, a.rule, a.opened_at, a.camera) for a in story}) == 1
        assert [a.updated_at for a in story] == sorted(a.updated_at for a in story)
        closed_at = story[-1].closed_at
        assert closed_at is None or story[0].opened_at <= closed_at <= story[-1].updated_at


@FAST
@given(seed=st.integers(0, 10_000))
def test_one_incident_of_a_rule_at_a_time_where_the_rule_is_about_a_place(seed: int) -> None:
    open_now: dict[str, str] = {}
    for alert in fold(stage(), stream(seed)):
        if alert.kind not in ("zone", "line", "crowd", "absence", "forbidden_class"):
            continue
        assert open_now.get(alert.rule or "", alert.id) == alert.id
        if alert.phase == "closed":
            open_now.pop(alert.rule or "", None)
        else:
            open_now[alert.rule or ""] = alert.id
    assert len(open_now) <= 6


def test_the_streams_make_every_kind_of_alert() -> None:
    kinds = {alert.kind for seed in range(6) for alert in fold(stage(), stream(seed))}
    assert kinds == {rule.kind for rule in EVERY_RULE.rules} | {"camera_health"}
