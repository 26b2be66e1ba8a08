"""Times in plain words: "at night", "between 22:00 and 6:00", "on weekends", "for more than two minutes".

In: a lower-case sentence. Out: the sentence without those words, and the windows or seconds they mean.
Next file: ``reading.py`` beside this one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from pipeline.alert.schedule import DAY_NAMES, Window

__all__ = ["Unclear", "take_duration", "take_windows"]

_PARTS_OF_DAY: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "at night": (22, 6),
        "during the night": (22, 6),
        "overnight": (22, 6),
        "by night": (22, 6),
        "after midnight": (0, 6),
        "during the day": (6, 22),
        "by day": (6, 22),
        "in the morning": (6, 12),
        "in the afternoon": (12, 18),
        "in the evening": (18, 22),
    }
)
_CLOCK = r"(\d{1,2})(?:[:.](\d\d))?\s*(am|pm|o'clock)?"
_SPAN = re.compile(rf"\b(?:between|from)\s+{_CLOCK}\s+(?:and|to|until|till)\s+{_CLOCK}(?!\w)")
_AFTER = re.compile(rf"\bafter\s+{_CLOCK}(?!\w)")
_BEFORE = re.compile(rf"\bbefore\s+{_CLOCK}(?!\w)")
_HOURS = re.compile(
    r"\b(?:outside(?: of)?|after|before|during|in|out of)\s+(?:the\s+)?"
    r"(?:working|opening|business|office|school|store)?\s*hours\b"
    r"|\bafter[- ]hours\b|\b(?:when|while) (?:it is |we are )?closed\b"
)
_DAYS = re.compile(
    r"\b(?:on|at|during)?\s*(?:the\s+)?(weekends?|weekdays?|working days?|mondays?|tuesdays?|wednesdays?|thursdays?"
    r"|fridays?|saturdays?|sundays?)\b"
)
_NUMBERS: Mapping[str, float] = MappingProxyType(
    {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "ten": 10, "fifteen": 15, "twenty": 20}
    | {"thirty": 30, "half a": 0.5, "half an": 0.5}
)
_DURATION = re.compile(
    r"\b(?:for|longer than|more than)\s+(?:more than\s+|over\s+|at least\s+|longer than\s+)?"
    rf"(\d+(?:\.\d+)?|{'|'.join(sorted(_NUMBERS, key=len, reverse=True))})\s*"
    r"(s|secs?|seconds?|mins?|minutes?|h|hours?)\b"
)
_LONG = re.compile(r"\b(?:for (?:a )?(?:long|some|while)(?: time| while)?|a long time|too long)\b")
_MAX_S = 86_400.0


class Unclear(ValueError):
    """A sentence that cannot be taken at its word; the message is the question that would settle it."""


def take_windows(text: str) -> tuple[str, tuple[Window, ...]]:
    """``text`` without its time of day and days, and the windows of local time that they mean.

    Raises :class:`Unclear` for hours that only the owner knows, and for more than one time of day.
    """
    if _HOURS.search(text):
        raise Unclear("When exactly? Write the times, for instance ‘between 18:00 and 8:00’.")
    text, days = _take_days(text)
    spans: list[tuple[int, int]] = []
    for words, (begin, end) in _PARTS_OF_DAY.items():
        if re.search(rf"\b{words}\b", text):
            text = re.sub(rf"\b{words}\b", " ", text)
            spans.append((begin * 60, end * 60))
    for pattern, make in ((_SPAN, _between), (_AFTER, _from), (_BEFORE, _until)):
        spans.extend(make(found) for found in pattern.finditer(text))
        text = pattern.sub(" ", text)
    if len(spans) > 1:
        raise Unclear("Which of these times is meant? Write one sentence for each.")
    if not spans and not days:
        return text, ()
    begin, end = spans[0] if spans else (0, 24 * 60)
    return text, (Window(begin, end, days or tuple(range(7))),)


def take_duration(text: str) -> tuple[str, float | None]:
    """``text`` without "for two minutes", and its seconds; None without one. Raises :class:`Unclear`."""
    found = list(_DURATION.finditer(text))
    if _LONG.search(text) and not found:
        raise Unclear("How long is long? Write it, for instance ‘for 2 minutes’.")
    if not found:
        return text, None
    if len(found) > 1:
        raise Unclear("Which of these durations is meant? Write one sentence for each.")
    number = _NUMBERS[found[0][1]] if found[0][1] in _NUMBERS else float(found[0][1])
    seconds = number * {"s": 1, "m": 60, "h": 3600}[found[0][2][0]]
    if not 0 < seconds <= _MAX_S:
        raise Unclear(f"Is ‘{found[0][0].strip()}’ right? A day is the longest that can be watched.")
    return _DURATION.sub(" ", text), seconds


def _take_days(text: str) -> tuple[str, tuple[int, ...]]:
    days: set[int] = set()
    for found in _DAYS.finditer(text):
        word = found[1]
        if word.startswith("weekend"):
            days |= {5, 6}
        elif word.startswith(("weekday", "working")):
            days |= {0, 1, 2, 3, 4}
        else:
            days.add([name.lower() for name in DAY_NAMES].index(word.rstrip("s")))
    return _DAYS.sub(" ", text), tuple(sorted(days))


def _minute(hour: str, minute: str | None, half: str | None) -> int:
    number, minutes = int(hour), int(minute or 0)
    if half in ("am", "pm") and not 1 <= number <= 12:
        raise Unclear(f"Is ‘{hour} {half}’ right? Write the time as 22:00.")
    if half in ("am", "pm"):
        number = number % 12 + (12 if half == "pm" else 0)
    if number > 24 or minutes > 59 or (number == 24 and minutes):
        raise Unclear(f"Is ‘{hour}:{minutes:02d}’ right? Write the time as 22:00.")
    return number * 60 + minutes


def _between(found: re.Match[str]) -> tuple[int, int]:
    begin, end = _minute(found[1], found[2], found[3]) % (24 * 60), _minute(found[4], found[5], found[6])
    if begin == end:
        raise Unclear("From when to when? Both times are the same.")
    return begin, end


def _from(found: re.Match[str]) -> tuple[int, int]:
    """After 22:00 is until six in the morning, after 8:00 until midnight."""
    begin = _minute(found[1], found[2], found[3]) % (24 * 60)
    return begin, 6 * 60 if begin >= 18 * 60 or begin < 6 * 60 else 24 * 60


def _until(found: re.Match[str]) -> tuple[int, int]:
    end = _minute(found[1], found[2], found[3])
    if end == 0:
        raise Unclear("From when to when? Write ‘between 18:00 and 24:00’.")
    return 0, end
