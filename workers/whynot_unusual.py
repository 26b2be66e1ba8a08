"""Why nothing was called unusual: warm-up, threshold or the day's budget, and by how much.

In: the entries of the ledger up to a window, and what the camera has learned until now. Out: :class:`UnusualSilence`.
The score is folded again with the newest generation of what is normal, which may know more than it did then. Part of
``workers/whynot.py``.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.embed.text import find_text_encoder
from pipeline.settings import SiteSettings
from pipeline.telemetry import Telemetry
from pipeline.types import Finding
from workers.describers import new_narrator
from workers.normality import Shelf
from workers.refold import Entry

__all__ = ["UnusualSilence", "why_nothing_unusual"]

_MAX_PER_DAY = 1000.0


@dataclass(frozen=True, slots=True)
class UnusualSilence:
    """``gate``: ``warm-up``, ``quarantine``, ``threshold`` or ``budget``; the highest ``score`` against the ``level``.

    ``needed_per_day``: the ``alerts_per_day`` at which it would have been told; None when no setting would do.
    """

    gate: str
    reason: str
    score: float
    level: float
    present_per_day: float
    needed_per_day: float | None


def why_nothing_unusual(
    site: SiteSettings, camera: str, recorded: Sequence[Entry], begin: datetime, end: datetime
) -> UnusualSilence | None:
    """Why ``camera`` called nothing unusual between ``begin`` and ``end``; None when it is not looked for."""
    from pipeline.alert.stage import AlertStage
    from pipeline.ledger.tape import Tape
    from pipeline.unusual.judge import UnusualJudge

    settings = site.camera(camera).unusual
    if settings is None:
        return None
    per_day = settings.alerts_per_day
    normality = Shelf(site.normality_dir, camera, Telemetry("why-not", stream=io.StringIO())).newest()
    if normality is None:
        reason = f"it has not learned yet what is normal (warm_up_s: {settings.warm_up_s:g})"
        return UnusualSilence("warm-up", reason, 0.0, math.inf, per_day, None)
    judge, tape = UnusualJudge(settings, normality=normality), Tape()
    narrator = new_narrator(site, camera, find_text_encoder(site.text_encoder))
    stage = AlertStage(site.camera(camera).alert, tape, (judge,), narrator=narrator)
    score, status = 0.0, judge.status
    for entry in recorded:
        if not isinstance(entry.message, Finding):
            stage.describe(entry.message)
            continue
        tape.put(entry.tracks)
        stage.step(entry.message)
        if judge.last is not None and begin <= entry.message.ref.captured_at <= end:
            score, status = max(score, judge.last.score), judge.last.status
    level = judge.level
    if status in ("moved", "drifted"):
        return UnusualSilence(
            "quarantine", f"what it learned does not hold now ({status})", score, level, per_day, None
        )
    if judge.threshold is None or status in ("warming_up", "too_little"):
        return UnusualSilence("warm-up", "it has seen too little to say what is normal", score, level, per_day, None)
    if score >= level:
        reason = f"the score reached {score:.2f} of {level:.2f}, too briefly or after the day's alerts were spent"
        return UnusualSilence("budget", reason, score, level, per_day, None)
    needed = math.ceil(judge.threshold.per_day(score) * 10) / 10
    is_enough = needed <= _MAX_PER_DAY and judge.threshold.level(needed) <= score
    reason = f"the score reached {score:.2f}, an alert needs {level:.2f}"
    return UnusualSilence("threshold", reason, score, level, per_day, needed if is_enough else None)
