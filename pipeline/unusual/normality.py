"""What is normal at one camera: an immutable generation, scored against and replaced by the next, never changed.

In: rows of a moment. Out: how improbable each cue is (``-log p``), and what the nearest normal example was. Tracks are
judged by what is normal for their group, in this hour block where enough of it is known, else all day, else by what is
normal for everybody. Next file: ``pipeline/unusual/learning.py``, which makes generations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.labels import GROUPS, group_of
from pipeline.unusual.calibration import Tail
from pipeline.unusual.channels import (
    APPEARANCE_CUE,
    CUES,
    SCENE_CUES,
    Cue,
    vectors_of,
)
from pipeline.unusual.ground import Ground
from pipeline.unusual.mixture import Mixture
from pipeline.unusual.neighbours import Neighbours
from pipeline.unusual.samples import SceneSamples, TextSamples, TrackSamples

__all__ = ["ANY", "Model", "Normality", "Pool", "TextModel", "hour_block", "pool_name"]

ANY = "any"
"""The pool of all samples, for classes too rare to have one of their own."""

_DAY_S = 86_400.0
_BLOCK_S = 14_400.0

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """One cue of one pool: the model that gives raw scores, and the law of normal ones."""

    cue: Cue
    judge: Neighbours | Mixture | None  # None: the value itself is the raw score
    tail: Tail

    def surprise(self, vectors: Floats) -> tuple[Floats, Ints | None]:
        """``-log p`` (m,) and, for a nearest-neighbour cue, the index of the nearest normal sample."""
        if isinstance(self.judge, Neighbours):
            raw, nearest = self.judge.distance(vectors)
            return self.tail.surprise(raw), nearest
        raw = vectors[:, 0] if self.judge is None else _rarity(self.judge, vectors)
        return self.tail.surprise(raw), None

    def nearest(self, vector: Floats) -> tuple[float, int]:
        """Distance of one ``vector`` (1, d) to normal ones and the index of the very nearest."""
        if not isinstance(self.judge, Neighbours):
            raise ValueError(f"cue {self.cue.name}: expected one judged by neighbours")
        distance, nearest = self.judge.distance(vector)
        return float(distance[0]), int(nearest[0])


@dataclass(frozen=True, slots=True, eq=False)
class TextModel:
    """Normal sentences of an hour block or of all day: ``sample`` (n,) says which they are."""

    neighbours: Neighbours
    tail: Tail
    sample: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """The cues of one class group, with what they were learned from: ``sample`` (n,) of all, ascending."""

    sample: Ints
    samples: TrackSamples
    models: Mapping[str, Model]
    normal: Floats  # (n, cues) left-one-segment-out surprise of every sample


@dataclass(frozen=True, slots=True, eq=False)
class Normality:
    """One generation. ``number`` counts them, 0 is before anything was learned.

    ``withheld`` is of moments that were suspected; it takes part in nothing until a person dismisses the alert.
    """

    number: int
    tracks: TrackSamples
    scene: SceneSamples
    texts: TextSamples
    withheld: TrackSamples
    ground: Ground
    pools: Mapping[str, Pool]
    scene_tails: Mapping[str, Tail]
    text_models: Mapping[str, TextModel]
    track_counts: Mapping[str, int]

    def pool(self, label: str, at_s: float) -> Pool | None:
        """What ``label`` is judged by: its group's pool of this hour block, else of all day, else everybody's."""
        return self._pool(pool_name(label), hour_block(at_s))

    def _pool(self, name: str, block: int) -> Pool | None:
        return self.pools.get(f"{name}@{block}") or self.pools.get(name) or self.pools.get(ANY)

    def surprise(
        self, label: NDArray[np.str_], rows: NDArray[np.float32], appearance: NDArray[np.float16], at_s: float
    ) -> Floats:
        """``-log p`` (n, cues) of n tracks at ``at_s``; NaN where a cue is unknown or not learned."""
        found = np.full((len(label), len(CUES)), np.nan)
        names = [pool_name(str(word)) for word in label]
        for name in sorted(set(names)):
            pool = self._pool(name, hour_block(at_s))
            if pool is None:
                continue
            index = np.array([i for i, other in enumerate(names) if other == name], np.intp)
            found[index] = _score(pool.models, rows[index], appearance[index], self.ground)
        found[:, CUES.index("class")] = [self.rarity(str(word)) for word in label]
        return found

    def normal_surprise(self) -> Floats:
        """``-log p`` (n, cues) of the samples themselves, each by a model that had not seen its stretch of time."""
        found = np.full((len(self.tracks), len(CUES)), np.nan)
        names = [pool_name(str(word)) for word in self.tracks.label]
        blocks = [hour_block(at_s) for at_s in self.tracks.at_s.tolist()]
        judged_by = [self._pool(name, block) for name, block in zip(names, blocks, strict=True)]
        for pool in {id(pool): pool for pool in judged_by if pool is not None}.values():
            mine = np.array([one is pool for one in judged_by])
            found[mine] = pool.normal[np.searchsorted(pool.sample, np.flatnonzero(mine))]
        found[:, CUES.index("class")] = [self.rarity(str(word)) for word in self.tracks.label]
        return found

    def rarity(self, label: str) -> float:
        """``-log`` of the share of normal tracks that were a ``label`` (Laplace's rule); NaN before any was seen."""
        total = sum(self.track_counts.values())
        if total == 0:
            return math.nan
        return math.log((total + 1) / (self.track_counts.get(label, 0) + 1))

    def scene_surprise(self, rows: NDArray[np.float32], at_s: float) -> Floats:
        """``-log p`` (n, scene cues) of n frames at ``at_s``."""
        found = np.full((len(rows), len(SCENE_CUES)), np.nan)
        for i, name in enumerate(SCENE_CUES):
            tail = self.scene_tail(name, at_s)
            if tail is not None:
                found[:, i] = tail.surprise(rows[:, i])
        return found

    def scene_tail(self, name: str, at_s: float) -> Tail | None:
        """The law of a scene cue in this hour block, else of all day."""
        return self.scene_tails.get(f"{name}@{hour_block(at_s)}") or self.scene_tails.get(name)

    def text_surprise(self, embedding: NDArray[np.float32], at_s: float) -> tuple[float, str]:
        """``-log p`` of a sentence's vector (D,) and the nearest normal sentence; NaN where there is none."""
        model = self.text_models.get(f"@{hour_block(at_s)}") or self.text_models.get("")
        if model is None or self.texts.embedding.shape[1] != len(embedding):
            return math.nan, ""
        raw, nearest = model.neighbours.distance(np.asarray(embedding, np.float64)[None])
        return float(model.tail.surprise(raw)[0]), self.texts.text[int(model.sample[int(nearest[0])])]


def pool_name(label: str) -> str:
    """Which pool a label belongs to: its group; all that are in none share one."""
    group = group_of(label)
    return group if group in GROUPS else "thing"


def hour_block(at_s: float) -> int:
    """Which four hours of the UTC day ``at_s`` is in, 0..5."""
    return int(at_s % _DAY_S // _BLOCK_S)


def _score(
    models: Mapping[str, Model], rows: NDArray[np.float32], appearance: NDArray[np.float16], ground: Ground
) -> Floats:
    found = np.full((len(rows), len(CUES)), np.nan)
    for name, model in models.items():
        vectors = vectors_of(model.cue, appearance if name == APPEARANCE_CUE.name else rows, ground)
        found[:, CUES.index(name)] = model.surprise(vectors)[0]
    return found


def _rarity(mixture: Mixture, vectors: Floats) -> Floats:
    raw = np.full(len(vectors), np.nan)
    is_known = np.isfinite(vectors).all(1)
    if is_known.any():
        raw[is_known] = mixture.rarity(vectors[is_known])
    return raw
