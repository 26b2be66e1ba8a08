"""How a rule could be less strict: every knob that keeps it from alerting, from its present value to the loosest.

In: the settings of a camera and one of its rules. Out: :class:`Knob` values; :func:`relaxed` gives settings in which
some of them are turned and everything else is as it was. ``vedette why-not`` folds the ledger with those. Next file:
``workers/whynot.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any

from pipeline.alert.places import Line, Zone
from pipeline.alert.rule import Rule
from pipeline.alert.schedule import ALWAYS
from pipeline.alert.settings import AlertSettings
from pipeline.boxes import Point
from pipeline.labels import expand_labels

__all__ = ["Knob", "knobs_of", "relaxed"]

_MAX_GROWTH = 12.0
_WHOLE: tuple[Point, ...] = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))

_LOOSEST: Mapping[str, tuple[str, float, float]] = MappingProxyType(
    {  # name: gate, loosest value, step in which it is written
        "min_confidence": ("confidence", 0.0, 0.01),
        "min_dwell_s": ("threshold", 0.0, 0.1),
        "min_stay_s": ("threshold", 0.0, 0.1),
        "min_count": ("threshold", 1.0, 1.0),
        "min_duration_s": ("threshold", 0.0, 0.1),
        "min_still_s": ("threshold", 0.0, 0.1),
        "min_gone_s": ("threshold", 0.0, 0.1),
        "min_absence_s": ("threshold", 0.0, 0.1),
        "max_sizes_per_s": ("threshold", 0.01, 0.01),
        "max_px_per_s": ("threshold", 1.0, 1.0),
        "owner_distance_heights": ("threshold", 0.0, 0.05),
        "tolerance_deg": ("threshold", 1.0, 1.0),
        "min_distance_norm": ("threshold", 0.001, 0.001),
        "band_norm": ("threshold", 0.0, 0.001),
        "min_sureness": ("confidence", 0.0, 0.01),
        "min_probability": ("threshold", 0.0, 0.01),
        "min_likeness": ("threshold", 0.0, 0.01),
        "min_lead": ("threshold", 0.0, 0.01),
        "open_after_s": ("persistence", 0.0, 0.1),
        "cool_down_s": ("cool-down", 0.0, 0.1),
    }
)


@dataclass(frozen=True, slots=True)
class Knob:
    """Something that can be set looser. ``value(share)``: its setting after ``share`` (0..1) of the way to the loosest.

    ``name`` is the rule's key, or ``zones.NAME`` and ``lines.NAME``. A knob without degrees (``is_switch``) knows only
    its present setting and the loosest.
    """

    gate: str
    name: str
    present: Any
    value: Callable[[float], Any]
    is_switch: bool = False


def knobs_of(settings: AlertSettings, rule: Rule, seen: Collection[str] = ()) -> tuple[Knob, ...]:
    """The knobs of ``rule``, in the order in which a finding meets its gates; ``seen``: labels that were detected."""
    knobs: list[Knob] = []
    if rule.schedule.windows:
        knobs.append(_switch("schedule", "schedule", rule.schedule, ALWAYS))
    foreign = sorted(set(seen) - expand_labels(rule.labels))
    if foreign:
        knobs.append(_switch("class", "labels", rule.labels, (*rule.labels, *foreign)))
    knobs += [
        Knob("zone", f"zones.{zone.name}", zone.polygon_norm, _grown(zone.polygon_norm))
        for zone in settings.zones
        if zone.name == rule.zone_name
    ]
    knobs += [
        Knob("zone", f"lines.{one.name}", (one.start_norm, one.end_norm), _lengthened(one.start_norm, one.end_norm))
        for one in settings.lines
        if one.name == rule.line_name
    ]
    if getattr(rule, "direction", "both") != "both":
        knobs.append(_switch("zone", "direction", getattr(rule, "direction", None), "both"))
    names = {field.name for field in fields(rule)}
    for name, (gate, loosest, step) in _LOOSEST.items():
        present = getattr(rule, name) if name in names else None
        if present is not None and present > loosest:
            knobs.append(Knob(gate, name, present, _towards(present, loosest, step)))
    return tuple(knobs)


def relaxed(settings: AlertSettings, rule: Rule, values: Mapping[str, Any]) -> AlertSettings:
    """``settings`` with ``rule`` alone, and ``values`` (knob name -> setting) in place of its own.

    Raises ValueError when they make no valid settings.
    """
    own = {name: value for name, value in values.items() if "." not in name}
    zones = tuple(
        Zone(zone.name, values[f"zones.{zone.name}"]) if f"zones.{zone.name}" in values else zone
        for zone in settings.zones
    )
    lines = tuple(
        Line(line.name, *values[f"lines.{line.name}"]) if f"lines.{line.name}" in values else line
        for line in settings.lines
    )
    changed = replace(rule, **own)
    return replace(settings, zones=zones, lines=lines, rules=(changed,), is_health_alerted=False)


def _switch(gate: str, name: str, present: Any, loosest: Any) -> Knob:
    return Knob(gate, name, present, lambda share: loosest if share > 0 else present, is_switch=True)


def _towards(present: float, loosest: float, step: float) -> Callable[[float], Any]:
    """Numbers on the way down from ``present`` to ``loosest``, in whole steps, never stricter than the way says."""

    def value(share: float) -> float | int:
        exact = present + share * (loosest - present)
        rounded = max(loosest, math.floor(exact / step + 1e-9) * step)
        return int(rounded) if isinstance(present, int) else round(rounded, 6)

    return value


def _grown(points: tuple[Point, ...]) -> Callable[[float], tuple[Point, ...]]:
    """``points`` moved away from their middle, within the picture; in the end the whole picture."""
    x0 = sum(x for x, _ in points) / len(points)
    y0 = sum(y for _, y in points) / len(points)

    def value(share: float) -> tuple[Point, ...]:
        if share >= 1:
            return _WHOLE
        factor = 1 + share * (_MAX_GROWTH - 1)
        return tuple((_within(x0 + factor * (x - x0)), _within(y0 + factor * (y - y0))) for x, y in points)

    return value


def _lengthened(start: Point, end: Point) -> Callable[[float], tuple[Point, Point]]:
    """The line from ``start`` to ``end`` made longer at both ends, as far as the picture goes."""

    def value(share: float) -> tuple[Point, Point]:
        return _beyond(end, start, share), _beyond(start, end, share)

    return value


def _beyond(start: Point, end: Point, share: float) -> Point:
    """The point ``share`` of the way from ``end`` to where the ray from ``start`` through it leaves the picture."""
    way = (end[0] - start[0], end[1] - start[1])
    room = [((step > 0) - at) / step for at, step in zip(end, way, strict=True) if step]
    reach = share * max(0.0, min(room, default=0.0))
    return (_within(end[0] + reach * way[0]), _within(end[1] + reach * way[1]))


def _within(share: float) -> float:
    return round(min(1.0, max(0.0, share)), 3)
