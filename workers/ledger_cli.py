"""The commands that ask the ledger: ``backtest``, ``why``, ``why-not``, ``feedback``. In: arguments. Out: an exit code.

Mounted by ``workers/cli.py``. Next files: ``workers/backtest.py``, ``workers/why.py``, ``workers/whynot.py``,
``workers/feedback.py``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.errors import UsageError
from pipeline.settings import SiteSettings

__all__ = ["COMMANDS", "backtest", "feedback", "instant", "why", "why_not"]

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
    from workers.dismissals import open_feedback, silences_of

    before, after = load_site(old), load_site(new)
    silences = silences_of(open_feedback(before).marks())
    window = Window(
        None if since is None else instant(since, "--since"),
        None if until is None else instant(until, "--until"),
        is_retracked=retrack,
    )
    with _progress("back-test") as advance:
        report = run(
            before, after, window, root=ledger, cameras=camera or (), silences=(silences, silences), on_done=advance
        )
    print_report(report, Console(), as_json=_is_json(as_json))


def why(
    alert: Annotated[str, typer.Argument(help="An alert's id, as `vedette alerts` shows it.", show_default=False)],
    config: Config,
    ledger: Ledger = None,
    as_json: AsJson = False,
) -> None:
    """Say how an alert came about: what each cue added to its score, where, by which rule, how old its words are."""
    from pipeline.config import load_site
    from workers.dismissals import open_feedback
    from workers.why import account, print_account

    site = load_site(config)
    mark = open_feedback(site).of(alert)
    found = account(site, ledger or site.ledger_dir, alert, None if mark is None else mark.verdict)
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


def feedback(
    config: Config,
    alert: Annotated[str | None, typer.Argument(help="An alert's id; none: list what was said.")] = None,
    verdict: Annotated[str | None, typer.Argument(help="useful, false, or expected (at that time of day).")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Silence alerts like it from now on.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Apply even if useful alerts would be silenced.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Forget what was said of it, and what that silenced.")] = False,
    since: Annotated[str, typer.Option(help="How far back its effect is looked for.")] = "7d",
    ledger: Ledger = None,
    as_json: AsJson = False,
) -> None:
    """Say what an alert was worth. A dismissal shows what it would have silenced; --apply does it, --undo undoes."""
    from pipeline.config import load_site
    from workers.dismissals import open_feedback
    from workers.feedback import print_marks

    site, console = load_site(config), Console()
    store = open_feedback(site)
    if alert is None:
        print_marks(store.marks(), console, as_json=_is_json(as_json))
    elif undo:
        if not store.undo(alert):
            raise UsageError(f"Nothing was said of alert {alert[:40]!r}.")
        sys.stderr.write(f"Forgotten: {alert}.\n")
    else:
        how = _How(instant(since, "--since"), is_applied=apply, is_forced=force, as_json=_is_json(as_json))
        raise typer.Exit(_judge(site, ledger or site.ledger_dir, alert, verdict, how))


@dataclass(frozen=True, slots=True)
class _How:
    since: datetime
    is_applied: bool
    is_forced: bool
    as_json: bool


def _judge(site: SiteSettings, root: Path, alert_id: str, said: str | None, how: _How) -> int:
    """Note the verdict, show what follows, and apply it if that was asked; the exit code."""
    from pipeline.ledger.feedback import VERDICTS
    from workers.backtest import Window
    from workers.dismissals import open_feedback
    from workers.feedback import preview, print_preview, why_not_silenced
    from workers.why import account

    verdict = next((known for known in VERDICTS if known == said), None)
    if verdict is None:
        raise UsageError(f"Say {', '.join(VERDICTS)} of it, or --undo, not {said!r}.")
    store = open_feedback(site)
    alert = account(site, root, alert_id).revisions[-1]
    now = datetime.now(UTC)
    if verdict == "useful":
        store.mark(alert, verdict, now, is_applied=False)
        sys.stderr.write(f"Noted: {alert.id} is useful; `vedette train fusion` learns from it.\n")
        return 0
    if not how.is_applied and (obstacle := why_not_silenced(alert)) is not None:
        store.mark(alert, verdict, now, is_applied=False)
        sys.stderr.write(f"Noted. {obstacle}\n")
        return 0
    with _progress("feedback") as advance:
        found = preview(site, root, alert, verdict, store.marks(), Window(how.since), on_done=advance)
    print_preview(found, Console(), as_json=how.as_json)
    is_refused = how.is_applied and bool(found.useful_silenced) and not how.is_forced
    store.mark(alert, verdict, now, is_applied=how.is_applied and not is_refused)
    if is_refused:
        sys.stderr.write("Noted, not applied: alerts marked useful would be silenced; --force applies it anyway.\n")
        return 1
    done = (
        "Applied; --undo takes it back." if how.is_applied else "Noted, not applied; --apply silences alerts like it."
    )
    sys.stderr.write(f"{done}\n")
    return 0


COMMANDS: dict[str, Callable[..., None]] = {"backtest": backtest, "why": why, "why-not": why_not, "feedback": feedback}
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
