"""Words for numbers: titles, sentences and evidence of alerts in short, plain English, written from measured facts.

In: tracks, seconds, names from the site file (hostile: anybody may have typed them). Out: text of bounded length
without control characters, markup or direction overrides. Next file: ``pipeline/alert/policy.py``.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.types import Evidence, Track

__all__ = ["Cue", "amount", "capitalised", "clean", "evidence_of", "named", "objects", "seconds", "sureness", "verb"]

_INVISIBLE = frozenset({"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"})  # Unicode categories
_MAX_NAME = 48
_MAX_TEXT = 600
_PLURALS = {"person": "people", "bus": "buses", "sheep": "sheep"}
_MARKUP = str.maketrans({"<": "‹", ">": "›", "`": "'", "\\": "/"})
_MARKUP_SIGNS = frozenset("<>`\\")


@dataclass(frozen=True, slots=True)
class Cue:
    """One condition of a rule: what was observed against what is allowed."""

    cue: str
    observed: str
    normal: str
    note: str = ""


def evidence_of(cues: Sequence[Cue]) -> tuple[Evidence, ...]:
    """Evidence for a conjunction of conditions, all of which hold.

    Without any one of them there is no alert, so their Shapley values are equal: each has the share 1/n.
    """
    return tuple(Evidence(c.cue, 1 / len(cues), clean(c.observed), clean(c.normal), clean(c.note)) for c in cues)


def clean(text: str, limit: int = _MAX_TEXT) -> str:
    """``text`` on one line of at most ``limit`` characters, without control or format characters or markup."""
    line = text
    if len(text) > limit or not text.isprintable() or _MARKUP_SIGNS.intersection(text) or "  " in text:
        visible = (" " if unicodedata.category(c) in _INVISIBLE else c for c in text[: 4 * limit].translate(_MARKUP))
        line = " ".join("".join(visible).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def named(name: str) -> str:
    """A name from the site file, cleaned, in quotation marks that it cannot close."""
    return f"‘{clean(name, _MAX_NAME).replace('’', chr(39)).replace('‘', chr(39)) or '?'}’"


def amount(number: int, label: str) -> str:
    """``a person``, ``an airplane``, ``3 people``."""
    word = clean(label, _MAX_NAME)
    if number == 1:
        return f"{'an' if word[:1].lower() in 'aeiou' else 'a'} {word}"
    return f"{number} {_PLURALS.get(word, word if word.endswith('s') else word + 's')}"


def objects(tracks: Iterable[Track]) -> str:
    """What ``tracks`` are, most numerous first: ``2 people and a car``; ``nothing`` for none."""
    counts = sorted(Counter(track.label for track in tracks).items(), key=lambda item: (-item[1], item[0]))
    parts = [amount(number, label) for label, number in counts]
    if len(parts) < 2:
        return parts[0] if parts else "nothing"
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def verb(tracks: Sequence[object], singular: str, plural: str) -> str:
    """The form of a verb that goes with so many ``tracks``."""
    return singular if len(tracks) == 1 else plural


def capitalised(text: str) -> str:
    """``text`` with its first letter large."""
    return text[:1].upper() + text[1:]


def seconds(duration_s: float) -> str:
    """A duration: ``0.4 s``, ``12 s``, ``2 min 5 s``, ``3 h 20 min``."""
    if duration_s < 9.95:
        return f"{max(0.0, duration_s):.1f} s"
    whole = round(duration_s)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    return f"{whole // 3600} h" + (f" {whole % 3600 // 60} min" if whole % 3600 // 60 else "")


def sureness(tracks: Iterable[Track]) -> float:
    """How sure it is that at least one of ``tracks`` is real: 1 - the product of (1 - confidence), 0..1."""
    doubt = 1.0
    for track in tracks:
        doubt *= 1 - min(1.0, max(0.0, track.confidence))
    return 1 - doubt
