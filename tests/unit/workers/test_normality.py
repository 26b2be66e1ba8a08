"""Where what is normal is kept: the last two generations of each camera, whole or not at all."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from pipeline.alert.settings import AlertSettings
from pipeline.alert.stage import AlertStage
from pipeline.telemetry import Telemetry
from pipeline.track.bytetrack import ByteTracker
from pipeline.types import Alert
from pipeline.unusual.judge import UnusualJudge, UnusualSettings
from pipeline.unusual.learning import learn
from pipeline.unusual.normality import Normality
from tests.unit.unusual.life import Person, life, walkers
from tests.unit.unusual.test_generations import generation
from workers.alert import Fold
from workers.normality import Shelf


def numbered(number: int) -> Normality:
    one = generation(60)
    return learn(number, one.tracks, one.scene, one.texts)


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def shelf(tmp_path: Path, log: io.StringIO) -> Shelf:
    return Shelf(tmp_path, "gate", Telemetry("alert", stream=log))


def events(log: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_the_last_two_generations_are_kept(shelf: Shelf, tmp_path: Path, log: io.StringIO) -> None:
    for number in (1, 2, 3):
        shelf.keep(numbered(number), 0.5)
    assert sorted(file.name for file in (tmp_path / "gate").iterdir()) == ["2.npz", "3.npz"]
    found = shelf.recall(2)
    assert found is not None
    assert found.number == 2
    newest = shelf.newest()
    assert newest is not None
    assert newest.number == 3
    assert events(log)[-1]["event"] == "normality_learned"
    assert events(log)[-1]["warm_up_share"] == 0.5


def test_a_life_begun_again_leaves_nothing_of_the_old_one(shelf: Shelf, tmp_path: Path) -> None:
    shelf.keep(numbered(57), 1.0)
    shelf.keep(numbered(1), 0.1)
    assert [file.name for file in (tmp_path / "gate").iterdir()] == ["1.npz"]


def test_a_truncated_file_is_one_sentence_and_the_one_before_is_used(
    shelf: Shelf, tmp_path: Path, log: io.StringIO
) -> None:
    shelf.keep(numbered(1), 1.0)
    shelf.keep(numbered(2), 1.0)
    file = tmp_path / "gate" / "2.npz"
    file.write_bytes(file.read_bytes()[:500])
    assert shelf.recall(2) is None
    assert "damaged or incomplete" in str(events(log)[-1]["error"])
    newest = shelf.newest()
    assert newest is not None
    assert newest.number == 1


def test_what_is_not_there_is_one_sentence(shelf: Shelf, log: io.StringIO) -> None:
    assert shelf.recall(9) is None
    assert shelf.newest() is None
    assert [event["event"] for event in events(log)] == ["normality_refused"]


def test_a_disk_that_takes_nothing_costs_no_alert(tmp_path: Path, log: io.StringIO) -> None:
    (tmp_path / "file").write_text("in the way")
    shelf = Shelf(tmp_path / "file", "gate", Telemetry("alert", stream=log))
    shelf.keep(numbered(1), 1.0)
    assert events(log)[-1]["event"] == "normality_refused"
    assert shelf.newest() is None


def test_a_fold_that_is_killed_goes_on_exactly_with_its_generation(tmp_path: Path) -> None:
    def runner(at_s: float) -> list[Person]:
        foot = 120 + (at_s % 4) * 55
        return [*walkers(at_s), (900, "person", (300, foot - 60, 325, foot), 300.0)]

    def new_fold(name: str) -> Fold:
        shelf = Shelf(tmp_path / name, "gate", Telemetry("alert", stream=io.StringIO()))
        judge = UnusualJudge(
            UnusualSettings("gate", warm_up_s=100), normality=shelf.newest(), keep=shelf.keep, recall=shelf.recall
        )
        return Fold(AlertStage(AlertSettings("gate"), ByteTracker(), (judge,)))

    def run(fold: Fold, begin_s: float, end_s: float) -> list[Alert]:
        who = walkers if end_s <= 150 else runner
        return [alert for each in life(begin_s, end_s, who) for alert in fold.stage.step(each.finding)]

    unbroken, killed = new_fold("one"), new_fold("two")
    run(unbroken, 0, 150)
    run(killed, 0, 130)
    saved = killed.to_bytes()
    run(killed, 130, 150)
    killed.to_bytes()  # a later generation may have been kept by then, while the older state is the one that is found
    successor = new_fold("two")
    successor.restore(saved)
    assert run(successor, 130, 150) == []
    expected = run(unbroken, 150, 158)
    assert expected
    assert {alert.kind for alert in expected} == {"unusual"}
    assert run(successor, 150, 158) == expected
