"""English text to clauses: who is spoken of, how many, what they look like, do, and where.

In: any text, hostile ones included (its length is bounded by the caller). Out: clauses
(:class:`~pipeline.describe.claims.Clause`) with the span of every statement. A small grammar of surveillance prose, not
of English: what it does not understand it leaves alone, so that it is never called false. Next file:
``pipeline/describe/verify.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from pipeline.describe.claims import Clause, Mention, Said, SaidKind
from pipeline.describe.lexicon import (
    ACTIONS,
    COLOUR_WORDS,
    COPULAS,
    DETERMINERS,
    LOWER_GARMENTS,
    NOUNS,
    NUMBER_WORDS,
    PLURAL_NOUNS,
    PRONOUNS,
    QUANTIFIERS,
    STOPS,
    UPPER_GARMENTS,
)

__all__ = ["clauses_of", "sentence_spans"]

_TOKEN = re.compile(r"‘[^’]{0,80}’|“[^”]{0,80}”|\"[^\"]{0,80}\"|[A-Za-z][A-Za-z'’-]*|\d+(?:\.\d+)?|[^\sA-Za-z\d]")
_SENTENCE = re.compile(r"(?:‘[^’]*’|“[^”]*”|\"[^\"\n]*\"|\d\.\d|[^.!?\n])+[.!?]*|[.!?]+")
_BREAKS = frozenset({"while", "whereas", "but", ";", ":", "—", "–"})
_NEGATIONS = frozenset({"not", "isn't", "aren't", "never", "without", "isn’t", "aren’t", "doesn't", "don't"})
_NOBODY: dict[str, tuple[str, ...]] = {"nobody": ("person",), "none": ()}
_MAX_ADJECTIVES = 4
_MAX_TOKENS = 400
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
_SCENES: tuple[tuple[str, str], ...] = (
    (r"\b(?:the )?scene is empty\b|\bempty scene\b", "empty"),
    (r"\bnothing (?:is )?mov(?:es|ing)\b|\bno (?:movement|motion)\b", "no_motion"),
    (r"\bnothing (?:else )?(?:is )?happen(?:s|ing)\b|\bno activity\b", "calm"),
    (r"\bit is (?:very )?dark\b|\bat night\b|\bnight-?time\b|\bin the dark\b", "dark"),
    (r"\bdaylight\b|\bdaytime\b|\bbroad day\b|\bsunny\b", "day"),
    (r"\binfrared\b", "infrared"),
    (r"\bthe light is dim\b", "dim"),
    (r"\b(?:it is raining|in the rain|rainy)\b", "rain"),
    (r"\b(?:it is foggy|in the fog)\b", "fog"),
    (r"\bthe picture is black\b", "black"),
    (r"\bthe picture is frozen\b", "frozen"),
    (r"\bthe picture is out of focus\b", "defocused"),
    (r"\bthe lens is (?:covered|blocked)\b", "covered"),
    (r"\bthe camera has been moved\b", "moved"),
    (r"\bthe camera is offline\b", "offline"),
    (r"\bthe camera sends too few frames\b", "low_frame_rate"),
)
_SCENE_PATTERNS = tuple((re.compile(pattern, re.I), value) for pattern, value in _SCENES)


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    low: str
    start: int
    end: int


@dataclass(slots=True)
class _Reading:
    """One clause being read."""

    subjects: list[Mention] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    objects: list[Mention] = field(default_factory=list)
    has_verb: bool = False
    is_listing: bool = False


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Where each sentence begins and ends; names in quotation marks hold no sentence ends."""
    return [found.span() for found in _SENTENCE.finditer(text) if found.group().strip()]


def clauses_of(text: str, places: Sequence[str] = ()) -> Iterator[Clause]:
    """The clauses of ``text`` in order. ``places``: names of zones that may stand in it without quotation marks."""
    for start, end in sentence_spans(text):
        scene = list(_scenes(text, start, end))
        if scene:
            yield Clause(said=tuple(scene))
        tokens = [
            _Token(t.group(), t.group().lower(), start + t.start(), start + t.end())
            for t in _TOKEN.finditer(text[start:end])
        ][:_MAX_TOKENS]
        bare = _bare_places(text, start, end, places)
        for part in _split(tokens):
            clause = _read(part, bare)
            if clause.subjects or clause.said or clause.objects:
                yield clause


