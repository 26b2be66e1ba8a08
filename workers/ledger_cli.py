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

__all__ = ["COMMANDS", "backtest", "instant", "why", "why_not"]

AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text for people.")]
Config = Annotated[Path, typer.Option("--config", "-c", help="The site.", show_default=False)]
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
    window = Window(
        None if since is None else instant(since, "--since"),
        None if until is None else instant(until, "--until"),
        is_retracked=retrack,
    )
    with _progress("back-test") as advance:
        report = run(before, after, window, root=ledger, cameras=camera or (), on_done=advance)
    print_report(report, Console(), as_json=_is_json(as_json))


def why(
    alert: Annotated[str, typer.Argument(help="An alert's id, as `vedette alerts` shows it.", show_default=False)],
    config: Config,
    ledger: Ledger = None,
    as_json: AsJson = False,
) -> None:
    """Say how an alert came about: what each cue added to its score, where, by which rule, how old its words are."""
    from pipeline.config import load_site
    from workers.why import account, print_account

    site = load_site(config)
    found = account(site, ledger or site.ledger_dir, alert)
    print_account(found, Console(), as_json=_is_json(as_json))


def why_not(
    camera: Annotated[str, typer.Argument(help="The camera that kept silent.", show_default=False)],
    time: Annotated[str, typer.Argument(help="When, ISO 8601 (UTC without a zone), or a span ago: 20min.")],
    config: Config,
    within: Annotated[float, typer.Option(min=1, max=600, help="Seconds around that time that are looked at.")] = 30.0,
    ledger: Ledger = None,
    as_json: AsJson = False,
) -> None:
    """Say why there was no alert: which gate stopped it, how far it was, and the smallest change that would alert."""
    from pipeline.config import load_site
    from workers.whynot import why_not as explain
    from workers.whynot_page import print_silence

    site, at = load_site(config), instant(time, "TIME")
    with _progress("why not") as advance:
        found = explain(site, ledger or site.ledger_dir, camera, at, within_s=within, on_done=advance)
    print_silence(found, site, Console(), as_json=_is_json(as_json))


COMMANDS: dict[str, Callable[..., None]] = {"backtest": backtest, "why": why, "why-not": why_not}
"""By name, for the command line."""


def instant(text: str, option: str, now: datetime | None = None) -> datetime:
    """An ISO 8601 instant (UTC without a zone), or a span before ``now`` such as 90s, 30min, 24h, 7d.

    Raises UsageError for anything else.
    """
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


def _is_json(asked: bool) -> bool:
    return asked or not sys.stdout.isatty()


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
