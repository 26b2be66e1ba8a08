"""``vedette feedback ALERT useful|false|expected``: what people say of alerts, and what follows from it.

In: a site, an alert of its ledger, a verdict. Out: a mark; and before a dismissal is applied, :class:`Preview`: every
incident of the ledger that it would have silenced, found by folding the camera again with and without it, those marked
useful first. Applied dismissals are silences of the alert role, which takes them up within seconds. Next file:
``pipeline/alert/silence.py``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from pipeline.alert.silence import silence_of
from pipeline.errors import UsageError
from pipeline.ledger.compare import Story
from pipeline.ledger.feedback import Mark, Verdict
from pipeline.settings import SiteSettings
from pipeline.types import Alert
from workers.backtest import Window, backtest
from workers.dismissals import silences_of

__all__ = ["Preview", "preview", "print_marks", "print_preview", "why_not_silenced"]


@dataclass(frozen=True, slots=True)
class Preview:
    """What dismissing an alert would have silenced; ``moved`` would begin or end at another time."""

    silenced: tuple[Story, ...]
    moved: tuple[Story, ...]
    useful: frozenset[str]
    camera_hours: float
    problems: tuple[str, ...]

    @property
    def useful_silenced(self) -> tuple[Story, ...]:
        """The silenced incidents that somebody marked useful."""
        return tuple(story for story in self.silenced if story.id in self.useful)


def preview(
    site: SiteSettings,
    root: Path,
    alert: Alert,
    verdict: Verdict,
    marks: Sequence[Mark],
    window: Window,
    *,
    on_done: Callable[[float], None] = lambda _: None,
) -> Preview:
    """What ``verdict`` on ``alert``, if applied, would have silenced in the ledger.

    What earlier dismissals silence is silent in both folds. Raises UsageError when it cannot be applied.
    """
    try:
        more = silence_of(alert, is_expected=verdict == "expected")
    except ValueError as error:
        raise UsageError(str(error)) from error
    present = silences_of([mark for mark in marks if mark.alert.camera == alert.camera and mark.alert.id != alert.id])
    report = backtest(
        site,
        site,
        window,
        root=root,
        cameras=[alert.camera],
        silences=(present, (*present, *more)),
        is_learning=alert.kind == "unusual",
        processes=1,
        on_done=on_done,
    )
    difference = report.difference
    return Preview(
        silenced=tuple(outcome.shown for outcome in difference.of("removed")),
        moved=tuple(outcome.shown for outcome in (*difference.of("moved"), *difference.of("changed"))),
        useful=frozenset(mark.alert.id for mark in marks if mark.verdict == "useful"),
        camera_hours=report.observed_s / 3600,
        problems=report.problems,
    )


def why_not_silenced(alert: Alert) -> str | None:
    """Why alerts like this one cannot be silenced, in a sentence; None when they can."""
    try:
        silence_of(alert, is_expected=False)
    except ValueError as error:
        return str(error)
    return None


def print_preview(found: Preview, console: Console, *, as_json: bool) -> None:
    """Write ``found``: one JSON object, or lines for people."""
    if as_json:
        record = {
            "silenced": [_plain(story, found.useful) for story in found.silenced],
            "changed": [_plain(story, found.useful) for story in found.moved],
            "useful_silenced": [story.id for story in found.useful_silenced],
            "camera_hours": found.camera_hours,
            "problems": list(found.problems),
        }
        console.file.write(json.dumps(record, ensure_ascii=False) + "\n")
        return

    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    say(f"In {found.camera_hours:.1f} recorded hours it would have silenced {len(found.silenced)} incidents:")
    for story in sorted(found.silenced, key=lambda one: (one.id not in found.useful, one.opened_at)):
        mark = "  [bold red]marked useful[/bold red]" if story.id in found.useful else ""
        say(f"  − {story.opened_at:%Y-%m-%d %H:%M:%S} {escape(story.title)} [dim]{story.id}[/dim]{mark}")
    for story in found.moved:
        say(f"  ~ {story.opened_at:%Y-%m-%d %H:%M:%S} {escape(story.title)} [dim]{story.id}[/dim] would be shorter")
    for problem in found.problems:
        say(f"[yellow]![/yellow] {escape(problem)}")


def print_marks(marks: Sequence[Mark], console: Console, *, as_json: bool) -> None:
    """Write every mark: a JSON line each, or a line for people."""
    for mark in marks:
        if as_json:
            console.file.write(json.dumps(_mark(mark), ensure_ascii=False) + "\n")
        else:
            applied = "applied" if mark.is_applied else "noted"
            text = f"{mark.alert.id} [bold]{mark.verdict}[/bold] ({applied}, {mark.given_at:%Y-%m-%d %H:%M})"
            console.print(f"{text} {escape(mark.alert.camera)}: {escape(mark.alert.title)}", highlight=False)
    if not marks and not as_json:
        console.print("Nothing is marked yet.")


def _plain(story: Story, useful: frozenset[str]) -> dict[str, Any]:
    return {
        "id": story.id,
        "title": story.title,
        "opened_at": story.opened_at.isoformat(),
        "is_useful": story.id in useful,
    }


def _mark(mark: Mark) -> dict[str, Any]:
    return {
        "id": mark.alert.id,
        "camera": mark.alert.camera,
        "verdict": mark.verdict,
        "is_applied": mark.is_applied,
        "given_at": mark.given_at.isoformat(),
        "title": mark.alert.title,
    }
