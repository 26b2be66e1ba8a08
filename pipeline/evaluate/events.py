"""How well alerts meet events: found, false, and how soon. Pure numpy.

In: :class:`pipeline.evaluate.metrics.ScoredClip` with its alerts. Out: :class:`EventMetrics`. An event is a run of
frames labelled 1; it is found when an alert *opens* within [its start - 1 s, its end + 2 s]. An alert that opens
elsewhere is false, unless frames labelled -1 lie there. Next file: ``pipeline/evaluate/anomaly.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.evaluate.clips import IGNORED, NORMAL, runs_of
from pipeline.evaluate.metrics import AlertSpan, ScoredClip

__all__ = ["AFTER_S", "BEFORE_S", "Event", "EventMetrics", "event_metrics", "events_of", "match_events"]

BEFORE_S = 1.0
AFTER_S = 2.0
_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Event:
    """One labelled event, in seconds of its clip. ``delay_s``: from its start to the alert that found it, or None."""

    clip: str
    start_s: float
    end_s: float
    delay_s: float | None = None


@dataclass(frozen=True, slots=True)
class EventMetrics:
    """Counts over a set. ``normal_s`` is the exposure: seconds in which an alert would be false.

    ``precision`` is over alerts (several that meet one event are all right), ``recall`` over events.
    """

    events: tuple[Event, ...]
    alerts: int
    false_alerts: tuple[tuple[str, AlertSpan], ...]
    normal_s: float

    @property
    def found(self) -> int:
        """Events that were found."""
        return sum(event.delay_s is not None for event in self.events)

    @property
    def recall(self) -> float:
        """Share of events found; NaN without events."""
        return self.found / len(self.events) if self.events else _NAN

    @property
    def precision(self) -> float:
        """Share of alerts that meet an event; NaN without alerts."""
        return 1 - len(self.false_alerts) / self.alerts if self.alerts else _NAN

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 when nothing was found, NaN without events."""
        if not self.events:
            return _NAN
        if not self.found:
            return 0.0
        return 2 * self.precision * self.recall / (self.precision + self.recall)

    @property
    def false_per_hour(self) -> float:
        """False alerts per hour of normal footage; NaN without any."""
        return len(self.false_alerts) * 3600 / self.normal_s if self.normal_s > 0 else _NAN

    def delay_s(self, quantile: float) -> float:
        """That quantile of the time to alert over the events found; NaN when none was."""
        delays = [event.delay_s for event in self.events if event.delay_s is not None]
        return float(np.quantile(delays, quantile)) if delays else _NAN


def events_of(clip: ScoredClip) -> list[Event]:
    """The events of a clip: those it lists, or the runs of its labels. An event ends with its last frame."""
    ranges = runs_of(clip.labels) if clip.events is None else clip.events
    return [
        Event(clip.name, float(clip.times_s[start]), float(clip.times_s[stop - 1]) + clip.frame_s)
        for start, stop in ranges
    ]


def match_events(clip: ScoredClip) -> tuple[list[Event], list[AlertSpan], list[AlertSpan]]:
    """The clip's events with their delays, the alerts that count, and those of them that are false.

    An alert that opens up to a second before its event's start has no delay.
    """
    events = events_of(clip)
    counted: list[AlertSpan] = []
    false: list[AlertSpan] = []
    for alert in sorted(clip.alerts, key=lambda each: each.opened_s):
        met = [i for i, e in enumerate(events) if e.start_s - BEFORE_S <= alert.opened_s <= e.end_s + AFTER_S]
        for i in met:
            if events[i].delay_s is None:
                event = events[i]
                events[i] = Event(event.clip, event.start_s, event.end_s, max(0.0, alert.opened_s - event.start_s))
        if not met and _label_at(clip, alert.opened_s) == IGNORED:
            continue
        counted.append(alert)
        if not met:
            false.append(alert)
    return events, counted, false


def event_metrics(clips: Sequence[ScoredClip]) -> EventMetrics:
    """Counts over all clips."""
    events: list[Event] = []
    false: list[tuple[str, AlertSpan]] = []
    alerts, normal_s = 0, 0.0
    for clip in clips:
        found, counted, wrong = match_events(clip)
        events += found
        alerts += len(counted)
        false += [(clip.name, alert) for alert in wrong]
        normal_s += _normal_s(clip, found)
    return EventMetrics(tuple(events), alerts, tuple(false), normal_s)


def _label_at(clip: ScoredClip, at_s: float) -> int:
    index = int(np.searchsorted(clip.times_s, at_s + clip.frame_s / 2)) - 1
    return int(clip.labels[min(max(index, 0), len(clip.labels) - 1)])


def _normal_s(clip: ScoredClip, events: Sequence[Event]) -> float:
    """Seconds of frames labelled 0 that lie outside every event's window."""
    is_normal = clip.labels == NORMAL
    for event in events:
        is_normal &= (clip.times_s < event.start_s - BEFORE_S) | (clip.times_s > event.end_s + AFTER_S)
    return float(is_normal.sum()) * clip.frame_s
