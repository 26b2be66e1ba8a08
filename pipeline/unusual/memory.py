"""What waits to be learned: samples of the last moments, thinned to a quota, kept out while something is suspected.

In: glimpses and whether they look normal. Out, at a boundary of media time: samples for the next generation. While the
camera warms up nearly every look is taken; afterwards so many an hour, that yesterday is not crowded out by today.
Nothing within reach of a suspicion is learned, neither the seconds before it was noticed nor those after: it is put
aside, and learned only once a person has dismissed the alert.
Next file: ``pipeline/unusual/judge.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.descriptions import SceneDescription
from pipeline.protocols import Json
from pipeline.unusual.features import Glimpse
from pipeline.unusual.samples import SceneSamples, TextSamples, TrackSamples

__all__ = ["REACH_S", "Memory", "Quota", "Waiting"]

_SCENE_EVERY_S = 1.0
_TEXT_EVERY_S = 1.0
_MAX_WITHHELD = 100  # moments between two generations
_WITHHELD_EVERY_S = 0.6
REACH_S = 10.0
"""So long before and after a suspicion nothing is learned."""


@dataclass(frozen=True, slots=True)
class Quota:
    """How much is taken: track samples per hour, a ``burst`` of them at once, and seconds between two of one track."""

    per_hour: float
    burst: float
    track_every_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """What is to be learned next, and what was ``withheld`` because it was suspected."""

    tracks: TrackSamples
    scene: SceneSamples
    texts: TextSamples
    withheld: TrackSamples

    def __len__(self) -> int:
        return len(self.tracks) + len(self.scene) + len(self.texts) + len(self.withheld)


class Memory:
    """Samples that wait for the next generation."""

    def __init__(self) -> None:
        self._tracks: list[TrackSamples] = []
        self._scene: list[SceneSamples] = []
        self._texts: list[TextSamples] = []
        self._withheld: list[TrackSamples] = []
        self._avoided: dict[int, float] = {}  # when a track last took part in what a rule suspects
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
        self._taken = {i: taken_s for i, taken_s in self._taken.items() if abs(at_s - taken_s) <= REACH_S}
        self._avoided = {i: last_s for i, last_s in self._avoided.items() if 0 <= at_s - last_s < REACH_S}
        is_suspected = 0 <= at_s - self._suspected_at_s < REACH_S
        due = self._due(glimpse, _WITHHELD_EVERY_S if is_suspected else quota.track_every_s)
        if not is_suspected:
            due = due[: max(0, int(self._allowance))]
            self._allowance -= len(due)
        self._taken.update({glimpse.tracks[row].id: at_s for row in due})
        apart = [row for row in due if is_suspected or glimpse.tracks[row].id in self._avoided]
        for store, rows in ((self._withheld, apart), (self._tracks, [row for row in due if row not in apart])):
            if rows:
                store.append(_rows(glimpse, rows, run))
        self._withheld = self._withheld[-_MAX_WITHHELD:]
        if is_suspected:
            return
        if at_s - self._scene_at_s >= _SCENE_EVERY_S - 1e-3:
            self._scene_at_s = at_s
            self._scene.append(SceneSamples(glimpse.scene[None], np.array([at_s])))
        if words is not None and words.embedding is not None:
            said_s = words.ref.at_s
            if said_s - self._text_at_s >= _TEXT_EVERY_S - 1e-3:
                self._text_at_s = said_s
                one = TextSamples(words.embedding.astype(np.float16)[None], (words.text,), np.array([said_s]))
                self._texts.append(one)

    def _due(self, glimpse: Glimpse, track_every_s: float) -> list[int]:
        """Rows of tracks that were not looked at for ``track_every_s``, the longest unseen first."""
        last_s = [self._taken.get(track.id, -np.inf) for track in glimpse.tracks]
        rows = [row for row, taken_s in enumerate(last_s) if glimpse.at_s - taken_s >= track_every_s - 1e-3]
        return sorted(rows, key=lambda row: (last_s[row], row))

    def suspect(self, at_s: float) -> None:
        """Something is suspected at ``at_s``: forget the last seconds and take nothing for the next ones."""
        self._suspected_at_s, since_s = at_s, at_s - REACH_S
        self._withheld += [part for part in self._tracks if since_s <= part.at_s[0] <= at_s]
        self._tracks = [part for part in self._tracks if not since_s <= part.at_s[0] <= at_s]
        self._scene = [part for part in self._scene if not since_s <= part.at_s[0] <= at_s]
        self._texts = [part for part in self._texts if not since_s <= part.at_s[0] <= at_s]

    def avoid(self, track_ids: Iterable[int], at_s: float) -> None:
        """A rule holds something against these tracks at ``at_s``: what they did last and do next is not learned."""
        new = np.array([i for i in track_ids if i not in self._avoided], np.int64)
        self._avoided.update(dict.fromkeys(track_ids, at_s))
        if not len(new):
            return
        kept: list[TrackSamples] = []
        for part in self._tracks:
            is_apart = np.isin(part.track, new) & (part.at_s >= at_s - REACH_S) & (part.at_s <= at_s)
            if is_apart.any():
                self._withheld.append(part.take(is_apart))
            if not is_apart.all():
                kept.append(part.take(~is_apart) if is_apart.any() else part)
        self._tracks = kept

    def drain(self) -> Waiting:
        """Hand over everything that waits."""
        waiting = self._waiting()
        self._tracks, self._scene, self._texts, self._withheld = [], [], [], []
        return waiting

    def _waiting(self) -> Waiting:
        return Waiting(
            TrackSamples.joined(self._tracks),
            SceneSamples.joined(self._scene),
            TextSamples.joined(self._texts),
            TrackSamples.joined(self._withheld),
        )

    def state(self) -> Json:
        """Everything needed to go on elsewhere."""
        waiting = self._waiting()
        return {
            "tracks": waiting.tracks.state(),
            "scene": waiting.scene.state(),
            "texts": waiting.texts.state(),
            "withheld": waiting.withheld.state(),
            "avoided": {str(i): at_s for i, at_s in self._avoided.items()},
            "taken": {str(i): at_s for i, at_s in self._taken.items()},
            "allowance": self._allowance,
            "at_s": self._at_s,
            "last": [_finite(self._scene_at_s), _finite(self._text_at_s), _finite(self._suspected_at_s)],
        }

    def restore(self, state: Json) -> None:
        """Continue from :meth:`state`. Raises ValueError or KeyError for a damaged one."""
        tracks, scene = TrackSamples.from_state(state["tracks"]), SceneSamples.from_state(state["scene"])
        texts = TextSamples.from_state(state["texts"])
        self._tracks = _parts(tracks)
        self._withheld = _parts(TrackSamples.from_state(state["withheld"]))
        self._avoided = {int(i): float(at_s) for i, at_s in state["avoided"].items()}
        self._scene = [scene.take(np.array([i])) for i in range(len(scene))]
        self._texts = [texts.take(np.array([i])) for i in range(len(texts))]
        self._taken = {int(i): float(at_s) for i, at_s in state["taken"].items()}
        self._allowance, self._at_s = float(state["allowance"]), state["at_s"]
        self._scene_at_s, self._text_at_s, self._suspected_at_s = (
            -np.inf if at_s is None else float(at_s) for at_s in state["last"]
        )


def _parts(samples: TrackSamples) -> list[TrackSamples]:
    """``samples`` by the moment they were taken at."""
    return [samples.take(samples.at_s == at_s) for at_s in dict.fromkeys(samples.at_s.tolist())]


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
