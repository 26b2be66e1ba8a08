"""Right and wrong: the facts of one look held against the exact truth of a rendered scene.

In: facts, and the truth of this frame and of the seconds before. Out: answers in a :class:`Tally`; what is asked, and
the share that has to be right, stand in :data:`MEASURES`. Next file: ``pipeline/evaluate/facts.py``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from types import MappingProxyType

from pipeline.describe.grounded import write
from pipeline.describe.kinds import kind_of
from pipeline.describe.lexicon import CONFUSED_COLOURS
from pipeline.describe.verify import check, struck
from pipeline.descriptions import SceneFacts
from pipeline.evaluate.planting import planted
from pipeline.protocols import Moment
from pipeline.scenes import FrameTruth, Renderer, Scene, TruthObject

__all__ = ["MEASURES", "Look", "Measure", "Past", "Tally", "is_counted", "score"]


@dataclass(frozen=True, slots=True)
class Measure:
    """What is counted, and the share that has to be right (None: reported only)."""

    what: str
    target: float | None = None


MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "count": Measure("windows whose counts are those of the last half second", 0.95),
        "count_people": Measure("the same of people alone"),
        "count_now": Measure("windows whose counts are those of this very frame"),
        "direction": Measure("directions said of movers that keep one, at least 10 degrees off a border", 0.95),
        "direction_all": Measure("directions said of movers, also those on the border of two"),
        "direction_said": Measure("movers of whom a direction is said at all"),
        "zone": Measure("pairs of object and zone, inside or not, at least 0.3 m off its border", 0.98),
        "zone_all": Measure("pairs of object and zone, also on its border"),
        "dwell": Measure("durations within 1 s", 0.95),
        "posture": Measure("postures said", 0.90),
        "lying": Measure("people who lie, called so", 0.90),
        "not_lying": Measure("people who do not lie, not called lying"),
        "speed": Measure("walking, standing and running told apart"),
        "left": Measure("looks at a thing left behind, called left", 0.90),
        "not_left": Measure("looks with nothing left behind, nothing called left"),
        "colour": Measure("colours of upper clothes, bordering ones allowed"),
        "grounded": Measure("claims of our own texts, not contradicted when read back", 1.0),
        "grounded_zh": Measure("the same in Chinese", 1.0),
        "lies_found": Measure("planted false claims found", 0.98),
        "truths_kept": Measure("planted true claims not struck", 0.98),
    }
)
_MIN_VISIBLE = 0.3
_MIN_HEIGHT_NORM = 0.03
_SETTLED_S = 0.65
_SAME_WAY_S = 1.2
_SAME_SPEED_S = 1.6
_BORDER_DEG = 10.0
_BORDER_M = 0.3
_MIN_SAID = 0.5
_COLOUR_WORDS = {"navy": "blue", "beige": "brown", "silver": "grey", "olive": "green", "khaki": "green", "teal": "blue",
                 "tan": "brown", "cream": "white", "gray": "grey"}  # fmt: skip


@dataclass(slots=True)
class Tally:
    """Right and wrong answers per measure, by kind; ``lies``: the same per kind of planted claim; cost of the facts."""

    right: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    lies: Counter[tuple[str, bool, bool]] = field(default_factory=Counter)  # kind, is true, was contradicted
    seconds: list[float] = field(default_factory=list)

    def see(self, measure: str, is_right: bool) -> None:
        """One more answer."""
        (self.right if is_right else self.wrong)[measure] += 1

    def share(self, measure: str) -> float | None:
        """Share of right answers; None when nothing was asked."""
        asked = self.right[measure] + self.wrong[measure]
        return self.right[measure] / asked if asked else None

    def add(self, other: Tally) -> None:
        """Take in the answers of another scene."""
        self.right += other.right
        self.wrong += other.wrong
        self.lies += other.lies
        self.seconds += other.seconds


@dataclass(frozen=True, slots=True)
class Look:
    """One analysed frame: what is true, which objects count, and what the fold is given.

    ``is_by_kind``: objects are counted as people, vehicles, …, because a detector's words are not those of the truth.
    """

    truth: FrameTruth
    objects: tuple[TruthObject, ...]
    moment: Moment
    whose: Mapping[int, TruthObject]  # track id -> what it is of
    is_by_kind: bool = False

    def word(self, label: str) -> str:
        """What ``label`` is counted as."""
        return kind_of(label) if self.is_by_kind else label


def score(facts: SceneFacts, look: Look, past: Past, zones: Sequence[str], chance: Random, tally: Tally) -> None:
    """Add the answers of one look to ``tally``; ``chance`` plants the sentences for the verifier."""
    _score_scene(facts, look, past, tally)
    for track_id, true in look.whose.items():
        _score_object(facts, track_id, true, look, past, zones, tally)
    _score_words(facts, chance, zones, tally)


def is_counted(one: TruthObject, size_wh: tuple[int, int]) -> bool:
    """Whether an object is there to be seen: enough of it, large enough, and no bag on somebody's back."""
    tall = one.xyxy[3] - one.xyxy[1] >= _MIN_HEIGHT_NORM * size_wh[1]
    return one.visible >= _MIN_VISIBLE and tall and not one.is_carried


