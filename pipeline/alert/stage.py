"""The alert stage of one camera: findings in, alert revisions out. A pure fold over ordered messages.

In: findings in the order of (session, seq). Out: alerts, decided by media time alone, so that a replay, a restart at
any point, and a redelivery give the same messages under the same ids. It composes a tracker, judges (rules, health, and
whatever else says what is suspicious), the policy and, where there is one, a narrator: then judges see facts and words,
messages say what the scene looks like, and :attr:`AlertStage.requests` asks for a model's description, which comes back
through :meth:`AlertStage.describe` as an update of the same alert. Next file: ``pipeline/alert/message.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipeline.alert.asking import Asking, AskSettings
from pipeline.alert.continuity import Continuity
from pipeline.alert.health import HealthJudge
from pipeline.alert.learner import Learner
from pipeline.alert.policy import Policy, Stamp, Timing
from pipeline.alert.rules.judge import RulesJudge
from pipeline.alert.settings import AlertSettings
from pipeline.alert.view import is_blind
from pipeline.alert.watch.judge import WatchJudge
from pipeline.descriptions import DescribeRequest, SceneDescription
from pipeline.protocols import Json, Judge, Moment, Narrator, Suspicion, TextEncoder, Tracker
from pipeline.types import Alert, Finding, FrameKey, Track

__all__ = ["AlertStage", "standard_judges"]

_STATE_VERSION = 2
_GROUNDED = "grounded"
_MAX_DROPPED_S = 1.0  # frames may be dropped for so long without anybody missing them
_MAX_QUIET_S = 60.0  # the longest silence between two numbers in a row that a gate with nothing to show may keep


def standard_judges(settings: AlertSettings, encoder: TextEncoder | None = None) -> tuple[Judge, ...]:
    """The explicit rules of ``settings``, those in plain language, and, unless switched off, camera health.

    ``encoder`` compares words for rules that no fact tells of.
    """
    rules: tuple[Judge, ...] = (RulesJudge(settings), WatchJudge(settings, encoder))
    return (*rules, HealthJudge(settings.camera)) if settings.is_health_alerted else rules


class AlertStage:
    """Everything Vedette knows about what happens at one camera. ``timings`` are for kinds that have no rule.

    Without a ``narrator`` there are no facts, no words and no requests; ``asking`` says what is asked and how often.
    """

    def __init__(
        self,
        settings: AlertSettings,
        tracker: Tracker,
        judges: Sequence[Judge],
        config_hash: str = "",
        models: Mapping[str, str] | None = None,
        timings: Mapping[str, Timing] | None = None,
        narrator: Narrator | None = None,
        asking: AskSettings | None = None,
    ) -> None:
        self._camera = settings.camera
        self._tracker = tracker
        self._judges = tuple(judges)
        self._learners = tuple(judge for judge in self._judges if isinstance(judge, Learner))
        self._continuity = Continuity()
        self._policy = Policy(settings, Stamp(settings.camera, config_hash, dict(models or {})), timings)
        self._blank = [judge.state() for judge in self._judges]
        self._narrator = narrator
        self._asking = Asking(asking or AskSettings())
        self._silent = None if narrator is None else narrator.state()
        self._requests: tuple[DescribeRequest, ...] = ()
        self._last: tuple[int, int] | None = None
        self._looked_at_s: float | None = None
        self._looked_seq: tuple[int, int] | None = None
        self._track_count = 0
        self._tracked: tuple[Track, ...] | None = None

    @property
    def track_count(self) -> int:
        """Objects tracked at the newest finding."""
        return self._track_count

    @property
    def tracked(self) -> tuple[Track, ...] | None:
        """What the tracker made of the newest finding; None when it was not asked (a blind moment, a redelivery)."""
        return self._tracked

    @property
    def requests(self) -> tuple[DescribeRequest, ...]:
        """What the newest finding asks to have described, most urgent first."""
        return self._requests

    def has_reached(self, key: FrameKey) -> bool:
        """Whether the finding of frame ``key``, or a later one, was taken in."""
        return self._last is not None and (key.session, key.seq) <= self._last

    def step(self, finding: Finding) -> list[Alert]:
        """Take in one finding; the alert revisions it causes, oldest incident first.

        A finding that is not newer than the last one (redelivered) changes nothing. Raises ValueError for a finding of
        another camera.
        """
        key = finding.ref.key
        if key.camera != self._camera:
            raise ValueError(f"finding: expected camera {self._camera!r}, got {key.camera!r}")
        self._requests, self._tracked = (), None
        if self._last is not None and (key.session, key.seq) <= self._last:
            return []
        if self._looked_seq is not None and key.session != self._looked_seq[0]:
            self._begin_session(finding.ref.at_s)
        self._last = (key.session, key.seq)
        moment = self._moment(finding)
        self._track_count = len(moment.tracks)
        suspicions = [suspicion for judge in self._judges for suspicion in judge.judge(moment)]
        self._warn(suspicions, finding.ref.at_s)
        alerts = self._policy.step(moment, suspicions, lambda: self._said(moment))
        if self._narrator is not None:
            self._requests = self._asking.ask(moment, alerts, self._narrator.write)
        return alerts + (self._end(finding) if finding.note.ended else [])

    def describe(self, description: SceneDescription) -> list[Alert]:
        """Take in what a model says of an earlier moment; the update of the alert it was asked for, if it is news.

        The grounded writer's own words change nothing: messages carry them already. A redelivered description changes
        nothing either. Raises ValueError for one of another camera.
        """
        camera = description.ref.key.camera
        if camera != self._camera:
            raise ValueError(f"description: expected camera {self._camera!r}, got {camera!r}")
        if self._narrator is None or description.source == _GROUNDED:
            return []
        self._narrator.hear(description)
        if description.alert_id is None:
            return []
        return self._policy.describe(description.alert_id, description.text, description.source, description.ref.at_s)

    def _warn(self, suspicions: Sequence[Suspicion], at_s: float) -> None:
        """Tell those who learn whom rules suspect."""
        tracks = [track for suspicion in suspicions if suspicion.rule is not None for track in suspicion.tracks]
        if tracks:
            for learner in self._learners:
                learner.beware(tracks, at_s)

    def _said(self, moment: Moment) -> str:
        """The grounded words about ``moment``."""
        return "" if self._narrator is None or moment.facts is None else self._narrator.write(moment.facts)[1]

    def _begin_session(self, at_s: float) -> None:
        """Nobody has the track he had before; when the clock was set back, no remembered time means anything."""
        self._continuity = Continuity()
        if self._looked_at_s is not None and at_s < self._looked_at_s:
            self._forget()

    def _forget(self) -> None:
        for judge, blank in zip(self._judges, self._blank, strict=True):
            judge.restore(blank)
        if self._narrator is not None and self._silent is not None:
            self._narrator.restore(self._silent)
        self._continuity = Continuity()
        self._looked_at_s = self._looked_seq = None

    def _moment(self, finding: Finding) -> Moment:
        moment = Moment(finding, (), self._missing_s(finding))
        if is_blind(moment):
            return moment
        ref = finding.ref
        self._tracked = self._tracker.update(finding)
        tracks = self._continuity.follow(self._tracked, ref.at_s, ref.source_wh)
        self._looked_at_s, self._looked_seq = ref.at_s, (ref.key.session, ref.key.seq)
        moment = replace(moment, tracks=tracks)
        if self._narrator is None:
            return moment
        facts, words = self._narrator.narrate(moment)
        return replace(moment, facts=facts, words=words)

    def _missing_s(self, finding: Finding) -> float:
        """Seconds before this finding of which nothing is known: blind ones, lost frames, a reconnection.

        A silence of the gate is not missing (nothing moved), nor are a few frames dropped in passing.
        """
        if self._looked_at_s is None or self._looked_seq is None:
            return 0.0
        ref = finding.ref
        elapsed_s = max(0.0, ref.at_s - self._looked_at_s)
        is_next = self._looked_seq == (ref.key.session, ref.key.seq - 1)
        return elapsed_s if elapsed_s > (_MAX_QUIET_S if is_next else _MAX_DROPPED_S) else 0.0

    def _end(self, finding: Finding) -> list[Alert]:
        """The recording ended: close everything at its media time and keep nothing that another one could inherit."""
        models = {"detector": finding.detector} if finding.detector else {}
        alerts = self._policy.end(finding.ref.at_s, models)
        self._forget()
        return alerts

    def state(self) -> Json:
        """The whole fold as JSON; a stage that restores it goes on as if it had never stopped."""
        return {
            "version": _STATE_VERSION,
            "camera": self._camera,
            "last": self._last and list(self._last),
            "looked_at_s": self._looked_at_s,
            "looked_seq": self._looked_seq and list(self._looked_seq),
            "tracker": self._tracker.state(),
            "continuity": self._continuity.state(),
            "judges": [judge.state() for judge in self._judges],
            "policy": self._policy.state(),
            "narrator": None if self._narrator is None else self._narrator.state(),
            "asking": self._asking.state(),
        }

    def restore(self, state: Json) -> None:
        """Continue from :meth:`state`.

        Raises ValueError for a state of another version, camera, set of judges or narrator, or a damaged one; the
        stage is then not to be used: build a new one.
        """
        expected = (_STATE_VERSION, self._camera, len(self._judges), self._narrator is not None)
        try:
            found = (state["version"], state["camera"], len(state["judges"]), state["narrator"] is not None)
            if found != expected:
                raise ValueError(f"alert state: expected version, camera, judges, narrator {expected}, got {found}")
            self._tracker.restore(state["tracker"])
            self._continuity.restore(state["continuity"])
            for judge, saved in zip(self._judges, state["judges"], strict=True):
                judge.restore(saved)
            self._policy.restore(state["policy"])
            if self._narrator is not None:
                self._narrator.restore(state["narrator"])
            self._asking.restore(state["asking"])
            self._last, self._looked_seq = _pair(state["last"]), _pair(state["looked_seq"])
            self._looked_at_s = state["looked_at_s"]
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"alert state is damaged: {error}") from error


def _pair(value: Sequence[int] | None) -> tuple[int, int] | None:
    return None if value is None else (int(value[0]), int(value[1]))