def _scenes(text: str, start: int, end: int) -> Iterator[Said]:
    for pattern, value in _SCENE_PATTERNS:
        for found in pattern.finditer(text, start, end):
            yield Said(found.span(), "scene", value)


def _bare_places(text: str, start: int, end: int, places: Sequence[str]) -> dict[int, tuple[int, str]]:
    """Where names of zones stand without quotation marks: begin -> (end, name)."""
    low = text[start:end].lower()
    found: dict[int, tuple[int, str]] = {}
    for name in places:
        wanted = name.lower().replace("_", " ").strip()
        if len(wanted) < 3 or wanted in NOUNS:
            continue
        for hit in re.finditer(rf"(?<![\w‘]){re.escape(wanted)}(?![\w’])", low.replace("_", " ")):
            found[start + hit.start()] = (start + hit.end(), name)
    return found


def _is_verb(low: str) -> bool:
    return low in ACTIONS or low in COPULAS or low in _RELATIONS or low in _THINGS or low in _ENTERS


def _split(tokens: Sequence[_Token]) -> Iterator[Sequence[_Token]]:
    """Clauses of a sentence: at words that oppose, and where a new subject with a verb of its own begins."""
    begin = 0
    for i, token in enumerate(tokens):
        starts_new = (
            token.low in ("and", ",")
            and i + 1 < len(tokens)
            and _may_begin_noun(tokens[i + 1].low)
            and any(_is_verb(t.low) for t in tokens[begin:i])
            and _has_own_verb(tokens[i + 1 :])
        )
        if token.low in _BREAKS or starts_new:
            if i > begin:
                yield tokens[begin:i]
            begin = i + 1
    if begin < len(tokens):
        yield tokens[begin:]


def _may_begin_noun(low: str) -> bool:
    return low in DETERMINERS or low in NUMBER_WORDS or low in QUANTIFIERS or low in PRONOUNS or low in NOUNS or (
        low.isdigit() or low in ("nobody", "no")
    )  # fmt: skip


def _has_own_verb(tokens: Sequence[_Token]) -> bool:
    """Whether a verb follows a noun before the next break."""
    has_noun = False
    for token in tokens:
        if token.low in _BREAKS or token.low == ",":
            return False
        if token.low in NOUNS or token.low in PRONOUNS or token.low == "nobody":
            has_noun = True
        elif has_noun and _is_verb(token.low):
            return True
    return False


def _read(tokens: Sequence[_Token], bare: dict[int, tuple[int, str]]) -> Clause:
    reading = _Reading(is_listing=any(t.low == "there" for t in tokens[:2]))
    if reading.is_listing:
        reading.has_verb = True
    i = 0
    while i < len(tokens):
        i = (
            _noun_phrase(tokens, i, reading)
            or _clothes(tokens, i, reading)
            or _direction(tokens, i, reading)
            or _place(tokens, i, reading, bare)
            or _duration(tokens, i, reading)
            or _verb(tokens, i, reading)
            or i + 1
        )
    return _bound(tokens, reading)


def _bound(tokens: Sequence[_Token], reading: _Reading) -> Clause:
    words = {t.low for t in tokens}
    is_view = bool(words & {"view", "visible", "present", "scene"}) or reading.is_listing
    subjects = reading.subjects or (reading.objects if reading.is_listing else [])
    objects = reading.objects if reading.subjects else []
    is_plain = is_view and not [s for s in reading.said if s.kind not in ("colour", "any_colour", "lower_colour")]
    if is_plain:
        subjects = [replace(m, sure="exactly") if _is_exact(m, tokens) else m for m in subjects]
    return Clause(tuple(subjects), tuple(reading.said), tuple(objects))


def _is_exact(mention: Mention, tokens: Sequence[_Token]) -> bool:
    """A number that was said, not an article or "several"."""
    first = next((t for t in tokens if t.start >= mention.span[0]), None)
    return mention.sure == "at_least" and first is not None and (first.low in NUMBER_WORDS or first.low.isdigit())


