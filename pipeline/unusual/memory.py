"""What waits to be learned: samples of the last moments, thinned to a quota, kept out while something is suspected.

In: glimpses and whether they look normal. Out, at a boundary of media time: samples for the next generation. While the
camera warms up nearly every look is taken; afterwards so many an hour, that yesterday is not crowded out by today.
Nothing within reach of a suspicion is learned: neither the seconds before it was noticed nor those after.
Next file: ``pipeline/unusual/judge.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.descriptions import SceneDescription
from pipeline.protocols import Json
from pipeline.unusual.features import Glimpse
from pipeline.unusual.samples import SceneSamples, TextSamples, TrackSamples

__all__ = ["Memory", "Quota"]

_SCENE_EVERY_S = 1.0
_TEXT_EVERY_S = 1.0
_REACH_S = 10.0
"""So long before and after a suspicion nothing is learned."""


@dataclass(frozen=True, slots=True)
class Quota:
    """How much is taken: track samples per hour, a ``burst`` of them at once, and seconds between two of one track."""

    per_hour: float
    burst: float
    track_every_s: float


class Memory:
    """Samples that wait for the next generation."""

    def __init__(self) -> None:
        self._tracks: list[TrackSamples] = []
        self._scene: list[SceneSamples] = []
        self._texts: list[TextSamples] = []
        self._taken: dict[int, float] = {}
        self._allowance = 0.0
        self._at_s: float | None = None
        self._scene_at_s = self._text_at_s = self._suspected_at_s = -np.inf

    @property
    def track_count(self) -> int:
        """How many looks at tracks wait."""
        return sum(len(part) for part in self._tracks)

    def take(self, glimpse: Glimpse, words: SceneDescription | None, run: int, quota: Quota) -> None:
        """Consider one moment for learning."""
        at_s = glimpse.at_s
        elapsed_s = 0.0 if self._at_s is None else min(60.0, max(0.0, at_s - self._at_s))
        self._at_s = at_s
        self._allowance = min(quota.burst, self._allowance + quota.per_hour * elapsed_s / 3600.0)
        self._taken = {i: taken_s for i, taken_s in self._taken.items() if abs(at_s - taken_s) <= 10.0}
        if 0 <= at_s - self._suspected_at_s < _REACH_S:
            return
        due = [
            row
            for row, track in enumerate(glimpse.tracks)
            if at_s - self._taken.get(track.id, -np.inf) >= quota.track_every_s - 1e-3
        ][: max(0, int(self._allowance))]
        if due:
            self._allowance -= len(due)
            self._taken.update({glimpse.tracks[row].id: at_s for row in due})
            self._tracks.append(_rows(glimpse, due, run))
        if at_s - self._scene_at_s >= _SCENE_EVERY_S - 1e-3:
            self._scene_at_s = at_s
            self._scene.append(SceneSamples(glimpse.scene[None], np.array([at_s])))
        if words is not None and words.embedding is not None:
            said_s = words.ref.at_s
            if said_s - self._text_at_s >= _TEXT_EVERY_S - 1e-3:
                self._text_at_s = said_s
                one = TextSamples(words.embedding.astype(np.float16)[None], (words.text,), np.array([said_s]))
                self._texts.append(one)

    def suspect(self, at_s: float) -> None:
        """Something is suspected at ``at_s``: forget the last seconds and take nothing for the next ones."""
        self._suspected_at_s, since_s = at_s, at_s - _REACH_S
        self._tracks = [part for part in self._tracks if not since_s <= part.at_s[0] <= at_s]
        self._scene = [part for part in self._scene if not since_s <= part.at_s[0] <= at_s]
        self._texts = [part for part in self._texts if not since_s <= part.at_s[0] <= at_s]

    def drain(self) -> tuple[TrackSamples, SceneSamples, TextSamples]:
        """Hand over everything that waits."""
        waiting = self._waiting()
        self._tracks, self._scene, self._texts = [], [], []
        return waiting

    def _waiting(self) -> tuple[TrackSamples, SceneSamples, TextSamples]:
        return TrackSamples.joined(self._tracks), SceneSamples.joined(self._scene), TextSamples.joined(self._texts)

    def state(self) -> Json:
        """Everything needed to go on elsewhere."""
        tracks, scene, texts = self._waiting()
        return {
            "tracks": tracks.state(),
            "scene": scene.state(),
            "texts": texts.state(),
            "taken": {str(i): at_s for i, at_s in self._taken.items()},
            "allowance": self._allowance,
            "at_s": self._at_s,
            "last": [_finite(self._scene_at_s), _finite(self._text_at_s), _finite(self._suspected_at_s)],
        }

    def restore(self, state: Json) -> None:
        """Continue from :meth:`state`. Raises ValueError or KeyError for a damaged one."""
        tracks, scene = TrackSamples.from_state(state["tracks"]), SceneSamples.from_state(state["scene"])
        texts = TextSamples.from_state(state["texts"])
        self._tracks = [tracks.take(tracks.at_s == at_s) for at_s in dict.fromkeys(tracks.at_s.tolist())]
        self._scene = [scene.take(np.array([i])) for i in range(len(scene))]
        self._texts = [texts.take(np.array([i])) for i in range(len(texts))]
        self._taken = {int(i): float(at_s) for i, at_s in state["taken"].items()}
        self._allowance, self._at_s = float(state["allowance"]), state["at_s"]
        self._scene_at_s, self._text_at_s, self._suspected_at_s = (
            -np.inf if at_s is None else float(at_s) for at_s in state["last"]
        )


def _rows(glimpse: Glimpse, due: Sequence[int], run: int) -> TrackSamples:
    index: NDArray[Any] = np.array(due, np.intp)
    tracks = [glimpse.tracks[row] for row in due]
    return TrackSamples.of(
        glimpse.rows[index],
        glimpse.appearance[index],
        [track.label for track in tracks],
        [track.id for track in tracks],
        [glimpse.at_s] * len(due),
        [run] * len(due),
    )


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
