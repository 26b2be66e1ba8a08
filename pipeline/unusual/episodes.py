"""Stretches of unusual life: how high each one rose, for how long, and whether the owner's budget lets it be told.

In: scores by incident key at each moment. Out: whether to tell, and how severe. The threshold already expects so many
alerts a day; should life turn out wilder than what was learned, the budget holds: once it is spent, only what is more
unusual than all that was told within a day is told. What is held back is listed with its reason, never dropped unseen.
Next file: ``pipeline/unusual/judge.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pipeline.protocols import Json
from pipeline.types import Severity

__all__ = ["Episode", "Episodes", "HeldBack"]

_OVER_S = 5.0
_DAY_S = 86_400.0
_LEAST_BURST = 3.0
_MAX_HELD_BACK = 20
_MAX_TOLD = 64
_PROVEN_S = 0.15  # what is seen in a single look is not told, ...
_PLAIN_PEAK = 1.05  # ... unless it is so far above the level
_CRITICAL_PEAK = 1.5  # of the level
_CRITICAL_S = 1.0
_INFO_PEAK = 1.1
_INFO_S = 2.0

Reason = Literal["threshold", "budget"]


@dataclass(slots=True)
class Episode:
    """One stretch: ``peak`` score and the ``level`` it was held against; ``is_told`` once it may be an alert."""

    key: str
    title: str
    first_at_s: float
    last_at_s: float
    peak: float
    level: float
    is_told: bool = False
    has_passed: bool = False

    @property
    def severity(self) -> Severity:
        """From how far above the level it rose and how long it lasts."""
        lasted_s = self.last_at_s - self.first_at_s
        if self.peak >= _CRITICAL_PEAK * self.level and lasted_s >= _CRITICAL_S:
            return "critical"
        return "info" if self.peak < _INFO_PEAK * self.level and lasted_s < _INFO_S else "warning"


@dataclass(frozen=True, slots=True)
class HeldBack:
    """What was nearly an alert. ``threshold``: it stayed below the level; ``budget``: the day's alerts were spent."""

    at_s: float
    title: str
    peak: float
    level: float
    reason: Reason


class Episodes:
    """The episodes of one camera, open ones and those held back."""

    def __init__(self, alerts_per_day: float) -> None:
        self._per_day = alerts_per_day
        self._burst = max(_LEAST_BURST, alerts_per_day)
        self._left = self._burst
        self._at_s: float | None = None
        self._open: dict[str, Episode] = {}
        self._told: list[tuple[float, float]] = []  # when and how high
        self.held_back: tuple[HeldBack, ...] = ()

    def pass_time(self, at_s: float) -> None:
        """Media time is ``at_s`` now: the budget grows, and episodes of which nothing was heard are over."""
        elapsed_s = 0.0 if self._at_s is None else max(0.0, at_s - self._at_s)
        self._at_s = at_s
        self._left = min(self._burst, self._left + self._per_day * elapsed_s / _DAY_S)
        self._told = [(told_s, peak) for told_s, peak in self._told if 0 <= at_s - told_s < _DAY_S]
        for key in [key for key, one in self._open.items() if not 0 <= at_s - one.last_at_s < _OVER_S]:
            self._end(self._open.pop(key))

    def observe(self, key: str, at_s: float, score: float, level: float, title: str) -> Episode:
        """``key`` has ``score`` now, against ``level``; its episode, which says whether it may be told."""
        episode = self._open.get(key)
        if episode is None:
            episode = self._open[key] = Episode(key, title, at_s, at_s, score, level)
        if score >= episode.peak:
            episode.peak, episode.title = score, title
        episode.last_at_s, episode.level = at_s, level
        episode.has_passed = episode.has_passed or score >= level
        is_proven = at_s - episode.first_at_s >= _PROVEN_S or episode.peak >= _PLAIN_PEAK * level
        if episode.has_passed and not episode.is_told and is_proven:
            highest = max((peak for _, peak in self._told), default=0.0)
            if self._left >= 1 or episode.peak > highest:
                self._left = max(0.0, self._left - 1)
                episode.is_told = True
        return episode

    def _end(self, episode: Episode) -> None:
        if episode.is_told:
            self._told = [*self._told, (episode.last_at_s, episode.peak)][-_MAX_TOLD:]
            return
        reason: Reason = "budget" if episode.has_passed else "threshold"
        note = HeldBack(episode.first_at_s, episode.title, episode.peak, episode.level, reason)
        self.held_back = (*self.held_back, note)[-_MAX_HELD_BACK:]

    def state(self) -> Json:
        """Everything needed to go on elsewhere."""
        return {
            "left": self._left,
            "at_s": self._at_s,
            "open": [asdict(one) for one in self._open.values()],
            "told": [list(pair) for pair in self._told],
            "held_back": [asdict(one) for one in self.held_back],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state`. Raises KeyError or TypeError for a damaged one."""
        self._left, self._at_s = float(state["left"]), state["at_s"]
        self._open = {one["key"]: Episode(**one) for one in state["open"]}
        self._told = [(float(at_s), float(peak)) for at_s, peak in state["told"]]
        self.held_back = tuple(HeldBack(**one) for one in state["held_back"])
