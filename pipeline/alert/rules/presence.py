"""Rules about who is somewhere, for how long, and how many: zone, forbidden class, loitering, crowd, absence.

In: views. Out: suspicions, for as long as the breach holds; opening and closing are the policy's. Next file:
``pipeline/alert/rules/motion.py``.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.alert.explain import Cue, capitalised, named, objects, seconds, verb
from pipeline.alert.rules.watch import Stays, Watch
from pipeline.alert.settings import AbsenceRule, CrowdRule, ForbiddenClassRule, LoiteringRule, ZoneRule
from pipeline.alert.view import View
from pipeline.protocols import Json, Suspicion

__all__ = ["AbsenceWatch", "CrowdWatch", "ForbiddenClassWatch", "LoiteringWatch", "ZoneWatch"]

_JITTER_S = 1.0  # a foot point that leaves a zone for less has not left it


class ZoneWatch(Watch[ZoneRule]):
    """Objects whose foot point is in the zone, each for at least ``min_dwell_s``: one incident while it is occupied."""

    def __init__(self, rule: ZoneRule) -> None:
        super().__init__(rule)
        self._stays = Stays(_JITTER_S)

    def look(self, view: View) -> Sequence[Suspicion]:
        """See :class:`Watch`."""
        inside = self.concerned(view)
        self._stays.note([s.track.id for s in inside], view.at_s)
        breaking = [s for s in inside if self._stays.length_s(s.track.id) >= self.rule.min_dwell_s]
        if not breaking:
            return ()
        tracks = [s.track for s in breaking]
        longest_s = max(self._stays.length_s(track.id) for track in tracks)
        zone, who = named(self.rule.zone), objects(tracks)
        cues = [Cue("zone", f"{who} inside {zone}", f"no {self.wanted} inside {zone}")]
        if self.rule.min_dwell_s > 0:
            cues.append(Cue("dwell", f"inside for {seconds(longest_s)}", f"at most {seconds(self.rule.min_dwell_s)}"))
        text = f"{capitalised(who)} {verb(tracks, 'is', 'are')} inside {zone}, where no {self.wanted} is allowed"
        text += f"; the longest stay so far is {seconds(longest_s)}." if longest_s >= _JITTER_S else "."
        return (self.suspicion(view, breaking, title=f"{capitalised(who)} in {zone}", text=text, cues=cues),)

    def state(self) -> Json:
        """See :class:`Watch`."""
        return {"stays": self._stays.state()}

    def restore(self, state: Json) -> None:
        """See :class:`Watch`."""
        self._stays.restore(state.get("stays", {}))


class ForbiddenClassWatch(Watch[ForbiddenClassRule]):
    """Objects of a class that has no business in the zone, or anywhere in view."""

    def look(self, view: View) -> Sequence[Suspicion]:
        """See :class:`Watch`."""
        seen = self.concerned(view)
        if not seen:
            return ()
        tracks = [s.track for s in seen]
        who = objects(tracks)
        return (
            self.suspicion(
                view,
                seen,
                title=f"{capitalised(who)} {self.place}",
                text=f"{capitalised(who)} {verb(tracks, 'is', 'are')} {self.place}; no {self.wanted} belongs there.",
                cues=[Cue("class", f"{who} {self.place}", f"no {self.wanted} {self.place}")],
            ),
        )

    def state(self) -> Json:
        """See :class:`Watch`."""
        return {}

    def restore(self, state: Json) -> None:
        """See :class:`Watch`."""


class LoiteringWatch(Watch[LoiteringRule]):
    """Objects that stay longer than ``min_stay_s``: one incident while anybody does, so that a group is one alert."""

    def __init__(self, rule: LoiteringRule) -> None:
        super().__init__(rule)
        self._stays = Stays(rule.max_absence_s)

    def look(self, view: View) -> Sequence[Suspicion]:
        """See :class:`Watch`."""
        present = self.concerned(view)
        self._stays.note([s.track.id for s in present], view.at_s)
        staying = [s for s in present if self._stays.length_s(s.track.id) >= self.rule.min_stay_s]
        if not staying:
            return ()
        tracks = [s.track for s in staying]
        longest_s = max(self._stays.length_s(track.id) for track in tracks)
        who, limit = capitalised(objects(tracks)), seconds(self.rule.min_stay_s)
        has, most = verb(tracks, "has", "have"), "" if len(tracks) == 1 else ", the longest of them"
        text = f"{who} {has} been {self.place}{most} for {seconds(longest_s)}; at most {limit} is allowed."
        cues = [Cue("dwell", f"{self.place} for {seconds(longest_s)}", f"at most {limit}")]
        title = f"{who} {verb(tracks, 'loiters', 'loiter')} {self.place}"
        return (self.suspicion(view, staying, title=title, text=text, cues=cues),)

    def state(self) -> Json:
        """See :class:`Watch`."""
        return {"stays": self._stays.state()}

    def restore(self, state: Json) -> None:
        """See :class:`Watch`."""
        self._stays.restore(state.get("stays", {}))


class CrowdWatch(Watch[CrowdRule]):
    """At least ``min_count`` objects at once, for ``min_duration_s``; shorter dips are forgiven."""

    def __init__(self, rule: CrowdRule) -> None:
        super().__init__(rule)
        self._stays = Stays(_JITTER_S)

    def look(self, view: View) -> Sequence[Suspicion]:
        """See :class:`Watch`."""
        present, limit = self.concerned(view), self.rule.min_count
        self._stays.note([0] if len(present) >= limit else [], view.at_s)
        lasted_s = self._stays.length_s(0)
        if len(present) < limit or lasted_s < self.rule.min_duration_s:
            return ()
        who = objects(s.track for s in present)
        return (
            self.suspicion(
                view,
                present,
                title=f"Crowd {self.place}: {who}",
                text=(
                    f"{capitalised(who)} {verb(present, 'is', 'are')} {self.place} at once, "
                    f"for {seconds(lasted_s)} now; fewer than {limit} are allowed."
                ),
                cues=[
                    Cue("count", f"{len(present)} at once", f"fewer than {limit}"),
                    Cue("duration", seconds(lasted_s), f"less than {seconds(self.rule.min_duration_s)}"),
                ],
            ),
        )

    def state(self) -> Json:
        """See :class:`Watch`."""
        return {"stays": self._stays.state()}

    def restore(self, state: Json) -> None:
        """See :class:`Watch`."""
        self._stays.restore(state.get("stays", {}))


class AbsenceWatch(Watch[AbsenceRule]):
    """Nobody where somebody should be. Only seconds in which the place could be seen count."""

    def __init__(self, rule: AbsenceRule) -> None:
        super().__init__(rule)
        self._absent_s = 0.0

    def look(self, view: View) -> Sequence[Suspicion]:
        """See :class:`Watch`."""
        self._absent_s = 0.0 if self.concerned(view) else self._absent_s + view.step_s
        if self._absent_s < self.rule.min_absence_s:
            return ()
        absent, limit = seconds(self._absent_s), seconds(self.rule.min_absence_s)
        return (
            self.suspicion(
                view,
                (),
                title=f"No {self.wanted} {self.place}",
                text=f"No {self.wanted} has been {self.place} for {absent}; an absence of up to {limit} is allowed.",
                cues=[Cue("absence", f"no {self.wanted} for {absent}", f"at most {limit} without")],
                score=1.0,
            ),
        )

    def begin_session(self) -> None:
        """A reconnection does not end an absence."""

    def state(self) -> Json:
        """See :class:`Watch`."""
        return {"absent_s": self._absent_s}

    def restore(self, state: Json) -> None:
        """See :class:`Watch`."""
        self._absent_s = float(state.get("absent_s", 0.0))
