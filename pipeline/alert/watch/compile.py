"""From a plain sentence to a rule: ``someone lies on the floor`` becomes a typed condition, shown to the owner, exact.

In: a sentence of ``watch_for`` and what the camera has (zones, lines, the detector's labels). Out: :class:`Compiled`, a
rule of kind ``watch`` (or ``line``, or ``absence``, where that says it better) and notes on what was read more broadly
than written; or :class:`~pipeline.alert.watch.clock.Unclear` with a question. What no fact tells of becomes a question
for a model, asked only while the measured part holds. :func:`written` gives the rule as it can be pasted under
``rules:`` and edited. Next file: ``judge.py`` beside this one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from types import MappingProxyType
from typing import Any

from pipeline.alert.rule import Rule
from pipeline.alert.schedule import ALWAYS, DAY_NAMES, Schedule, Window
from pipeline.alert.settings import AbsenceRule, LineRule
from pipeline.alert.watch.clock import Unclear, take_duration, take_windows
from pipeline.alert.watch.reading import Reading, read
from pipeline.alert.watch.rule import WatchRule
from pipeline.labels import GROUPS, expand_labels, group_of

__all__ = ["Compiled", "Unclear", "compile_sentence", "written"]

_MAX_SENTENCE = 200
_MAX_NAME = 64
_SPEEDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "person": frozenset({"still", "slow", "walking", "running"}),
        "vehicle": frozenset({"still", "slow", "moving", "fast"}),
    }
)
_OF_PEOPLE = ("posture", "lower_colour")


@dataclass(frozen=True, slots=True)
class Compiled:
    """What a sentence became. ``notes``: sentences for the owner on how it was read."""

    rule: Rule
    notes: tuple[str, ...] = ()


def compile_sentence(
    sentence: str,
    *,
    zones: Sequence[str] = (),
    lines: Sequence[str] = (),
    known_labels: Sequence[str] = (),
    time_zone: str = "UTC",
) -> Compiled:
    """The rule that ``sentence`` means on a camera with these places.

    ``known_labels``: what its detector can say, empty when that is not known. Raises :class:`Unclear`.
    """
    said = " ".join(sentence.split())
    if not said or len(said) > _MAX_SENTENCE or not said.isprintable():
        raise Unclear(f"What should be watched for? Write one sentence of 1 to {_MAX_SENTENCE} characters.")
    if not re.search(r"[a-z]{2}", said.lower()) or any(ord(letter) > 0x24F and letter.isalpha() for letter in said):
        raise Unclear("What does it say in English? Other languages are not read yet.")
    text, hold_s = take_duration(re.sub(r"[.!?,;\"“”]+", " ", said.lower()))
    text, windows = take_windows(text)
    reading = read(text, zones, lines)
    if not reading.labels and not reading.is_nobody:
        reading.labels = _doers(reading)
    notes = list(reading.notes)
    labels = _sayable(reading.labels, known_labels, notes)
    common: dict[str, Any] = {"name": said[:_MAX_NAME], "labels": labels}
    if windows:
        common["schedule"] = Schedule(windows, time_zone)
        notes.append(f"it is watched for {common['schedule']}")
    if reading.is_nobody:
        return Compiled(_absence(reading, hold_s, common), tuple(notes))
    if reading.line is not None:
        return Compiled(_line(reading, hold_s, common, notes), tuple(notes))
    return Compiled(_watch(said, reading, hold_s, common, known_labels, notes), tuple(notes))


def written(rule: Rule) -> dict[str, Any]:
    """``rule`` as it stands in a site file under ``rules:``: its kind, and every knob that is not its default."""
    plain: dict[str, Any] = {"kind": rule.kind}
    for knob in fields(rule):
        value = getattr(rule, knob.name)
        if knob.name == "schedule":
            if value != ALWAYS:
                plain["schedule"] = [_window(window) for window in value.windows]
        elif knob.default is MISSING or value != knob.default or knob.name == "labels":
            plain[knob.name] = list(value) if isinstance(value, tuple) else value
    return plain


def _doers(reading: Reading) -> list[str]:
    """Who, in a sentence that names only a thing: "a bag is left" is left by somebody."""
    is_thing_known = reading.has_thing and bool(reading.states.get("thing") or reading.leave)
    if not is_thing_known:
        raise Unclear("Who or what should be seen? Name it, for instance ‘someone’, ‘a vehicle’ or ‘a dog’.")
    return ["person"]


def _absence(reading: Reading, hold_s: float | None, common: dict[str, Any]) -> Rule:
    is_more = reading.states or reading.actions or reading.sights or reading.has_thing or reading.is_negated
    if is_more or not common["labels"] or reading.line or reading.over or reading.leave:
        raise Unclear("Whom do you miss, and where? Write it as ‘nobody in lobby for 5 minutes’, with a zone's name.")
    return AbsenceRule(zone=reading.zone, **common, **_if_given("min_absence_s", hold_s))


def _if_given(name: str, value: float | None) -> dict[str, Any]:
    return {} if value is None else {name: value}


def _line(reading: Reading, hold_s: float | None, common: dict[str, Any], notes: list[str]) -> Rule:
    """Over a line: the rule that is made for it."""
    if reading.over is None or hold_s is not None:
        raise Unclear(f"‘{reading.line}’ is a line: should an alert come when somebody crosses ‘{reading.line}’?")
    motions = [name for name in reading.states if name not in ("speed", "zone_state")]
    if motions or reading.actions or reading.sights or reading.zone or reading.is_negated or reading.count > 1:
        raise Unclear(f"Only the crossing of ‘{reading.line}’, or more? Write one sentence for each thing to watch.")
    if reading.over.split()[0][:5] not in ("cross", "over"):
        notes.append(f"‘{reading.over}’: getting across the line ‘{reading.line}’ is meant")
    return LineRule(line=str(reading.line), **common)


def _watch(
    said: str,
    reading: Reading,
    hold_s: float | None,
    common: dict[str, Any],
    known_labels: Sequence[str],
    notes: list[str],
) -> Rule:
    _settle_leaving(reading)
    _settle_over(reading, notes)
    states = {} if reading.is_negated else dict(reading.states)
    stay_s = states.pop("dwell", None)
    _check(reading, common["labels"])
    chosen: dict[str, Any] = {**states, "says": said, "zone": reading.zone, "min_count": reading.count}
    if "speed" in states:
        chosen["speed"] = _speeds(states["speed"], common["labels"])
    if reading.zone is not None and "zone_state" not in states and stay_s is None:
        chosen["zone_state"] = ("inside", "entering")
    if stay_s is not None or (hold_s is not None and set(states) <= {"zone_state"}):
        chosen["min_dwell_s"] = hold_s or float(stay_s[0] if stay_s else 0)
    elif hold_s is not None:
        chosen["open_after_s"] = hold_s
    if "relation" in states and reading.other_labels:
        chosen["other_labels"] = _sayable(reading.other_labels, known_labels, notes)
    if "thing" in states and reading.thing_labels:
        chosen["thing_labels"] = _sayable(reading.thing_labels, known_labels, notes)
    seen = [*reading.actions, *reading.sights]
    if seen or reading.is_negated:
        chosen |= _question(reading, common["labels"])
        told = ", ".join(f"‘{word}’" for word in dict.fromkeys(seen)) or "what it denies"
        notes.append(f"{told}: not measured; a model that describes is asked" + _places_hint(reading))
    return WatchRule(**chosen, **common)


def _settle_leaving(reading: Reading) -> None:
    """``leaves``: a place, or a thing."""
    if reading.leave is None:
        return
    if reading.has_thing and "thing" not in reading.states:
        reading.states["thing"] = ("left",)
    elif reading.zone is not None and "zone_state" not in reading.states:
        reading.states["zone_state"] = ("leaving",)
    elif "thing" not in reading.states:
        raise Unclear("Leaves what? Name one of the camera's zones, or the thing that is left, for instance ‘a bag’.")


def _settle_over(reading: Reading, notes: list[str]) -> None:
    """``climbs the fence``: into the zone of that name; without one only eyes can tell."""
    if reading.over is None:
        return
    if reading.zone is not None:
        notes.append(
            f"‘{reading.over}’: being in the zone ‘{reading.zone}’ is meant; a line would tell who gets across"
        )
    else:
        reading.actions.append(reading.over)


def _check(reading: Reading, labels: Sequence[str]) -> None:
    """Raises :class:`Unclear` for what cannot be at once, or not of these."""
    states = reading.states
    is_moving = "heading" in states or bool({"walking", "running", "fast"}.intersection(states.get("speed", ())))
    if "lying" in states.get("posture", ()) and is_moving:
        raise Unclear("Lying and moving at once? Write one sentence for each.")
    if "heading" in states and "still" in states.get("speed", ()):
        raise Unclear("Standing still and moving at once? Write one sentence for each.")
    kinds = {group_of(label) for label in expand_labels(labels)}
    wrong = [name for name in _OF_PEOPLE if name in states and "person" not in kinds]
    if wrong:
        raise Unclear(f"Only people have a {wrong[0].replace('_', ' ')} here: is a person meant?")
    if "zone_state" in states and reading.zone is None and not (reading.actions or reading.sights):
        raise Unclear("Into or out of which place? Draw a zone and write its name.")
    if reading.has_thing and "thing" not in states:
        raise Unclear("What happens to the thing? It can be carried, left or taken.")
    if "relation" in states and not reading.other_labels and reading.count < 2:
        if states["relation"] != ("following",):
            raise Unclear("Whom or what? Write for instance ‘two people meet’ or ‘someone approaches a car’.")
        reading.other_labels.append("person")


def _speeds(speeds: Sequence[str], labels: Sequence[str]) -> tuple[str, ...]:
    kinds = {"vehicle" if group_of(label) == "vehicle" else "person" for label in expand_labels(labels)}
    possible = frozenset[str]().union(*(_SPEEDS[kind] for kind in kinds))
    chosen = tuple(speed for speed in speeds if speed in possible)
    if not chosen:
        raise Unclear(f"How fast can that be? Of these are measured: {', '.join(sorted(possible))}.")
    return chosen


def _question(reading: Reading, labels: Sequence[str]) -> dict[str, Any]:
    """What a model is asked, and the ordinary sentences that a description must not be more like."""
    question = {"question": f"Does this happen in the picture: {reading.text[: _MAX_SENTENCE - 40]}?"}
    if not reading.actions or reading.is_negated:
        return question  # places, people and denials do not tell sentences apart well enough
    who = f"{reading.count} people" if reading.count > 1 else f"a {labels[0]}"
    where = f" near the {reading.spots[-1]}" if reading.spots else ""
    plural = reading.count > 1
    verbs = ("walk", "stand", "talk") if plural else ("walks", "stands")
    return {**question, "ordinary": tuple(f"{who} {verb}{where}" for verb in verbs)}


def _places_hint(reading: Reading) -> str:
    return f" (a zone called ‘{reading.spots[-1]}’ could be measured)" if reading.spots and not reading.zone else ""


def _sayable(labels: Sequence[str], known: Sequence[str], notes: list[str]) -> tuple[str, ...]:
    """``labels`` in the detector's words: a group for a member that it does not tell apart."""
    chosen: list[str] = []
    for label in dict.fromkeys(labels):
        group = group_of(label)
        if not known or expand_labels([label]).intersection(known):
            chosen.append(label)
        elif group in GROUPS and expand_labels([group]).intersection(known):
            chosen.append(group)
            notes.append(f"‘{label}’: any {group} is meant, because the detector does not tell them apart")
        else:
            raise Unclear(f"Can it be something else than a {label}? The detector knows {', '.join(known)}.")
    return tuple(dict.fromkeys(chosen))


def _window(window: Window) -> str:
    clock = "-".join(f"{minute // 60:02d}:{minute % 60:02d}" for minute in (window.start_min, window.end_min))
    if len(window.days) == len(DAY_NAMES):
        return clock
    return f"{','.join(DAY_NAMES[day][:3] for day in window.days)} {clock}"
