"""Reads a ``watch_for`` sentence word by word into who, what is measured of them, where, and what only eyes can tell.

In: a sentence without its times (``clock.py``), the camera's zones and lines. Out: a :class:`Reading`, or
:class:`~pipeline.alert.watch.clock.Unclear` with the question that would settle it. No grammar book: the longest known
phrase wins, the first noun is the one watched, and what follows a word for a thing or a relation is its object.
Next file: ``compile.py`` beside this one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pipeline.alert.watch.clock import Unclear
from pipeline.alert.watch.lexicon import Meaning, Sort, lexicon

__all__ = ["Reading", "read"]

_WORD = re.compile(r"[\w'’-]+")
_MAX_PHRASE = 6
_UNKNOWN = "?"


@dataclass(slots=True)
class Reading:
    """What a sentence says. ``actions`` and ``sights`` are what no fact tells of, ``spots`` those sights that are
    places; ``text`` is the sentence without its times."""

    text: str = ""
    labels: list[str] = field(default_factory=list)
    count: int = 1
    is_nobody: bool = False
    is_negated: bool = False
    states: dict[str, tuple[str, ...]] = field(default_factory=dict)
    other_labels: list[str] = field(default_factory=list)
    thing_labels: list[str] = field(default_factory=list)
    has_thing: bool = False
    zone: str | None = None
    line: str | None = None
    over: str | None = None
    leave: str | None = None
    actions: list[str] = field(default_factory=list)
    sights: list[str] = field(default_factory=list)
    spots: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read(text: str, zones: Sequence[str], lines: Sequence[str]) -> Reading:
    """What ``text`` (lower case, without times) says. Raises :class:`Unclear`."""
    reading = _Reader(zones, lines).read(_WORD.findall(text.replace("’", "'")))
    reading.text = " ".join(text.split())
    return reading


class _Reader:
    def __init__(self, zones: Sequence[str], lines: Sequence[str]) -> None:
        self._places = {_words_of(name): ("zone", name) for name in zones}
        self._places |= {_words_of(name): ("line", name) for name in lines if _words_of(name) not in self._places}
        self._lexicon = lexicon()
        self._out = Reading()
        self._colour: str | None = None
        self._last = ""  # the sort of the last word that was more than a filler
        self._unknown: list[str] = []

    def read(self, words: Sequence[str]) -> Reading:
        place = 0
        while place < len(words):
            length, meaning = self._next(words[place : place + _MAX_PHRASE])
            phrase = " ".join(words[place : place + length])
            self._take(meaning, phrase)
            if meaning.sort != "filler":
                self._last = meaning.sort
            place += length
        if self._unknown:
            raise Unclear(self._ask_about(self._unknown))
        self._give_colour("colour")
        return self._out

    def _next(self, words: Sequence[str]) -> tuple[int, Meaning]:
        """The longest known phrase that ``words`` begin with; a place of the camera before any other meaning."""
        for length in range(len(words), 0, -1):
            phrase = tuple(words[:length])
            place = self._places.get(phrase) or self._places.get((*phrase[:-1], phrase[-1].removesuffix("s")))
            if place is not None:
                return length, Meaning("place", ":".join(place))
            if phrase in self._lexicon:
                return length, self._lexicon[phrase]
        return 1, Meaning("filler", _UNKNOWN)

    def _take(self, meaning: Meaning, phrase: str) -> None:
        out = self._out
        if meaning.note:
            out.notes.append(f"‘{phrase}’: {meaning.note}")
        takers: dict[Sort, Callable[[str, str], None]] = {
            "noun": self._noun,
            "who": self._who,
            "thing": self._thing,
            "state": self._state,
            "place": self._place,
            "colour": self._see_colour,
            "upper": self._cloth,
            "lower": self._cloth,
            "count": self._count,
            "nobody": self._nobody,
            "vague": self._vague,
            "elsewhere": self._elsewhere,
        }
        if meaning.sort in takers:
            takers[meaning.sort](meaning.value, phrase)
        elif meaning.sort == "action":
            out.actions.append(phrase)
        elif meaning.sort in ("sight", "spot"):
            out.sights.append(phrase)
            out.spots += [phrase] if meaning.sort == "spot" else []
        elif meaning.sort == "over":
            out.over = phrase
        elif meaning.sort == "leave":
            out.leave = phrase
        elif meaning.sort == "not":
            out.is_negated = True
        elif meaning.value == _UNKNOWN:
            self._unknown.append(phrase)

    def _count(self, value: str, phrase: str) -> None:
        if not self._out.labels or self._last == "or":
            self._out.count = int(value)
        elif int(value) > 1:
            self._out.sights.append(phrase)

    def _nobody(self, _value: str, phrase: str) -> None:
        self._out.is_nobody = True
        if phrase not in ("no", "none"):
            self._out.labels.append("person")

    @staticmethod
    def _vague(_value: str, phrase: str) -> None:
        raise Unclear(
            f"What would ‘{phrase}’ look like? Say what can be seen, for instance ‘someone stays for 2 minutes’; "
            "what is out of the ordinary for a camera is alerted without being named."
        )

    @staticmethod
    def _elsewhere(value: str, phrase: str) -> None:
        raise Unclear(f"‘{phrase}’ is not for watch_for: {value}. Is that what you want?")

    def _noun(self, label: str, phrase: str) -> None:
        """The first noun is watched; another one is its object, or, after "or", watched as well."""
        out = self._out
        if not out.labels or (self._last == "or" and not out.states):
            out.labels.append(label)
            self._give_colour("colour")
        elif "relation" in out.states or self._last == "or":
            out.other_labels.append(label)
        elif self._last == "and" and not out.states:
            raise Unclear("Do all have to be there at once? Write one sentence for each, or say who does what to whom.")
        else:
            out.sights.append(phrase)
        self._colour_is_unmeasured()

    def _who(self, label: str, phrase: str) -> None:
        """Somebody whom only eyes can tell from others."""
        self._noun(label, phrase)
        if phrase not in self._out.sights:
            self._out.sights.append(phrase)

    def _thing(self, label: str, _phrase: str) -> None:
        out = self._out
        out.has_thing = True
        if self._last == "with" and out.labels:
            out.states.setdefault("thing", ("carrying",))
        if label:
            out.thing_labels.append(label)
        self._colour_is_unmeasured()

    def _state(self, value: str, phrase: str) -> None:
        name, _, words = value.partition("=")
        chosen, states = tuple(words.split("|")), self._out.states
        known = states.get(name)
        if self._last == "or":
            if known is None:
                raise Unclear(f"Either ‘{phrase}’ or something else? Write one sentence for each.")
            states[name] = tuple(dict.fromkeys((*known, *chosen)))
        elif known is None or set(chosen) <= set(known):
            states[name] = chosen
        elif not set(known) <= set(chosen):
            raise Unclear(f"Can it be ‘{phrase}’ and ‘{' or '.join(known)}’ at once? Write one sentence for each.")

    def _place(self, value: str, _phrase: str) -> None:
        kind, _, name = value.partition(":")
        out = self._out
        if (out.zone if kind == "zone" else out.line) not in (None, name):
            raise Unclear(f"Which place is meant, ‘{out.zone or out.line}’ or ‘{name}’? Write one sentence for each.")
        if kind == "zone":
            out.zone = name
        elif kind == "line":
            out.line = name

    def _see_colour(self, value: str, _phrase: str) -> None:
        self._give_colour("colour")
        self._colour = value

    def _cloth(self, value: str, phrase: str) -> None:
        """``value`` is the colour of which body half a garment is."""
        if self._colour is not None:
            self._give_colour(value)
        elif phrase != "dressed":
            self._out.sights.append(phrase)

    def _give_colour(self, name: str) -> None:
        """What was the last colour is that of whom the sentence is about."""
        if self._colour is not None and self._out.labels:
            self._state(f"{name}={self._colour}", self._colour)
            self._colour = None

    def _colour_is_unmeasured(self) -> None:
        """The colour of something that is only done something to."""
        if self._colour is not None:
            self._out.sights.append(self._colour)
            self._colour = None

    def _ask_about(self, unknown: Sequence[str]) -> str:
        known = [" ".join(phrase) for phrase in (*self._places, *self._lexicon)]
        near = difflib.get_close_matches(unknown[0], known, 1, 0.75)
        hint = f" Did you mean ‘{near[0]}’?" if near else ""
        places = ", ".join(name for _, name in self._places.values())
        where = f" This camera's zones and lines are {places}." if places else ""
        listed = ", ".join(f"‘{word[:32]}’" for word in unknown[:4])
        return f"What is {listed}?{hint}{where}"


def _words_of(name: str) -> tuple[str, ...]:
    """A zone's name as it is spoken: ``North_Gate`` is "north gate"."""
    return tuple(_WORD.findall(re.sub(r"[-_]+", " ", name).lower())) or (name,)
