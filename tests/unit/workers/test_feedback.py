"""Feedback: kept, previewed over the ledger, applied, undone; and a site that runs takes it up."""

from __future__ import annotations

import io
import json
import sqlite3
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from pipeline.alert.stage import AlertStage
from pipeline.bus.memory import MemoryBus
from pipeline.bus.topics import DETECTIONS
from pipeline.errors import StorageError, UsageError
from pipeline.settings import SiteSettings
from pipeline.telemetry import Telemetry
from pipeline.types import Alert, Finding
from tests.unit.alert.acting import Thing, finding, person, scene
from tests.unit.ledger.books import scribe_for, site_from, write_book
from workers import alert as role
from workers import wiring
from workers.backtest import Window
from workers.claims import Claims
from workers.cli import main
from workers.dismissals import Dismissals, open_feedback, silences_of
from workers.feedback import preview, print_marks, print_preview
from workers.runtime import Liveness
from workers.why import account, print_account

SITE = """
data_dir: state
cameras:
  gate:
    url: rtsp://camera/1
    unusual: false
    zones: {yard: [[0, 0], [1, 0], [1, 1], [0, 1]]}
    rules: [{kind: zone, zone: yard}]
"""
NOW = datetime(2026, 9, 22, tzinfo=UTC)


def visits(*places: float) -> list[Finding]:
    """Somebody else stands at each place for five seconds, a minute apart."""

    def things(t: float) -> list[Thing]:
        number, since_s = int(t // 60), t % 60
        return [person(number + 1, places[number])] if number < len(places) and since_s < 5 else []

    return scene(things, 60 * len(places))


@pytest.fixture
def site(tmp_path: Path) -> SiteSettings:
    (tmp_path / "site.yaml").write_text(SITE)
    return site_from(SITE, tmp_path)


def opened(alerts: list[Alert]) -> list[Alert]:
    return [alert for alert in alerts if alert.phase == "opened"]


def test_marks_last_are_replaced_and_are_undone(site: SiteSettings) -> None:
    first, second = opened(write_book(site, visits(200, 400)))
    assert open_feedback(site).marks() == ()
    open_feedback(site).mark(first, "false", NOW, is_applied=False)
    open_feedback(site).mark(second, "useful", NOW, is_applied=False)
    open_feedback(site).mark(first, "expected", NOW, is_applied=True)
    marks = {mark.alert.id: (mark.verdict, mark.is_applied, mark.given_at) for mark in open_feedback(site).marks()}
    assert marks == {first.id: ("expected", True, NOW), second.id: ("useful", False, NOW)}
    assert [silence.alert_id for silence in silences_of(open_feedback(site).marks("gate"))] == [first.id]
    assert open_feedback(site).marks("yard") == ()
    assert open_feedback(site).undo(first.id)
    assert not open_feedback(site).undo(first.id)
    assert silences_of(open_feedback(site).marks()) == ()


def test_a_preview_shows_what_would_be_silent_and_what_of_it_was_useful(site: SiteSettings) -> None:
    first, second, third = opened(write_book(site, visits(200, 205, 450)))
    store = open_feedback(site)
    store.mark(second, "useful", NOW, is_applied=False)
    found = preview(site, site.ledger_dir, first, "false", store.marks(), Window())
    assert [story.id for story in found.silenced] == [first.id, second.id]
    assert [story.id for story in found.useful_silenced] == [second.id]
    store.mark(first, "false", NOW, is_applied=True)
    later = preview(site, site.ledger_dir, third, "false", store.marks(), Window())
    assert [story.id for story in later.silenced] == [third.id]


def test_what_cannot_be_dismissed_is_one_sentence(site: SiteSettings) -> None:
    (offline,) = opened(write_book(site, [finding(t, None, conditions=("offline",)) for t in range(5)]))
    with pytest.raises(UsageError, match="health_alerts: false"):
        preview(site, site.ledger_dir, offline, "false", (), Window())


def test_the_commands(site: SiteSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = opened(write_book(site, visits(200, 205)))
    config = ["-c", str(tmp_path / "site.yaml")]

    def run(*words: str) -> tuple[int, str, str]:
        code = main([*words, *config])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    assert run("feedback", second.id, "useful")[0] == 0
    code, out, err = run("feedback", first.id, "false", "--since", "2026-01-01")
    assert (code, json.loads(out)["useful_silenced"]) == (0, [second.id])
    assert "not applied" in err
    code, _, err = run("feedback", first.id, "false", "--apply", "--since", "2026-01-01")
    assert (code, "--force" in err) == (1, True)
    assert silences_of(open_feedback(site).marks()) == ()
    assert run("feedback", first.id, "false", "--apply", "--force", "--since", "2026-01-01")[0] == 0
    assert len(silences_of(open_feedback(site).marks())) == 1
    code, out, _ = run("feedback")
    assert [json.loads(line)["verdict"] for line in out.splitlines()] == ["useful", "false"]
    code, out, _ = run("why", first.id)
    told = json.loads(out)
    assert (code, told["verdict"], told["id"]) == (0, "false", first.id)
    assert sum(one["added"] for one in told["added"]) == pytest.approx(told["score"], abs=1e-6)
    assert told["rule"].startswith("cameras.gate.rules[0]: {kind: zone")
    assert run("feedback", first.id, "--undo")[0] == 0
    assert main(["backtest", config[1], config[1]]) == 0
    assert json.loads(capsys.readouterr().out)["same"] == 2
    for words, complaint in (
        (("feedback", first.id, "--undo"), "Nothing was said"),
        (("feedback", first.id, "nice"), "Say useful, false, expected"),
        (("feedback", "a_none", "useful"), "knows no alert"),
        (("why", "a_none"), "knows no alert"),
        (("why-not", "yard", "2026-09-21"), "has no camera"),
        (("why-not", "gate", "yesterday"), "takes an instant"),
    ):
        code, _, err = run(*words)
        assert (code, complaint in err) == (2, True), words


def test_a_feedback_file_that_cannot_be_read_silences_nothing_and_says_so(site: SiteSettings) -> None:
    site.data_dir.mkdir(exist_ok=True)
    (site.data_dir / "feedback.sqlite").write_bytes(b"not a database, not at all " * 100)
    stream = io.StringIO()
    assert Dismissals(site, Telemetry("alert", stream=stream)).of("gate") == ()
    assert "feedback_unreadable" in stream.getvalue()
    with pytest.raises(StorageError, match="cannot be used"):
        open_feedback(site).marks()


def test_a_feedback_file_of_a_newer_version_is_refused(site: SiteSettings) -> None:
    site.data_dir.mkdir(exist_ok=True)
    with sqlite3.connect(site.data_dir / "feedback.sqlite") as store:
        store.execute("pragma user_version = 7")
    with pytest.raises(StorageError, match="newer Vedette"):
        open_feedback(site).marks()


def test_a_site_that_runs_takes_up_a_dismissal_and_its_undoing(site: SiteSettings) -> None:
    findings = visits(200, 205, 200, 203, 207)
    first = opened(write_book(site, findings[:60]))[0]
    bus, stop, telemetry = MemoryBus(), threading.Event(), Telemetry("alert", stream=io.StringIO())
    dismissals = Dismissals(site, telemetry)

    def stage_of(camera: str) -> AlertStage:
        return wiring.new_stage(site, camera, silences=dismissals.of(camera), has_words=False, is_learning=False)

    claims = Claims(bus, "alert", "one", ["gate"])
    scribe = scribe_for(site.ledger_dir)
    arguments = (bus, claims, stage_of, telemetry, Liveness(time.monotonic), stop, scribe)
    options = {"has_feedback": dismissals.has_changed}
    thread = threading.Thread(target=role.work, args=arguments, kwargs=options)
    thread.start()
    try:
        for part, verdict in ((findings[:600], None), (findings[600:900], "false"), (findings[900:], "undo")):
            if verdict == "false":
                open_feedback(site).mark(first, "false", NOW, is_applied=True)
            elif verdict == "undo":
                open_feedback(site).undo(first.id)
            until = time.monotonic() + 20
            while dismissals._version != open_feedback(site).version() and time.monotonic() < until:
                time.sleep(0.005)
            for one in part:
                bus.append("gate", DETECTIONS, one)
            while time.monotonic() < until and _folded(bus) < part[-1].ref.key.seq:
                time.sleep(0.005)
    finally:
        stop.set()
        thread.join(20)
    alerts = [alert for _, alert in bus.alerts("0", max_entries=99, block_s=0)]
    minutes = {int(alert.opened_at.timestamp() - findings[0].ref.at_s) // 60 for alert in alerts}
    assert minutes == {0, 1, 3, 4}


def _folded(bus: MemoryBus) -> int:
    saved = bus.load_state("gate", role.ROLE)
    last = None if saved is None else json.loads(saved)["stage"]["last"]
    return -1 if last is None else int(last[1])


def test_pages_for_people_say_what_the_records_say(site: SiteSettings) -> None:
    first, second = opened(write_book(site, visits(200, 205)))
    open_feedback(site).mark(second, "useful", NOW, is_applied=False)
    text = io.StringIO()
    console = Console(file=text, width=200)
    marks = open_feedback(site).marks()
    print_preview(preview(site, site.ledger_dir, first, "false", marks, Window()), console, as_json=False)
    print_marks(marks, console, as_json=False)
    found = account(site, site.ledger_dir, first.id, "false")
    print_account(found, console, as_json=False)
    page = text.getvalue()
    assert f"{second.id}  marked useful" in page
    assert f"{second.id} useful (noted, 2026-09-22 00:00)" in page
    assert found.revisions[-1].text in page
    assert f"score {found.peak.score:.4f} = {found.peak.score:.4f} (shares sum to 1.000000" in page
    assert "rule: cameras.gate.rules[0]: {kind: zone" in page
    assert "marked false" in page
