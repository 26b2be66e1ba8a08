"""What is normal at one camera: an immutable generation, scored against and replaced by the next, never changed.

In: samples of normal life. Out: :class:`Normality`, which says of new rows how improbable each cue is (``-log p``), and
what the nearest normal example was. Everything is derived from the samples alone, so a generation is saved as its
samples and is the same after loading. Two verbs: :meth:`Normality.score_one` and :meth:`Normality.learn_one`.
Next file: ``pipeline/unusual/judge.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.labels import GROUPS, group_of
from pipeline.unusual.bounds import MAX_SCENE_SAMPLES, MAX_TEXT_SAMPLES, MAX_TRACK_SAMPLES, keep
from pipeline.unusual.calibration import Tail, tail_of
from pipeline.unusual.channels import (
    APPEARANCE_CUE,
    CUES,
    SCENE_CUES,
    SCENE_GRAINS,
    TEXT_GRAIN,
    TRACK_CUES,
    Cue,
    vectors_of,
)
from pipeline.unusual.ground import Ground, learn_ground
from pipeline.unusual.mixture import Mixture, fit_mixture
from pipeline.unusual.neighbours import Neighbours, fit_neighbours
from pipeline.unusual.samples import SceneSamples, TextSamples, TrackSamples, column

__all__ = ["ANY", "Normality", "Pool", "learn", "pool_name", "segments_of"]

ANY = "any"
"""The pool of all samples, for classes too rare to have one of their own."""

_MIN_POOL = 40
_COMPONENTS = 4
_FOLDS = 5
_FOLD_ROUNDS = 6
_SEGMENT_S = 20.0
_LEAST_SEGMENT_S = 2.0
_LEAST_SEGMENTS = 8

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class _Model:
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
class Pool:
    """The cues of one class group, with what they were learned from."""

    samples: TrackSamples
    models: Mapping[str, _Model]
    normal: Floats  # (n, cues) left-one-segment-out surprise of every sample


@dataclass(frozen=True, slots=True, eq=False)
class Normality:
    """One generation. ``number`` counts them, 0 is before anything was learned."""

    number: int
    tracks: TrackSamples
    scene: SceneSamples
    texts: TextSamples
    ground: Ground
    pools: Mapping[str, Pool]
    scene_tails: Mapping[str, Tail]
    text_model: tuple[Neighbours, Tail] | None
    track_counts: Mapping[str, int]

    def pool(self, label: str) -> Pool | None:
        """What ``label`` is judged by: its group's pool, else that of everything, else None."""
        return self.pools.get(pool_name(label)) or self.pools.get(ANY)

    def surprise(self, label: NDArray[np.str_], rows: NDArray[np.float32], appearance: NDArray[np.float16]) -> Floats:
        """``-log p`` (n, cues) of n tracks; NaN where a cue is unknown or not learned."""
        found = np.full((len(label), len(CUES)), np.nan)
        names = [pool_name(str(word)) for word in label]
        for name in sorted(set(names)):
            pool = self.pools.get(name) or self.pools.get(ANY)
            if pool is None:
                continue
            index = np.array([i for i, other in enumerate(names) if other == name], np.intp)
            found[index] = _score(pool.models, rows[index], appearance[index], self.ground)
        found[:, CUES.index("class")] = [self.rarity(str(word)) for word in label]
        return found

    def normal_surprise(self) -> Floats:
        """``-log p`` (n, cues) of the samples themselves, each by a model that had not seen its stretch of time."""
        found = np.full((len(self.tracks), len(CUES)), np.nan)
        names = np.array([pool_name(str(word)) for word in self.tracks.label], dtype="<U16")
        for name in sorted(set(names.tolist())):
            index = np.flatnonzero(names == name)
            if name in self.pools:
                found[index] = self.pools[name].normal
            elif ANY in self.pools:
                found[index] = self.pools[ANY].normal[index]
        found[:, CUES.index("class")] = [self.rarity(str(word)) for word in self.tracks.label]
        return found

    def rarity(self, label: str) -> float:
        """``-log`` of the share of normal tracks that were a ``label`` (Laplace's rule); NaN before any was seen."""
        total = sum(self.track_counts.values())
        if total == 0:
            return math.nan
        return math.log((total + 1) / (self.track_counts.get(label, 0) + 1))

    def scene_surprise(self, row: NDArray[np.float32]) -> Floats:
        """``-log p`` (scene cues,) of one frame."""
        return np.array(
            [
                float(self.scene_tails[name].surprise(row[i : i + 1])[0]) if name in self.scene_tails else math.nan
                for i, name in enumerate(SCENE_CUES)
            ]
        )

    def text_surprise(self, embedding: NDArray[np.float32]) -> tuple[float, str]:
        """``-log p`` of a sentence's vector (D,) and the nearest normal sentence; NaN where there is none."""
        if self.text_model is None or self.texts.embedding.shape[1] != len(embedding):
            return math.nan, ""
        neighbours, tail = self.text_model
        raw, nearest = neighbours.distance(np.asarray(embedding, np.float64)[None])
        return float(tail.surprise(raw)[0]), self.texts.text[int(nearest[0])]


