"""What an owner can set about unusual behaviour at one camera. Next file: ``pipeline/unusual/judge.py``."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ALERTS_PER_DAY", "WARM_UP_S", "UnusualSettings"]

ALERTS_PER_DAY = 3.0
WARM_UP_S = 900.0

_WEEK_S = 604_800.0


@dataclass(frozen=True, slots=True)
class UnusualSettings:
    """``alerts_per_day`` is how many alerts of this kind the owner wants to read on a day on which nothing is wrong.

    ``warm_up_s``: seconds of watching before anything is suspected; what is seen until then is taken for normal.
    """

    camera: str
    alerts_per_day: float = ALERTS_PER_DAY
    warm_up_s: float = WARM_UP_S

    def __post_init__(self) -> None:
        if not 0 < self.alerts_per_day <= 1000:
            raise ValueError(f"alerts_per_day: expected more than 0, at most 1000, got {self.alerts_per_day}")
        if not 0 <= self.warm_up_s <= _WEEK_S:
            raise ValueError(f"warm_up_s: expected 0 to {_WEEK_S:.0f} seconds, got {self.warm_up_s}")
