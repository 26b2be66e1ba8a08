"""``vedette why ALERT``: how an alert came about, as arithmetic.

In: the revisions of one alert as the ledger keeps them, and the site for what its rule says now. Out: :class:`Account`
and its rendering: each cue's share of the score, what was observed against what is normal, where, since when, by which
rule, and how old the words are. Next file: ``workers/whynot.py``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.alert.message import to_json
from pipeline.errors import UsageError
from pipeline.ledger.reader import find_alert
from pipeline.settings import SiteSettings
from pipeline.types import Alert, Evidence
from workers.refold import alert_of
from workers.rules_shown import rule_line

__all__ = ["Account", "account", "print_account"]


@dataclass(frozen=True, slots=True)
class Account:
    """What is known of one alert: its revisions oldest first, the rule as the site has it now, and problems met."""

    revisions: tuple[Alert, ...]
    rule_line: str | None
    is_other_configuration: bool
    verdict: str | None
    problems: tuple[str, ...]

    @property
    def peak(self) -> Alert:
        """The revision with the highest score: the one whose evidence counts. The first of equals."""
        return max(self.revisions, key=lambda alert: alert.score)

    @property
    def text_age_s(self) -> float:
        """Seconds from the moment the newest words speak of to the newest revision."""
        last = self.revisions[-1]
        spoken = next((alert for alert in self.revisions if alert.text == last.text), last)
        return (last.updated_at - spoken.updated_at).total_seconds()


def account(site: SiteSettings, root: Path, alert_id: str, verdict: str | None = None) -> Account:
    """What the ledger in ``root`` knows of ``alert_id``. Raises UsageError when it does not know it."""
    problems: list[str] = []
    found = [alert_of(row) for row in find_alert(root, alert_id, problems.append)]
    revisions = tuple(sorted((alert for alert in found if alert is not None), key=lambda alert: alert.revision))
    if not revisions:
        raise UsageError(f"The ledger in {root} knows no alert {alert_id[:40]!r}; `vedette alerts` lists their ids.")
    last = revisions[-1]
    is_other = bool(last.config_hash) and last.config_hash != site.config_hash
    return Account(revisions, rule_line(site, last.camera, last.rule), is_other, verdict, tuple(problems))


def print_account(found: Account, console: Console, *, as_json: bool) -> None:
    """Write ``found``: one JSON object, or a page for people."""
    if as_json:
        console.file.write(json.dumps(_record(found), ensure_ascii=False) + "\n")
        return
    first, last, peak = found.revisions[0], found.revisions[-1], found.peak
    say = _speaker(console)
    say(f"[bold]{escape(last.title)}[/bold]  [dim]{last.id}, {len(found.revisions)} revisions kept[/dim]")
    say(f"{escape(last.camera)} · {escape(last.kind)} · {last.severity} · opened {_instant(last)} · {_ending(last)}")
    say(escape(last.text))
    say(f"[dim]words by {escape(last.text_source)}, {found.text_age_s:.1f} s old at the newest revision[/dim]")
    console.print(_table(peak))
    total = sum(evidence.share for evidence in peak.evidence)
    say(f"score {peak.score:.4f} = {' + '.join(f'{e.share * peak.score:.4f}' for e in peak.evidence) or '0'}"
        f" (shares sum to {total:.6f}; revision {peak.revision})")  # fmt: skip
    for track in first.tracks or last.tracks:
        box = ", ".join(f"{value:.3f}" for value in track.xyxy_norm)
        say(f"box of {escape(track.label)} {track.id}: \\[{box}] of the picture, when it opened")
    if found.rule_line is not None:
        say(f"rule: {escape(found.rule_line)}")
    elif last.rule is not None:
        say(f"rule {escape(last.rule)}: the site has none of that name now")
    models = ", ".join(f"{name} {model}" for name, model in sorted(last.models.items()))
    other = " (not the present one)" if found.is_other_configuration else ""
    say(f"[dim]configuration {last.config_hash or '?'}{other} · {escape(models)}[/dim]")
    if found.verdict is not None:
        say(f"marked [bold]{found.verdict}[/bold]")
    for problem in found.problems:
        say(f"[yellow]![/yellow] {escape(problem)}")


def _speaker(console: Console) -> Any:
    return lambda text: console.print(text, highlight=False, soft_wrap=True)


def _table(alert: Alert) -> Table:
    table = Table("cue", "share", "adds", "observed", "normal", "note")
    for evidence in sorted(alert.evidence, key=_by_share):
        added = f"{evidence.share * alert.score:.4f}"
        row = (evidence.cue, f"{evidence.share:.1%}", added, evidence.observed, evidence.normal, evidence.note)
        table.add_row(*(escape(cell) for cell in row))
    return table


def _by_share(evidence: Evidence) -> float:
    return -evidence.share


def _instant(alert: Alert) -> str:
    return f"{alert.opened_at:%Y-%m-%d %H:%M:%S} UTC"


def _ending(alert: Alert) -> str:
    return "not closed in the ledger" if alert.closed_at is None else f"closed {alert.closed_at:%H:%M:%S}"


def _record(found: Account) -> dict[str, Any]:
    peak = found.peak
    revisions: Sequence[dict[str, Any]] = [json.loads(to_json(alert)) for alert in found.revisions]
    return {
        "id": peak.id,
        "score": peak.score,
        "added": [{"cue": e.cue, "share": e.share, "added": e.share * peak.score} for e in peak.evidence],
        "text_age_s": found.text_age_s,
        "rule": found.rule_line,
        "is_other_configuration": found.is_other_configuration,
        "verdict": found.verdict,
        "revisions": revisions,
        "problems": list(found.problems),
    }
