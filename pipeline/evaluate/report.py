"""A report a person can look at: one HTML file with tables, scores against time, and pictures of what was missed.

In: a :class:`pipeline.evaluate.results.SetResult`, the runs, and the clips. Out: ``report.html`` (it holds its
pictures; nothing else is needed to read it) and ``report.json``. Names of clips and titles of alerts are escaped. Next
file: ``pipeline/evaluate/plots.py``.
"""

from __future__ import annotations

import base64
import html
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from pipeline.errors import SourceError, StorageError
from pipeline.evaluate.anomaly import ArmRun
from pipeline.evaluate.clips import Clip, DataSet
from pipeline.evaluate.events import EventMetrics
from pipeline.evaluate.footage import frame_times_s, pictures
from pipeline.evaluate.plots import score_plot
from pipeline.evaluate.results import ArmResult, SetResult, json_of

__all__ = ["text_table", "write_report"]

_MAX_PLOTS = 60
_MAX_PICTURES = 24
_PICTURE_WIDTH = 360

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1b1f23}
table{border-collapse:collapse;margin:1rem 0}
td,th{padding:.25rem .7rem;border-bottom:1px solid #d8dee4;text-align:right}
td:first-child,th:first-child{text-align:left}figure{display:inline-block;margin:.5rem}figcaption{font-size:13px}
img{max-width:100%}.note{color:#57606a}
"""

_COLUMNS = (
    "arm",
    "micro AUC",
    "macro AUC",
    "padded macro (flattering)",
    "clip AUC",
    "AP",
    "P",
    "R",
    "F1",
    "events found",
    "false alerts",
    "per hour",
    "median s",
    "p90 s",
    "event F1",
)


def write_report(result: SetResult, data_set: DataSet, runs: Sequence[ArmRun], out: Path) -> Path:
    """Write ``report.html`` and ``report.json`` into the folder ``out``; the HTML file. Raises StorageError."""
    page = _page(result, data_set, runs)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "report.json").write_text(json.dumps(json_of(result), indent=1) + "\n", encoding="utf-8")
        (out / "report.html").write_text(page, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"The report cannot be written to {out}: {error.strerror}.") from error
    return out / "report.html"


def text_table(result: SetResult) -> str:
    """The numbers of every arm as lines of text."""
    rows = [_COLUMNS, *(_cells(arm) for arm in result.arms)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, *_sentences(result)]) + "\n"


def _cells(arm: ArmResult) -> tuple[str, ...]:
    frames, events, at = arm.frames, arm.events, arm.frames.at_normal_quantile
    return (
        arm.arm,
        *(_share(value) for value in (frames.micro_auc, frames.macro_auc, frames.macro_auc_padded, frames.clip_auc)),
        *(_share(value) for value in (frames.average_precision, at.precision, at.recall, at.f1)),
        f"{events.found} of {len(events.events)}",
        str(len(events.false_alerts)),
        _number(events.false_per_hour),
        _number(events.delay_s(0.5)),
        _number(events.delay_s(0.9)),
        _share(events.f1),
    )


def _sentences(result: SetResult) -> list[str]:
    base, said = result.baselines, []
    always = base.always_alarm
    said.append(
        f"Baselines: always-alarm P {_share(always.precision)} R {_share(always.recall)} F1 {_share(always.f1)}; "
        f"time-in-clip micro AUC {_share(base.time_micro_auc)}, macro {_share(base.time_macro_auc)}."
    )
    for each in result.differences:
        verdict = "a difference" if each.excludes_zero else "no certain difference"
        said.append(
            f"{each.first} - {each.second} ({each.measure}): {100 * each.mean:+.1f} points, 95 % of the bootstrap over "
            f"clips within {100 * each.low:+.1f} .. {100 * each.high:+.1f}: {verdict}."
        )
    hours = result.arms[0].events.normal_s / 3600
    said.append(f"Exposure: {hours:.3f} h of normal test footage; {result.normal_test_clips} normal test clips.")
    return [*said, *result.notes]


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.1f}"


def _page(result: SetResult, data_set: DataSet, runs: Sequence[ArmRun]) -> str:
    title = html.escape(f"vedette eval {result.data_set}")
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>',
        f"<h1>{title}</h1>",
        _table(result),
        "".join(f"<p>{html.escape(line)}</p>" for line in _sentences(result)),
        _conventions(result.settings),
        _plots(runs),
        _events_section(data_set, result.arms[-1].arm, result.arms[-1].events),
        "</html>\n",
    ]
    return "\n".join(parts)


def _table(result: SetResult) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in _COLUMNS)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in _cells(arm)) + "</tr>" for arm in result.arms
    )
    return f"<table><tr>{head}</tr>{rows}</table>"


def _conventions(settings: Mapping[str, str]) -> str:
    said = (
        "Every number is causal: a frame has the score of the last moment that had been analysed by then, and nothing "
        "is normalised over a clip. P, R and F1 are at the 99 % quantile of the scores of normal training footage. An "
        "event is found when an alert opens from 1 s before its start to 2 s after its end; alerts of every kind "
        "count, except those about the camera itself."
    )
    made = ", ".join(f"{key} {value}" for key, value in settings.items())
    return f'<p class="note">{html.escape(said)}</p><p class="note">{html.escape(made)}</p>'


def _plots(runs: Sequence[ArmRun]) -> str:
    figures = []
    clips = len(runs[0].test)
    for index in range(min(clips, _MAX_PLOTS)):
        name = runs[0].test[index].name
        png = score_plot([(run.arm, run.test[index]) for run in runs])
        if png is None:
            return "<h2>Scores against time</h2><p>matplotlib is not installed, so there are no plots.</p>"
        figures.append(_figure(png, "png", name))
    more = f"<p>{clips - _MAX_PLOTS} more clips are not shown.</p>" if clips > _MAX_PLOTS else ""
    return "<h2>Scores against time</h2>" + "".join(figures) + more


def _events_section(data_set: DataSet, arm: str, events: EventMetrics) -> str:
    missed = [(e.clip, (e.start_s + e.end_s) / 2, "missed") for e in events.events if e.delay_s is None]
    false = [(clip, alert.opened_s, f"{alert.kind}: {alert.title}") for clip, alert in events.false_alerts]
    parts = []
    for heading, shown in ((f"Missed events ({arm})", missed), (f"False alerts ({arm})", false)):
        parts.append(f"<h2>{html.escape(heading)}: {len(shown)}</h2>")
        parts += _pictures_of(data_set, shown[:_MAX_PICTURES])
    return "".join(parts)


def _pictures_of(data_set: DataSet, shown: Iterable[tuple[str, float, str]]) -> list[str]:
    clips = {clip.name: clip for clip in data_set.part("test")}
    figures = []
    for name, at_s, what in shown:
        jpeg = _jpeg(clips[name], at_s)
        caption = f"{name} at {at_s:.1f} s: {what}"
        figures.append(_figure(jpeg, "jpeg", caption) if jpeg else f"<p>{html.escape(caption)}</p>")
    return figures


def _jpeg(clip: Clip, at_s: float) -> bytes | None:
    """The picture of a clip at a moment; None when it cannot be decoded."""
    times_s = frame_times_s(clip.path, clip.stills_fps)
    wanted = int(np.searchsorted(times_s, at_s))
    found = None
    try:
        for index, picture in enumerate(pictures(clip.path, clip.stills_fps)):
            found = picture
            if index >= wanted:
                break
    except SourceError:
        pass  # what was decoded before the damage is shown
    if found is None:
        return None
    bgr = found.bgr()
    height = max(1, round(bgr.shape[0] * _PICTURE_WIDTH / bgr.shape[1]))
    done, coded = cv2.imencode(".jpg", cv2.resize(bgr, (_PICTURE_WIDTH, height), interpolation=cv2.INTER_AREA))
    return coded.tobytes() if done else None


def _figure(content: bytes, kind: str, caption: str) -> str:
    source = base64.b64encode(content).decode("ascii")
    shown = html.escape(caption)
    return (
        f'<figure><img alt="{shown}" src="data:image/{kind};base64,{source}"><figcaption>{shown}</figcaption></figure>'
    )
