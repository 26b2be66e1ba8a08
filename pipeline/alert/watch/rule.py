"""The rule ``watch``: a typed condition over measured facts, written by hand or compiled from a plain sentence.

In: values from the site file, or what ``compile.py`` read in a sentence. Out: a frozen dataclass that checks itself
(ValueError, one sentence). Words are those of :mod:`pipeline.descriptions`.

``min_confidence`` is lower than that of other rules: tracks begin with more, and a detector is least sure of the very
people who fall. Measured on le2i_coffee (``vedette replay``, bundled detector, the sentence ``a person lies on the
floor`` and nothing else): 9 of 14 falls, 0.5 to 1.4 s after they began, median 0.8 s, and nothing in 20 normal clips;
with 0.3 as elsewhere, 2 of 14. Next file: ``judge.py`` beside this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from pipeline.alert.places import require
from pipeline.alert.rule import Rule

__all__ = ["MAX_QUESTIONS", "Colour", "WatchRule"]

Colour = Literal["black", "white", "grey", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown"]
Posture = Literal["upright", "bent", "lying"]
Speed = Literal["still", "slow", "walking", "running", "moving", "fast"]
Heading = Literal["towards", "away", "left", "right"]
ZoneState = Literal["inside", "entering", "leaving"]
Relation = Literal["approaching", "meeting", "following", "dispersing", "beside"]
ThingState = Literal["carrying", "left", "taken"]
Light = Literal["day", "dim", "dark", "infrared"]
Weather = Literal["rain", "fog", "clear"]
Size = Literal["small", "medium", "large"]

MAX_QUESTIONS = 8
"""Per camera: more are not asked at once, because each costs every description time."""
_MAX_SAYS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRule(Rule):
    """At least ``min_count`` objects for each of which all that is named here was measured: kind ``watch``.

    Of several words in one list any will do; an empty list asks nothing. ``says`` is the sentence the alert shows.
    ``zone`` with ``zone_state``: where the object is. ``min_dwell_s``: how long it has been there, or in view.
    ``relation`` is to another object of ``other_labels`` (any when empty), ``thing`` is done to one of
    ``thing_labels``. ``min_sureness``: facts that are less certain do not count. With a ``question`` all this only
    decides when words are looked at: a model's answer, yes with at least ``min_probability``, or, when it was not
    asked, a description whose likeness to ``says`` is at least ``min_likeness`` and larger by ``min_lead`` than to any
    sentence of ``ordinary``.
    """

    says: str = ""
    min_count: int = 1
    zone: str | None = None
    zone_state: tuple[ZoneState, ...] = ("inside", "entering")
    min_dwell_s: float = 0.0
    colour: tuple[Colour, ...] = ()
    lower_colour: tuple[Colour, ...] = ()
    size: tuple[Size, ...] = ()
    posture: tuple[Posture, ...] = ()
    speed: tuple[Speed, ...] = ()
    heading: tuple[Heading, ...] = ()
    relation: tuple[Relation, ...] = ()
    other_labels: tuple[str, ...] = ()
    thing: tuple[ThingState, ...] = ()
    thing_labels: tuple[str, ...] = ()
    light: tuple[Light, ...] = ()
    weather: tuple[Weather, ...] = ()
    min_sureness: float = 0.5
    question: str | None = None
    min_probability: float = 0.5
    ordinary: tuple[str, ...] = ()
    min_likeness: float = 0.5
    min_lead: float = 0.05
    open_after_s: float = 0.2
    min_confidence: float = 0.15

    kind: ClassVar[str] = "watch"

    def __post_init__(self) -> None:
        Rule.__post_init__(self)
        what = f"rule {self.name!r}"
        require(len(self.says) <= _MAX_SAYS and self.says.isprintable(), f"{what} says", "one line of text", self.says)
        require(1 <= self.min_count <= 1000, f"{what} min_count", "1 to 1000", self.min_count)
        for name in ("min_sureness", "min_probability", "min_likeness", "min_lead"):
            require(0 <= getattr(self, name) <= 1, f"{what} {name}", "0 to 1", getattr(self, name))
        require(bool(self.zone_state), f"{what} zone_state", "at least one of inside, entering, leaving", "none")
        require(not self.other_labels or bool(self.relation), f"{what} other_labels", "a relation beside it", "none")
        require(not self.thing_labels or bool(self.thing), f"{what} thing_labels", "a thing state beside it", "none")
        if self.question is not None:
            is_sound = 3 <= len(self.question) <= _MAX_SAYS and self.question.isprintable()
            require(is_sound, f"{what} question", f"3 to {_MAX_SAYS} characters on one line", self.question)
        require(not self.ordinary or bool(self.question), f"{what} ordinary", "a question beside it", "none")
