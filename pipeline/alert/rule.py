"""What every rule of a camera has in common. Kinds of rules: ``pipeline/alert/settings.py``, ``watch/rule.py``.

In: values from the site file. Out: a frozen dataclass that checks itself (ValueError, one sentence). Next file:
``pipeline/alert/settings.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, get_args

from pipeline.alert.places import require, require_name
from pipeline.alert.schedule import ALWAYS, Schedule
from pipeline.types import Severity

__all__ = ["Rule", "require_seconds"]

_DAY_S = 86_400.0


def require_seconds(what: str, value: float) -> None:
    require(0 <= value <= _DAY_S, what, "0 to 86400 seconds", value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What all rules have in common; the kinds derive from it.

    ``open_after_s``: how long the breach has to hold, net of moments without it, before an incident opens.
    ``close_after_s``: how long it has to be over before the incident closes. ``cool_down_s``: how long after closing
    the same objects open nothing new. ``labels``: words or groups looked at; ``min_confidence``: tracks below are not.
    """

    name: str
    labels: tuple[str, ...] = ("person",)
    severity: Severity = "warning"
    schedule: Schedule = ALWAYS
    open_after_s: float = 0.3
    close_after_s: float = 5.0
    cool_down_s: float = 10.0
    min_confidence: float = 0.3

    kind: ClassVar[str] = ""
    """The alert's ``kind`` and the word that chooses this class in a site file."""
    is_momentary: ClassVar[bool] = False
    """Whether one look proves the breach, so that it opens at once (a line was crossed)."""
    needs_fixed_view: ClassVar[bool] = False
    """Whether the rule means nothing while the camera is turned away (it remembers places)."""
    trusts_silence: ClassVar[bool] = False
    """Whether the rule draws conclusions from what is not seen, and so has to pause while the picture is blurred."""

    def __post_init__(self) -> None:
        require_name("rule", self.name)
        require(
            self.severity in get_args(Severity), f"rule {self.name!r} severity", "info|warning|critical", self.severity
        )
        for name in self.__dataclass_fields__:
            if name.endswith("_s") and not name.endswith("_per_s"):
                require_seconds(f"rule {self.name!r} {name}", getattr(self, name))
        require(0 <= self.min_confidence <= 1, f"rule {self.name!r} min_confidence", "0 to 1", self.min_confidence)
        require(bool(self.labels) and all(self.labels), f"rule {self.name!r} labels", "at least one word", self.labels)

    @property
    def zone_name(self) -> str | None:
        """The zone this rule is bound to; None for the whole picture."""
        return getattr(self, "zone", None)

    @property
    def line_name(self) -> str | None:
        """The line this rule is bound to, if any."""
        return getattr(self, "line", None)
