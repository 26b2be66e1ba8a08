"""The judge of unusual behaviour: what is normal is learned from the camera itself, what is far from it is suspected.

In: moments in the order of media time. Out: suspicions of kind ``unusual``, whose evidence is the decomposition of the
score. Scoring uses one immutable generation of :class:`~pipeline.unusual.normality.Normality`; what is learned waits
and becomes the next generation at a boundary of media time, so that replays and restarts agree. The judge opens no
file: ``keep`` is given a generation before :meth:`UnusualJudge.state` names it, ``recall`` brings it back.
Next file: ``pipeline/unusual/scoring.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.protocols import Json, Moment, Suspicion
from pipeline.types import Track
from pipeline.unusual.drift import Drift
from pipeline.unusual.episodes import Episodes, HeldBack
from pipeline.unusual.features import FeatureFold
from pipeline.unusual.fusion import Fusion, SumOfSurprise
from pipeline.unusual.learning import learn
from pipeline.unusual.memory import REACH_S, Memory, Quota
from pipeline.unusual.normality import Normality
from pipeline.unusual.samples import SceneSamples, TextSamples, TrackSamples
from pipeline.unusual.scoring import Judged, Scorer, Status
from pipeline.unusual.settings import UnusualSettings
from pipeline.unusual.suspect import KIND, drifted, suspicions_of
from pipeline.unusual.threshold import Threshold, normal_maxima, threshold_of

__all__ = ["KIND", "UnusualJudge", "UnusualSettings"]

_STATE_VERSION = 1
_UNUSABLE = frozenset({"offline", "black", "frozen", "covered", "defocused"})
_WARM_QUOTA = Quota(per_hour=36_000.0, burst=40.0, track_every_s=0.2)
_DAILY_QUOTA = Quota(per_hour=600.0, burst=40.0, track_every_s=2.0)
_WARM_EVERY_S = 60.0
_EVERY_S = 600.0
_NEARLY = 10.0  # what an owner of ten times as many alerts would be told is listed as held back

Floats = NDArray[np.float64]


class UnusualJudge:
    """A :class:`~pipeline.protocols.Judge` that learns one camera. ``last`` is how the newest moment was judged.

    ``normality``: what was learned before, here or on another machine. ``keep`` stores a generation, given with the
    share of the warm-up that is done; ``recall`` brings back the one of that number, None when it cannot.
    ``dismissed``: begin and end (UTC seconds) of alerts that a person dismissed; what they held may be learned.
    """

    def __init__(
        self,
        settings: UnusualSettings,
        *,
        normality: Normality | None = None,
        fusion: Fusion | None = None,
        keep: Callable[[Normality, float], None] | None = None,
        recall: Callable[[int], Normality | None] | None = None,
        dismissed: Sequence[tuple[float, float]] = (),
    ) -> None:
        self._settings = settings
        self._dismissed = tuple(dismissed)
        self._fusion = fusion or SumOfSurprise()
        self._keep, self._recall = keep, recall
        self._begin(normality or _blank(0))
        self._kept = self.normality.number
        self._watched_s = float(len(self.normality.scene))  # one sample a second at the most

    def _begin(self, normality: Normality) -> None:
        self._adopt(normality)
        self._memory = Memory()
        self._episodes = Episodes(self._settings.alerts_per_day)
        self._drift = Drift()
        self._boundary_s: float | None = None
        self._watched_s = 0.0
        self._begin_moment()

    def _begin_moment(self) -> None:
        """Nothing is remembered of the last seconds."""
        self._features = FeatureFold()
        self._scorer = Scorer(self._fusion)
        self._at_s: float | None = None
        self.last: Judged | None = None

    def _adopt(self, normality: Normality) -> None:
        self.normality = normality
        self.threshold: Threshold | None = threshold_of(normal_maxima(normality, self._fusion))

    @property
    def progress(self) -> float:
        """Share of the warm-up that is done, 0..1."""
        needed_s = self._settings.warm_up_s
        return 1.0 if needed_s <= 0 else min(1.0, self._watched_s / needed_s)

    @property
    def status(self) -> Status:
        """Whether it suspects anything now, or why not. ``too_little``: the warm-up is over and nothing was seen."""
        if self._drift.quarantine is not None:
            return self._drift.quarantine
        if self.progress < 1.0:
            return "warming_up"
        return "too_little" if self.threshold is None else "watching"

    @property
    def level(self) -> float:
        """The score from which on a moment is suspected; infinite while nothing is."""
        is_watching = self.threshold is not None and self.progress >= 1.0
        return self._level(self._settings.alerts_per_day) if is_watching else math.inf

    @property
    def held_back(self) -> tuple[HeldBack, ...]:
        """What was nearly an alert lately, oldest first."""
        return self._episodes.held_back

    def _level(self, alerts_per_day: float) -> float:
        return math.inf if self.threshold is None else self.threshold.level(alerts_per_day)

    def judge(self, moment: Moment) -> Sequence[Suspicion]:
        """Every group of tracks, or the scene, that is unusual at this moment; nothing while warming up."""
        finding = moment.finding
        conditions = finding.note.conditions
        if finding.detections is None or _UNUSABLE.intersection(conditions) or min(finding.ref.source_wh) <= 0:
            return ()
        glimpse = self._features.measure(moment)
        elapsed_s = 0.0 if self._at_s is None else max(0.0, glimpse.at_s - self._at_s - moment.missing_s)
        self._at_s = glimpse.at_s
        self._episodes.pass_time(glimpse.at_s)
        if "moved" in conditions:
            if self._drift.look_elsewhere(elapsed_s):
                self._give_up()
            self.last = None
            return ()
        self._watched_s += min(elapsed_s, 60.0)
        self._turn(glimpse.at_s)
        remarkable = math.inf if self.threshold is None else self.threshold.begin
        self.last, seen = self._scorer.score(self.normality, glimpse, moment, remarkable, self.level, self.status)
        is_unusual = self.last.score >= self.last.level
        if glimpse.tracks or is_unusual:
            self._drift.look(elapsed_s, is_unusual=is_unusual)
        suspicions = []
        if self.status == "watching":
            low = self._level(_NEARLY * self._settings.alerts_per_day)
            suspicions = suspicions_of(self.last, glimpse, seen, self.normality, self._episodes, low)
        if suspicions:
            self._memory.suspect(glimpse.at_s)
        quota = _DAILY_QUOTA if self.status == "watching" else _WARM_QUOTA
        self._memory.take(glimpse, moment.words, finding.ref.key.session, quota)
        return [drifted(self._drift.share)] if self.status == "drifted" else suspicions

    def settle(self) -> None:
        """Learn what waits now and end the warm-up: what was watched so far is all the normal life there is."""
        self._advance()
        self._watched_s = max(self._watched_s, self._settings.warm_up_s)

    def _give_up(self) -> None:
        """The camera looks elsewhere for good: begin again, with a number that no file has."""
        self._memory.drain()
        self._adopt(_blank(self.normality.number + 1))
        self._watched_s = 0.0

    def _turn(self, at_s: float) -> None:
        """At a boundary of media time, what waits is learned and scoring goes on with the next generation."""
        every_s = _EVERY_S if self.status == "watching" else _WARM_EVERY_S
        if self._boundary_s is None or at_s < self._boundary_s - every_s:
            self._boundary_s = at_s + every_s
        elif at_s >= self._boundary_s:
            self._boundary_s = at_s + every_s
            self._advance()

    def _advance(self) -> None:
        waiting, old = self._memory.drain(), self.normality
        withheld = TrackSamples.joined([old.withheld, waiting.withheld])
        is_harmless = self._is_dismissed(withheld.at_s)
        if not len(waiting) and not is_harmless.any():
            return
        self._adopt(
            learn(
                old.number + 1,
                TrackSamples.joined([old.tracks, waiting.tracks, withheld.take(is_harmless)]),
                SceneSamples.joined([old.scene, waiting.scene]),
                TextSamples.joined([old.texts, waiting.texts]),
                withheld.take(~is_harmless),
            )
        )

    def _is_dismissed(self, at_s: Floats) -> NDArray[np.bool_]:
        """Which of the moments ``at_s`` (n,) belong to an alert that a person dismissed."""
        found = np.zeros(len(at_s), np.bool_)
        for begin_s, end_s in self._dismissed:
            found |= (at_s >= begin_s - REACH_S) & (at_s <= end_s + REACH_S)
        return found

    def beware(self, tracks: Sequence[Track], at_s: float) -> None:
        """A rule holds something against ``tracks`` at ``at_s``: nothing is learned of them for some seconds."""
        self._memory.avoid([track.id for track in tracks], at_s)

    def state(self) -> Json:
        """Everything needed to go on elsewhere; ``keep`` has been given the generation that it names."""
        number = self.normality.number
        if number != self._kept and self._keep is not None:
            self._keep(self.normality, self.progress)
            self._kept = number
        return {
            "version": _STATE_VERSION,
            "generation": number,
            "boundary_s": self._boundary_s,
            "watched_s": self._watched_s,
            "at_s": self._at_s,
            "features": self._features.state(),
            "memory": self._memory.state(),
            "episodes": self._episodes.state(),
            "drift": self._drift.state(),
            "scorer": self._scorer.state(),
        }

    def restore(self, state: Json) -> None:
        """Continue from :meth:`state`. Raises ValueError for another version or a damaged state.

        The state of a judge that had not looked yet forgets the moment and keeps what was learned: a recording that
        ends, or a clock that is set back, does not change what is normal. When the generation it names cannot be
        recalled, the warm-up begins.
        """
        if state.get("version") != _STATE_VERSION:
            raise ValueError(f"unusual state: expected version {_STATE_VERSION}, got {state.get('version')!r}")
        try:
            if state["at_s"] is None:
                self._begin_moment()
                return
            number = int(state["generation"])
            normality = self._recalled(number)
            if normality is None:
                self._begin(_blank(number))
                self._kept = number
                return
            if normality is not self.normality:
                self._adopt(normality)
            self._kept = number
            self._features.restore(state["features"])
            self._memory.restore(state["memory"])
            self._episodes.restore(state["episodes"])
            self._drift.restore(state["drift"])
            self._scorer.restore(state["scorer"])
            self._boundary_s, self._at_s = state["boundary_s"], float(state["at_s"])
            self._watched_s = float(state["watched_s"])
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(f"unusual state is damaged: {error}") from error

    def _recalled(self, number: int) -> Normality | None:
        """Generation ``number``: the present one, the one before anything was learned, or one that was kept."""
        if number == self.normality.number:
            return self.normality
        if number == 0:
            return _blank(0)
        return None if self._recall is None else self._recall(number)


def _blank(number: int) -> Normality:
    """A generation that has learned nothing."""
    return learn(number, TrackSamples.empty(), SceneSamples.of([], []), TextSamples.empty())
