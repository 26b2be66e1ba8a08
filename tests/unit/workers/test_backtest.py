"""Back-tests: over the ledger, two configurations differ exactly as two full replays of the same findings do."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from pipeline.alert.message import to_json
from pipeline.errors import UsageError
from pipeline.ledger.compare import compare
from pipeline.ledger.recorder import seal
from pipeline.ledger.shelf import volumes
from pipeline.settings import SiteSettings
from pipeline.types import Alert, Finding, utc_from_s
from tests.property.test_fold import stream
from tests.unit.alert.acting import START_S, finding, person
from tests.unit.ledger.books import site_from, write_book
from tests.unit.unusual.life import Person, life, walkers
from workers import wiring
from workers.backtest import Report, Window, backtest, print_report
from workers.refold import Voice, entries, recorded_alerts, refold

SITE = """
cameras:
  gate:
    url: rtsp://camera/1
    unusual: false
    zones: {{yard: [[0.4, 0], [1, 0], [1, 1], [0.4, 1]]}}
    lines: {{sill: [[0.5, 0.9], [0.5, 0.1]]}}
    rules:
      - {{kind: zone, zone: yard, min_dwell_s: {dwell}, cool_down_s: 2}}
      - {{kind: line, line: sill}}
      - {{kind: loitering, min_stay_s: {stay}}}
      - {{kind: crowd, min_count: 3, min_duration_s: 1}}
      - {{kind: object_left, min_still_s: 2}}
      - {{kind: speed, max_sizes_per_s: 0.6}}
      - {{kind: absence, min_absence_s: 2}}
"""


def sites(folder: Path) -> tuple[SiteSettings, SiteSettings]:
    old = site_from(SITE.format(dwell=0.5, stay=3), folder)
    return old, site_from(SITE.format(dwell=2, stay=1.5), folder)


def replayed(site: SiteSettings, findings: Sequence[Finding], *, has_words: bool = True) -> list[Alert]:
    """What a full replay gives: the product's own stage, tracker and narrator included."""
    stage = wiring.new_stage(site, "gate", has_words=has_words)
    return [alert for one in findings for alert in stage.step(one)]


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_back_test_is_what_two_full_replays_give(tmp_path: Path, seed: int) -> None:
    old, new = sites(tmp_path)
    findings = stream(seed, 150)
    write_book(old, findings)
    for volume in volumes(old.ledger_dir, "gate"):
        seal(volume.path)
    expected = compare(replayed(old, findings), replayed(new, findings))
    assert expected.of("added") or expected.of("removed") or expected.of("moved")
    for window in (Window(), Window(is_retracked=True)):
        report = backtest(old, new, window, processes=1)
        assert report.difference == expected
        assert report.findings == len(findings)


def test_the_ledger_keeps_the_alerts_that_were_raised(tmp_path: Path) -> None:
    old, _ = sites(tmp_path)
    findings = stream(7)
    alerts = write_book(old, findings)
    problems: list[str] = []
    kept = list(recorded_alerts(old.ledger_dir, "gate", problems.append))
    assert [to_json(alert) for alert in kept] == [to_json(alert) for alert in alerts]
    assert (bool(alerts), problems) == (True, [])


def test_processes_change_nothing(tmp_path: Path) -> None:
    old, new = sites(tmp_path)
    write_book(old, stream(5))
    shares: list[float] = []
    beside = backtest(old, new, Window(), processes=2, on_done=shares.append)
    assert beside == backtest(old, new, Window(), processes=1)
    assert sum(shares) == pytest.approx(1)


def test_equal_settings_differ_in_nothing(tmp_path: Path) -> None:
    old, _ = sites(tmp_path)
    alerts = write_book(old, stream(5))
    report = backtest(old, old, Window(), processes=1)
    assert {outcome.what for outcome in report.difference.outcomes} == {"same"}
    assert {outcome.shown.id for outcome in report.difference.outcomes} == {alert.id for alert in alerts}


def test_a_camera_that_one_site_lacks_raises_nothing_there(tmp_path: Path) -> None:
    old, new = sites(tmp_path)
    write_book(old, stream(5))
    other = replace(new, cameras=(replace(new.cameras[0], name="yard"),))
    assert {outcome.what for outcome in backtest(old, other, Window(), processes=1).difference.outcomes} == {"removed"}


def walk(from_s: float, seconds: float) -> list[Finding]:
    """Somebody stands in the yard."""
    return [
        finding(from_s + n / 5, [person(1, 400)] if n < seconds * 5 else [], seq=round(from_s * 5) + n)
        for n in range(round(seconds * 5) + 60)
    ]


