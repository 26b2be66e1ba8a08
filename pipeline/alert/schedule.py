"""When a rule is on duty: weekly windows of local time in an IANA time zone.

In: media time as UTC seconds. Out: whether a window holds. Wall-clock rules apply, so daylight saving is right by
construction: 08:00 means 08:00 on the wall all year, an hour that is skipped holds for nobody, one that is repeated
holds twice. A window that ends at or before its start runs into the next day and belongs to the day it starts on.
Next file: ``pipeline/alert/settings.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

__all__ = ["ALWAYS", "DAY_NAMES", "Schedule", "Window", "time_zone"]

DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DAY_MIN = 24 * 60


def time_zone(name: str) -> ZoneInfo:
    """The IANA time zone ``name``. Raises ValueError when there is none of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"time_zone: {name!r} is not an IANA time zone such as 'Europe/Berlin'") from error


@dataclass(frozen=True, slots=True)
class Window:
    """A span of local time on some weekdays (0 is Monday), in minutes since midnight; the end is not part of it."""

    start_min: int
    end_min: int
    days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)

    def __post_init__(self) -> None:
        if not (0 <= self.start_min < _DAY_MIN and 0 <= self.end_min <= _DAY_MIN):
            raise ValueError(f"window: expected 00:00 to 24:00, got {self.start_min} to {self.end_min} minutes")
        if not self.days or len(set(self.days)) != len(self.days) or not all(0 <= day <= 6 for day in self.days):
            raise ValueError(f"window days: expected different days 0 (Monday) to 6, got {self.days}")

    def holds(self, day: int, minute: int) -> bool:
        """Whether weekday ``day`` at ``minute`` since local midnight lies in this window."""
        if self.end_min > self.start_min:
            return day in self.days and self.start_min <= minute < self.end_min
        if minute >= self.start_min:
            return day in self.days
        return minute < self.end_min and (day - 1) % 7 in self.days

    def __str__(self) -> str:
        days = "every day" if len(self.days) == 7 else ", ".join(DAY_NAMES[day] for day in sorted(self.days))
        return f"{_clock(self.start_min)}–{_clock(self.end_min)} {days}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """Windows of one time zone; without windows it always holds."""

    windows: tuple[Window, ...] = ()
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        time_zone(self.time_zone)

    def holds(self, at_s: float) -> bool:
        """Whether a window holds at media time ``at_s`` (UTC seconds)."""
        if not self.windows:
            return True
        local = datetime.fromtimestamp(at_s, ZoneInfo(self.time_zone))
        minute = local.hour * 60 + local.minute
        return any(window.holds(local.weekday(), minute) for window in self.windows)

    def __str__(self) -> str:
        return f"{'; '.join(map(str, self.windows)) or 'always'} ({self.time_zone})"


ALWAYS = Schedule()


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
