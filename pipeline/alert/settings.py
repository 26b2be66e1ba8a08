"""What an owner can set about alerts of one camera: zones, lines, rules, when incidents open, update and close.

In: values from the site file (:mod:`pipeline.config` builds exactly these). Out: frozen dataclasses that check
themselves (ValueError, one sentence) and are all the alert stage knows of configuration. Polygons and lines are 0..1 of
the source frame; everything lasting is in seconds of media time. Next file: ``pipeline/alert/rules/judge.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

from pipeline.alert.places import Line, Zone, require, require_name
from pipeline.alert.rule import Rule, require_seconds
from pipeline.alert.watch.rule import MAX_QUESTIONS, WatchRule
from pipeline.boxes import Point

__all__ = [
    "RULE_KINDS",
    "AbsenceRule",
    "AlertSettings",
    "CrowdRule",
    "Direction",
    "ForbiddenClassRule",
    "Line",
    "LineRule",
    "LoiteringRule",
    "ObjectLeftRule",
    "ObjectRemovedRule",
    "PolicySettings",
    "Rule",
    "SpeedRule",
    "WatchRule",
    "WrongWayRule",
    "Zone",
    "ZoneRule",
]

Direction = Literal["a_to_b", "b_to_a", "both"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneRule(Rule):
    """Somebody is in a zone: kind ``zone``. ``min_dwell_s``: how long one object has to be inside."""

    zone: str
    min_dwell_s: float = 0.0

    kind: ClassVar[str] = "zone"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRule(Rule):
    """Somebody crosses a line: kind ``line``.

    ``band_norm`` is the half-width of the strip around the line (share of the picture's diagonal) in which a foot point
    may jitter: only who was beyond it on one side and arrives beyond it on the other has crossed.
    """

    line: str
    direction: Direction = "both"
    labels: tuple[str, ...] = ("person", "vehicle")
    band_norm: float = 0.01
    close_after_s: float = 3.0
    cool_down_s: float = 0.0

    kind: ClassVar[str] = "line"
    is_momentary: ClassVar[bool] = True
    needs_fixed_view: ClassVar[bool] = True

    def __post_init__(self) -> None:
        Rule.__post_init__(self)
        require(
            self.direction in get_args(Direction), f"rule {self.name!r} direction", "a_to_b|b_to_a|both", self.direction
        )
        require(0 <= self.band_norm <= 0.2, f"rule {self.name!r} band_norm", "0 to 0.2", self.band_norm)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoiteringRule(Rule):
    """One object stays in a zone (or in view): kind ``loitering``. Leaving for up to ``max_absence_s`` is forgiven."""

    zone: str | None = None
    min_stay_s: float = 60.0
    max_absence_s: float = 10.0

    kind: ClassVar[str] = "loitering"


@dataclass(frozen=True, slots=True, kw_only=True)
class CrowdRule(Rule):
    """At least ``min_count`` objects at once, for ``min_duration_s``: kind ``crowd``."""

    zone: str | None = None
    min_count: int = 5
    min_duration_s: float = 3.0

    kind: ClassVar[str] = "crowd"

    def __post_init__(self) -> None:
        Rule.__post_init__(self)
        require(1 <= self.min_count <= 1000, f"rule {self.name!r} min_count", "1 to 1000", self.min_count)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectLeftRule(Rule):
    """An object that was not there before stands still with nobody near: kind ``object_left``.

    ``min_still_s``: how long it has been still and alone. ``owner_distance_heights``: how near a person has to be to
    count as its keeper, in that person's own heights.
    """

    zone: str | None = None
    labels: tuple[str, ...] = ("bag",)
    min_still_s: float = 20.0
    owner_distance_heights: float = 1.5

    kind: ClassVar[str] = "object_left"
    needs_fixed_view: ClassVar[bool] = True

    def __post_init__(self) -> None:
        Rule.__post_init__(self)
        distance = self.owner_distance_heights
        require(0 <= distance <= 20, f"rule {self.name!r} owner_distance_heights", "0 to 20", distance)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRemovedRule(Rule):
    """An object that had stood still is gone and nothing hides its place: kind ``object_removed``.

    ``min_still_s``: how long it has to have stood to belong to the scene. ``min_gone_s``: how long it is missing.
    """

    zone: str | None = None
    labels: tuple[str, ...] = ("bag",)
    min_still_s: float = 60.0
    min_gone_s: float = 5.0

    kind: ClassVar[str] = "object_removed"
    needs_fixed_view: ClassVar[bool] = True
    trusts_silence: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedRule(Rule):
    """An object moves faster than allowed: kind ``speed``.

    ``max_sizes_per_s`` is in the object's own size per second: box height for people and animals (a walk is about 0.8,
    a run 2 and more), longer box side for all else. ``max_px_per_s`` is in source pixels per second. Either or both;
    speeds are taken over ``over_s`` seconds.
    """

    zone: str | None = None
    max_sizes_per_s: float | None = 1.8
    max_px_per_s: float | None = None
    over_s: float = 0.8

    kind: ClassVar[str] = "speed"

    def __post_init__(self) -> None:
        Rule.__post_init__(self)
        limits = [limit for limit in (self.max_sizes_per_s, self.max_px_per_s) if limit is not None]
        require(
            bool(limits) and all(0 < v < math.inf for v in limits), f"rule {self.name!r}", "a limit above 0", limits
        )
        require(0.2 <= self.over_s <= 5, f"rule {self.name!r} over_s", "0.2 to 5 seconds", self.over_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongWayRule(Rule):
    """An object moves against the allowed direction: kind ``wrong_way``.

    ``allowed_norm`` points the allowed way in the picture (x to the right, y down; any length). Whoever has gone
    ``min_distance_norm`` of the picture's diagonal within ``over_s`` seconds and deviates from it by more than
    ``tolerance_deg`` goes the wrong way.
    """

    allowed_norm: Point
    zone: str | None = None
    labels: tuple[str, ...] = ("vehicle",)
    tolerance_deg: float = 100.0
    min_distance_norm: float = 0.06
    over_s: float = 3.0

    kind: ClassVar[str] = "wrong_way"
    needs_fixed_view: ClassVar[bool] = True

    def __post_init__(self) -> None:
        Rule.__post_init__(self)
        what = f"rule {self.name!r}"
        length = math.hypot(*self.allowed_norm)
        require(0 < length < math.inf, f"{what} allowed_norm", "a direction", self.allowed_norm)
        require(0 < self.tolerance_deg < 180, f"{what} tolerance_deg", "between 0 and 180", self.tolerance_deg)
        require(0 < self.min_distance_norm <= 1, f"{what} min_distance_norm", "0 to 1", self.min_distance_norm)
        require(0.2 <= self.over_s <= 60, f"{what} over_s", "0.2 to 60 seconds", self.over_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForbiddenClassRule(Rule):
    """An object of a class that has no business here is seen: kind ``forbidden_class``."""

    labels: tuple[str, ...]
    zone: str | None = None
    open_after_s: float = 0.6

    kind: ClassVar[str] = "forbidden_class"


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsenceRule(Rule):
    """Nobody of a class is where somebody should be, for ``min_absence_s`` on duty: kind ``absence``."""

    zone: str | None = None
    min_absence_s: float = 60.0
    close_after_s: float = 2.0

    kind: ClassVar[str] = "absence"
    needs_fixed_view: ClassVar[bool] = True
    trusts_silence: ClassVar[bool] = True


RULE_KINDS: tuple[type[Rule], ...] = (
    ZoneRule,
    LineRule,
    LoiteringRule,
    CrowdRule,
    ObjectLeftRule,
    ObjectRemovedRule,
    SpeedRule,
    WrongWayRule,
    ForbiddenClassRule,
    AbsenceRule,
    WatchRule,
)
"""Every rule class; ``kind`` tells them apart."""


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """How suspicions become messages, for all rules of a camera.

    ``update_every_s`` is how often a lasting incident reports without news. A new participant is told of sooner: after
    ``min_update_gap_s``, twice that the next time, and so on up to ``update_every_s``. ``max_blind_s``: how long an
    incident may stay open while nothing can be seen.
    """

    min_update_gap_s: float = 2.0
    update_every_s: float = 30.0
    max_blind_s: float = 60.0

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            require_seconds(name, getattr(self, name))


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """Everything the alert stage knows of one camera. Names of zones, lines and rules are unique, references exist."""

    camera: str
    zones: tuple[Zone, ...] = ()
    lines: tuple[Line, ...] = ()
    rules: tuple[Rule, ...] = ()
    policy: PolicySettings = field(default_factory=PolicySettings)
    is_health_alerted: bool = True

    def __post_init__(self) -> None:
        require_name("camera", self.camera)
        for what, named in (("zone", self.zones), ("line", self.lines), ("rule", self.rules)):
            names = [item.name for item in named]
            require(len(set(names)) == len(names), f"{what} names", "each once", names)
        asked = [rule.name for rule in self.rules if isinstance(rule, WatchRule) and rule.question is not None]
        require(len(asked) <= MAX_QUESTIONS, "rules with a question", f"at most {MAX_QUESTIONS} a camera", len(asked))
        zones, lines = {zone.name for zone in self.zones}, {line.name for line in self.lines}
        for rule in self.rules:
            what = f"rule {rule.name!r}"
            require(
                rule.zone_name is None or rule.zone_name in zones, what, f"a zone of {sorted(zones)}", rule.zone_name
            )
            require(
                rule.line_name is None or rule.line_name in lines, what, f"a line of {sorted(lines)}", rule.line_name
            )
