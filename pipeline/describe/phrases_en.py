"""Phrases of English that follow a noun: clothes, directions, places, durations, verbs.

In: the tokens of a clause and where to read. Out: what was said, added to the :class:`Reading`, and where the phrase
ends; None where there is no such phrase. Next file: ``pipeline/describe/parse_en.py``, which calls these in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.describe.claims import Clause, Mention, Said, SaidKind
from pipeline.describe.lexicon import ACTIONS, COLOUR_WORDS, COPULAS, LOWER_GARMENTS, NUMBER_WORDS, UPPER_GARMENTS

__all__ = ["Reading", "Token", "clothes", "direction", "duration", "is_verb", "place", "verb"]

_NEGATIONS = frozenset({"not", "isn't", "aren't", "never", "without", "isn’t", "aren’t", "doesn't", "don't"})
_RELATIONS = {
    "follow": "following", "follows": "following", "following": "following", "chase": "following",
    "chases": "following",
    "approach": "approaching", "approaches": "approaching", "approaching": "approaching",
    "meet": "meeting", "meets": "meeting", "meeting": "meeting",
    "beside": "beside", "separate": "dispersing", "separates": "dispersing", "separating": "dispersing",
}  # fmt: skip
_THINGS = {
    "carry": "carrying", "carries": "carrying", "carrying": "carrying", "carried": "carrying", "holding": "carrying",
    "holds": "carrying", "unattended": "left", "abandoned": "left", "taken": "taken", "takes": "taken",
    "steals": "taken",
}  # fmt: skip
_ENTERS = {
    "enter": "entering", "enters": "entering", "entering": "entering", "entered": "entering", "leave": "leaving",
    "leaves": "leaving", "leaving": "leaving", "exits": "leaving", "exiting": "leaving",
}  # fmt: skip
_WEARING = frozenset({"in", "and", "wearing", "wears", "with", "dressed"})
_BEFORE_COLOUR = _WEARING | {"a", "an", "dark", "light", "bright"}
_LENS = ("camera", "viewer", "lens")
_SECONDS = {"second": 1.0, "seconds": 1.0, "s": 1.0, "sec": 1.0, "minute": 60.0, "minutes": 60.0}


@dataclass(frozen=True, slots=True)
class Token:
    text: str
    low: str
    start: int
    end: int


@dataclass(slots=True)
class Reading:
    """One clause being read."""

    subjects: list[Mention] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    objects: list[Mention] = field(default_factory=list)
    has_verb: bool = False
    is_listing: bool = False
    described: list[Clause] = field(default_factory=list)


def is_verb(low: str) -> bool:
    return low in ACTIONS or low in COPULAS or low in _RELATIONS or low in _THINGS or low in _ENTERS


def clothes(tokens: Sequence[Token], i: int, reading: Reading) -> int | None:
    """Read ``in a red top``, ``and blue trousers``, ``wearing dark green``, ``in red`` at ``i``."""
    if tokens[i].low not in COLOUR_WORDS:
        return None
    start = i
    while start > 0 and tokens[start - 1].low in _BEFORE_COLOUR:
        start -= 1
        if tokens[start].low in _WEARING:
            break
    after = next((k for k in range(i + 1, min(i + 3, len(tokens))) if tokens[k].low in UPPER_GARMENTS), None)
    below = next((k for k in range(i + 1, min(i + 3, len(tokens))) if tokens[k].low in LOWER_GARMENTS), None)
    colour = COLOUR_WORDS[tokens[i].low]
    if below is not None and (after is None or below < after):
        reading.said.append(Said((tokens[start].start, tokens[below].end), "lower_colour", colour))
        return below + 1
    if after is not None:
        reading.said.append(Said((tokens[start].start, tokens[after].end), "colour", colour))
        return after + 1
    before = i - 1 - (i > 1 and tokens[i - 1].low in ("dark", "light", "bright"))
    if before >= 0 and tokens[before].low in ("is", "are"):
        reading.said.append(Said((tokens[before].start, tokens[i].end), "colour", colour))
        return i + 1
    if tokens[start].low in ("in", "wearing", "dressed"):
        reading.said.append(Said((tokens[start].start, tokens[i].end), "any_colour", colour))
        return i + 1
    return None


def direction(tokens: Sequence[Token], i: int, reading: Reading) -> int | None:
    """Read ``to the left``, ``towards the camera``, ``away from it``, ``away from each other`` at ``i``."""
    low = tokens[i].low
    rest = [t.low for t in tokens[i + 1 : i + 5]]
    if low == "away" and rest[:1] == ["from"]:
        if _next_is(rest[1:], _LENS):
            return _add(tokens, i, i + 1 + _place_of(rest, _LENS), reading, "heading", "away")
        end = i + 3 if rest[1:3] == ["each", "other"] else i + 1
        return _add(tokens, i, end, reading, "relation", "dispersing")
    if low in ("towards", "toward") and _next_is(rest, _LENS):
        return _add(tokens, i, i + 1 + _place_of(rest, _LENS), reading, "heading", "towards")
    return _sideways(tokens, i, reading, low, rest)


def _sideways(tokens: Sequence[Token], i: int, reading: Reading, low: str, rest: Sequence[str]) -> int | None:
    if low in ("leftwards", "leftward", "rightwards", "rightward"):
        return _add(tokens, i, i, reading, "heading", "left" if low.startswith("left") else "right")
    if low in ("to", "towards", "toward") and list(rest[:1]) == ["the"] and rest[1:2] and rest[1] in ("left", "right"):
        if list(rest[2:3]) == ["of"]:
            return i + 4
        return _add(tokens, i, i + 2, reading, "heading", rest[1])
    if low in ("left", "right") and i and ACTIONS.get(tokens[i - 1].low) in ("walking", "running", "moving"):
        return _add(tokens, i, i, reading, "heading", low)
    return None


def _next_is(words: Sequence[str], wanted: Sequence[str]) -> bool:
    return bool(words) and (words[0] in wanted or (words[0] == "the" and len(words) > 1 and words[1] in wanted))


def _place_of(words: Sequence[str], wanted: Sequence[str]) -> int:
    return next(k for k, word in enumerate(words) if word in wanted)


def place(tokens: Sequence[Token], i: int, reading: Reading, bare: dict[int, tuple[int, str]]) -> int | None:
    """Read a zone: ``in|enters|leaves the zone ‘name’``, ``in the loading bay``."""
    token = tokens[i]
    end, name = bare.get(token.start, (0, ""))
    if token.text[0] in '‘“"' and i and tokens[i - 1].low in ("zone", "area"):
        name, end = token.text[1:-1], token.end
    if not name:
        return None
    start, value = _way_in(tokens, i)
    if value is not None:
        reading.said.append(Said((tokens[start].start, end), "zone", value, name))
        reading.has_verb = True
    return next((k for k in range(i, len(tokens)) if tokens[k].start >= end), len(tokens))


def _way_in(tokens: Sequence[Token], i: int) -> tuple[int, str | None]:
    """Where the words before a zone's name begin, and what they say of it; None for "near", "behind" and the like."""
    j = i - 1
    while j >= 0 and tokens[j].low in ("zone", "area", "the", "a"):
        j -= 1
    low = tokens[j].low if j >= 0 else ""
    before = tokens[j - 1].low if j >= 1 else ""
    if low in _ENTERS:
        return (j - 1 if before == "and" else j), _ENTERS[low]
    if low == "into":
        return j, "entering"
    if low in ("from", "of") and before == "out":
        return j - 1, "leaving"
    if low in ("in", "inside", "within", "at"):
        return j, "inside"
    return i, None


