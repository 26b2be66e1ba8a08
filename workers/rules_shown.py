"""Rules as a person writes them: where a rule stands in the site file and what differs from its defaults.

In: a site and a rule's name, or a value of a rule. Out: one line in the words of the site file. Used by ``vedette why``
and ``vedette why-not``.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

from pipeline.alert.schedule import DAY_NAMES, Schedule, Window
from pipeline.alert.settings import Rule
from pipeline.settings import SiteSettings

__all__ = ["config_key", "config_value", "rule_line"]


def rule_line(site: SiteSettings, camera: str, name: str | None) -> str | None:
    """``cameras.gate.rules[1]: {kind: zone, …}`` with what is not the default; None when there is no such rule."""
    if name is None or camera not in [known.name for known in site.cameras]:
        return None
    for rule in site.camera(camera).alert.rules:
        if rule.name == name:
            said = [f"kind: {rule.kind}", *_said(rule)]
            return f"{config_key(site, camera, rule)}: {{{', '.join(said)}}}"
    return None


def config_key(site: SiteSettings, camera: str, rule: Rule, knob: str | None = None) -> str:
    """Where ``rule`` (or a knob of it) stands in the site file: ``cameras.gate.rules[1].min_stay_s``.

    A rule that was a plain sentence stands under ``watch_for``, and its knobs nowhere until it is written as a rule.
    """
    sentences = [sentence.rule for sentence in site.camera(camera).watch_for]
    if rule.name in sentences:
        return f"cameras.{camera}.watch_for[{sentences.index(rule.name)}]" + ("" if knob is None else f" ({knob})")
    place = [known.name for known in site.camera(camera).alert.rules].index(rule.name)
    return f"cameras.{camera}.rules[{place}]" + ("" if knob is None else f".{knob}")


def config_value(value: Any) -> str:
    """``value`` of a rule as YAML."""
    if value is None:
        return "null"
    if isinstance(value, Schedule):
        words = [_window(window) for window in value.windows]
        return "always (leave it out)" if not words else f"[{', '.join(words)}]"
    if isinstance(value, tuple):
        return f"[{', '.join(config_value(item) for item in value)}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _said(rule: Rule) -> list[str]:
    said = []
    for field in fields(rule):
        value = getattr(rule, field.name)
        if field.name == "name" or field.default is MISSING or value != field.default:
            said.append(f"{field.name}: {config_value(value)}")
    return said


def _window(window: Window) -> str:
    days = "" if len(window.days) == 7 else ",".join(DAY_NAMES[day][:3] for day in sorted(window.days)) + " "
    clock = [f"{minute // 60:02d}:{minute % 60:02d}" for minute in (window.start_min, window.end_min)]
    return f'"{days}{clock[0]}-{clock[1]}"'
