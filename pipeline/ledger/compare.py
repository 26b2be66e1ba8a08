"""Two lists of alert revisions held against each other: what one configuration alerts and the other does not.

In: revisions of two folds over the same findings. Out: incidents added, removed, moved, changed. An incident keeps its
id when it opens at the same moment with the same track; one that opens earlier or later under the same rule is *moved*.
Next file: ``workers/backtest.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from pipeline.types import Alert

__all__ = ["Difference", "Outcome", "Story", "compare", "stories"]

_SEVERITIES = ("info", "warning", "critical")
_MAX_MOVE_S = 60.0


@dataclass(frozen=True, slots=True)
class Story:
    """One incident over all its revisions: peaks of ``severity`` and ``score``; ``closed_at`` None while open."""

    id: str
    camera: str
    kind: str
    rule: str | None
    severity: str
    score: float
    title: str
    opened_at: datetime
    closed_at: datetime | None
    tracks: frozenset[int]

    def is_like(self, other: Story) -> bool:
        """Whether both tell of the same thing though they do not begin at the same moment."""
        if (self.camera, self.kind, self.rule) != (other.camera, other.kind, other.rule):
            return False
        if self.tracks and other.tracks:
            return bool(self.tracks & other.tracks) and self._is_near(other)
        return self._is_near(other)

    def _is_near(self, other: Story) -> bool:
        first, second = sorted((self, other), key=lambda story: story.opened_at)
        is_over = first.closed_at is not None and first.closed_at < second.opened_at
        return not is_over or (second.opened_at - first.opened_at).total_seconds() <= _MAX_MOVE_S


@dataclass(frozen=True, slots=True)
class Outcome:
    """One incident in both configurations; ``what`` is ``same``, ``changed``, ``moved``, ``added`` or ``removed``."""

    what: str
    old: Story | None
    new: Story | None

    @property
    def shown(self) -> Story:
        """The newer telling of it."""
        story = self.new or self.old
        if story is None:
            raise ValueError("outcome: expected an incident in one of both")
        return story

    @property
    def moved_s(self) -> float:
        """Seconds by which it opens later now; 0 unless it is there in both."""
        if self.old is None or self.new is None:
            return 0.0
        return (self.new.opened_at - self.old.opened_at).total_seconds()


@dataclass(frozen=True, slots=True)
class Difference:
    """Every incident of either side, by the time at which it opens."""

    outcomes: tuple[Outcome, ...]

    def of(self, what: str) -> tuple[Outcome, ...]:
        """The outcomes of one sort."""
        return tuple(outcome for outcome in self.outcomes if outcome.what == what)

    @property
    def old_count(self) -> int:
        """Incidents of the old side."""
        return sum(outcome.old is not None for outcome in self.outcomes)

    @property
    def new_count(self) -> int:
        """Incidents of the new side."""
        return sum(outcome.new is not None for outcome in self.outcomes)


def stories(alerts: Iterable[Alert]) -> list[Story]:
    """The incidents that ``alerts`` (any order) tell of, by opening time, camera and id."""
    revisions: dict[str, list[Alert]] = {}
    for alert in alerts:
        revisions.setdefault(alert.id, []).append(alert)
    found = [_story(sorted(own, key=lambda alert: alert.revision)) for own in revisions.values()]
    return sorted(found, key=lambda story: (story.opened_at, story.camera, story.id))


def compare(old: Iterable[Alert], new: Iterable[Alert]) -> Difference:
    """What became of every incident of ``old`` in ``new``, and what is new there."""
    before, after = stories(old), {story.id: story for story in stories(new)}
    outcomes: list[Outcome] = []
    unmatched: list[Story] = []
    for story in before:
        twin = after.pop(story.id, None)
        if twin is None:
            unmatched.append(story)
        else:
            is_same = (story.severity, story.closed_at) == (twin.severity, twin.closed_at)
            outcomes.append(Outcome("same" if is_same else "changed", story, twin))
    for story in unmatched:
        alike = [other for other in after.values() if story.is_like(other)]
        twin = min(alike, key=partial(_apart, story), default=None)
        if twin is None:
            outcomes.append(Outcome("removed", story, None))
        else:
            del after[twin.id]
            outcomes.append(Outcome("moved", story, twin))
    outcomes += [Outcome("added", None, story) for story in after.values()]
    return Difference(tuple(sorted(outcomes, key=lambda o: (o.shown.opened_at, o.shown.camera, o.shown.id))))


def _apart(one: Story, other: Story) -> tuple[float, str]:
    """Seconds between both openings; the id breaks ties."""
    return abs((other.opened_at - one.opened_at).total_seconds()), other.id


def _story(revisions: Sequence[Alert]) -> Story:
    last = revisions[-1]
    opened = revisions[0]
    return Story(
        id=last.id,
        camera=last.camera,
        kind=last.kind,
        rule=last.rule,
        severity=max((alert.severity for alert in revisions), key=_SEVERITIES.index),
        score=max(alert.score for alert in revisions),
        title=opened.title,
        opened_at=last.opened_at,
        closed_at=last.closed_at,
        tracks=frozenset(track.id for alert in revisions for track in alert.tracks),
    )
