"""The judge of ``watch`` rules: conditions over measured facts, and words where facts do not reach.

In: moments with facts (and, for rules with a question, the newest description). Out: one suspicion per rule while it
holds. Pure and without memory: what has lasted is in the facts. No model is needed for a rule without a question; with
one, a model's own answer decides, else the likeness of a description's sentences to the watched one, which has to beat
that of ordinary sentences about the same people and place. Next file: ``pipeline/alert/policy.py``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pipeline.alert.explain import Cue, amount, capitalised, clean, evidence_of, named, seconds, sureness
from pipeline.alert.settings import AlertSettings
from pipeline.alert.view import is_blind
from pipeline.alert.watch.rule import WatchRule
from pipeline.descriptions import Fact, FactKind, SceneDescription, SceneFacts, SceneObject
from pipeline.errors import ModelError
from pipeline.labels import expand_labels
from pipeline.protocols import Json, Moment, Suspicion, TextEncoder
from pipeline.types import Track

__all__ = ["WatchJudge"]

_MAX_AGE_S = 30.0
_MAX_SENTENCES = 8
_SENTENCE = re.compile(r"(?<=[.!?。])\s+")
_WORDS: tuple[FactKind, ...] = ("colour", "lower_colour", "size", "posture", "speed", "heading")
_BY_ANYBODY = frozenset({"left", "taken"})  # who did it may have gone


@dataclass(slots=True)
class _Held:
    """What a rule found: who, the thing it was done to, and the facts that hold, with the cue each of them is."""

    one: SceneObject | None
    cues: list[Cue] = field(default_factory=list)
    sureness: float = 1.0
    ids: list[int] = field(default_factory=list)

    def add(self, cue: Cue, fact: Fact) -> None:
        self.cues.append(cue)
        self.sureness = min(self.sureness, fact.confidence)


class WatchJudge:
    """A :class:`~pipeline.protocols.Judge` over the ``watch`` rules of ``settings``; without memory.

    ``encoder`` compares sentences for rules with a question; should it fail, they go by answers alone.
    """

    def __init__(self, settings: AlertSettings, encoder: TextEncoder | None = None) -> None:
        self._rules = [rule for rule in settings.rules if isinstance(rule, WatchRule)]
        self._encoder = encoder

    def judge(self, moment: Moment) -> Sequence[Suspicion]:
        """See :class:`~pipeline.protocols.Judge`."""
        if not self._rules or moment.facts is None or is_blind(moment):
            return ()
        scene = _Scene(moment.facts, moment.tracks)
        at_s = moment.finding.ref.at_s
        on_duty = [rule for rule in self._rules if rule.schedule.holds(at_s)]
        return [suspicion for rule in on_duty for suspicion in self._look(rule, scene, moment)]

    def state(self) -> Json:
        """Nothing has to be remembered."""
        return {}

    def restore(self, state: Json) -> None:
        """Nothing was remembered."""

    def _look(self, rule: WatchRule, scene: _Scene, moment: Moment) -> Iterator[Suspicion]:
        held = scene.find(rule)
        if len(held) < rule.min_count:
            return
        wanted = " or ".join(rule.labels)
        normal = f"no {wanted}" if rule.min_count == 1 else f"fewer than {amount(rule.min_count, wanted)}"
        cues = [Cue("class", scene.who(held), normal)]
        cues += min(held, key=lambda one: -one.sureness).cues + scene.around(rule)
        score = sorted(one.sureness for one in held)[-rule.min_count]
        if rule.question is not None:
            read = self._read(rule, moment)
            if read is None:
                return
            cues.append(read[0])
            score = min(score, read[1])
        tracks = tuple(track for track in moment.tracks if any(track.id in one.ids for one in held))
        says = clean(rule.says or rule.name, 120)
        seen = "; ".join(cue.observed for cue in cues)
        yield Suspicion(
            kind=rule.kind,
            key=f"{rule.kind}:{rule.name}",
            rule=rule.name,
            severity=rule.severity,
            score=score if any(one.cues for one in held) else min(score, sureness(tracks)),
            title=clean(capitalised(says), 120),
            text=clean(f"Watched for: {says}. Seen: {seen}."),
            tracks=tracks,
            evidence=evidence_of(cues),
        )

    def _read(self, rule: WatchRule, moment: Moment) -> tuple[Cue, float] | None:
        """What words say to the rule's question: a cue and how sure; None when they do not say yes."""
        words = moment.words
        if words is None or not 0 <= moment.finding.ref.at_s - words.ref.at_s <= _MAX_AGE_S:
            return None
        for answer in words.answers:
            if answer.question == rule.question:
                if answer.probability < rule.min_probability:
                    return None
                told = f"{words.source} says yes, {answer.probability:.0%}"
                return Cue("answer", told, f"no, or yes below {rule.min_probability:.0%}"), answer.probability
        return self._compare(rule, words)

    def _compare(self, rule: WatchRule, words: SceneDescription) -> tuple[Cue, float] | None:
        if not rule.ordinary or self._encoder is None:
            return None
        sentences = [part for part in _SENTENCE.split(f"{words.title}. {words.text}") if part.strip()][:_MAX_SENTENCES]
        try:
            vectors = self._encoder.encode([rule.says or rule.name, *rule.ordinary, *sentences])
        except ModelError:
            self._encoder = None  # its owner says so; answers and measured rules go on
            return None
        asked = 1 + len(rule.ordinary)
        likeness = vectors[asked:] @ vectors[:asked].T  # (sentences, watched and ordinary)
        lead = likeness[:, 0] - likeness[:, 1:].max(axis=1)
        fits = (likeness[:, 0] >= rule.min_likeness) & (lead >= rule.min_lead)
        if not fits.any():
            return None
        best = max(range(len(sentences)), key=lambda i: (bool(fits[i]), float(likeness[i, 0])))
        alike = float(likeness[best, 0])
        told = f"{words.source} wrote ‘{clean(sentences[best], 120)}’, {alike:.0%} alike"
        normal = f"below {rule.min_likeness:.0%}, or less than {rule.min_lead:.0%} more than an ordinary sentence"
        return Cue("words", told, normal), max(0.0, min(1.0, alike))


