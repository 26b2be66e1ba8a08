"""The history of alerts: once each, newest revision first, filtered, bounded."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import MessageError, StorageError
from pipeline.store.history import AlertHistory
from pipeline.types import Alert, AlertTrack, Evidence, utc_from_s

START_S = 1_790_000_000.0


def alert(id: str = "a_1", revision: int = 1, at_s: float = 0, camera: str = "gate", kind: str = "zone") -> Alert:
    return Alert(
        id=id,
        revision=revision,
        phase="opened" if revision == 1 else "updated",
        camera=camera,
        kind=kind,
        severity="warning",
        score=0.5,
        opened_at=utc_from_s(START_S + at_s),
        updated_at=utc_from_s(START_S + at_s + revision),
        closed_at=None,
        title="A person entered",
        text="一 person entered.",
        text_source="grounded",
        tracks=(AlertTrack(1, "person", (0.1, 0.2, 0.3, 0.4)),),
        evidence=(Evidence("zone", 1.0, "inside", "outside"),),
    )


@pytest.fixture
def history(tmp_path: Path) -> Iterator[AlertHistory]:
    with AlertHistory(tmp_path / "alerts.sqlite") as opened:
        yield opened


def test_what_was_added_is_read_back_whole(history: AlertHistory) -> None:
    history.add(alert())
    assert history.newest() == history.revisions("a_1") == [alert()]
    assert history.revisions("a_2") == []


def test_revisions_in_any_order_and_twice_take_effect_once(history: AlertHistory) -> None:
    for revision in (2, 1, 3, 2, 2):
        history.add(replace(alert(revision=revision), severity="critical" if revision == 3 else "info"))
    assert [one.revision for one in history.newest()] == [3]
    assert [one.revision for one in history.revisions("a_1")] == [1, 2, 3]
    assert len(history) == 1
    assert history.newest(severities=["info"]) == []
    assert len(history.newest(severities=["critical", "warning"])) == 1


def test_filters(history: AlertHistory) -> None:
    history.add_all(
        [
            alert(f"a_{camera}{number}", at_s=100 * number, camera=camera, kind=kind)
            for camera, kind in (("gate", "zone"), ("yard", "line"))
            for number in range(5)
        ]
    )
    assert [one.id for one in history.newest(cameras=["gate"], limit=2)] == ["a_gate4", "a_gate3"]
    assert {one.kind for one in history.newest(kinds=["line"])} == {"line"}
    assert [one.id for one in history.newest(from_s=START_S + 150, to_s=START_S + 250)] == ["a_yard2", "a_gate2"]
    assert history.newest(cameras=["x' OR 1 --"]) == []


def test_the_history_is_bounded_and_forgets_by_age(tmp_path: Path) -> None:
    path = tmp_path / "alerts.sqlite"
    with AlertHistory(path) as history:
        history.add_all([alert(f"a_{number:03}", at_s=number) for number in range(100)])
    with AlertHistory(path, max_incidents=10) as history:
        history.add(alert("a_new", at_s=1000))
        assert len(history) == 10
        assert history.newest(limit=1)[0].id == "a_new"
        assert history.revisions("a_000") == []
        assert history.forget_before(START_S + 500) == 9
        assert [one.id for one in history.newest()] == ["a_new"]
    with pytest.raises(ValueError, match="max_incidents"):
        AlertHistory(path, max_incidents=0)


def test_a_revision_that_cannot_be_written_keeps_the_others_out(history: AlertHistory) -> None:
    with pytest.raises(MessageError):
        history.add_all([alert(), replace(alert("a_2"), score=float("nan"))])
    assert len(history) == 0


def test_a_row_that_is_no_alert_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "alerts.sqlite"
    with AlertHistory(path) as history:
        history.add(alert())
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE revisions SET message = '{}'")
        with pytest.raises(StorageError, match="holds an alert that cannot be read"):
            history.newest()


def test_a_store_of_descriptions_is_no_history(tmp_path: Path) -> None:
    from pipeline.store.descriptions import DescriptionStore

    DescriptionStore(tmp_path / "one.sqlite").close()
    with pytest.raises(StorageError, match="cannot be read or written"):
        AlertHistory(tmp_path / "one.sqlite").newest()
