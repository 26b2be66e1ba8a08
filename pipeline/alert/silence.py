"""What people have dismissed: suspicions of the same kind, at the same place, that shall raise no alert any more.

In: an alert that a person called false, or expected at that time of day. Out: a :class:`Silence`, and a judge that asks
another judge and keeps quiet where a silence applies. Camera health cannot be silenced. The judge that is asked goes on
looking, so its memory is the same with and without silences. Next file: ``pipeline/ledger/feedback.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.alert.geometry import iou
from pipeline.alert.health import KIND as HEALTH_KIND
from pipeline.alert.learner import Learner
from pipeline.boxes import Box, normalise
from pipeline.labels import group_of
from pipeline.protocols import Json, Judge, Moment, Suspicion
from pipeline.types import Alert, Track

__all__ = ["Silence", "SilencedJudge", "silence_of"]

_SAME_PLACE_IOU = 0.5
_AROUND_S = 3600.0
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Silence:
    """Breaches of one rule (or of one kind without rules) by objects of ``group`` whose box is where ``xyxy_norm`` is.

    ``clock_s``: seconds of the UTC day within an hour of which it applies; None: always. ``alert_id`` says whence.
    """

    alert_id: str
    kind: str
    rule: str | None
    group: str
    xyxy_norm: Box
    clock_s: float | None = None

    def holds(self, suspicion: Suspicion, at_s: float, source_wh: tuple[int, int]) -> bool:
        """Whether everybody who takes part in ``suspicion`` is of this sort and at this place, at such a time."""
        if (suspicion.kind, suspicion.rule) != (self.kind, self.rule) or not suspicion.tracks or min(source_wh) <= 0:
            return False
        if self.clock_s is not None:
            apart_s = abs(at_s % _DAY_S - self.clock_s)
            if min(apart_s, _DAY_S - apart_s) > _AROUND_S:
                return False
        return all(
            group_of(track.label) == self.group
            and iou(normalise(track.xyxy, source_wh), self.xyxy_norm) >= _SAME_PLACE_IOU
            for track in suspicion.tracks
        )


def silence_of(alert: Alert, *, is_expected: bool) -> tuple[Silence, ...]:
    """What dismissing ``alert`` silences, a value per object in it; ``is_expected``: only around its time of day.

    Raises ValueError, one sentence, when that cannot be said: for camera health, and for alerts without an object.
    """
    if alert.kind == HEALTH_KIND:
        raise ValueError("Alerts about the camera itself are not silenced; set health_alerts: false to have none.")
    if not alert.tracks:
        raise ValueError("This alert is about no object at a place, so only a change of its rule can prevent it.")
    clock_s = alert.opened_at.timestamp() % _DAY_S if is_expected else None
    return tuple(
        Silence(alert.id, alert.kind, alert.rule, group_of(track.label), track.xyxy_norm, clock_s)
        for track in alert.tracks
    )


class SilencedJudge:
    """``judge`` without the suspicions that ``silences`` cover."""

    def __init__(self, judge: Judge, silences: Sequence[Silence]) -> None:
        self._judge = judge
        self._silences = tuple(silences)

    def judge(self, moment: Moment) -> Sequence[Suspicion]:
        """What the other judge holds against ``moment``, less what was dismissed."""
        ref = moment.finding.ref
        return [
            suspicion
            for suspicion in self._judge.judge(moment)
            if not any(silence.holds(suspicion, ref.at_s, ref.source_wh) for silence in self._silences)
        ]

    def beware(self, tracks: Sequence[Track], at_s: float) -> None:
        """See :class:`~pipeline.alert.learner.Learner`."""
        if isinstance(self._judge, Learner):
            self._judge.beware(tracks, at_s)

    def state(self) -> Json:
        """The other judge's."""
        return self._judge.state()

    def restore(self, state: Json) -> None:
        """See :meth:`state`."""
        self._judge.restore(state)