def test_the_window_shows_what_lasts_into_it(tmp_path: Path) -> None:
    old, new = sites(tmp_path)
    write_book(old, [*walk(0, 6), *walk(2000, 6), *walk(4000, 6)])
    since, until = utc_from_s(START_S + 1990), utc_from_s(START_S + 3000)
    for window, expected in (
        (Window(), [0, 2000, 4000]),
        (Window(since=since), [2000, 4000]),
        (Window(until=until), [0, 2000]),
        (Window(since=since, until=until), [2000]),
    ):
        report = backtest(old, new, window, processes=1)
        loitering = [one.shown for one in report.difference.outcomes if one.shown.rule == "loitering"]
        opened = [(story.opened_at - utc_from_s(START_S)) // timedelta(seconds=1000) * 1000 for story in loitering]
        assert opened == expected


def report_of(folder: Path) -> Report:
    old, new = sites(folder)
    write_book(old, stream(3, 150))
    return backtest(old, new, Window(), processes=1)


def test_the_report_reads_as_text_and_as_json(tmp_path: Path) -> None:
    report = report_of(tmp_path)
    text, lines = io.StringIO(), io.StringIO()
    print_report(report, Console(file=text, width=200), as_json=False)
    print_report(report, Console(file=lines), as_json=True)
    record = json.loads(lines.getvalue())
    counts = {what: record[what] for what in ("added", "removed", "moved", "changed", "same")}
    assert sum(counts.values()) == len(record["incidents"])
    assert all(f"{count} {what}" in text.getvalue() for what, count in counts.items())
    shown = counts["added"] + counts["removed"] + counts["moved"] + counts["changed"]
    assert text.getvalue().count("gate") >= shown + 1


def test_what_is_not_recorded_is_one_sentence(tmp_path: Path) -> None:
    old, new = sites(tmp_path)
    with pytest.raises(UsageError, match="has nothing of gate"):
        backtest(old, new, Window(), processes=1)
    with pytest.raises(UsageError, match="No site has a camera 'yard'; there are gate"):
        backtest(old, new, Window(), cameras=["yard"], processes=1)


def test_another_detector_is_told_of(tmp_path: Path) -> None:
    old, new = sites(tmp_path)
    write_book(old, stream(5))
    other = replace(new, detector=replace(new.detector, min_confidence=0.5))
    assert any("detector" in problem for problem in backtest(old, other, Window(), processes=1).problems)


LEARNING = """
cameras:
  gate:
    url: rtsp://camera/1
    alerts_per_day: {per_day}
    warm_up_s: 100
    rules:
      - {{kind: loitering, min_stay_s: 3}}
    watch_for: ["a person is running"]
"""


def crowd(at_s: float) -> list[Person]:
    """The usual people, and a weak box here and there that nobody follows."""
    ghost: Person = (900, "person", (10.0 + 97 * at_s % 500, 20.0, 40.0 + 97 * at_s % 500, 80.0), 300.0)
    return [*walkers(at_s), ghost] if int(at_s * 5) % 3 == 0 else walkers(at_s)


def test_judges_learn_the_same_from_the_ledger_as_from_the_findings_themselves(tmp_path: Path) -> None:
    site = site_from(LEARNING.format(per_day=1000), tmp_path)
    findings = [moment.finding for moment in life(0, 110, crowd)]
    write_book(site, findings)
    problems: list[str] = []
    live = wiring.new_stage(site, "gate")
    alerts = [alert for one in findings for alert in live.step(one)]
    voice = Voice.of(lambda tape: wiring.new_stage(site, "gate", tape))
    refold([voice], entries(site.ledger_dir, "gate", problems.append))
    assert [to_json(alert) for alert in voice.alerts] == [to_json(alert) for alert in alerts]
    assert alerts
    for part in ("judges", "narrator", "policy", "continuity"):
        assert json.dumps(voice.stage.state()[part]) == json.dumps(live.state()[part])


def test_what_is_unusual_is_folded_only_where_it_makes_a_difference(tmp_path: Path) -> None:
    old = site_from(LEARNING.format(per_day=1000), tmp_path)
    new = site_from(LEARNING.format(per_day=0.5), tmp_path)
    findings = [moment.finding for moment in life(0, 60)]
    write_book(old, findings)
    report = backtest(old, new, Window(), processes=1)
    assert report.difference == compare(replayed(old, findings), replayed(new, findings))
    assert report.problems == ()
    assert any("Unusual" in problem for problem in backtest(old, old, Window(), processes=1).problems)
