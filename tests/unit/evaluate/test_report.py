"""Results as values, JSON, text and HTML: complete, honest about what does not exist, and safe to open."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import StorageError
from pipeline.evaluate.anomaly import ArmRun
from pipeline.evaluate.clips import Clip, DataSet
from pipeline.evaluate.metrics import AlertSpan, ScoredClip
from pipeline.evaluate.plots import score_plot
from pipeline.evaluate.report import text_table, write_report
from pipeline.evaluate.results import json_of, result_of
from tests.clips import write_clip

_LABELS = np.array([0] * 10 + [1] * 5 + [0] * 5, np.int8)


def _scored(name: str, score: np.ndarray, *alerts: AlertSpan) -> ScoredClip:
    return ScoredClip(name, _LABELS, np.arange(20) / 10, score.astype(np.float64), alerts)


@pytest.fixture
def made(tmp_path: Path) -> tuple[DataSet, list[ArmRun]]:
    names = ("a", "<b>")
    clips = []
    for name in names:
        path = write_clip(tmp_path / f"{ord(name[0])}.mp4", frames=20, fps=10)
        clips.append(Clip(name, "gate", "test", path, _LABELS))
    good, bad = np.r_[np.zeros(10), np.ones(5), np.zeros(5)], np.r_[np.ones(10), np.zeros(10)]
    hit = AlertSpan("unusual", "A <script>man</script> runs", 1.1, 1.4)
    false = AlertSpan("loitering", "Somebody stays", 0.0, 0.1)
    runs = [
        ArmRun("visual", tuple(_scored(name, bad) for name in names), ()),
        ArmRun("f0", tuple(_scored(name, good, hit, false) for name in names), ()),
    ]
    return DataSet("own", tuple(clips), ("A note.",)), runs


def test_the_json_has_every_number_and_null_where_there_is_none(made: tuple[DataSet, list[ArmRun]]) -> None:
    data_set, runs = made
    written = json.loads(json.dumps(json_of(result_of(data_set, runs, {"detector": "fake"}))))
    visual, f0 = written["arms"]
    assert (visual["arm"], visual["frames"]["micro_auc"]) == ("visual", pytest.approx(1 / 6, abs=1e-6))
    assert f0["frames"]["micro_auc"] == 1.0
    assert visual["threshold"] is None
    assert visual["frames"]["at_normal_quantile"]["f1"] is None
    assert (f0["events"]["found"], f0["events"]["events"]) == (2, 2)
    assert f0["events"]["time_to_alert_median_s"] == 0.0  # the loitering, a second before the event
    assert f0["unusual"]["false_alerts"] == 0
    assert written["baselines"]["always_alarm"]["recall"] == 1.0
    assert written["baselines"]["always_alarm"]["precision"] == pytest.approx(0.25)
    (difference,) = written["differences"]
    assert (difference["first"], difference["second"], difference["mean"]) == (
        "f0",
        "visual",
        pytest.approx(5 / 6, abs=1e-6),
    )


def test_alerts_within_a_second_before_an_event_are_no_false_ones(made: tuple[DataSet, list[ArmRun]]) -> None:
    data_set, runs = made
    f0 = result_of(data_set, runs, {}).arms[1]
    assert f0.events.false_alerts == ()  # the loitering opens at 0.0 s, exactly a second before the event


def test_the_page_holds_plots_and_pictures_and_no_markup_of_others(
    made: tuple[DataSet, list[ArmRun]], tmp_path: Path
) -> None:
    data_set, runs = made
    page = write_report(result_of(data_set, runs[::-1], {}), data_set, runs[::-1], tmp_path / "out")
    text = page.read_text()
    assert text.count("data:image/png") == 2
    assert text.count("data:image/jpeg") == 2  # the arm shown last missed both events
    assert "<b>" not in text
    assert "<script" not in text
    assert "A note." in text
    assert json.loads((tmp_path / "out" / "report.json").read_text())["data_set"] == "own"


def test_the_table_names_arms_baselines_differences_and_exposure(made: tuple[DataSet, list[ArmRun]]) -> None:
    text = text_table(result_of(*made, {}))
    for words in ("visual", "f0", "always-alarm", "time-in-clip", "f0 - visual", "Exposure", "A note."):
        assert words in text


def test_a_report_that_cannot_be_written_is_said(made: tuple[DataSet, list[ArmRun]], tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(StorageError, match="cannot be written"):
        write_report(result_of(*made, {}), *made, tmp_path / "out")


def test_a_plot_is_a_picture() -> None:
    png = score_plot([("f0", _scored("a", np.linspace(0, 1, 20)))])
    assert png is not None
    assert png.startswith(b"\x89PNG")
