"""The arms of a comparison: what the judge of unusual behaviour may use, and the controls that show what words are
worth.

In: the name of an arm. Out: an :class:`Arm`. ``visual`` gives the judge no words; ``text`` nothing but words; ``f0``
is both by their sum; ``learned`` both by learned weights. A control is f0 with words that carry no meaning of this
moment: another moment's (``shuffled``), those of ten seconds ago (``stale``), the bare class names (``class``), random
vectors (``noise``). Fusion that gains as much from a control as from words gains nothing from meaning. Next file:
``pipeline/evaluate/report.py``.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.descriptions import SceneDescription, SceneFacts
from pipeline.errors import UsageError
from pipeline.protocols import Json, Moment, Narrator, Suspicion, TextEncoder
from pipeline.unusual.channels import CUES
from pipeline.unusual.fusion import SumOfSurprise
from pipeline.unusual.judge import UnusualJudge

__all__ = ["ARMS", "Arm", "ControlNarrator", "JudgeOfMoments", "TextOnly", "Words", "arms_of"]

Words = Literal["none", "true", "shuffled", "stale", "class", "noise"]
_STALE_S = 10.0
_REMEMBERED = 256
_HELD_S = 60.0


@dataclass(frozen=True, slots=True)
class Arm:
    """``fusion``: ``f0``, ``text`` or ``learned``; ``words``: which words the judge is given."""

    name: str
    fusion: Literal["f0", "text", "learned"]
    words: Words

    @property
    def is_control(self) -> bool:
        """Whether its words carry no meaning of the moment."""
        return self.words not in ("none", "true")


ARMS: tuple[Arm, ...] = (
    Arm("visual", "f0", "none"),
    Arm("text", "text", "true"),
    Arm("f0", "f0", "true"),
    Arm("learned", "learned", "true"),
    Arm("learned-visual", "learned", "none"),
    Arm("shuffled", "f0", "shuffled"),
    Arm("stale", "f0", "stale"),
    Arm("class", "f0", "class"),
    Arm("noise", "f0", "noise"),
)
"""Every arm, in the order of reports."""


def arms_of(names: Sequence[str]) -> tuple[Arm, ...]:
    """The arms called ``names``. Raises UsageError for an unknown name."""
    known = {arm.name: arm for arm in ARMS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"There is no arm {unknown[0]!r}; known are {', '.join(known)}.")
    return tuple(known[name] for name in dict.fromkeys(names))


class TextOnly(SumOfSurprise):
    """f0 with the text cue alone."""

    name = "text"

    def contributions(self, surprise: NDArray[np.float64]) -> NDArray[np.float64]:
        """Nothing for the cues of tracks, whose columns are ``CUES``; of the frame, only its last cue, the text."""
        added = super().contributions(surprise)
        added[:, : len(CUES) if added.shape[1] == len(CUES) else -1] = 0.0
        return added


class JudgeOfMoments:
    """:class:`pipeline.unusual.judge.UnusualJudge` as a runner sees it: with the score of the newest moment."""

    def __init__(self, judge: UnusualJudge) -> None:
        self._judge = judge

    @property
    def score(self) -> float:
        """Of the newest moment; 0 before anything was learned."""
        return 0.0 if self._judge.last is None else self._judge.last.score

    def settle(self) -> None:
        """The training clips are over."""
        self._judge.settle()

    def judge(self, moment: Moment) -> Sequence[Suspicion]:
        """See :class:`pipeline.protocols.Judge`."""
        return self._judge.judge(moment)

    def state(self) -> Json:
        """See :class:`pipeline.protocols.Judge`."""
        return self._judge.state()

    def restore(self, state: Json) -> None:
        """See :class:`pipeline.protocols.Judge`."""
        self._judge.restore(state)


class ControlNarrator:
    """Narrates as ``narrator`` does, and exchanges the vector of its words as a control asks."""

    def __init__(self, narrator: Narrator, words: Words, encoder: TextEncoder, seed: int = 0) -> None:
        self._narrator = narrator
        self._words = words
        self._encoder = encoder
        self._random = np.random.default_rng(seed)
        self._past: deque[SceneDescription] = deque(maxlen=_REMEMBERED)

    def narrate(self, moment: Moment) -> tuple[SceneFacts | None, SceneDescription | None]:
        """See :class:`pipeline.protocols.Narrator`."""
        facts, words = self._narrator.narrate(moment)
        if words is None or words.embedding is None:
            return facts, words
        if not self._past or self._past[-1].ref != words.ref:
            self._past.append(words)
        return facts, self._exchanged(words, moment)

    def _exchanged(self, words: SceneDescription, moment: Moment) -> SceneDescription | None:
        at_s = moment.finding.ref.at_s
        if self._words == "shuffled":
            other = self._past[int(self._random.integers(len(self._past)))]
            return replace(words, text=other.text, title=other.title, embedding=other.embedding)
        if self._words == "stale":
            old = [each for each in self._past if _STALE_S <= at_s - each.ref.at_s <= _HELD_S]
            return replace(old[-1], ref=words.ref) if old else None
        if self._words == "class":
            labels = Counter(track.label for track in moment.tracks)
            text = " ".join(f"{count} {label}" for label, count in sorted(labels.items())) or "nothing"
            return replace(words, text=text, title=text, embedding=self._encoder.encode([text])[0])
        if self._words == "noise":
            vector = self._random.standard_normal(self._encoder.dimensions).astype(np.float32)
            return replace(words, embedding=vector / np.linalg.norm(vector))
        return words

    def write(self, facts: SceneFacts) -> tuple[str, str]:
        """See :class:`pipeline.protocols.Narrator`."""
        return self._narrator.write(facts)

    def hear(self, description: SceneDescription) -> None:
        """See :class:`pipeline.protocols.Narrator`."""
        self._narrator.hear(description)

    def state(self) -> Json:
        """See :class:`pipeline.protocols.Narrator`."""
        return self._narrator.state()

    def restore(self, state: Json) -> None:
        """See :class:`pipeline.protocols.Narrator`."""
        self._narrator.restore(state)
