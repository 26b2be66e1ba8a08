"""Hard caps on what describing may cost: calls, tokens, seconds and money, per minute and per hour.

In: what a call may cost at most, before it is made, and what it did cost, afterwards. Out: whether it may be made, else
the cap that is in the way. A window is any stretch of that length, not a calendar minute: what was spent is kept in 60
slices per window, and a slice counts until all of it is past, so that no stretch ever holds more than its cap. What was
reserved counts in full until it is settled; a call whose end nobody learns has cost what it might have. Time is an
argument (UTC seconds live, media time in a replay). Next file: ``pipeline/describe/stage.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields, replace
from types import MappingProxyType
from typing import Any

from pipeline.protocols import Json

__all__ = ["Budget", "Caps", "Cost", "Price", "Reservation"]

_SLICES = 60
_STATE_VERSION = 1
_WINDOWS_S: Mapping[str, float] = MappingProxyType({"minute": 60.0, "hour": 3600.0})


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call, or several, cost. ``money`` is in the currency of :class:`Price`."""

    calls: float = 0.0
    tokens: float = 0.0
    seconds: float = 0.0
    money: float = 0.0

    def __post_init__(self) -> None:
        for name, value in zip(("calls", "tokens", "seconds", "money"), astuple(self), strict=True):
            if not 0 <= value < math.inf:
                raise ValueError(f"cost {name}: expected 0 or more, got {value}")

    def plus(self, other: Cost) -> Cost:
        """The sum of both."""
        return Cost(*(mine + more for mine, more in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost; 0 for a model of one's own."""

    per_million_prompt: float = 0.0
    per_million_reply: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.per_million_prompt < math.inf and 0 <= self.per_million_reply < math.inf):
            raise ValueError(f"price: expected 0 or more, got {self}")

    def of(self, prompt_tokens: float, reply_tokens: float) -> float:
        """Money for so many tokens."""
        return (prompt_tokens * self.per_million_prompt + reply_tokens * self.per_million_reply) / 1e6


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that may be spent in any minute and in any hour; None is no cap."""

    calls_per_minute: float | None = None
    calls_per_hour: float | None = None
    tokens_per_minute: float | None = None
    tokens_per_hour: float | None = None
    seconds_per_minute: float | None = None
    seconds_per_hour: float | None = None
    money_per_minute: float | None = None
    money_per_hour: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not 0 <= value < math.inf:
                raise ValueError(f"{field.name}: expected 0 or more, got {value}")

    def shared(self, workers: int) -> Caps:
        """The part of one of ``workers`` equal workers: together they never exceed these caps."""
        if workers < 1:
            raise ValueError(f"workers: expected 1 or more, got {workers}")
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{name: None if cap is None else cap / workers for name, cap in parts.items()})


@dataclass(frozen=True, slots=True)
class Reservation:
    """What may be spent from ``at_s`` on: to be settled once the true cost is known."""

    at_s: float
    most: Cost


class _Window:
    """What was spent in the last ``length_s`` seconds, by slice."""

    def __init__(self, length_s: float) -> None:
        self._slice_s = length_s / _SLICES
        self.spent: dict[int, Cost] = {}

    def add(self, at_s: float, cost: Cost) -> None:
        """Note ``cost`` in the slice of ``at_s``."""
        place = self._place(at_s)
        self.spent[place] = self.spent.get(place, Cost()).plus(cost)

    def give_back(self, at_s: float, most: Cost, true: Cost) -> None:
        """The reservation ``most`` made at ``at_s`` has become ``true``, which may even be more."""
        place = self._place(at_s)
        if place in self.spent:
            sums = zip(astuple(self.spent[place]), astuple(most), astuple(true), strict=True)
            self.spent[place] = Cost(*(max(0.0, sum_ - reserved + spent) for sum_, reserved, spent in sums))

    def total(self, at_s: float) -> Cost:
        """All that counts at ``at_s``; what is past is forgotten."""
        oldest = self._place(at_s) - _SLICES
        self.spent = {place: cost for place, cost in self.spent.items() if place >= oldest}
        total = Cost()
        for cost in self.spent.values():
            total = total.plus(cost)
        return total

    def _place(self, at_s: float) -> int:
        return math.floor(at_s / self._slice_s)


class Budget:
    """Says yes to calls while every cap holds. A clock that is set back gains nothing: time only goes on."""

    def __init__(self, caps: Caps) -> None:
        self._caps = caps
        self._windows = {name: _Window(length_s) for name, length_s in _WINDOWS_S.items()}
        self._at_s = -math.inf

    def reserve(self, at_s: float, most: Cost, share: float = 1.0) -> Reservation | str:
        """A reservation of ``most`` at ``at_s``, or the name of the cap of which it would exceed that ``share``.

        Who asks for less than all leaves room for what may come and is more urgent.
        """
        self._at_s = at_s = max(at_s, self._at_s)
        for name, window in self._windows.items():
            total = window.total(at_s).plus(most)
            for kind in ("calls", "tokens", "seconds", "money"):
                cap = getattr(self._caps, f"{kind}_per_{name}")
                if cap is not None and getattr(total, kind) > cap * share:
                    return f"{kind}_per_{name}"
        for window in self._windows.values():
            window.add(at_s, most)
        return Reservation(at_s, most)

    def settle(self, reservation: Reservation, true: Cost) -> None:
        """Replace what was reserved by what it cost."""
        for window in self._windows.values():
            window.give_back(reservation.at_s, reservation.most, true)

    def spent(self, at_s: float) -> dict[str, Cost]:
        """What counts at ``at_s``: per ``minute`` and per ``hour``."""
        at_s = max(at_s, self._at_s)
        return {name: window.total(at_s) for name, window in self._windows.items()}

    def state(self) -> Json:
        """What was spent, so that a restart does not spend it again."""
        windows = {
            name: [[place, *astuple(cost)] for place, cost in window.spent.items()]
            for name, window in self._windows.items()
        }
        return {"version": _STATE_VERSION, "at_s": None if self._at_s == -math.inf else self._at_s, "windows": windows}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state`. Raises ValueError for another version or a damaged one."""
        try:
            if state["version"] != _STATE_VERSION:
                raise ValueError(f"budget state: expected version {_STATE_VERSION}, got {state['version']!r}")
            spent = {
                name: {int(place): Cost(*map(float, cost)) for place, *cost in state["windows"][name]}
                for name in self._windows
            }
            self._at_s = -math.inf if state["at_s"] is None else float(state["at_s"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"budget state is damaged: {error}") from error
        for name, slices in spent.items():
            self._windows[name].spent = slices
