"""Rules, zones, lines and schedules refuse nonsense in one sentence; schedules follow the wall clock."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from pipeline.alert.schedule import Schedule, Window
from pipeline.alert.settings import (
    RULE_KINDS,
    AbsenceRule,
    AlertSettings,
    CrowdRule,
    Line,
    LineRule,
    ObjectLeftRule,
    PolicySettings,
    Rule,
    SpeedRule,
    WrongWayRule,
    Zone,
    ZoneRule,
)
from pipeline.labels import expand_labels, group_of

SQUARE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: Zone("", SQUARE), "zone name"),
        (lambda: Zone("x" * 65, SQUARE), "zone name"),
        (lambda: Zone("a\nb", SQUARE), "zone name"),
        (lambda: Zone("a", SQUARE[:2]), "3 to 100 points"),
        (lambda: Zone("a", ((0, 0), (1, 1), (1, 0), (0, 1))), "does not cross or touch itself"),
        (lambda: Zone("a", ((0, 0), (1, 0), (0, 0), (0, 1))), "does not cross or touch itself"),
        (lambda: Zone("a", ((0, 0), (0.5, 0), (1, 0))), "zone 'a'"),
        (lambda: Zone("a", ((0, 0), (1.2, 0), (1, 1))), "0..1"),
        (lambda: Zone("a", ((0, 0), (float("nan"), 0), (1, 1))), "0..1"),
        (lambda: Line("l", (0.5, 0.5), (0.5, 0.5)), "length"),
        (lambda: ZoneRule(name="r", zone="z", severity="bad"), "severity"),  # type: ignore[arg-type]
        (lambda: ZoneRule(name="r", zone="z", open_after_s=-1), "open_after_s"),
        (lambda: ZoneRule(name="r", zone="z", close_after_s=float("nan")), "close_after_s"),
        (lambda: ZoneRule(name="r", zone="z", min_dwell_s=-2), "min_dwell_s"),
        (lambda: ZoneRule(name="r", zone="z", labels=()), "labels"),
        (lambda: ZoneRule(name="r", zone="z", min_confidence=2), "min_confidence"),
        (lambda: LineRule(name="r", line="l", direction="up"), "direction"),  # type: ignore[arg-type]
        (lambda: LineRule(name="r", line="l", band_norm=0.5), "band_norm"),
        (lambda: CrowdRule(name="r", min_count=0), "min_count"),
        (lambda: SpeedRule(name="r", max_sizes_per_s=None), "limit"),
        (lambda: SpeedRule(name="r", max_sizes_per_s=-1), "limit"),
        (lambda: SpeedRule(name="r", over_s=0), "over_s"),
        (lambda: WrongWayRule(name="r", allowed_norm=(0, 0)), "direction"),
        (lambda: WrongWayRule(name="r", allowed_norm=(1, 0), tolerance_deg=180), "tolerance_deg"),
        (lambda: ObjectLeftRule(name="r", owner_distance_heights=-1), "owner_distance_heights"),
        (lambda: Window(0, 60, ()), "days"),
        (lambda: Window(0, 60, (7,)), "days"),
        (lambda: Window(1440, 60), "00:00 to 24:00"),
        (lambda: Schedule((), "Mars/Base"), "IANA"),
        (lambda: Schedule((), "../etc/passwd"), "IANA"),
        (lambda: PolicySettings(update_every_s=-1), "update_every_s"),
        (lambda: AlertSettings("gate", rules=(ZoneRule(name="r", zone="z"),)), "rule 'r': expected a zone"),
        (lambda: AlertSettings("gate", rules=(LineRule(name="r", line="z"),)), "rule 'r': expected a line"),
        (lambda: AlertSettings("gate", zones=(Zone("a", SQUARE), Zone("a", SQUARE))), "zone names"),
        (lambda: AlertSettings("gate", rules=(CrowdRule(name="r"), CrowdRule(name="r"))), "rule names"),
    ],
)
def test_nonsense_is_refused(build: Callable[[], object], says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        build()


def test_a_concave_polygon_is_fine() -> None:
    assert Zone("u", ((0, 0), (1, 0), (1, 1), (0.8, 0.2), (0.2, 0.2), (0, 1))).name == "u"


def test_every_rule_has_a_kind_of_its_own_and_a_default_that_holds() -> None:
    kinds = [rule.kind for rule in RULE_KINDS]
    assert len(set(kinds)) == len(kinds) == 11
    assert all(issubclass(rule, Rule) for rule in RULE_KINDS)
    assert AbsenceRule(name="a").zone_name is None


def test_groups_stand_for_their_labels() -> None:
    assert {"car", "bus", "bicycle"} <= expand_labels(["vehicle"])
    assert expand_labels(["bag"]) == {"bag", "backpack", "handbag", "suitcase"}
    assert expand_labels(["person", "skateboard"]) == {"person", "skateboard"}
    assert (group_of("truck"), group_of("dog"), group_of("kite")) == ("vehicle", "animal", "kite")


def _utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def _berlin(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp()


def test_without_windows_a_schedule_always_holds() -> None:
    assert Schedule().holds(0.0)


def test_an_overnight_window_belongs_to_the_day_it_starts_on() -> None:
    friday_night = Schedule((Window(22 * 60, 6 * 60, (4,)),))
    assert friday_night.holds(_utc("2026-07-03T22:00"))  # a Friday
    assert friday_night.holds(_utc("2026-07-04T05:59"))
    assert not friday_night.holds(_utc("2026-07-04T06:00"))
    assert not friday_night.holds(_utc("2026-07-04T22:30"))
    assert not friday_night.holds(_utc("2026-07-03T05:00"))


def test_sunday_night_runs_into_monday() -> None:
    sunday_night = Schedule((Window(22 * 60, 6 * 60, (6,)),))
    assert sunday_night.holds(_utc("2026-07-06T03:00"))  # a Monday


def test_equal_ends_mean_a_whole_day() -> None:
    from_six = Schedule((Window(360, 360, (0,)),))
    assert from_six.holds(_utc("2026-07-06T06:00"))
    assert from_six.holds(_utc("2026-07-07T05:59"))
    assert not from_six.holds(_utc("2026-07-07T06:00"))


def test_local_time_decides_in_summer_and_winter() -> None:
    office = Schedule((Window(8 * 60, 18 * 60, (0, 1, 2, 3, 4)),), "Europe/Berlin")
    assert not office.holds(_utc("2026-01-07T06:30"))  # 07:30 in Berlin
    assert office.holds(_utc("2026-07-08T06:30"))  # 08:30 in Berlin


def test_the_hour_that_daylight_saving_skips_or_repeats() -> None:
    small_hours = Schedule((Window(2 * 60, 3 * 60),), "Europe/Berlin")
    spring = [small_hours.holds(_utc("2026-03-29T00:00") + 60 * m) for m in range(180)]
    assert not any(spring)  # 02:00 to 03:00 does not exist that night
    autumn = [small_hours.holds(_utc("2026-10-24T22:00") + 60 * m) for m in range(360)]
    assert sum(autumn) == 120  # it exists twice
    assert small_hours.holds(_berlin("2026-06-01T02:30"))


def test_a_schedule_reads_as_words() -> None:
    assert str(Schedule((Window(1320, 360, (4, 5)),), "UTC")) == "22:00–06:00 Friday, Saturday (UTC)"
    assert str(Schedule((Window(0, 1440),), "UTC")) == "00:00–24:00 every day (UTC)"
