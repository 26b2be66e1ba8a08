"""English text to clauses: who is spoken of, how many, what they look like, do, and where.

In: any text, hostile ones included (its length is bounded by the caller). Out: clauses
(:class:`~pipeline.describe.claims.Clause`) with the span of every statement. A small grammar of surveillance prose, not
of English: what it does not understand it leaves alone, so that it is never called false. Next file:
``pipeline/describe/verify.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pipeline.describe.claims import Clause, Mention, Said, SaidKind
from pipeline.describe.lexicon import (
    COLOUR_WORDS,
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
from pipeline.describe.phrases_en import Reading, Token, clothes, direction, duration, is_verb, place, verb

__all__ = ["clauses_of", "sentence_spans"]

_TOKEN = re.compile(r"‘[^’]{0,80}’|“[^”]{0,80}”|\"[^\"]{0,80}\"|[A-Za-z][A-Za-z'’-]*|\d+(?:\.\d+)?|[^\sA-Za-z\d]")
_SENTENCE = re.compile(r"(?:‘[^’]*’|“[^”]*”|\"[^\"\n]*\"|\d\.\d|[^.!?\n])+[.!?]*|[.!?]+")
_BREAKS = frozenset({"while", "whereas", "but", ";", ":", "—", "–"})
_MAX_ADJECTIVES = 4
_MAX_TOKENS = 400
_SCENES: tuple[tuple[str, str], ...] = (
    (r"\b(?:the )?scene is empty\b|\bempty scene\b|\bnothing else is recognised\b", "empty"),
    (
        r"\bnothing (?:is )?mov(?:es|ing)\b|\bno (?:movement|motion)\b|\bnone of them moves\b",
        "no_motion",
    ),
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
            Token(t.group(), t.group().lower(), start + t.start(), start + t.end())
            for t in _TOKEN.finditer(text[start:end])
        ][:_MAX_TOKENS]
        bare = _bare_places(text, start, end, places)
        for part in _split(tokens):
            yield from _read(part, bare)


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


def _split(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """Clauses of a sentence: at words that oppose, and where a new subject with a verb of its own begins."""
    begin = 0
    for i, token in enumerate(tokens):
        starts_new = (
            token.low in ("and", ",")
            and i + 1 < len(tokens)
            and _may_begin_noun(tokens[i + 1].low)
            and any(is_verb(t.low) or t.low in NOUNS for t in tokens[begin:i])
            and (_is_stand_in(tokens, i + 1) or _has_own_verb(tokens[i + 1 :]))
            and (_is_stand_in(tokens, i + 1) or any(is_verb(t.low) for t in tokens[begin:i]))
        )
        if token.low in _BREAKS or starts_new:
            if i > begin:
                yield tokens[begin:i]
            begin = i + 1
    if begin < len(tokens):
        yield tokens[begin:]


def _is_stand_in(tokens: Sequence[Token], i: int) -> bool:
    """Whether ``one walks``, ``another stands`` or ``the other runs`` begins at ``i``."""
    lows = [t.low for t in tokens[i : i + 3]]
    if lows[:2] == ["the", "other"]:
        return len(lows) > 2 and is_verb(lows[2])
    return bool(lows) and lows[0] in ("one", "another") and len(lows) > 1 and is_verb(lows[1])


def _may_begin_noun(low: str) -> bool:
    return low in DETERMINERS or low in NUMBER_WORDS or low in QUANTIFIERS or low in PRONOUNS or low in NOUNS or (
        low.isdigit() or low in ("nobody", "no")
    )  # fmt: skip


def _has_own_verb(tokens: Sequence[Token]) -> bool:
    """Whether a verb follows a noun before the next break."""
    has_noun = False
    for token in tokens:
        if token.low in _BREAKS or token.low == ",":
            return False
        if token.low in NOUNS or token.low in PRONOUNS or token.low == "nobody":
            has_noun = True
        elif has_noun and is_verb(token.low):
            return True
    return False


def _read(tokens: Sequence[Token], bare: dict[int, tuple[int, str]]) -> Iterator[Clause]:
    reading = Reading(is_listing=any(t.low == "there" for t in tokens[:2]))
    if reading.is_listing:
        reading.has_verb = True
    i = 0
    while i < len(tokens):
        i = (
            _noun_phrase(tokens, i, reading)
            or clothes(tokens, i, reading)
            or direction(tokens, i, reading)
            or place(tokens, i, reading, bare)
            or duration(tokens, i, reading)
            or verb(tokens, i, reading)
            or i + 1
        )
    clause = _bound(tokens, reading)
    if clause.subjects or clause.said or clause.objects:
        yield clause
    yield from reading.described


def _bound(tokens: Sequence[Token], reading: Reading) -> Clause:
    words = {t.low for t in tokens}
    is_view = bool(words & {"view", "visible", "present", "scene"}) or reading.is_listing
    subjects = reading.subjects or (reading.objects if reading.is_listing else [])
    objects = reading.objects if reading.subjects else []
    is_plain = is_view and not [s for s in reading.said if s.kind not in ("colour", "any_colour", "lower_colour")]
    if is_plain:
        subjects = [replace(m, sure="exactly") if _is_exact(m, tokens) else m for m in subjects]
    return Clause(tuple(subjects), tuple(reading.said), tuple(objects))


def _is_exact(mention: Mention, tokens: Sequence[Token]) -> bool:
    """A number that was said, not an article or "several"."""
    first = next((t for t in tokens if t.start >= mention.span[0]), None)
    return mention.sure == "at_least" and first is not None and (first.low in NUMBER_WORDS or first.low.isdigit())


def _noun_phrase(tokens: Sequence[Token], i: int, reading: Reading) -> int | None:
    """Read ``[a|two|no|the] [adjectives] noun`` at ``i``; where it ends, or None."""
    token = tokens[i]
    if token.low in PRONOUNS and not reading.subjects and not reading.has_verb:
        reading.subjects.append(Mention((token.start, token.end), (), 2 if token.low != "it" else 1, is_back=True))
        return i + 1
    is_no_one = [t.low for t in tokens[i : i + 2]] == ["no", "one"]
    if token.low == "nobody" or is_no_one:
        end = i + 1 + is_no_one
        reading.subjects.append(Mention((token.start, tokens[end - 1].end), ("person",), 0, "none"))
        return end
    if not reading.has_verb and _is_stand_in(tokens, i):
        return _stand_in(tokens, i, reading)
    j, is_noun_ahead = i, False
    while j < len(tokens) and j - i <= _MAX_ADJECTIVES:
        low = tokens[j].low
        if low in NOUNS:
            is_noun_ahead = True
            break
        is_of = low == "of" and j > i and (tokens[j - 1].low in QUANTIFIERS or tokens[j - 1].low in NUMBER_WORDS)
        is_stop = low in STOPS or is_verb(low) or (j > i and low in DETERMINERS - {"other"})
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


def _stand_in(tokens: Sequence[Token], i: int, reading: Reading) -> int:
    """Read ``one``, ``another`` or ``the other`` before a verb: one of those spoken of before."""
    is_other = tokens[i].low != "one"
    end = i + (2 if tokens[i].low == "the" else 1)
    span = (tokens[i].start, tokens[end - 1].end)
    reading.subjects.append(Mention(span, (), 1, is_back=not is_other, is_other=is_other))
    return end


def _add_mention(tokens: Sequence[Token], i: int, j: int, reading: Reading) -> None:
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
    kind: SaidKind = "any_colour" if NOUNS[noun] == ("person",) else "colour"
    colours = [Said((t.start, t.end), kind, COLOUR_WORDS[t.low]) for t in tokens[i:j] if t.low in COLOUR_WORDS]
    if not reading.has_verb and not reading.is_listing:
        reading.subjects.append(mention)
        reading.said += colours
    elif colours:
        reading.described.append(Clause((mention,), tuple(colours)))
    else:
        reading.objects.append(mention)
