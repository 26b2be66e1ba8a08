"""``vedette why-not CAMERA TIME``: which gate kept an alert from coming, how far it was, and what would let it through.

In: a site, the ledger, a camera and an instant. Out: :class:`Silence`: what was seen around that time, and for every
rule the smallest change to the site file with which the ledger, folded again, alerts there. Gates in the order in which
a moment meets them: coverage, motion, detection, schedule, class, zone, confidence, threshold, persistence, cool-down;
for unusual behaviour warm-up, threshold, budget. Next file: ``workers/counterfactual.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.alert.health import KIND as HEALTH_KIND
from pipeline.alert.relax import Knob, knobs_of, relaxed
from pipeline.alert.rule import Rule
from pipeline.alert.settings import AlertSettings
from pipeline.alert.view import BLINDING
from pipeline.errors import UsageError
from pipeline.ledger.compare import Story, stories
from pipeline.settings import SiteSettings
from pipeline.types import Finding
from workers import wiring
from workers.counterfactual import Change, alone, together
from workers.refold import Entry, Voice, entries, microseconds, refold
from workers.whynot_unusual import UnusualSilence, why_nothing_unusual

__all__ = ["RuleSilence", "Seen", "Silence", "why_not"]

LEAD_S = 90.0
SCENE_LEAD_S = 600.0
MAX_LEAD_S = 7200.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What the ledger has of the window. ``labels``: word, how often it was detected, and at most how surely."""

    looks: int
    ticks: int
    heartbeats: int
    conditions: tuple[str, ...]
    labels: tuple[tuple[str, int, float], ...]
    tracks: int

    @property
    def words(self) -> tuple[str, ...]:
        """The labels alone."""
        return tuple(label for label, _, _ in self.labels)


@dataclass(frozen=True, slots=True)
class RuleSilence:
    """Why one rule said nothing: each change that is enough ``alone``, smallest first, or those needed ``together``.

    Neither: nothing that the rule is about happened, whatever its settings.
    """

    rule: Rule
    alone: tuple[Change, ...]
    together: tuple[Change, ...]

    @property
    def gate(self) -> str:
        """The gate that stopped it: the first of those that have to open."""
        changes = self.alone[:1] or self.together
        return changes[0].knob.gate if changes else "nothing of the kind happened"


@dataclass(frozen=True, slots=True)
class Silence:
    """The answer: what was seen, what was alerted after all, and why each rule was silent."""

    camera: str
    at: datetime
    within_s: float
    seen: Seen
    gate: str
    reason: str
    alerts: tuple[Story, ...]
    rules: tuple[RuleSilence, ...]
    unusual: UnusualSilence | None
    problems: tuple[str, ...]


def why_not(
    site: SiteSettings,
    root: Path,
    camera: str,
    at: datetime,
    *,
    within_s: float = 30.0,
    on_done: Callable[[float], None] = lambda _: None,
) -> Silence:
    """Why ``camera`` raised no alert within ``within_s`` of ``at``. Raises UsageError for an unknown camera."""
    if camera not in [known.name for known in site.cameras]:
        raise UsageError(f"The site has no camera {camera!r}; it has {', '.join(c.name for c in site.cameras)}.")
    settings = site.camera(camera).alert
    problems: list[str] = []
    begin, end = at - timedelta(seconds=within_s), at + timedelta(seconds=within_s)
    lead = timedelta(seconds=max((_lead_s(rule) for rule in settings.rules), default=LEAD_S))
    from_us, to_us = microseconds(begin - lead), microseconds(end) + 1
    recorded = list(entries(root, camera, problems.append, from_us=from_us, to_us=to_us))
    seen = _seen([entry for entry in recorded if begin <= entry.message.ref.captured_at <= end])
    window = _Window(site, camera, recorded, begin, end)
    alerts = window.stories_of(settings)
    rules: list[RuleSilence] = []
    if seen.looks:
        told = {story.rule for story in alerts}
        quiet = [rule for rule in settings.rules if rule.name not in told]
        for rule in quiet:
            rules.append(window.silence_of(settings, rule, seen.words))
            on_done(1 / len(quiet))
    unusual = why_nothing_unusual(site, camera, recorded, begin, end) if seen.tracks else None
    gate, reason = _first_gate(seen, alerts, rules)
    if gate == "rules" and unusual is not None:
        gate, reason = unusual.gate, f"no rule is about what was seen; for unusual behaviour, {unusual.reason}"
    return Silence(camera, at, within_s, seen, gate, reason, tuple(alerts), tuple(rules), unusual, tuple(problems))


