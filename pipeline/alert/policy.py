"""From suspicions to messages: when an incident opens, what is news about it, and when it is over.

In: the suspicions of one moment. Out: alert revisions (opened, updated, closed). One incident has one id for life,
whatever happens to tracks; everything lasting is seconds of media time. What is decided here:

* *Opening*: seconds with the breach minus seconds without it reach ``open_after_s``; a momentary fact opens at once.
* *Closing*: ``close_after_s`` observed seconds without the breach; then ``cool_down_s`` before the same objects, or
  others at the very same place, open it again, unless the breach is more severe. A newcomer is not held back.
* *Blindness* (no picture, black, frozen, covered): the clocks of all but health incidents stand still, so that a
  covered lens neither ends an intrusion nor invents one; after ``max_blind_s`` they close and say why.
* *Updates*: at once when severity rises; for a new track after ``min_update_gap_s``, doubled with every revision, so
  that a busy place does not chatter; otherwise every ``update_every_s``.
* *Words*: an incident that opens or reports says what the scene looks like; a model's description of it arrives later
  as a revision of its own, also when the incident is over by then, and puts off no other message.
* *Duplicates*: a breach of the same rule by overlapping boxes is the same incident, also under another key.

Next file: ``pipeline/alert/incident.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.alert.geometry import iou
from pipeline.alert.health import KIND as HEALTH_KIND
from pipeline.alert.incident import Incident, alert_id, alert_of
from pipeline.alert.settings import AlertSettings, Rule
from pipeline.alert.view import is_blind
from pipeline.boxes import Box
from pipeline.protocols import Json, Moment, Suspicion
from pipeline.types import Alert, Phase

__all__ = ["Policy", "Stamp", "Timing"]

_SEVERITIES = ("info", "warning", "critical")
_SAME_OBJECT_IOU = 0.5
_MAX_OPEN = 256
_SLACK_S = 1e-3  # sums of frame intervals are not exact; no frame rate comes near this
_STATE_VERSION = 2
_MAX_OVER = 32  # incidents that are over and may still be described, ...
_MAX_OVER_S = 600.0  # ... for so long
_BLIND_WORDS = ", because the camera cannot see any more"
_ENDED_WORDS = ", when the recording ended"


@dataclass(frozen=True, slots=True)
class Timing:
    """When incidents of a rule, or of a kind without rules, open and close; seconds of media time."""

    open_after_s: float
    close_after_s: float
    cool_down_s: float

    @classmethod
    def of_rule(cls, rule: Rule) -> Timing:
        """The timing that ``rule`` asks for."""
        return cls(rule.open_after_s, rule.close_after_s, rule.cool_down_s)


_KIND_TIMING = Timing(open_after_s=0.0, close_after_s=5.0, cool_down_s=10.0)  # its judge says how long it has to hold
_HEALTH_TIMING = Timing(open_after_s=0.0, close_after_s=3.0, cool_down_s=0.0)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every alert of a camera carries besides its facts."""

    camera: str
    config_hash: str
    models: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Cooling:
    """What an incident that closed leaves behind until ``until_s``: how severe it was, who took part, and where."""

    until_s: float
    severity: str
    tracks: tuple[int, ...]
    boxes: tuple[Box, ...]

    def concerns(self, incident: Incident) -> bool:
        """Whether somebody in ``incident`` took part before, or is where somebody was who did."""
        return any(track.id in self.tracks for track in incident.tracks) or any(
            iou(box, old) >= _SAME_OBJECT_IOU for box in incident.boxes for old in self.boxes
        )

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> _Cooling:
        """What ``asdict`` wrote."""
        boxes = tuple((x1, y1, x2, y2) for x1, y1, x2, y2 in state["boxes"])
        return cls(state["until_s"], state["severity"], tuple(state["tracks"]), boxes)


def _silent() -> str:
    """Nobody narrates."""
    return ""


