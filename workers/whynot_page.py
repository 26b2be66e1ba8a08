"""How ``vedette why-not`` reads: a page for people, or one JSON object.

In: :class:`~workers.whynot.Silence`. Out: text. Every change is a line of the site file. Next file:
``workers/feedback.py``.
"""

from __future__ import annotations

import json
import math
from typing import Any

from rich.console import Console
from rich.markup import escape

from pipeline.settings import SiteSettings
from workers.counterfactual import Change
from workers.rules_shown import config_key, config_value
from workers.whynot import RuleSilence, Silence
from workers.whynot_unusual import UnusualSilence

__all__ = ["print_silence"]

_SHOWN = 3


def print_silence(silence: Silence, site: SiteSettings, console: Console, *, as_json: bool) -> None:
    """Write ``silence``, whose camera belongs to ``site``."""
    if as_json:
        console.file.write(json.dumps(_record(silence, site), ensure_ascii=False) + "\n")
        return

    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    seen = silence.seen
    say(f"[bold]{escape(silence.camera)}[/bold] around {silence.at:%Y-%m-%d %H:%M:%S} UTC (± {silence.within_s:g} s)")
    labels = ", ".join(f"{count} x {escape(label)} (best {best:.2f})" for label, count, best in seen.labels)
    say(f"seen: {seen.looks} looks ({seen.heartbeats} slow, the gate being closed), {seen.ticks} ticks without picture")
    say(f"detected: {labels or 'nothing'}; {seen.tracks} objects were followed")
    if seen.conditions:
        say(f"camera health: {', '.join(seen.conditions)}")
    say(f"[bold]stopped by: {escape(silence.gate)}[/bold] — {escape(silence.reason)}")
    for one in silence.rules:
        say(f"[bold]{escape(one.rule.name)}[/bold] ({one.rule.kind}): {escape(_verdict(one))}")
        for change in (one.alone or one.together)[: _SHOWN if one.alone else None]:
            say(f"    {escape(_line(silence, site, one, change))}")
    if silence.unusual is not None:
        say(f"[bold]unusual behaviour[/bold]: {silence.unusual.gate} — {escape(silence.unusual.reason)}")
        if silence.unusual.needed_per_day is not None:
            say(f"    threshold: {_per_day(silence, silence.unusual)}")
    for problem in silence.problems:
        say(f"[yellow]![/yellow] {escape(problem)}")


def _per_day(silence: Silence, unusual: UnusualSilence) -> str:
    now = config_value(unusual.present_per_day)
    return f"cameras.{silence.camera}.alerts_per_day: {config_value(unusual.needed_per_day)}   # now {now}"


def _verdict(one: RuleSilence) -> str:
    if one.alone:
        return "any one of these would have alerted" if len(one.alone) > 1 else "this would have alerted"
    if one.together:
        return f"these {len(one.together)} together would have alerted"
    return "nothing that it is about happened, whatever its settings"


def _line(silence: Silence, site: SiteSettings, one: RuleSilence, change: Change) -> str:
    key = _key(silence, site, one, change)
    return f"{change.knob.gate}: {key}: {config_value(change.needed)}   # now {config_value(change.knob.present)}"


def _key(silence: Silence, site: SiteSettings, one: RuleSilence, change: Change) -> str:
    name = change.knob.name
    if "." in name:
        return f"cameras.{silence.camera}.{name}"
    return config_key(site, silence.camera, one.rule, name)


def _record(silence: Silence, site: SiteSettings) -> dict[str, Any]:
    def changes(one: RuleSilence, found: tuple[Change, ...]) -> list[dict[str, Any]]:
        return [
            {
                "gate": change.knob.gate,
                "key": _key(silence, site, one, change),
                "now": config_value(change.knob.present),
                "needed": config_value(change.needed),
                "share": change.share,
            }
            for change in found
        ]

    seen = silence.seen
    return {
        "camera": silence.camera,
        "at": silence.at.isoformat(),
        "within_s": silence.within_s,
        "gate": silence.gate,
        "reason": silence.reason,
        "seen": {
            "looks": seen.looks,
            "heartbeats": seen.heartbeats,
            "ticks": seen.ticks,
            "conditions": list(seen.conditions),
            "labels": [{"label": label, "times": count, "best": best} for label, count, best in seen.labels],
            "tracks": seen.tracks,
        },
        "alerts": [{"id": story.id, "kind": story.kind, "title": story.title} for story in silence.alerts],
        "rules": [
            {
                "rule": one.rule.name,
                "kind": one.rule.kind,
                "gate": one.gate,
                "alone": changes(one, one.alone),
                "together": changes(one, one.together),
            }
            for one in silence.rules
        ],
        "unusual": _unusual(silence.unusual),
        "problems": list(silence.problems),
    }


def _unusual(found: UnusualSilence | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "gate": found.gate,
        "reason": found.reason,
        "score": found.score,
        "level": found.level if math.isfinite(found.level) else None,
        "now_per_day": found.present_per_day,
        "needed_per_day": found.needed_per_day,
    }