def _noun_phrase(tokens: Sequence[_Token], i: int, reading: _Reading) -> int | None:
    """Read ``[a|two|no|the] [adjectives] noun`` at ``i``; where it ends, or None."""
    token = tokens[i]
    if token.low in PRONOUNS and not reading.subjects and not reading.has_verb:
        reading.subjects.append(Mention((token.start, token.end), (), 2 if token.low != "it" else 1, is_back=True))
        return i + 1
    if token.low in _NOBODY:
        reading.subjects.append(Mention((token.start, token.end), _NOBODY[token.low] or ("person",), 0, "none"))
        return i + 1
    if token.low == "no" and i + 1 < len(tokens) and tokens[i + 1].low == "one":
        reading.subjects.append(Mention((token.start, tokens[i + 1].end), ("person",), 0, "none"))
        return i + 2
    j, is_noun_ahead = i, False
    while j < len(tokens) and j - i <= _MAX_ADJECTIVES:
        low = tokens[j].low
        if low in NOUNS:
            is_noun_ahead = True
            break
        is_of = low == "of" and j > i and (tokens[j - 1].low in QUANTIFIERS or tokens[j - 1].low in NUMBER_WORDS)
        is_stop = low in STOPS or _is_verb(low) or (j > i and low in DETERMINERS - {"other"})
        if not is_of and (is_stop or not (low[0].isalpha() or low[0].isdigit())):
            break
        j += 1
    starts = token.low in DETERMINERS or token.low in NUMBER_WORDS or token.low in QUANTIFIERS or token.low == "no"
    if not is_noun_ahead or not (starts or token.low.isdigit() or j == i or token.low in COLOUR_WORDS):
        return None
    if any(t.low in UPPER_GARMENTS | LOWER_GARMENTS for t in tokens[i:j]):
        return None
    _add_mention(tokens, i, j, reading)
    return j + 1


def _add_mention(tokens: Sequence[_Token], i: int, j: int, reading: _Reading) -> None:
    lows = [t.low for t in tokens[i:j]]
    noun = tokens[j].low
    number, sure = (2 if noun in PLURAL_NOUNS else 1), "at_least"
    for low in lows:
        if low in NUMBER_WORDS:
            number = NUMBER_WORDS[low]
        elif low.isdigit():
            number = min(999, int(low[:4]))
        elif low in QUANTIFIERS:
            number = QUANTIFIERS[low]
        elif low in ("only", "exactly"):
            sure = "exactly"
    if "no" in lows or number == 0:
        number, sure = 0, "none"
    before = tokens[i - 1].low if i else ""
    is_only = before in ("only", "exactly") or sure == "exactly"
    mention = Mention(
        (tokens[i].start, tokens[j].end),
        NOUNS[noun],
        number,
        "none" if sure == "none" else "exactly" if is_only else "at_least",
        is_back="the" in lows[:1] and "other" not in lows,
        is_other="another" in lows or "other" in lows,
    )
    is_subject = not reading.has_verb
    (reading.subjects if is_subject else reading.objects).append(mention)
    if is_subject or reading.is_listing:
        kind: SaidKind = "any_colour" if NOUNS[noun] == ("person",) else "colour"
        for token in tokens[i:j]:
            if token.low in COLOUR_WORDS:
                reading.said.append(Said((token.start, token.end), kind, COLOUR_WORDS[token.low]))


def _clothes(tokens: Sequence[_Token], i: int, reading: _Reading) -> int | None:
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
    if tokens[start].low in ("in", "wearing", "dressed"):
        reading.said.append(Said((tokens[start].start, tokens[i].end), "any_colour", colour))
        return i + 1
    return None


def _direction(tokens: Sequence[_Token], i: int, reading: _Reading) -> int | None:
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


def _sideways(tokens: Sequence[_Token], i: int, reading: _Reading, low: str, rest: Sequence[str]) -> int | None:
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


def _place(tokens: Sequence[_Token], i: int, reading: _Reading, bare: dict[int, tuple[int, str]]) -> int | None:
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


def _way_in(tokens: Sequence[_Token], i: int) -> tuple[int, str | None]:
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


def _duration(tokens: Sequence[_Token], i: int, reading: _Reading) -> int | None:
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


def _verb(tokens: Sequence[_Token], i: int, reading: _Reading) -> int | None:
    low = tokens[i].low
    if not _is_verb(low):
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


def _add(tokens: Sequence[_Token], i: int, j: int, reading: _Reading, kind: SaidKind, value: str) -> int:
    is_negated = any(t.low in _NEGATIONS for t in tokens[max(0, i - 3) : i])
    reading.said.append(Said((tokens[i].start, tokens[j].end), kind, value, is_negated=is_negated))
    return j + 1