class Past:
    """The truth of the last seconds, and since when things are as they are."""

    def __init__(self, renderer: Renderer, scene: Scene) -> None:
        camera = scene.camera
        self.axis_deg = math.degrees(
            math.atan2(camera.look_at_m[1] - camera.position_m[1], camera.look_at_m[0] - camera.position_m[0])
        )
        self.borders_m = {zone.name: [(float(x), float(y)) for x, y in zone.points_m] for zone in scene.zones}
        self.left = [event for event in renderer.events if event.kind == "abandoned_bag"]
        self._frames: list[FrameTruth] = []
        self.first_at_s: dict[int, float] = {}
        self.inside_since_s: dict[tuple[int, str], float] = {}

    def add(self, look: Look) -> None:
        """One more frame."""
        self._frames.append(look.truth)
        present = {one.id for one in look.objects}
        for one in look.objects:
            self.first_at_s.setdefault(one.id, look.truth.at_s)
            for zone in self.borders_m:
                if zone in one.zones:
                    self.inside_since_s.setdefault((one.id, zone), look.truth.at_s)
        gone = [k for k in self.inside_since_s if k[0] in present and not _is_in(look.objects, *k)]
        for key in gone:
            del self.inside_since_s[key]

    def recent(self, seconds: float) -> list[FrameTruth]:
        """The frames of the last ``seconds``."""
        end_s = self._frames[-1].at_s
        return [frame for frame in self._frames[-20:] if end_s - frame.at_s <= seconds]

    def of(self, object_id: int, seconds: float) -> list[TruthObject]:
        """One object in the last ``seconds``."""
        return [one for frame in self.recent(seconds) for one in frame.objects if one.id == object_id]


def _is_in(objects: Iterable[TruthObject], object_id: int, zone: str) -> bool:
    return any(one.id == object_id and zone in one.zones for one in objects)


def _score_scene(facts: SceneFacts, look: Look, past: Past, tally: Tally) -> None:
    said = Counter(look.word(one.label) for one in facts.objects)
    tally.see("count_now", said == Counter(look.word(one.label) for one in look.objects))
    size_wh = look.moment.finding.ref.source_wh
    frames = past.recent(_SETTLED_S)
    surely = [Counter(look.word(o.label) for o in frame.objects if is_counted(o, size_wh)) for frame in frames]
    perhaps = {(one.id, look.word(one.label)) for frame in frames for one in frame.objects if not one.is_carried}
    most = Counter(label for _, label in perhaps)
    right = {k: min(c[k] for c in surely) <= said[k] <= most[k] for k in {*said, *most, "person"}}
    tally.see("count", all(right.values()))
    tally.see("count_people", right["person"])
    at_s = look.truth.at_s
    is_called = any(fact.kind == "thing" and fact.value == "left" for fact in facts.facts)
    if any(event.from_s + 1.5 <= at_s <= event.to_s - 0.5 for event in past.left):
        tally.see("left", is_called)
    elif not any(event.from_s - 1.5 <= at_s <= event.to_s + 2.0 for event in past.left):
        tally.see("not_left", not is_called)