class _Scene:
    """The facts of one moment, found by whom they are about."""

    def __init__(self, facts: SceneFacts, tracks: Sequence[Track]) -> None:
        self._facts = facts
        present = {track.id for track in tracks}
        self._objects = [one for one in facts.objects if one.id in present]
        self._labels = {one.id: one.label for one in facts.objects}
        self._of: dict[tuple[FactKind, int | None], list[Fact]] = defaultdict(list)
        for fact in facts.facts:
            self._of[fact.kind, fact.subject].append(fact)

    def find(self, rule: WatchRule) -> list[_Held]:
        """Everybody for whom all that ``rule`` names was measured."""
        labels = expand_labels(rule.labels)
        if any(self._best(rule, "light", None, rule.light) is None for _ in rule.light[:1]) or any(
            self._best(rule, "weather", None, rule.weather) is None for _ in rule.weather[:1]
        ):
            return []
        them = [one for one in self._objects if one.label in labels and one.confidence >= rule.min_confidence]
        held = [found for found in (self._holds(rule, one) for one in them) if found is not None]
        return held or self._done_by_nobody(rule)

    def who(self, held: Sequence[_Held]) -> str:
        """Those who were found, in words."""
        labels = [one.one.label for one in held if one.one is not None]
        counts = {label: labels.count(label) for label in dict.fromkeys(labels)}
        return " and ".join(amount(number, label) for label, number in counts.items()) or "somebody who has gone"

    def around(self, rule: WatchRule) -> list[Cue]:
        """Cues of light and weather."""
        asked: Iterable[tuple[FactKind, tuple[str, ...]]] = (("light", rule.light), ("weather", rule.weather))
        return [
            Cue(kind, fact.value, f"not {' or '.join(values)}")
            for kind, values in asked
            if values and (fact := self._best(rule, kind, None, values)) is not None
        ]

    def _best(self, rule: WatchRule, kind: FactKind, subject: int | None, values: Sequence[str]) -> Fact | None:
        sure = [f for f in self._of[kind, subject] if f.value in values and f.confidence >= rule.min_sureness]
        return max(sure, key=lambda fact: fact.confidence, default=None)

    def _holds(self, rule: WatchRule, one: SceneObject) -> _Held | None:
        held = _Held(one, ids=[one.id])
        for kind in _WORDS:
            values: tuple[str, ...] = getattr(rule, kind)
            if values:
                fact = self._best(rule, kind, one.id, values)
                if fact is None:
                    return None
                held.add(Cue(kind, fact.value, f"not {' or '.join(values)}"), fact)
        parts = (self._place(rule, one.id, held), self._relation(rule, one.id, held), self._thing(rule, one.id, held))
        return held if all(parts) else None

    def _place(self, rule: WatchRule, subject: int, held: _Held) -> bool:
        """Whether the object is where, and for as long as, the rule says."""
        zone = rule.zone
        if zone is not None:
            there = [f for f in self._of["zone", subject] if f.other == zone and f.value in rule.zone_state]
            sure = [fact for fact in there if fact.confidence >= rule.min_sureness]
            if not sure:
                return False
            held.add(Cue("zone", f"{sure[0].value} {named(zone)}", f"not {' or '.join(rule.zone_state)}"), sure[0])
        if rule.min_dwell_s > 0:
            wanted = ("scene", None) if zone is None else ("zone", zone)
            stays = [f for f in self._of["dwell", subject] if (f.value, f.other) == wanted]
            long = [fact for fact in stays if (fact.amount or 0.0) >= rule.min_dwell_s]
            if not long:
                return False
            told = f"for {seconds(long[0].amount or 0.0)}"
            held.add(Cue("dwell", told, f"less than {seconds(rule.min_dwell_s)}"), long[0])
        return True

    def _relation(self, rule: WatchRule, subject: int, held: _Held) -> bool:
        """Whether the object has to do with another one. Where several are watched, either side counts."""
        if not rule.relation:
            return True
        labels = expand_labels(rule.other_labels)
        for fact in self._facts.facts:
            if fact.kind != "relation" or fact.value not in rule.relation or fact.confidence < rule.min_sureness:
                continue
            is_other_side = fact.other == subject and (rule.min_count > 1 or fact.value in ("meeting", "beside"))
            if fact.subject != subject and not is_other_side:
                continue
            other = fact.subject if is_other_side else fact.other
            label = self._labels.get(other) if isinstance(other, int) else None
            if label is not None and (not labels or label in labels):
                held.ids.append(int(other or 0))
                held.add(Cue("relation", f"{fact.value} {amount(1, label)}", f"not {' or '.join(rule.relation)}"), fact)
                return True
        return False

    def _thing(self, rule: WatchRule, subject: int | None, held: _Held) -> bool:
        """Whether the object (None: somebody who has gone) did something to a thing."""
        if not rule.thing:
            return True
        labels = expand_labels(rule.thing_labels)
        for fact in self._of["thing", subject]:
            label = self._labels.get(fact.other, "") if isinstance(fact.other, int) else str(fact.other or "")
            if fact.value not in rule.thing or fact.confidence < rule.min_sureness or (labels and label not in labels):
                continue
            if isinstance(fact.other, int):
                held.ids.append(fact.other)
            held.add(Cue("thing", f"{fact.value} {amount(1, label or 'thing')}", "nothing of the kind"), fact)
            return True
        return False

    def _done_by_nobody(self, rule: WatchRule) -> list[_Held]:
        """A thing left or taken by somebody who has gone: the rule may then ask nothing else of him but a place."""
        asks = [kind for kind in _WORDS if getattr(rule, kind)]
        if not _BY_ANYBODY.intersection(rule.thing) or asks or rule.relation or rule.min_dwell_s or rule.min_count > 1:
            return []
        held = _Held(None)
        if not self._thing(rule, None, held):
            return []
        if rule.zone is not None and not any(self._place(rule, id, held) for id in held.ids):
            return []
        return [held]
