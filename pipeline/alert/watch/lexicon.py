"""The words that a ``watch_for`` sentence may use, and what each of them means.

In: ``lexicon.yaml`` beside this file. Out: :func:`lexicon`, phrase (a tuple of lower-case words) -> :class:`Meaning`.
A phrase that is not there, and is no zone or line of the camera, is asked about instead of guessed at.
Next file: ``clock.py`` beside this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import yaml

from pipeline.descriptions import COLOURS

__all__ = ["Meaning", "Sort", "lexicon"]

Sort = Literal[
    "noun",  # somebody or something that detectors know: value is a label or a group
    "thing",  # something that can be carried, left, taken: value is a label, or "" for any
    "count",  # value is how many at least
    "nobody",
    "colour",
    "upper",  # a garment for the upper body
    "lower",
    "state",  # value is "field=word|word"
    "leave",  # to leave a place, or a thing
    "over",  # to get over or across something
    "place",  # "in", "at", …: what follows is where
    "with",
    "or",
    "and",
    "not",
    "filler",
    "action",  # can be seen and is not measured: a model has to look
    "sight",  # the same, of things
    "spot",  # the same, of places: a zone of that name would make it measurable
    "who",  # the same, of people: value is the label that detectors have for them
    "vague",  # in the eye of the beholder
    "elsewhere",  # value says what else does it
]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a phrase means; ``note`` tells the owner when it is read more broadly than it was written."""

    sort: Sort
    value: str = ""
    note: str = ""


@cache
def lexicon() -> Mapping[tuple[str, ...], Meaning]:
    """Every known phrase, as a tuple of lower-case words."""
    known: dict[tuple[str, ...], Meaning] = {(colour,): Meaning("colour", colour) for colour in COLOURS}
    for entry in yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text("utf-8")):
        meaning = Meaning(entry["sort"], entry.get("means", ""), entry.get("note", ""))
        for phrase in (*entry.get("words", ()), *entry.get("phrases", ())):
            known.setdefault(tuple(phrase.split()), meaning)
    return MappingProxyType(known)
