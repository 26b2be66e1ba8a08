"""One claim against one object: supported, contradicted, or not to be checked, and by which fact.

In: a :class:`~pipeline.describe.claims.Said` and the facts, found by subject. Out: a verdict with its reason. Facts of
low confidence never contradict, and what borders on a measured word (slow on walking, navy on black) is left open.
Next file: ``pipeline/describe/verify.py``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pipeline.describe.claims import Said
from pipeline.describe.kinds import kind_of
from pipeline.describe.lexicon import ALSO_CALLED, CONFUSED_COLOURS
from pipeline.describe.names import OPENING, quoted
from pipeline.describe.scenery import BLINDING
from pipeline.descriptions import Fact, FactKind, SceneFacts, SceneObject, Verdict

__all__ = ["Scene", "Verdict", "judge_said", "judge_scene"]

_MIN_SURE = 0.5
_DWELL_SLACK_S, _DWELL_SLACK = 2.0, 0.25
_UNKNOWN: tuple[Verdict, str] = ("unverifiable", "not measured")

# action -> words of speed that support it, and words that contradict it; the rest is left open
_BY_SPEED: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "walking": (frozenset({"walking", "slow"}), frozenset({"still", "running", "fast"})),
    "running": (frozenset({"running"}), frozenset({"still", "slow", "walking"})),
    "still": (frozenset({"still"}), frozenset({"walking", "running", "moving", "fast"})),
    "standing": (frozenset({"still"}), frozenset({"walking", "running", "moving", "fast"})),
    "moving": (frozenset({"slow", "walking", "running", "moving", "fast"}), frozenset({"still"})),
    "fast": (frozenset({"running", "fast"}), frozenset({"still", "slow", "walking", "moving"})),
    "slow": (frozenset({"slow"}), frozenset({"still", "running", "moving", "fast"})),
}
_BY_POSTURE: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "lying": (frozenset({"lying"}), frozenset({"upright", "bent"})),
    "bent": (frozenset({"bent"}), frozenset({"upright", "lying"})),
    "upright": (frozenset({"upright"}), frozenset({"lying", "bent"})),
    "standing": (frozenset({"upright"}), frozenset({"lying"})),
    "walking": (frozenset(), frozenset({"lying"})),
    "running": (frozenset(), frozenset({"lying"})),
}
_LYING_TOO_FAST = frozenset({"walking", "running"})


class Scene:
    """Facts found by subject and kind without a search."""

    def __init__(self, facts: SceneFacts) -> None:
        self.objects: dict[int, SceneObject] = {one.id: one for one in facts.objects}
        self.zone_names = tuple({str(fact.other): None for fact in facts.facts if fact.kind == "zone"})
        self.health = frozenset(fact.value for fact in facts.facts if fact.kind == "health")
        self.is_blind = not facts.objects and bool(BLINDING & self.health)
        self.untracked = Counter(
            fact.other for fact in facts.facts if fact.kind == "thing" and isinstance(fact.other, str)
        )
        self._facts: dict[tuple[FactKind, int | None], list[Fact]] = {}
        for fact in facts.facts:
            self._facts.setdefault((fact.kind, fact.subject), []).append(fact)

    def of_labels(self, labels: Sequence[str], *, is_strict: bool = False) -> list[int]:
        """Ids of the objects that may be meant by ``labels``; ``is_strict``: those that must be."""
        meant = (
            {*labels} if is_strict else {*labels, *(other for label in labels for other in ALSO_CALLED.get(label, ()))}
        )
        return [i for i, one in self.objects.items() if one.label in meant]

    def is_bag(self, labels: Sequence[str]) -> bool:
        """Whether ``labels`` are of bags."""
        return any(kind_of(label) == "bag" for label in labels)

    def all(self, kind: FactKind, subject: int | None) -> Sequence[Fact]:
        """Facts of ``kind`` about ``subject``."""
        return self._facts.get((kind, subject), ())

    def word(self, kind: FactKind, subject: int | None) -> str | None:
        """The surest word of ``kind`` about ``subject``; None when none is sure."""
        found = [fact for fact in self.all(kind, subject) if fact.confidence >= _MIN_SURE]
        return max(found, key=lambda fact: fact.confidence).value if found else None

    def things(self, value: str) -> list[Fact]:
        """Thing facts of one value, whoever they are about."""
        return [
            fact
            for (kind, _), facts in self._facts.items()
            if kind == "thing"
            for fact in facts
            if fact.value == value and fact.confidence >= _MIN_SURE
        ]


def judge_said(said: Said, subject: int, scene: Scene) -> tuple[Verdict, str]:
    """The verdict on what is said of object ``subject``, and the fact that decides it, in words."""
    verdict, reason = _judge(said, subject, scene)
    if said.is_negated and verdict != "unverifiable":
        return ("contradicted" if verdict == "supported" else "supported"), reason
    return verdict, reason


def _judge(said: Said, subject: int, scene: Scene) -> tuple[Verdict, str]:
    if said.kind in ("colour", "lower_colour", "any_colour"):
        return _colour(said, subject, scene)
    if said.kind == "action":
        return _action(said.value, subject, scene)
    if said.kind == "heading":
        return _heading(said.value, subject, scene)
    if said.kind == "zone":
        return _zone(said, subject, scene)
    if said.kind == "dwell":
        return _dwell(said, subject, scene)
    return _linked(said, subject, scene)


def _colour(said: Said, subject: int, scene: Scene) -> tuple[Verdict, str]:
    first: FactKind = "lower_colour" if said.kind == "lower_colour" else "colour"
    kinds: tuple[FactKind, ...] = (first, "lower_colour") if said.kind == "any_colour" else (first,)
    measured = [word for word in (scene.word(kind, subject) for kind in kinds) if word is not None]
    if said.value in measured:
        return "supported", f"measured {said.value}"
    if scene.word(first, subject) is None:
        return _UNKNOWN
    if any(frozenset((said.value, word)) in CONFUSED_COLOURS for word in measured):
        return "unverifiable", f"measured {' and '.join(measured)}, which is easily confused with it"
    return "contradicted", f"measured {' and '.join(measured)}"


def _action(value: str, subject: int, scene: Scene) -> tuple[Verdict, str]:
    speed, posture = scene.word("speed", subject), scene.word("posture", subject)
    supports: list[str] = []
    for word, table in ((speed, _BY_SPEED), (posture, _BY_POSTURE)):
        yes, no = table.get(value, (frozenset(), frozenset()))
        if word is None:
            continue
        if word in no:
            return "contradicted", f"measured {word}"
        if word in yes:
            supports.append(word)
    if value in ("lying", "bent") and posture is None and speed in _LYING_TOO_FAST:
        return "contradicted", f"measured {speed}"
    return ("supported", f"measured {' and '.join(supports)}") if supports else _UNKNOWN


def _heading(value: str, subject: int, scene: Scene) -> tuple[Verdict, str]:
    heading = scene.word("heading", subject)
    if heading is not None:
        return ("supported" if heading == value else "contradicted"), f"measured {heading}"
    if scene.word("speed", subject) == "still":
        return "contradicted", "measured still"
    return _UNKNOWN


def _zone(said: Said, subject: int, scene: Scene) -> tuple[Verdict, str]:
    there = [fact.value for fact in scene.all("zone", subject) if _is_name(said.other or "", str(fact.other))]
    wanted = {"inside": {"inside", "entering"}, "entering": {"entering"}, "leaving": {"leaving"}}[said.value]
    if wanted.intersection(there):
        return "supported", f"measured {there[0]}"
    if said.value == "entering" and "inside" in there:
        return "unverifiable", "measured inside"
    if said.value == "inside" and "leaving" in there:
        return "unverifiable", "measured leaving"
    return "contradicted", f"measured {there[0]}" if there else "not measured there"


def _is_name(said: str, name: str) -> bool:
    """Whether a text means zone ``name``: as it is, or as it was put in quotation marks."""
    shown = quoted(name)[len(OPENING) : -1]
    plain = said.strip().casefold().replace("_", " ")
    return plain in (name.casefold().replace("_", " "), shown.casefold().replace("_", " "))


def _dwell(said: Said, subject: int, scene: Scene) -> tuple[Verdict, str]:
    measured = [fact.amount for fact in scene.all("dwell", subject) if fact.amount is not None]
    if not measured or said.amount is None:
        return _UNKNOWN
    slack_s = max(_DWELL_SLACK_S, _DWELL_SLACK * said.amount)
    nearest = min(measured, key=lambda amount: abs(amount - (said.amount or 0.0)))
    return ("supported" if abs(nearest - said.amount) <= slack_s else "contradicted"), f"measured {nearest:.0f} s"


def _linked(said: Said, subject: int, scene: Scene) -> tuple[Verdict, str]:
    """Relations and things: what was measured supports; what was not is never false, for little of it can be seen."""
    if said.kind == "thing":
        is_true = any(fact.subject in (subject, None) or subject == fact.other for fact in scene.things(said.value))
        return ("supported", f"measured {said.value}") if is_true else _UNKNOWN
    found = [
        fact
        for other in scene.objects
        for fact in scene.all("relation", other)
        if fact.value == said.value and subject in (fact.subject, fact.other) and fact.confidence >= _MIN_SURE
    ]
    return ("supported", f"measured {said.value}") if found else _UNKNOWN


def judge_scene(said: Said, scene: Scene) -> tuple[Verdict, str]:
    """The verdict on a statement about the whole scene."""
    light, weather, value = scene.word("light", None), scene.word("weather", None), said.value
    if value in ("empty", "no_motion", "calm"):
        return _quiet(value, scene)
    if value in (light, weather) or value in scene.health:
        return "supported", f"measured {value}"
    if value == "dark" and light == "infrared":
        return "supported", "measured infrared"
    if value == "day" and light in ("dark", "infrared"):
        return "contradicted", f"measured {light}"
    if value in BLINDING and scene.objects:
        return "contradicted", "objects are in view"
    return _UNKNOWN


def _quiet(value: str, scene: Scene) -> tuple[Verdict, str]:
    if scene.is_blind:
        return "unverifiable", "nothing could be seen"
    if value == "empty":
        return ("contradicted", f"{len(scene.objects)} in view") if scene.objects else ("supported", "nothing in view")
    speeds = [scene.word("speed", i) for i in scene.objects]
    if any(speed not in (None, "still", "slow") for speed in speeds):
        return "contradicted", "something moves"
    is_alarming = any(scene.word("posture", i) == "lying" for i in scene.objects) or bool(scene.things("left"))
    if value == "calm" and is_alarming:
        return "contradicted", "somebody lies on the ground or a thing was left"
    return ("unverifiable", "not all is measured") if None in speeds else ("supported", "all is still")