@dataclass(frozen=True, slots=True)
class _Window:
    """The recorded stretch, and how to fold it with other settings."""

    site: SiteSettings
    camera: str
    recorded: Sequence[Entry]
    begin: datetime
    end: datetime

    def stories_of(self, settings: AlertSettings) -> list[Story]:
        """Incidents that last into the window with ``settings``."""
        camera = replace(self.site.camera(self.camera), alert=settings)
        site = replace(self.site, cameras=(camera,))
        has_words = wiring.needs_words(site, self.camera)
        new_stage = partial(wiring.new_stage, site, self.camera, has_words=has_words, is_learning=False)
        voice = Voice.of(new_stage)
        refold([voice], iter(self.recorded))
        return [
            story
            for story in stories(voice.alerts)
            if story.opened_at <= self.end and (story.closed_at is None or story.closed_at >= self.begin)
        ]

    def silence_of(self, settings: AlertSettings, rule: Rule, labels: Sequence[str]) -> RuleSilence:
        """What would have made ``rule`` alert in the window."""
        asked: dict[str, bool] = {}
        least = self.begin - timedelta(seconds=_lead_s(rule))
        near = replace(self, recorded=[e for e in self.recorded if e.message.ref.captured_at >= least])

        def has_alert(values: Mapping[str, Any]) -> bool:
            key = repr(sorted(values.items()))
            if key not in asked:
                try:
                    asked[key] = bool(near.stories_of(relaxed(settings, rule, values)))
                except ValueError:  # e.g. a zone that would cross itself at the edge of the picture
                    asked[key] = False
            return asked[key]

        knobs: tuple[Knob, ...] = knobs_of(settings, rule, labels)
        enough = tuple(alone(knobs, has_alert))
        return RuleSilence(rule, enough, () if enough else tuple(together(knobs, has_alert)))


def _lead_s(rule: Rule) -> float:
    """How long before the window folding has to begin, so that what ``rule`` times or remembers is complete."""
    names = [name for name in rule.__dataclass_fields__ if name.endswith("_s") and not name.endswith("_per_s")]
    longest_s = max(float(getattr(rule, name)) for name in names)
    least_s = SCENE_LEAD_S if rule.needs_fixed_view else LEAD_S
    return min(MAX_LEAD_S, max(least_s, 2 * longest_s))


def _seen(recorded: Sequence[Entry]) -> Seen:
    findings = [entry.message for entry in recorded if isinstance(entry.message, Finding)]
    looks = [finding.detections for finding in findings if finding.detections is not None]
    count: dict[str, int] = {}
    best: dict[str, float] = {}
    for seen in looks:
        for label, confidence in zip(seen.label, seen.confidence.tolist(), strict=True):
            count[label] = count.get(label, 0) + 1
            best[label] = max(best.get(label, 0.0), confidence)
    return Seen(
        looks=len(looks),
        ticks=len(findings) - len(looks),
        heartbeats=sum(finding.note.gate == "heartbeat" for finding in findings),
        conditions=tuple(dict.fromkeys(name for finding in findings for name in finding.note.conditions)),
        labels=tuple((label, count[label], best[label]) for label in sorted(count, key=lambda word: -count[word])),
        tracks=len({track.id for entry in recorded for track in entry.tracks or ()}),
    )


def _first_gate(seen: Seen, alerts: Sequence[Story], rules: Sequence[RuleSilence]) -> tuple[str, str]:
    """The gate at which everything stopped, and a sentence about it."""
    near = [one for one in rules if one.alone or one.together]
    told = [story for story in alerts if story.kind != HEALTH_KIND]
    if told:
        return "none", f"there was an alert: {told[0].title} ({told[0].id})"
    if near and not _is_blind(seen):
        nearest = min(near, key=lambda one: (not one.alone, min(c.share for c in one.alone or one.together)))
        return nearest.gate, f"rule {nearest.rule.name} was nearest"
    return _before_rules(seen)


def _is_blind(seen: Seen) -> bool:
    return not seen.looks or (not BLINDING.isdisjoint(seen.conditions) and not seen.labels)


def _before_rules(seen: Seen) -> tuple[str, str]:
    """The gate that nothing passed on its way to the rules."""
    if not seen.looks and not seen.ticks:
        return "coverage", "the ledger has no finding of that time: the camera was not watched, or it is too long ago"
    if _is_blind(seen):
        why = ", ".join(condition for condition in seen.conditions if condition in BLINDING) or "no picture"
        return "coverage", f"nothing could be seen ({why})"
    if not seen.labels and seen.heartbeats == seen.looks:
        return "motion", f"nothing moved: {seen.looks} slow looks while the gate was closed, and nothing was detected"
    if not seen.labels:
        return "detection", f"nothing was detected in {seen.looks} looks, not even weakly"
    if not seen.tracks:
        return "detection", "what was detected was too weak or too short to be followed as an object"
    return "rules", "no rule is about what was seen, however loose"