def pool_name(label: str) -> str:
    """Which pool a label belongs to: its group; all that are in none share one."""
    group = group_of(label)
    return group if group in GROUPS else "thing"


def learn(number: int, tracks: TrackSamples, scene: SceneSamples, texts: TextSamples) -> Normality:
    """The generation that follows from these samples, thinned to their bounds. Same samples, same generation."""
    tracks, scene, texts = _bounded(tracks, scene, texts)
    names = np.array([pool_name(str(word)) for word in tracks.label], dtype="<U16")
    is_person = names == "person"
    ground = learn_ground(column(tracks.rows[is_person], "foot_y"), column(tracks.rows[is_person], "height"))
    segment = segments_of(tracks.run, tracks.at_s)
    pools: dict[str, Pool] = {}
    for name in sorted(set(names.tolist())):
        index = np.flatnonzero(names == name)
        if len(index) >= _MIN_POOL:
            pools[name] = _learn_pool(tracks.take(index), segment[index], ground)
    if len(pools) == 1 and len(next(iter(pools.values())).samples) == len(tracks):
        pools[ANY] = next(iter(pools.values()))
    elif len(tracks) >= _MIN_POOL:
        pools[ANY] = _learn_pool(tracks, segment, ground)
    counts: dict[str, int] = {}
    for word, _, _ in set(zip(tracks.label.tolist(), tracks.run.tolist(), tracks.track.tolist(), strict=True)):
        counts[word] = counts.get(word, 0) + 1
    tails = {
        name: tail_of(_by_stretch(scene.rows[:, i], scene.at_s), SCENE_GRAINS[name])
        for i, name in enumerate(SCENE_CUES)
    }
    return Normality(
        number,
        tracks,
        scene,
        texts,
        ground,
        pools,
        {name: tail for name, tail in tails.items() if tail is not None},
        _learn_texts(texts),
        dict(sorted(counts.items())),
    )


def _bounded(
    tracks: TrackSamples, scene: SceneSamples, texts: TextSamples
) -> tuple[TrackSamples, SceneSamples, TextSamples]:
    names = np.array([pool_name(str(word)) for word in tracks.label], dtype="<U16")
    index = [np.flatnonzero(names == name) for name in sorted(set(names.tolist()))]
    kept = [one[keep(tracks.at_s[one], MAX_TRACK_SAMPLES)] for one in index]
    return (
        tracks.take(np.sort(np.concatenate(kept))) if kept else tracks,
        scene.take(keep(scene.at_s, MAX_SCENE_SAMPLES)),
        texts.take(keep(texts.at_s, MAX_TEXT_SAMPLES)),
    )


