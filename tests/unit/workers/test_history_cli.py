"""``vedette history``, and the alert role that fills it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.config import load_site
from pipeline.settings import LedgerSettings
from pipeline.store.history import AlertHistory
from pipeline.telemetry import Telemetry
from tests.unit.alert.acting import finding
from tests.unit.store.test_history import alert
from workers.cli import main
from workers.ledger import Scribe, alert_history


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.yaml"
    path.write_text("cameras: {gate: x.mp4, yard: y.mp4}\ndata_dir: state\n")
    with AlertHistory(tmp_path / "state" / "alerts.sqlite") as history:
        history.add_all([alert("a_1", 1), alert("a_1", 2), alert("a_2", at_s=100, camera="yard", kind="line")])
    return path


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_newest_revision_of_each_incident(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", "-c", str(site)]) == 0
    assert [(one["id"], one["revision"]) for one in lines(capsys)] == [("a_2", 1), ("a_1", 2)]
    assert main(["history", "-c", str(site), "--camera", "yard", "--kind", "line", "--severity", "warning"]) == 0
    assert [one["id"] for one in lines(capsys)] == ["a_2"]
    assert main(["history", "-c", str(site), "--to", "2001-01-01"]) == 0
    assert lines(capsys) == []


def test_all_that_was_said_of_one(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", "a_1", "-c", str(site)]) == 0
    assert [one["revision"] for one in lines(capsys)] == [1, 2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a_9"], "There is no alert 'a_9'"),
        (["--severity", "bad"], "--severity takes info, warning, critical"),
        (["--camera", "roof"], "no camera 'roof'"),
        (["--from", "soon"], "--from takes"),
    ],
)
def test_bad_usage_is_one_sentence(
    site: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["history", *arguments, "-c", str(site)]) == 2
    shown = capsys.readouterr().err
    assert words in shown
    assert len(shown.splitlines()) == 1


def test_without_a_history_the_fix_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("cameras: {gate: x.mp4}\ndata_dir: state\n")
    assert main(["history", "-c", str(path)]) == 2
    assert "No alert was kept yet" in capsys.readouterr().err


def test_the_alert_role_keeps_every_alert_once(site: Path) -> None:
    settings, telemetry = load_site(site), Telemetry("alert", is_quiet=True)
    nothing = LedgerSettings(keep_days=0, max_bytes=0)
    with alert_history(settings.alerts_file, telemetry) as history:
        assert history is not None
        scribe = Scribe(None, nothing, telemetry, history)
        for _ in range(2):
            scribe.folded(finding(0), None, [alert("a_3", at_s=200)])
        assert len(history) == 3
    with alert_history(None, telemetry) as history:
        assert history is None


def test_a_history_that_cannot_be_used_costs_no_alert(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, telemetry = load_site(site), Telemetry("alert", is_quiet=True)
    settings.alerts_file.write_bytes(b"no database" * 100)
    with alert_history(settings.alerts_file, telemetry) as history:
        assert history is None
    settings.alerts_file.unlink()
    counted: list[tuple[str, str, str]] = []
    monkeypatch.setattr(telemetry, "count", lambda *what: counted.append(what))
    with alert_history(settings.alerts_file, telemetry) as history:
        assert history is not None
        history._database.connection.execute("PRAGMA query_only = 1")
        Scribe(None, LedgerSettings(keep_days=0, max_bytes=0), telemetry, history).folded(finding(0), None, [alert()])
    assert counted == [("ledger_dropped", "gate", "history")]
