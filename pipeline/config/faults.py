"""What is wrong with a site file, one sentence each: file, line, key, what was expected, and the nearest valid word.

In: places in the document and messages. Out: a :class:`~pipeline.errors.ConfigError` with every sentence on its own
line. Next file: ``pipeline/config/document.py``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline.errors import ConfigError
from pipeline.redact import redact

__all__ = ["Fault", "Place", "config_error", "dotted", "nearest"]

Place = tuple[str | int, ...]
"""Where a value stands in the document: keys and list positions from the top."""

MAX_SENTENCES = 50


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to mend. ``line`` counts from 1; None: take it from the place."""

    place: Place
    message: str
    line: int | None = None


def dotted(place: Place) -> str:
    """``place`` as people write it: ``cameras[0].zones.yard``."""
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def nearest(word: str, known: Iterable[str]) -> str:
    """``did you mean 'zones'?``, or what there is to choose from when nothing is near, or nothing when that is long."""
    words = sorted(set(known))
    lower = {candidate.lower(): candidate for candidate in words}
    near = difflib.get_close_matches(word.lower(), lower, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {lower[near[0]]!r}?"
    if not words:
        return ""
    shown = ", ".join(words[:16]) + (", …" if len(words) > 16 else "")
    return f"; known here: {shown}"


def config_error(name: str, faults: Iterable[Fault], lines: Mapping[Place, int] | None = None) -> ConfigError:
    """The error of file ``name`` with all ``faults`` in the order of their lines, at most 50."""
    sentences = sorted({(_line_of(fault, lines or {}), _sentence(fault)) for fault in faults})
    shown = [f"{name}:{line}: {text}" if line else f"{name}: {text}" for line, text in sentences[:MAX_SENTENCES]]
    if len(sentences) > MAX_SENTENCES:
        shown.append(f"{name}: … and {len(sentences) - MAX_SENTENCES} more faults")
    return ConfigError("\n".join(shown))


def _sentence(fault: Fault) -> str:
    """Without secrets: a URL may stand where none belongs, as a key or instead of a map."""
    return redact(f"{dotted(fault.place)}: {fault.message}" if fault.place else fault.message)


def _line_of(fault: Fault, lines: Mapping[Place, int]) -> int:
    """The line of the fault's place, or of the nearest thing around it that stands in the file; 0 for none."""
    if fault.line is not None:
        return fault.line
    for length in range(len(fault.place), 0, -1):
        if fault.place[:length] in lines:
            return lines[fault.place[:length]]
    return 0