def segments_of(run: NDArray[np.int64], at_s: Floats) -> Ints:
    """Which stretch of time each sample is of (n,): about 20 s, shorter when there are few minutes in all."""
    if not len(at_s):
        return np.zeros(0, np.intp)
    watched_s = sum(float(np.ptp(at_s[run == one])) for one in np.unique(run))
    length_s = min(_SEGMENT_S, max(_LEAST_SEGMENT_S, watched_s / _LEAST_SEGMENTS))
    stretch = np.floor(at_s / length_s).astype(np.int64)
    _, segment = np.unique(np.column_stack([run, stretch]), axis=0, return_inverse=True)
    return segment.reshape(-1).astype(np.intp)


def _learn_pool(samples: TrackSamples, segment: Ints, ground: Ground) -> Pool:
    models: dict[str, _Model] = {}
    normal = np.full((len(samples), len(CUES)), np.nan)
    for cue in (*TRACK_CUES, APPEARANCE_CUE):
        rows = samples.appearance if cue is APPEARANCE_CUE else samples.rows
        vectors = vectors_of(cue, rows, ground)
        judge, raw = _learn_cue(cue, vectors, segment)
        tail = tail_of(_by_track(raw, samples) if cue.is_lasting else raw, cue.grain)
        if tail is not None:
            models[cue.name] = _Model(cue, judge, tail)
            normal[:, CUES.index(cue.name)] = tail.surprise(raw)
    return Pool(samples, models, normal)


def _by_stretch(raw: NDArray[np.float32], at_s: Floats) -> Floats:
    """The highest value of every stretch of time (stretches,): the next frame looks much like this one."""
    is_known = np.isfinite(raw)
    stretches, of_stretch = np.unique(np.floor(at_s[is_known] / _SEGMENT_S), return_inverse=True)
    highest = np.full(len(stretches), -np.inf)
    np.maximum.at(highest, of_stretch.reshape(-1), raw[is_known].astype(np.float64))
    return highest


def _by_track(raw: Floats, samples: TrackSamples) -> Floats:
    """The highest raw score of every track (tracks,)."""
    is_known = np.isfinite(raw)
    names = np.column_stack([samples.run[is_known], samples.track[is_known]])
    tracks, of_track = np.unique(names, axis=0, return_inverse=True)
    highest = np.full(len(tracks), -np.inf)
    np.maximum.at(highest, of_track.reshape(-1), raw[is_known])
    return highest


def _learn_cue(cue: Cue, vectors: Floats, segment: Ints) -> tuple[Neighbours | Mixture | None, Floats]:
    """The model of one cue, and every sample's raw score by a model that had not seen its stretch of time."""
    if cue.method == "upper":
        return None, vectors[:, 0]
    if cue.method == "nearest":
        neighbours = fit_neighbours(vectors, is_scaled=cue.is_scaled)
        if neighbours is None:
            return None, np.full(len(vectors), np.nan)
        return neighbours, neighbours.left_out(segment, len(vectors))
    raw = np.full(len(vectors), np.nan)
    is_known = np.isfinite(vectors).all(1)
    if not is_known.any():
        return None, raw
    mixture = fit_mixture(vectors[is_known], _COMPONENTS)
    for fold in range(_FOLDS):
        inside = is_known & (segment % _FOLDS == fold)
        outside = is_known & ~inside
        if inside.any() and outside.any():
            without = fit_mixture(vectors[outside], _COMPONENTS, mixture, _FOLD_ROUNDS)
            raw[inside] = without.rarity(vectors[inside])
    return mixture, raw


def _learn_texts(texts: TextSamples) -> tuple[Neighbours, Tail] | None:
    vectors = texts.embedding.astype(np.float64)
    if not len(texts):
        return None
    neighbours = fit_neighbours(vectors, is_scaled=False)
    if neighbours is None:
        return None
    tail = tail_of(neighbours.left_out(segments_of(np.zeros(len(texts), np.int64), texts.at_s), len(texts)), TEXT_GRAIN)
    return None if tail is None else (neighbours, tail)


def _score(
    models: Mapping[str, _Model], rows: NDArray[np.float32], appearance: NDArray[np.float16], ground: Ground
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
