"""The only door to matplotlib of the evaluation: scores of one clip against time. In: scored clips. Out: PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence

from pipeline.evaluate.clips import IGNORED, runs_of
from pipeline.evaluate.metrics import ScoredClip

__all__ = ["score_plot"]

_SIZE_IN = (5.2, 1.9)
_DPI = 90


def score_plot(arms: Sequence[tuple[str, ScoredClip]]) -> bytes | None:
    """Scores of one clip, an arm a line, each divided by its highest; None when matplotlib is not installed.

    Labelled events are red, ignored frames grey, openings of the first arm's alerts black marks.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return None
    figure = Figure(figsize=_SIZE_IN, dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    clip = arms[0][1]
    for start, stop in runs_of(clip.labels):
        axes.axvspan(clip.times_s[start], clip.times_s[stop - 1] + clip.frame_s, color="#d1242f", alpha=0.18, lw=0)
    is_ignored = clip.labels == IGNORED
    axes.fill_between(clip.times_s, 0, 1, where=is_ignored, color="#57606a", alpha=0.15, lw=0)
    for name, scored in arms:
        top = float(scored.score.max()) or 1.0
        axes.step(scored.times_s, scored.score / top, where="post", lw=1, label=f"{name} (max {top:.1f})")
    for alert in clip.alerts:
        axes.axvline(alert.opened_s, color="black", lw=1, ls=":")
    axes.set_ylim(0, 1.05)
    axes.set_xlabel("s", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.legend(fontsize=6, loc="upper left")
    held = io.BytesIO()
    FigureCanvasAgg(figure).print_png(held)
    return held.getvalue()
