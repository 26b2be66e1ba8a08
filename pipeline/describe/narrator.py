"""Puts one camera into facts and words as media time passes, and remembers what a model said of it.

In: the moments of one camera, and descriptions that models wrote of earlier ones. Out: the facts of the last seconds,
and the newest words: a model's while they are young and those in view are still as many of each kind as it described,
else those of the grounded writer, renewed once per second. A pure fold: the same moments and descriptions give the same
words. Next files: ``pipeline/describe/facts.py``, ``pipeline/describe/grounded.py``.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from dataclasses import replace

from pipeline.describe import grounded
from pipeline.describe.facts import FactsFold
from pipeline.describe.saved import description_from, description_state
from pipeline.descriptions import Language, SceneDescription, SceneFacts
from pipeline.errors import ModelError
from pipeline.protocols import Count, Json, Moment, TextEncoder
from pipeline.types import FrameRef

__all__ = ["SceneNarrator"]

_STATE_VERSION = 1
_SOURCE = "grounded"
_MAX_CASTS = 128
_NUMBER = re.compile(r"\d{2,}")


def _ignore(name: str, camera: str, reason: str) -> None:
    """Count nothing."""


class SceneNarrator:
    """A :class:`pipeline.protocols.Narrator` of one camera.

    ``facts`` is fed every moment; words are written every ``words_every_s``; a model's hold for ``hold_s`` at most
    (seconds of media time). With an ``encoder`` words carry its vector of their text, in which large numbers are
    rounded: a scene in which only a clock goes on keeps its vector. Should the encoder fail, words go on without, and
    ``count`` is told.
    """

    def __init__(
        self,
        facts: FactsFold,
        *,
        language: Language = "en",
        encoder: TextEncoder | None = None,
        words_every_s: float = 1.0,
        hold_s: float = 30.0,
        count: Count = _ignore,
    ) -> None:
        self._facts = facts
        self._language = language
        self._encoder = encoder
        self._words_every_s = words_every_s
        self._hold_s = hold_s
        self._count = count
        self._written: SceneDescription | None = None
        self._heard: SceneDescription | None = None
        self._heard_cast = ""
        self._casts: deque[tuple[float, str]] = deque(maxlen=_MAX_CASTS)  # who is in view, since when

    def narrate(self, moment: Moment) -> tuple[SceneFacts | None, SceneDescription | None]:
        """The facts of the window that ends at ``moment``, and the newest words. Raises ValueError: another camera."""
        ref = moment.finding.ref
        facts = self._facts.step(moment)
        written = self._written
        if written is not None and (written.ref.key.session != ref.key.session or ref.at_s < written.ref.at_s):
            self._casts.clear()
            self._heard = written = None  # another session: what was said is of another scene, or of another time
        if written is None or ref.at_s - written.ref.at_s >= self._words_every_s:
            self._written = written = self._renewed(written, ref, facts)
        return facts, self._heard if self._is_fresh(ref.at_s) else written

    def write(self, facts: SceneFacts) -> tuple[str, str]:
        """The grounded writer's title and text of ``facts``."""
        return grounded.write(facts, self._language)

    def hear(self, description: SceneDescription) -> None:
        """A model described an earlier moment; ignored when it is older than what was heard, or long past."""
        heard, at_s = self._heard, description.ref.at_s
        if description.source == _SOURCE or (heard is not None and at_s < heard.ref.at_s):
            return
        cast = next((cast for since_s, cast in reversed(self._casts) if since_s <= at_s), None)
        if cast is None or self._written is None or description.ref.key.session != self._written.ref.key.session:
            return
        self._heard, self._heard_cast = self._with_vector(description), cast

    def state(self) -> Json:
        """Everything needed to go on elsewhere."""
        return {
            "version": _STATE_VERSION,
            "facts": self._facts.state(),
            "written": None if self._written is None else description_state(self._written),
            "heard": None if self._heard is None else description_state(self._heard),
            "heard_cast": self._heard_cast,
            "casts": [list(entry) for entry in self._casts],
        }

    def restore(self, state: Json) -> None:
        """Continue from :meth:`state`. Raises ValueError for another version or a damaged state."""
        try:
            if state["version"] != _STATE_VERSION:
                raise ValueError(f"narrator state: expected version {_STATE_VERSION}, got {state['version']!r}")
            self._facts.restore(state["facts"])
            self._written, self._heard = self._restored(state["written"]), self._restored(state["heard"])
            self._heard_cast = str(state["heard_cast"])
            self._casts = deque(((float(at_s), str(cast)) for at_s, cast in state["casts"]), maxlen=_MAX_CASTS)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"narrator state is damaged: {error}") from error

    def _renewed(self, before: SceneDescription | None, ref: FrameRef, facts: SceneFacts) -> SceneDescription:
        title, text = self.write(facts)
        cast = _cast(facts)
        if not self._casts or self._casts[-1][1] != cast:
            self._casts.append((ref.at_s, cast))
        while len(self._casts) > 1 and ref.at_s - self._casts[1][0] > self._hold_s:
            self._casts.popleft()
        if before is not None and (before.title, before.text) == (title, text):
            return replace(before, ref=ref)
        return self._with_vector(SceneDescription(ref, title, text, _SOURCE, language=self._language))

    def _is_fresh(self, at_s: float) -> bool:
        """Whether what was heard may stand for the scene as it is now."""
        heard = self._heard
        return (
            heard is not None and 0 <= at_s - heard.ref.at_s <= self._hold_s and self._casts[-1][1] == self._heard_cast
        )

    def _with_vector(self, description: SceneDescription) -> SceneDescription:
        """``description`` with our own encoder's vector, or none: vectors of two encoders cannot be compared."""
        vector = None
        if self._encoder is not None and description.text:
            try:
                vector = self._encoder.encode([_rounded(description.text)])[0]
            except ModelError:
                self._encoder = None
                self._count("text_encoder_failed", description.ref.key.camera, "runtime")
        return replace(description, embedding=vector)

    def _restored(self, state: Json | None) -> SceneDescription | None:
        return None if state is None else self._with_vector(description_from(state))


def _cast(facts: SceneFacts) -> str:
    """Who is in view: ``2 person, 1 car``; empty when nobody is."""
    return ", ".join(f"{number} {label}" for label, number in sorted(Counter(o.label for o in facts.objects).items()))


def _rounded(text: str) -> str:
    """``text`` with numbers above 9 cut to their first digit: ``47 seconds`` becomes ``40 seconds``."""
    return _NUMBER.sub(lambda found: found[0][0] + "0" * (len(found[0]) - 1), text)