class Policy:
    """The incidents of one camera. ``timings`` maps kinds of other judges (``unusual``) to theirs."""

    def __init__(self, settings: AlertSettings, stamp: Stamp, timings: Mapping[str, Timing] | None = None) -> None:
        self._policy = settings.policy
        self._stamp = stamp
        self._rule_timings = {rule.name: Timing.of_rule(rule) for rule in settings.rules}
        self._kind_timings = {HEALTH_KIND: _HEALTH_TIMING, **(timings or {})}
        self._incidents: dict[str, Incident] = {}
        self._cooling: dict[str, _Cooling] = {}  # by key
        self._over: dict[str, Incident] = {}  # by id, oldest first
        self._at_s: float | None = None
        self._seen_by: dict[str, str] = {}  # models of the newest moment

    def step(
        self, moment: Moment, suspicions: Sequence[Suspicion], narrate: Callable[[], str] = _silent
    ) -> list[Alert]:
        """The messages due at this moment: closings first, then news, each in the order in which incidents began.

        ``narrate`` is asked for the grounded words about the moment when a message that shows them is due.
        """
        at_s = moment.finding.ref.at_s
        self._seen_by = _models(moment) or self._seen_by
        elapsed_s = 0.0 if self._at_s is None else max(0.0, at_s - self._at_s)
        if self._at_s is not None and at_s < self._at_s:
            self._cooling, self._over = {}, {}  # the clock was set back; their times mean nothing any more
        self._at_s = at_s
        step_s = max(0.0, elapsed_s - moment.missing_s)
        self._cooling = {key: cooling for key, cooling in self._cooling.items() if cooling.until_s > at_s}
        self._over = {id_: i for id_, i in self._over.items() if i.updated_at_s + _MAX_OVER_S > at_s}
        present = self._take_in(suspicions, moment)
        closed = self._let_go(present, moment, step_s, elapsed_s)
        return closed + self._report(present, moment, step_s, narrate)

    def describe(self, alert_id: str, words: str, source: str, at_s: float) -> list[Alert]:
        """A model's words about the moment ``at_s`` of an incident: a revision of the same alert, at the media time
        that the fold has reached. Nothing when the incident is long over, or the words are no news."""
        incident = next((i for i in self._incidents.values() if i.id == alert_id), None) or self._over.get(alert_id)
        if not alert_id or incident is None or self._at_s is None:
            return []
        if not incident.describe(words, source, at_s, self._at_s):
            return []
        phase: Phase = "updated" if incident.closed_at_s is None else "closed"
        models = self._models(self._seen_by)
        return [alert_of(incident, phase, self._stamp.camera, self._stamp.config_hash, models)]

    def end(self, at_s: float, models: Mapping[str, str] | None = None) -> list[Alert]:
        """Close every open incident at ``at_s``: the recording ended. Nothing is remembered afterwards."""
        open_ones = [incident for incident in self._incidents.values() if incident.is_open]
        alerts = [self._close(incident, at_s, at_s, _ENDED_WORDS, models) for incident in open_ones]
        self._incidents, self._cooling, self._over, self._at_s = {}, {}, {}, None
        return alerts

    def _take_in(self, suspicions: Sequence[Suspicion], moment: Moment) -> set[str]:
        """Lay every suspicion on its incident, new ones where there is none; the keys of those that hold now."""
        present: set[str] = set()
        source_wh = moment.finding.ref.source_wh
        known = [s for s in suspicions if s.key in self._incidents]
        for suspicion in known:
            self._incidents[suspicion.key].take(suspicion, moment.finding.ref.at_s, source_wh)
            present.add(suspicion.key)
        for suspicion in suspicions:
            if suspicion.key in present:
                continue
            twin = self._twin(suspicion)
            if twin is None:
                self._incidents[suspicion.key] = Incident.suspected(suspicion, moment.finding.ref.at_s, source_wh)
                present.add(suspicion.key)
            elif twin.key in present:
                twin.join(suspicion, source_wh)
            else:
                self._rename(twin, suspicion.key)
                twin.take(suspicion, moment.finding.ref.at_s, source_wh)
                present.add(suspicion.key)
        while len(self._incidents) > _MAX_OPEN:
            idle = next((i for i in self._incidents.values() if not i.is_open and i.key not in present), None)
            if idle is None:
                break
            del self._incidents[idle.key]
        return present

    def _twin(self, suspicion: Suspicion) -> Incident | None:
        """The incident of the same rule about an object that overlaps one of ``suspicion``: an id switch, a double."""
        for incident in self._incidents.values():
            if (incident.kind, incident.rule) == (suspicion.kind, suspicion.rule) and any(
                iou(box, track.xyxy) >= _SAME_OBJECT_IOU for box in incident.boxes for track in suspicion.tracks
            ):
                return incident
        return None

    def _rename(self, incident: Incident, key: str) -> None:
        incidents = list(self._incidents.values())
        incident.key = key
        self._incidents = {each.key: each for each in incidents}

    def _let_go(self, present: set[str], moment: Moment, step_s: float, elapsed_s: float) -> list[Alert]:
        """Age the incidents that do not hold now; close or forget those that are over."""
        at_s, is_dark, alerts = moment.finding.ref.at_s, is_blind(moment), []
        for incident in [i for i in self._incidents.values() if i.key not in present]:
            is_health = incident.kind == HEALTH_KIND
            if is_dark and not is_health:
                incident.blind_s += elapsed_s
                if not incident.is_open or incident.blind_s < self._policy.max_blind_s:
                    continue
            else:
                incident.absent_s += elapsed_s if is_health else step_s
                incident.held_s, incident.was_held = incident.held_s - step_s, False
            if not incident.is_open:
                if incident.held_s <= 0:
                    del self._incidents[incident.key]
                continue
            is_lost = incident.blind_s >= self._policy.max_blind_s
            if is_lost or incident.absent_s + _SLACK_S >= self._timing(incident).close_after_s:
                because = _BLIND_WORDS if is_lost else ""
                alerts.append(self._close(incident, at_s, incident.last_at_s, because, _models(moment)))
                del self._incidents[incident.key]
        return alerts

    def _report(self, present: set[str], moment: Moment, step_s: float, narrate: Callable[[], str]) -> list[Alert]:
        """Open what has held long enough; update what has news (a momentary fact may have to wait for its turn)."""
        alerts = []
        for incident in self._incidents.values():
            if incident.is_open:
                is_told = incident.key in present or (incident.is_momentary and incident.news)
                if is_told and self._is_news(incident, moment.finding.ref.at_s):
                    alerts.append(self._revise(incident, "updated", moment, narrate))
                continue
            if incident.key not in present:
                continue
            if incident.was_held:
                incident.held_s += step_s
            incident.was_held = True
            is_due = incident.is_momentary or incident.held_s + _SLACK_S >= self._timing(incident).open_after_s
            if is_due and not self._is_cooling(incident):
                alerts.append(self._revise(incident, "opened", moment, narrate))
        return alerts

    def _is_news(self, incident: Incident, at_s: float) -> bool:
        if _SEVERITIES.index(incident.severity) > _SEVERITIES.index(incident.told_severity):
            return True
        since_s = at_s - incident.told_at_s
        gap_s = self._policy.min_update_gap_s * 2.0 ** min(incident.revision - incident.described - 1, 16)
        limit_s = min(gap_s, self._policy.update_every_s) if incident.news else self._policy.update_every_s
        return since_s + _SLACK_S >= limit_s

    def _is_cooling(self, incident: Incident) -> bool:
        cooling = self._cooling.get(incident.key)
        if cooling is None or _SEVERITIES.index(incident.severity) > _SEVERITIES.index(cooling.severity):
            return False
        return not incident.tracks or cooling.concerns(incident)

    def _revise(self, incident: Incident, phase: Phase, moment: Moment, narrate: Callable[[], str]) -> Alert:
        at_s = moment.finding.ref.at_s
        if incident.kind != HEALTH_KIND and not incident.is_described:
            incident.note(narrate())
        if phase == "opened":
            incident.id, incident.opened_at_s = alert_id(self._stamp.camera, incident, at_s), at_s
        incident.tell(at_s)
        return alert_of(incident, phase, self._stamp.camera, self._stamp.config_hash, self._models(_models(moment)))

    def _close(
        self, incident: Incident, at_s: float, closed_at_s: float, because: str, models: Mapping[str, str] | None
    ) -> Alert:
        timing = self._timing(incident)
        if timing.cool_down_s > 0:
            self._cooling[incident.key] = _Cooling(
                at_s + timing.cool_down_s, incident.told_severity, tuple(incident.told_tracks), incident.boxes
            )
        incident.end(at_s, closed_at_s, because)
        self._over[incident.id] = incident
        while len(self._over) > _MAX_OVER:
            del self._over[next(iter(self._over))]
        return alert_of(incident, "closed", self._stamp.camera, self._stamp.config_hash, self._models(models))

    def _models(self, more: Mapping[str, str] | None) -> dict[str, str]:
        return {**self._stamp.models, **(more or {})}

    def _timing(self, incident: Incident) -> Timing:
        if incident.rule in self._rule_timings:
            return self._rule_timings[incident.rule]
        return self._kind_timings.get(incident.kind, _KIND_TIMING)

    def state(self) -> Json:
        """Everything needed to go on elsewhere."""
        return {
            "version": _STATE_VERSION,
            "at_s": self._at_s,
            "incidents": [incident.state() for incident in self._incidents.values()],
            "cooling": {key: asdict(cooling) for key, cooling in self._cooling.items()},
            "over": [incident.state() for incident in self._over.values()],
            "seen_by": self._seen_by,
        }

    def restore(self, state: Json) -> None:
        """Continue from :meth:`state`. Raises ValueError for another version or a damaged state."""
        if state.get("version") != _STATE_VERSION:
            raise ValueError(f"policy state: expected version {_STATE_VERSION}, got {state.get('version')!r}")
        try:
            incidents = [Incident.from_state(entry) for entry in state["incidents"]]
            over = [Incident.from_state(entry) for entry in state["over"]]
            self._seen_by = dict(state["seen_by"])
            self._cooling = {key: _Cooling.from_state(saved) for key, saved in state["cooling"].items()}
            self._at_s = state["at_s"]
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"policy state is damaged: {error}") from error
        self._incidents = {incident.key: incident for incident in incidents}
        self._over = {incident.id: incident for incident in over}


def _models(moment: Moment) -> dict[str, str]:
    return {"detector": moment.finding.detector} if moment.finding.detector else {}
