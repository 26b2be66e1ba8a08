"""The judge of explicit rules: every rule of one camera, held against every moment.

In: moments (a finding with its tracks). Out: suspicions for the policy. Nothing is judged while the camera is blind;
rules that remember places start anew while it has been turned away, those that miss something pause while it is out
of focus; outside its schedule a rule forgets what it timed. Next file: ``pipeline/alert/health.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pipeline.alert.rules.motion import LineWatch, SpeedWatch, WrongWayWatch
from pipeline.alert.rules.presence import AbsenceWatch, CrowdWatch, ForbiddenClassWatch, LoiteringWatch, ZoneWatch
from pipeline.alert.rules.still import ObjectLeftWatch, ObjectRemovedWatch
from pipeline.alert.rules.watch import Watch
from pipeline.alert.settings import (
    AbsenceRule,
    AlertSettings,
    CrowdRule,
    ForbiddenClassRule,
    LineRule,
    LoiteringRule,
    ObjectLeftRule,
    ObjectRemovedRule,
    Rule,
    SpeedRule,
    WatchRule,
    WrongWayRule,
    ZoneRule,
)
from pipeline.alert.view import Trails, View, is_blind, look_at
from pipeline.protocols import Json, Moment, Suspicion

__all__ = ["RulesJudge"]


class RulesJudge:
    """A :class:`~pipeline.protocols.Judge` over the rules of ``settings``, but those of kind ``watch``.

    Those are judged by facts (``pipeline/alert/watch/judge.py``).
    """

    def __init__(self, settings: AlertSettings) -> None:
        self._settings = settings
        self._watches = [_watch(rule, settings) for rule in settings.rules if not isinstance(rule, WatchRule)]
        spans = [rule.over_s for rule in settings.rules if isinstance(rule, SpeedRule | WrongWayRule)]
        self._trails = Trails(2 * max(spans, default=0.0))
        self._session: int | None = None
        self._source_wh: tuple[int, int] | None = None
        self._looked_at_s: float | None = None

    def judge(self, moment: Moment) -> Sequence[Suspicion]:
        """Every breach that holds at ``moment``, in the order of the rules."""
        if is_blind(moment):
            return ()
        ref = moment.finding.ref
        if ref.source_wh != self._source_wh:
            self._begin_size(ref.source_wh)
        if ref.key.session != self._session:
            self._begin_session(ref.key.session)
        elapsed_s = 0.0 if self._looked_at_s is None else ref.at_s - self._looked_at_s
        self._looked_at_s = ref.at_s
        view = look_at(moment, self._settings.zones, self._trails, max(0.0, elapsed_s - moment.missing_s))
        if view is None:
            return ()
        return [suspicion for watch in self._watches for suspicion in _look(watch, view)]

    def _begin_size(self, source_wh: tuple[int, int]) -> None:
        """Another picture size: remembered pixels mean nothing any more."""
        self._source_wh = source_wh
        self._trails.clear()
        for watch in self._watches:
            watch.restore({})

    def _begin_session(self, session: int) -> None:
        self._session = session
        self._trails.clear()
        for watch in self._watches:
            watch.begin_session()

    def state(self) -> Json:
        """Everything needed to go on elsewhere; rules are told apart by kind and name."""
        return {
            "session": self._session,
            "source_wh": self._source_wh and list(self._source_wh),
            "looked_at_s": self._looked_at_s,
            "trails": self._trails.state(),
            "rules": {f"{watch.rule.kind}:{watch.rule.name}": watch.state() for watch in self._watches},
        }

    def restore(self, state: Json) -> None:
        """Continue from :meth:`state`; a rule that was not there before starts anew. ValueError for a damaged state."""
        try:
            self._session, self._looked_at_s = state["session"], state["looked_at_s"]
            self._source_wh = state["source_wh"] and (state["source_wh"][0], state["source_wh"][1])
            self._trails.restore(state["trails"])
            for watch in self._watches:
                watch.restore(state["rules"].get(f"{watch.rule.kind}:{watch.rule.name}", {}))
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise ValueError(f"rules state is damaged: {error}") from error


def _look(watch: Watch[Any], view: View) -> Sequence[Suspicion]:
    if watch.rule.needs_fixed_view and "moved" in view.note.conditions:
        watch.restore({})
        return ()
    if watch.rule.trusts_silence and "defocused" in view.note.conditions:
        return ()
    if watch.rule.schedule.holds(view.at_s):
        return watch.look(view)
    if watch.learns_off_duty:
        watch.look(view)
    else:
        watch.restore({})
    return ()


def _watch(rule: Rule, settings: AlertSettings) -> Watch[Any]:
    """The watch that carries out ``rule``."""
    if isinstance(rule, LineRule):
        return LineWatch(rule, next(line for line in settings.lines if line.name == rule.line))
    if type(rule) not in _WATCHES:
        raise ValueError(f"rule {rule.name!r}: expected a known kind of rule, got {type(rule).__name__}")
    return _WATCHES[type(rule)](rule)


_WATCHES: Mapping[type[Rule], Callable[[Any], Watch[Any]]] = MappingProxyType(
    {
        ZoneRule: ZoneWatch,
        LoiteringRule: LoiteringWatch,
        CrowdRule: CrowdWatch,
        ObjectLeftRule: ObjectLeftWatch,
        ObjectRemovedRule: ObjectRemovedWatch,
        SpeedRule: SpeedWatch,
        WrongWayRule: WrongWayWatch,
        ForbiddenClassRule: ForbiddenClassWatch,
        AbsenceRule: AbsenceWatch,
    }
)
