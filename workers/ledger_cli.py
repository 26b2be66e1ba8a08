"""The commands that ask the ledger: ``backtest``, ``why``, ``why-not``, ``feedback``. In: arguments. Out: an exit code.

Mounted by ``workers/cli.py``. Next files: ``workers/backtest.py``, ``workers/why.py``, ``workers/whynot.py``,
``workers/feedback.py``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.errors import UsageError

__all__ = ["COMMANDS", "backtest", "instant"]

AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text for people.")]
Ledger = Annotated[Path | None, typer.Option("--ledger", help="The ledger's folder, if not the site's own.")]


def backtest(
    old: Annotated[Path, typer.Argument(help="The site file as it is.", show_default=False)],
    new: Annotated[Path, typer.Argument(help="The site file as it might be.", show_default=False)],
    since: Annotated[str | None, typer.Option(help="From this instant on, ISO 8601, or a span: 24h, 7d.")] = None,
    until: Annotated[str | None, typer.Option(help="Up to this instant.")] = None,
    camera: Annotated[list[str] | None, typer.Option(help="Only this camera; may be repeated.")] = None,
    retrack: Annotated[bool, typer.Option(help="Track objects anew instead of using the recorded tracks.")] = False,
    ledger: Ledger = None,
    as_json: AsJson = False,
) -> None:
    """Say what another configuration would have alerted, from what was recorded: added, removed, moved."""
    from pipeline.config import load_site
    from workers.backtest import Window, print_report
    from workers.backtest import backtest as run

    before, after = load_site(old), load_site(new)
    window = Window(instant(since, "--since"), instant(until, "--until"), is_retracked=retrack)
    with _progress("back-test") as advance:
        report = run(before, after, window, root=ledger, cameras=camera or (), on_done=advance)
    print_report(report, Console(), as_json=as_json or not sys.stdout.isatty())


COMMANDS: dict[str, Callable[..., None]] = {"backtest": backtest}
"""By name, for the command line."""


def instant(text: str | None, option: str, now: datetime | None = None) -> datetime | None:
    """An ISO 8601 instant (UTC without a zone), or a span before ``now`` such as 90s, 30min, 24h, 7d.

    Raises UsageError for anything else.
    """
    if text is None:
        return None
    units = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz ")
    unit = text[len(number) :].strip()
    try:
        if unit in units:
            at_s = (now or datetime.now(UTC)).timestamp() - float(number) * units[unit]
            return datetime.fromtimestamp(at_s, UTC)
        at = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        expected = "an instant such as 2026-11-23T08:00:00Z, or a span such as 24h"
        raise UsageError(f"{option} takes {expected}, not {text[:40]!r}.") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


@contextmanager
def _progress(what: str) -> Iterator[Callable[[float], None]]:
    """A bar on standard error while that is a terminal; how to advance it by a share of the whole."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    columns = (TextColumn(what), BarColumn(), TextColumn("{task.percentage:.0f} %"), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(what, total=1.0)
        yield lambda share: progress.advance(task, share)
