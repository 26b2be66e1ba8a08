"""The smallest change to a rule that would have alerted: found by trying, never by guessing.

In: a rule's knobs and an oracle that folds the ledger with some of them turned. Out: the one knob that needs the
smallest turn, each alternative, or the fewest knobs together when none alone is enough. An oracle that is asked what it
was asked before answers from memory. Next file: ``workers/whynot.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.alert.relax import Knob

__all__ = ["Change", "Oracle", "alone", "together"]

Oracle = Callable[[Mapping[str, Any]], bool]
"""Whether an alert comes of these settings (knob name -> value) in place of the present ones."""

_HALVINGS = 12


@dataclass(frozen=True, slots=True)
class Change:
    """``knob`` has to be set to ``needed``; ``share`` (0..1) of the way to the loosest setting there is."""

    knob: Knob
    needed: Any
    share: float


def alone(knobs: Sequence[Knob], has_alert: Oracle) -> list[Change]:
    """Every knob that is enough by itself, with the smallest turn that is; smallest share first, switches last."""
    found = [change for knob in knobs if (change := _smallest(knob, {}, has_alert)) is not None]
    return sorted(found, key=lambda change: (change.knob.is_switch, change.share))


def together(knobs: Sequence[Knob], has_alert: Oracle) -> list[Change]:
    """A set of knobs that is enough and of which none can be spared, in gate order; empty when all are not enough."""
    values = {knob.name: knob.value(1.0) for knob in knobs}
    if not knobs or not has_alert(values):
        return []
    for knob in knobs:
        fewer = {name: value for name, value in values.items() if name != knob.name}
        if has_alert(fewer):
            values = fewer
    changes = []
    for knob in knobs:
        if knob.name in values:
            others = {name: value for name, value in values.items() if name != knob.name}
            change = _smallest(knob, others, has_alert)
            if change is not None:
                values[knob.name] = change.needed
                changes.append(change)
    return changes


def _smallest(knob: Knob, others: Mapping[str, Any], has_alert: Oracle) -> Change | None:
    loosest = knob.value(1.0)
    if loosest == knob.present or not has_alert({**others, knob.name: loosest}):
        return None
    if knob.is_switch:
        return Change(knob, loosest, 1.0)
    strict, loose = 0.0, 1.0
    for _ in range(_HALVINGS):
        if knob.value(strict) == knob.value(loose):
            break
        middle = (strict + loose) / 2
        if has_alert({**others, knob.name: knob.value(middle)}):
            loose = middle
        else:
            strict = middle
    return Change(knob, knob.value(loose), loose)
