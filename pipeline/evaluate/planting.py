"""True and false sentences about a scene, to see whether a verifier tells them apart.

In: measured facts and a seeded source of chance. Out: sentences in the words a model might use, each with one statement
whose truth is known from the facts, and its kind. A false one is false of every object it could mean; colours that
light turns into one another are not used as lies. Next file: ``pipeline/evaluate/facts.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from pipeline.describe.lexicon import CONFUSED_COLOURS
from pipeline.describe.scenery import BLINDING
from pipeline.describe.wording_en import NUMBERS, PLURALS
from pipeline.descriptions import COLOURS, FactKind, SceneFacts

__all__ = ["Planted", "planted"]

_MIN_SURE = 0.6
_NOUNS = {"person": ("person", "man", "woman", "pedestrian"), "car": ("car",), "bus": ("bus",), "bicycle": ("bicycle",)}
_CLASSES = ("person", "car", "bus", "bicycle", "motorcycle", "dog", "cat", "horse", "train")
_ACTIONS = {
    "walking": ("is walking", "walks"),
    "running": ("is running", "runs"),
    "still": ("is stationary", "remains motionless"),
}
_HEADINGS = {
    "left": ("moves to the left", "is moving leftwards"),
    "right": ("moves to the right", "is moving rightwards"),
    "towards": ("moves towards the camera", "is moving toward the camera"),
    "away": ("moves away from the camera", "is moving away from the camera"),
}
_GARMENTS = ("jacket", "shirt", "coat", "top")


@dataclass(frozen=True, slots=True)
class Planted:
    """A sentence with one statement of ``kind``, the first of it, and whether it is true."""

    text: str
    kind: str
    is_true: bool


def planted(facts: SceneFacts, chance: Random, zones: Sequence[str] = ()) -> Iterator[Planted]:
    """At most one true and one false sentence of each kind about ``facts``; ``zones``: all zones of the camera.

    Of a blind camera nothing can be known to be false: nothing is planted.
    """
    if BLINDING.intersection(fact.value for fact in facts.of("health")):
        return
    labels = sorted({one.label for one in facts.objects} - {"bag"})
    absent = [label for label in _CLASSES if label not in labels and not (label == "car" and "van" in labels)]
    if labels:
        label = chance.choice(labels)
        number = sum(one.label == label for one in facts.objects)
        if not (label in ("car", "van", "truck", "bus") and {"van", "truck"} & set(labels)):
            yield Planted(_counted(number, label), "count", True)
            yield Planted(_counted(number + chance.choice((1, 2)), label), "count", False)
        yield Planted(f"A {_noun(label, chance)} can be seen near the entrance.", "class", True)
    if absent:
        yield Planted(f"A {_noun(chance.choice(absent), chance)} can be seen near the entrance.", "class", False)
    if "person" in labels:
        yield from _of_people(facts, chance, zones)


def _of_people(facts: SceneFacts, chance: Random, zones: Sequence[str]) -> Iterator[Planted]:
    people = [one.id for one in facts.objects if one.label == "person"]
    noun = _noun("person", chance)
    for kind, fact_kind, table in (("action", "speed", _ACTIONS), ("heading", "heading", _HEADINGS)):
        known = _known(facts, "speed" if fact_kind == "speed" else "heading", people)
        sure = [word for word in known if word in table]
        if sure:
            yield Planted(f"A {noun} {chance.choice(table[sure[0]])}.", kind, True)
        lies = [word for word in table if known and None not in known and not _may_be(word, known)]
        if lies:
            yield Planted(f"A {noun} {chance.choice(table[chance.choice(lies)])}.", kind, False)
    known = _known(facts, "colour", people)
    if known and known[0] is not None:
        yield Planted(f"A {noun} in a {known[0]} {chance.choice(_GARMENTS)} is there.", "colour", True)
    if known and None not in known:
        lies = [c for c in COLOURS if all(c != k and frozenset((c, k)) not in CONFUSED_COLOURS for k in known)]
        if lies:
            yield Planted(f"A {noun} in a {chance.choice(lies)} {chance.choice(_GARMENTS)} is there.", "colour", False)
    yield from _in_zones(facts, chance, zones, people)


def _in_zones(facts: SceneFacts, chance: Random, zones: Sequence[str], people: Sequence[int]) -> Iterator[Planted]:
    inside = {
        str(fact.other)
        for one in people
        for fact in facts.of("zone", one)
        if fact.value in ("inside", "entering") and fact.confidence >= _MIN_SURE
    }
    touched = {str(fact.other) for one in people for fact in facts.of("zone", one)}
    lies = [name for name in (*zones, "roof terrace") if name not in touched]
    if inside:
        yield Planted(f"A person is in the zone ‘{chance.choice(sorted(inside))}’.", "zone", True)
    if people:
        yield Planted(f"A person is in the zone ‘{chance.choice(lies)}’.", "zone", False)


def _known(facts: SceneFacts, kind: FactKind, people: Sequence[int]) -> list[str | None]:
    """The sure word of each person; None where nothing is sure. A person who stands has no heading, which is known."""
    out: list[str | None] = []
    for one in people:
        found = [fact.value for fact in facts.of(kind, one) if fact.confidence >= _MIN_SURE]
        still = kind == "heading" and any(
            f.value == "still" and f.confidence >= _MIN_SURE for f in facts.of("speed", one)
        )
        out.append(found[0] if found else "still" if still else None)
    return out


def _may_be(word: str, known: Sequence[str | None]) -> bool:
    """Whether ``word`` is true of somebody, or bordering on it."""
    near = {"walking": {"walking", "slow"}, "still": {"still", "slow"}, "running": {"running"}}
    return any(one in near.get(word, {word}) for one in known)


def _noun(label: str, chance: Random) -> str:
    return chance.choice(_NOUNS.get(label, (label,)))


def _counted(number: int, label: str) -> str:
    word = NUMBERS[number] if number < len(NUMBERS) else str(number)
    noun = label if number == 1 else PLURALS.get(label, f"{label}s")
    return f"There {'is' if number == 1 else 'are'} {word} {noun} in the scene."