def _score_object(
    facts: SceneFacts,
    track_id: int,
    true: TruthObject,
    look: Look,
    past: Past,
    zones: Sequence[str],
    tally: Tally,
) -> None:
    said = {kind: facts.of(kind, track_id) for kind in ("heading", "speed", "posture", "colour")}
    words = {kind: found[0].value for kind, found in said.items() if found and found[0].confidence >= _MIN_SAID}
    if true.label != "bag":
        _score_way(words, true, past, tally)
    if true.label == "person":
        _score_person(words, true, past, tally)
    there = {str(fact.other) for fact in facts.of("zone", track_id) if fact.value != "leaving"}
    for zone in zones:
        is_right = (zone in there) == (zone in true.zones)
        tally.see("zone_all", is_right)
        if _off_border_m(true.at_m, past.borders_m[zone]) >= _BORDER_M:
            tally.see("zone", is_right)
    for fact in facts.of("dwell", track_id):
        since_s = (
            past.first_at_s[true.id] if fact.other is None else past.inside_since_s.get((true.id, str(fact.other)))
        )
        if since_s is not None and fact.amount is not None:
            tally.see("dwell", abs(fact.amount - (look.truth.at_s - since_s)) <= 1.0)


def _score_way(words: Mapping[str, str], true: TruthObject, past: Past, tally: Tally) -> None:
    ways = {one.direction for one in past.of(true.id, _SAME_WAY_S)}
    if len(ways) != 1 or true.direction == "still" or len(past.of(true.id, 2.0)) < 6:
        return
    tally.see("direction_said", "heading" in words)
    if "heading" in words:
        is_right = words["heading"] == true.direction
        tally.see("direction_all", is_right)
        off_deg = abs((true.heading_deg - past.axis_deg) % 90.0 - 45.0)
        if off_deg >= _BORDER_DEG:
            tally.see("direction", is_right)


def _score_person(words: Mapping[str, str], true: TruthObject, past: Past, tally: Tally) -> None:
    recent = past.of(true.id, _SETTLED_S)
    if len({one.posture for one in recent}) == 1 and len(recent) >= 3:
        if "posture" in words:
            tally.see("posture", words["posture"] == true.posture)
        is_lying = words.get("posture") == "lying"
        tally.see("lying" if true.posture == "lying" else "not_lying", is_lying == (true.posture == "lying"))
    actions = {one.action for one in past.of(true.id, _SAME_SPEED_S)}
    wanted = {"walk": {"walking", "slow"}, "stand": {"still"}, "run": {"running"}, "lie": {"still"}}
    if len(actions) == 1 and true.action in wanted and "speed" in words:
        tally.see("speed", words["speed"] in wanted[true.action])
    top = true.colors.get("top", "")
    if "colour" in words and top:
        colour = _COLOUR_WORDS.get(top, top)
        tally.see("colour", words["colour"] == colour or frozenset((words["colour"], colour)) in CONFUSED_COLOURS)


def _score_words(facts: SceneFacts, chance: Random, zones: Sequence[str], tally: Tally) -> None:
    for language, measure in (("en", "grounded"), ("zh", "grounded_zh")):
        for text in write(facts, "zh" if language == "zh" else "en"):
            for claim in check(text, facts):
                tally.see(measure, claim.verdict != "contradicted")
    for one in planted(facts, chance, zones):
        claims = check(one.text, facts)
        is_struck = any(claim.verdict == "contradicted" for claim in claims) and struck(one.text, claims) != one.text
        tally.see("truths_kept" if one.is_true else "lies_found", is_struck != one.is_true)
        tally.lies[one.kind, one.is_true, is_struck] += 1


def _off_border_m(at_m: tuple[float, float], border: Sequence[tuple[float, float]]) -> float:
    """Metres from a point to the outline of a polygon."""
    best, (ax, ay) = math.inf, border[-1]
    for bx, by in border:
        dx, dy = bx - ax, by - ay
        along = ((at_m[0] - ax) * dx + (at_m[1] - ay) * dy) / max(dx * dx + dy * dy, 1e-12)
        share = max(0.0, min(1.0, along))
        best = min(best, math.hypot(at_m[0] - ax - share * dx, at_m[1] - ay - share * dy))
        ax, ay = bx, by
    return best
