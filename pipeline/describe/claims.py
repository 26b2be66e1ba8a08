"""What a text says, in the vocabulary of facts: the common form of every language's parser.

In: nothing. Out: :class:`Mention` (who is spoken of), :class:`Said` (what is said of them) and :class:`Clause`, which
binds them. Next files: ``parse_en.py``, ``parse_zh.py``, then ``verify.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Clause", "Mention", "Said", "SaidKind", "Span", "Sure"]

Span = tuple[int, int]
"""Begin and end of a phrase in the text, in characters."""

SaidKind = Literal[
    "colour", "lower_colour", "any_colour", "action", "heading", "zone", "dwell", "relation", "thing", "scene", "other"
]
Sure = Literal["at_least", "exactly", "none"]


@dataclass(frozen=True, slots=True)
class Mention:
    """``number`` objects of any of ``labels``; ``is_back``: speaks of those mentioned before (he, they, the person)."""

    span: Span
    labels: tuple[str, ...]
    number: int = 1
    sure: Sure = "at_least"
    is_back: bool = False
    is_other: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """One attribute of the subjects of a clause. ``value`` is a word of its kind, ``other`` a zone's name.

    ``amount``: seconds, for dwell. ``is_negated``: the text says that it is not so.
    """

    span: Span
    kind: SaidKind
    value: str
    other: str | None = None
    amount: float | None = None
    is_negated: bool = False


@dataclass(frozen=True, slots=True)
class Clause:
    """Subjects, what is said of them, and other things that are named on the way (``objects``)."""

    subjects: tuple[Mention, ...] = ()
    said: tuple[Said, ...] = ()
    objects: tuple[Mention, ...] = ()
