"""What all rules share: choosing the objects a rule is about, and wording a suspicion with its evidence.

In: a :class:`~pipeline.alert.view.View`. Out: :class:`~pipeline.protocols.Suspicion` values. Next file:
``pipeline/alert/rules/presence.py``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, Generic, TypeVar

from pipeline.alert.explain import Cue, clean, evidence_of, named, sureness
from pipeline.alert.schedule import DAY_NAMES, time_zone
from pipeline.alert.settings import Rule
from pipeline.alert.view import Sighting, View
from pipeline.labels import expand_labels
from pipeline.protocols import Json, Suspicion

__all__ = ["Stay", "Stays", "Watch"]

R = TypeVar("R", bound=Rule)


class Watch(ABC, Generic[R]):
    """One rule at work on one camera. A fold: ``look`` at every view in order; ``state`` and ``restore`` to move it."""

    learns_off_duty: ClassVar[bool] = False
    """Whether the rule goes on looking outside its schedule (silently), because it has to know the scene."""

    def __init__(self, rule: R) -> None:
        self.rule = rule
        self._labels = expand_labels(rule.labels)

    @abstractmethod
    def look(self, view: View) -> Sequence[Suspicion]:
        """Every breach of this rule that holds in ``view``."""

    @abstractmethod
    def state(self) -> Json:
        """Everything needed to go on elsewhere."""

    @abstractmethod
    def restore(self, state: Json) -> None:
        """Continue from :meth:`state`; ``restore({})`` starts anew."""

    def begin_session(self) -> None:
        """The stream began anew: forget what hangs on track ids."""
        self.restore({})

    def concerned(self, view: View) -> list[Sighting]:
        """The objects in view that this rule is about: label, confidence and zone fit."""
        zone = self.rule.zone_name
        return [
            s
            for s in view.sightings
            if s.track.label in self._labels
            and s.track.confidence >= self.rule.min_confidence
            and (zone is None or zone in s.zones)
        ]

    @property
    def place(self) -> str:
        """Where the rule applies, in words."""
        return "in view" if self.rule.zone_name is None else f"in {named(self.rule.zone_name)}"

    @property
    def wanted(self) -> str:
        """The rule's labels in words: ``person or vehicle``."""
        return clean(" or ".join(self.rule.labels), 80)

    def suspicion(
        self,
        view: View,
        sightings: Sequence[Sighting],
        *,
        title: str,
        text: str,
        cues: Sequence[Cue],
        about: int | None = None,
        score: float | None = None,
    ) -> Suspicion:
        """A breach of this rule by ``sightings``; ``about`` keeps breaches by different objects apart."""
        rule = self.rule
        if rule.schedule.windows:
            local = datetime.fromtimestamp(view.at_s, time_zone(rule.schedule.time_zone))
            clock = f"{DAY_NAMES[local.weekday()]} {local:%H:%M}"
            cues = [*cues, Cue("schedule", f"{clock} ({rule.schedule.time_zone})", f"outside {rule.schedule}")]
        tracks = tuple(s.track for s in sightings)
        return Suspicion(
            kind=rule.kind,
            key=f"{rule.kind}:{rule.name}" + ("" if about is None else f":{about}"),
            rule=rule.name,
            severity=rule.severity,
            score=sureness(tracks) if score is None else score,
            title=clean(title, 120),
            text=clean(text),
            tracks=tracks,
            evidence=evidence_of(cues),
            is_exempt_from_hold=rule.is_momentary,
        )


class Stay:
    """An unbroken stay of one object: since when, and when it was last there."""

    __slots__ = ("last_at_s", "since_s")

    def __init__(self, since_s: float, last_at_s: float) -> None:
        self.since_s = since_s
        self.last_at_s = last_at_s


class Stays:
    """Who has been somewhere for how long; an absence of up to ``max_absence_s`` does not break a stay."""

    def __init__(self, max_absence_s: float) -> None:
        self._max_absence_s = max_absence_s
        self._stays: dict[int, Stay] = {}

    def note(self, present: Sequence[int], at_s: float) -> None:
        """Objects ``present`` (ids) are there at ``at_s``; stays that ended are forgotten."""
        for i in present:
            if i in self._stays:
                self._stays[i].last_at_s = at_s
            else:
                self._stays[i] = Stay(at_s, at_s)
        for i in [i for i, stay in self._stays.items() if at_s - stay.last_at_s > self._max_absence_s]:
            del self._stays[i]

    def length_s(self, track_id: int) -> float:
        """Seconds since object ``track_id`` came; 0 when it is not there."""
        stay = self._stays.get(track_id)
        return 0.0 if stay is None else stay.last_at_s - stay.since_s

    def state(self) -> Json:
        """Everything needed to go on elsewhere."""
        return {str(i): [stay.since_s, stay.last_at_s] for i, stay in self._stays.items()}

    def restore(self, state: Json) -> None:
        """Continue from :meth:`state`."""
        self._stays = {int(i): Stay(since_s, last_at_s) for i, (since_s, last_at_s) in state.items()}
