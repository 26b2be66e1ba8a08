"""What a comparison of arms came to, as values and as JSON: the numbers of every arm, the baselines, the differences.

In: a :class:`pipeline.evaluate.clips.DataSet` and its :class:`pipeline.evaluate.anomaly.ArmRun` values. Out:
:class:`SetResult`. Baselines need no camera at all: *always-alarm* says every frame is unusual, *time-in-clip* scores
a frame by how late it is. A number that does not exist for a set (no unusual frame, no training footage) is NaN here
and null in JSON. Next file: ``pipeline/evaluate/report.py``.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.evaluate.anomaly import ArmRun
from pipeline.evaluate.clips import DataSet
from pipeline.evaluate.events import EventMetrics, event_metrics
from pipeline.evaluate.metrics import (
    Difference,
    FrameMetrics,
    Rates,
    clip_auc,
    frame_metrics,
    macro_auc,
    micro_auc,
    only_kind,
    paired_bootstrap,
    rates_at,
    time_in_clip,
)

__all__ = ["ArmResult", "Baselines", "SetResult", "json_of", "result_of"]

UNUSUAL = "unusual"

_PAIRS = (
    ("f0", "visual"),
    ("f0", "text"),
    ("learned", "f0"),
    ("learned", "visual"),
    ("learned", "learned-visual"),
    ("f0", "shuffled"),
    ("f0", "stale"),
    ("f0", "class"),
    ("f0", "noise"),
)


@dataclass(frozen=True, slots=True)
class ArmResult:
    """``events`` counts alerts of every kind, as the owner gets them; ``unusual`` those of the learned score alone."""

    arm: str
    threshold: float
    frames: FrameMetrics
    events: EventMetrics
    unusual: EventMetrics


@dataclass(frozen=True, slots=True)
class Baselines:
    """What needs no camera. ``time_micro_auc`` and ``time_macro_auc`` are of time-in-clip."""

    always_alarm: Rates
    time_micro_auc: float
    time_macro_auc: float


@dataclass(frozen=True, slots=True)
class SetResult:
    """One set. ``settings`` says with what it was made."""

    data_set: str
    notes: tuple[str, ...]
    settings: Mapping[str, str]
    train_clips: int
    test_clips: int
    normal_test_clips: int
    arms: tuple[ArmResult, ...]
    baselines: Baselines
    differences: tuple[Difference, ...]


def result_of(data_set: DataSet, runs: Sequence[ArmRun], settings: Mapping[str, str]) -> SetResult:
    """The numbers of ``runs`` over ``data_set``; at least one run."""
    arms = tuple(
        ArmResult(
            run.arm,
            run.threshold,
            frame_metrics(run.test, run.threshold),
            event_metrics(run.test),
            event_metrics(only_kind(run.test, UNUSUAL)),
        )
        for run in runs
    )
    by_time = time_in_clip(runs[0].test)
    test = data_set.part("test")
    return SetResult(
        data_set.name,
        data_set.notes,
        dict(settings),
        sum(clip.is_normal for clip in data_set.part("train")),
        len(test),
        sum(clip.is_normal for clip in test),
        arms,
        Baselines(rates_at(runs[0].test, -math.inf), micro_auc(by_time), macro_auc(by_time)),
        _differences(runs),
    )


def _differences(runs: Sequence[ArmRun]) -> tuple[Difference, ...]:
    """Of micro AUC where clips hold both kinds, else of whole clips; [] where neither exists."""
    known = {run.arm: run.test for run in runs}
    first = runs[0].test
    is_mixed = any(clip.is_mixed for clip in first)
    measure = ("micro_auc", micro_auc) if is_mixed else ("clip_auc", clip_auc)
    if math.isnan(measure[1](first)):
        return ()
    return tuple(
        paired_bootstrap((one, known[one]), (other, known[other]), measure=measure)
        for one, other in _PAIRS
        if one in known and other in known
    )


def json_of(result: SetResult) -> dict[str, Any]:
    """``result`` as JSON; counts and shares of events are written out, NaN becomes null."""
    tree = _plain(result)
    for arm, written in zip(result.arms, tree["arms"], strict=True):
        written["events"], written["unusual"] = _events(arm.events), _events(arm.unusual)
    return dict(tree)


def _events(events: EventMetrics) -> dict[str, Any]:
    return {
        "events": len(events.events),
        "found": events.found,
        "alerts": events.alerts,
        "false_alerts": len(events.false_alerts),
        "precision": _plain(events.precision),
        "recall": _plain(events.recall),
        "f1": _plain(events.f1),
        "time_to_alert_median_s": _plain(events.delay_s(0.5)),
        "time_to_alert_p90_s": _plain(events.delay_s(0.9)),
        "normal_s": round(events.normal_s, 3),
        "false_alerts_per_hour": _plain(events.false_per_hour),
        "missed": [_plain(event) for event in events.events if event.delay_s is None],
        "false": [{"clip": clip, **_plain(alert)} for clip, alert in events.false_alerts],
    }


def _plain(value: Any) -> Any:
    """Dataclasses as objects, NaN as null, numbers to six digits."""
    if isinstance(value, EventMetrics):
        return None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value