def duration(tokens: Sequence[Token], i: int, reading: Reading) -> int | None:
    if i + 1 >= len(tokens) or tokens[i + 1].low not in _SECONDS:
        return None
    low = tokens[i].low
    if not (low in NUMBER_WORDS or low.replace(".", "", 1).isdigit()):
        return None
    amount_s = (NUMBER_WORDS[low] if low in NUMBER_WORDS else float(low[:9])) * _SECONDS[tokens[i + 1].low]
    start = i - 1 if i and tokens[i - 1].low in (",", "for") else i
    end = i + 1
    while end + 1 < len(tokens) and tokens[end + 1].low in ("so", "far", "in", "view", "now"):
        end += 1
    reading.said.append(Said((tokens[start].start, tokens[end].end), "dwell", "stay", None, amount_s))
    return end + 1


def verb(tokens: Sequence[Token], i: int, reading: Reading) -> int | None:
    low = tokens[i].low
    if not is_verb(low):
        return None
    follows = [t.low for t in tokens[i + 1 : i + 4]]
    if low == "lie" and follows[:1] == ["detector"]:
        return i + 2
    if low in _RELATIONS:
        reading.has_verb = True
        return _add(tokens, i, i, reading, "relation", _RELATIONS[low])
    if low in _THINGS or (low in ("has", "have") and follows[:1] in (["left"], ["taken"])) or (
        low == "been" and follows[:2] == ["left", "behind"]
    ):  # fmt: skip
        value = _THINGS.get(low) or {"left": "left", "taken": "taken"}[follows[0]]
        reading.has_verb = True
        return _add(tokens, i, i if low in _THINGS else i + 1, reading, "thing", value)
    if low in ACTIONS:
        reading.has_verb = True
        return _add(tokens, i, i, reading, "action", ACTIONS[low])
    reading.has_verb = True
    return i + 1


def _add(tokens: Sequence[Token], i: int, j: int, reading: Reading, kind: SaidKind, value: str) -> int:
    is_negated = any(t.low in _NEGATIONS for t in tokens[max(0, i - 3) : i])
    reading.said.append(Said((tokens[i].start, tokens[j].end), kind, value, is_negated=is_negated))
    return j + 1
