"""What is worth saying of a scene, in no language yet: facts in, an ordered list of statements out.

In: :class:`~pipeline.descriptions.SceneFacts`. Out: :class:`Statements`, in which every field is a fact that is sure
enough or None. Choice and order depend on the facts alone, so that the same scene reads the same. Next files:
``wording_en.py`` and ``wording_zh.py``, which only put these into words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.describe.kinds import kind_of
from pipeline.describe.scenery import BLINDING
from pipeline.descriptions import Fact, FactKind, SceneFacts, SceneObject

__all__ = ["Deed", "Relation", "Statements", "Thing", "statements_of"]

MIN_SAID = 0.5
_MAX_DEEDS = 3
_MIN_DWELL_S = 10.0  # a shorter stay is not worth a word
_MOVING = frozenset({"slow", "walking", "running", "moving", "fast"})


@dataclass(frozen=True, slots=True)
class Deed:
    """What ``number`` objects of one label look like and do, all alike. None: not known, or not worth saying.

    ``zone``: (inside|entering|leaving, name). ``dwell_s``: whole seconds in that zone, or in view without one.
    """

    label: str
    number: int = 1
    colour: str | None = None
    lower_colour: str | None = None
    size: str | None = None
    posture: str | None = None
    speed: str | None = None
    heading: str | None = None
    zone: tuple[str, str] | None = None
    dwell_s: int | None = None


@dataclass(frozen=True, slots=True)
class Relation:
    """What the first object is to the second."""

    value: str
    label: str
    other_label: str


@dataclass(frozen=True, slots=True)
class Thing:
    """A thing that is carried, was left or was taken; ``label`` of who did it, None when that is not known."""

    value: str
    label: str | None
    thing: str


@dataclass(frozen=True, slots=True)
class Statements:
    """Everything that will be said, most important first.

    ``counts``: label and how many, people first. ``is_still``: every object is known to stand still.
    """

    counts: tuple[tuple[str, int], ...]
    deeds: tuple[Deed, ...]
    relations: tuple[Relation, ...]
    things: tuple[Thing, ...]
    light: str | None
    weather: str | None
    health: tuple[str, ...]
    is_blind: bool
    is_still: bool


def statements_of(facts: SceneFacts) -> Statements:
    """The statements that ``facts`` support."""
    said = _BySubject(facts)
    counts = Counter(one.label for one in facts.objects)
    ranked = sorted(facts.objects, key=lambda one: (-_interest(said, one), one.id))
    deeds = [_deed(said, one) for one in ranked]
    return Statements(
        tuple(sorted(counts.items(), key=lambda item: (kind_of(item[0]) != "person", -item[1], item[0]))),
        _grouped([deed for deed in deeds if _is_telling(deed)])[:_MAX_DEEDS],
        tuple(_relations(facts, said)),
        tuple(_things(facts, said)),
        said.word("light", None),
        said.word("weather", None),
        tuple(dict.fromkeys(fact.value for fact in facts.facts if fact.kind == "health")),
        not facts.objects and any(fact.kind == "health" and fact.value in BLINDING for fact in facts.facts),
        all(said.word("speed", one.id) == "still" for one in facts.objects),
    )


class _BySubject:
    """Facts that are sure enough, found by subject and kind without a search."""

    def __init__(self, facts: SceneFacts) -> None:
        self.labels = {one.id: one.label for one in facts.objects}
        self._facts: dict[tuple[FactKind, int | None], list[Fact]] = {}
        for fact in facts.facts:
            if fact.confidence >= MIN_SAID:
                self._facts.setdefault((fact.kind, fact.subject), []).append(fact)

    def all(self, kind: FactKind, subject: int | None) -> Sequence[Fact]:
        """Facts of ``kind`` about ``subject``."""
        return self._facts.get((kind, subject), ())

    def word(self, kind: FactKind, subject: int | None) -> str | None:
        """The surest word of ``kind`` about ``subject``."""
        found = self.all(kind, subject)
        return max(found, key=lambda fact: fact.confidence).value if found else None


def _interest(said: _BySubject, one: SceneObject) -> float:
    """How much a guard would want to hear of ``one``; its class, then what it does."""
    score = {"person": 4.0, "vehicle": 2.0, "animal": 1.5}.get(kind_of(one.label), 1.0)
    score += {"lying": 8.0, "bent": 2.0}.get(said.word("posture", one.id) or "", 0.0)
    speed = said.word("speed", one.id)
    score += {"running": 4.0, "fast": 3.0, "walking": 1.0, "moving": 2.0, "slow": 0.5}.get(speed or "", 0.0)
    score += 2.5 * bool(said.all("zone", one.id)) + 3.0 * bool(said.all("thing", one.id))
    return score


def _deed(said: _BySubject, one: SceneObject) -> Deed:
    zones = sorted(said.all("zone", one.id), key=lambda fact: ("entering leaving inside".index(fact.value), fact.other))
    zone = (zones[0].value, str(zones[0].other)) if zones else None
    where = zone[1] if zone is not None and zone[0] == "inside" else None
    dwells = [fact.amount or 0.0 for fact in said.all("dwell", one.id) if fact.other == where]
    speed = said.word("speed", one.id)
    is_staying = speed in (None, "still", "slow") and zone in (None, ("inside", where))
    return Deed(
        one.label,
        colour=said.word("colour", one.id),
        lower_colour=said.word("lower_colour", one.id),
        size=_size(said, one),
        posture=said.word("posture", one.id),
        speed=speed,
        heading=said.word("heading", one.id) if speed in _MOVING else None,
        zone=zone,
        dwell_s=int(dwells[0]) if is_staying and dwells and dwells[0] >= _MIN_DWELL_S else None,
    )


def _size(said: _BySubject, one: SceneObject) -> str | None:
    size = said.word("size", one.id)
    return None if size == "medium" else size


def _is_telling(deed: Deed) -> bool:
    """Whether there is more to say than that it is there; vehicles and things that just stand are not worth it."""
    if kind_of(deed.label) in ("person", "animal"):
        return any((deed.posture not in (None, "upright"), deed.speed, deed.zone, deed.colour, deed.dwell_s))
    return deed.speed in _MOVING or (deed.zone is not None and deed.zone[0] != "inside")


def _grouped(deeds: Sequence[Deed]) -> tuple[Deed, ...]:
    """Those who do the same told together, in the order of the first of them; how long is then no longer said."""
    groups: dict[Deed, int] = {}
    dwell: dict[Deed, int | None] = {}
    for deed in deeds:
        alike = replace(deed, dwell_s=None)
        groups[alike] = groups.get(alike, 0) + 1
        dwell[alike] = deed.dwell_s
    return tuple(
        replace(alike, number=number, dwell_s=dwell[alike] if number == 1 else None) for alike, number in groups.items()
    )


def _relations(facts: SceneFacts, said: _BySubject) -> list[Relation]:
    """Each kind of relation between two labels once, the most telling kind first."""
    order = ("meeting", "following", "approaching", "dispersing", "beside")
    found = {
        Relation(fact.value, said.labels[fact.subject], said.labels[fact.other])
        for fact in facts.facts
        if fact.kind == "relation"
        and fact.confidence >= MIN_SAID
        and fact.subject in said.labels
        and isinstance(fact.other, int)
        and fact.other in said.labels
    }
    return sorted(found, key=lambda one: (order.index(one.value), one.label, one.other_label))[:2]


def _things(facts: SceneFacts, said: _BySubject) -> list[Thing]:
    found = []
    for fact in facts.facts:
        if fact.kind == "thing" and fact.confidence >= MIN_SAID and fact.other is not None:
            thing = said.labels.get(fact.other, "bag") if isinstance(fact.other, int) else fact.other
            found.append(Thing(fact.value, said.labels.get(fact.subject) if fact.subject is not None else None, thing))
    order = ("left", "taken", "carrying")
    return sorted(dict.fromkeys(found), key=lambda one: (order.index(one.value), one.thing))[:2]
