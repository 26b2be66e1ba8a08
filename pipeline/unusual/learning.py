"""From samples of normal life to a generation: everything in it is derived from the samples alone, so that a generation
is saved as its samples and is the same after loading.

In: samples. Out: :class:`~pipeline.unusual.normality.Normality`. Every sample is also scored by a model that had not
seen its stretch of time; those scores are what calibration and threshold are made of. The judge has two verbs: it
scores a moment with the present generation, then puts what is to be learned aside for the next one.
Next file: ``pipeline/unusual/judge.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.unusual.bounds import MAX_SCENE_SAMPLES, MAX_TEXT_SAMPLES, MAX_TRACK_SAMPLES, MAX_WITHHELD_SAMPLES, keep
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
from pipeline.unusual.normality import ANY, Model, Normality, Pool, TextModel, hour_block, pool_name
from pipeline.unusual.samples import SceneSamples, TextSamples, TrackSamples, column

__all__ = ["learn", "segments_of"]

_MIN_POOL = 40
_MIN_HOUR_POOL = 300
_MIN_HOUR_SCENE = 900
_MIN_HOUR_TEXTS = 100
_MIN_DAYS = 2
_DAY_S = 86_400.0
_COMPONENTS = 4
_FOLDS = 5
_FOLD_ROUNDS = 6
_SEGMENT_S = 20.0
_LEAST_SEGMENT_S = 2.0
_LEAST_SEGMENTS = 8

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


def learn(
    number: int, tracks: TrackSamples, scene: SceneSamples, texts: TextSamples, withheld: TrackSamples | None = None
) -> Normality:
    """The generation that follows from these samples, thinned to their bounds. Same samples, same generation."""
    tracks, scene, texts = _bounded(tracks, scene, texts)
    names = np.array([pool_name(str(word)) for word in tracks.label], dtype="<U16")
    is_person = names == "person"
    ground = learn_ground(column(tracks.rows[is_person], "foot_y"), column(tracks.rows[is_person], "height"))
    segment = segments_of(tracks.run, tracks.at_s)
    pools: dict[str, Pool] = {}
    block = np.array([hour_block(at_s) for at_s in tracks.at_s.tolist()], np.intp)
    for name in sorted(set(names.tolist())):
        index = np.flatnonzero(names == name)
        if len(index) >= _MIN_POOL:
            pools[name] = _learn_pool(tracks, index, segment, ground)
        for one, part in _hour_parts(index, block[index], tracks.at_s[index], _MIN_HOUR_POOL):
            pools[f"{name}@{one}"] = _learn_pool(tracks, part, segment, ground)
    if len(set(names.tolist())) == 1 and pools:
        pools[ANY] = pools[str(names[0])]
    elif len(tracks) >= _MIN_POOL:
        pools[ANY] = _learn_pool(tracks, _of_everybody(tracks.at_s, ~np.isin(names, list(pools))), segment, ground)
    counts: dict[str, int] = {}
    for word, _, _ in set(zip(tracks.label.tolist(), tracks.run.tolist(), tracks.track.tolist(), strict=True)):
        counts[word] = counts.get(word, 0) + 1
    aside = TrackSamples.empty() if withheld is None else withheld
    return Normality(
        number,
        tracks,
        scene,
        texts,
        aside.take(np.arange(max(0, len(aside) - MAX_WITHHELD_SAMPLES), len(aside))),
        ground,
        pools,
        _learn_scene(scene),
        _learn_texts(texts),
        dict(sorted(counts.items())),
    )


def _hour_parts(index: Ints, block: Ints, at_s: Floats, least: int) -> list[tuple[int, Ints]]:
    """Those of ``index`` (n,) that are of each hour block of which enough is known, and not of one day alone."""
    parts = []
    for one in sorted(set(block.tolist())):
        mine = block == one
        if mine.sum() >= least and len(np.unique(at_s[mine] // _DAY_S)) >= _MIN_DAYS:
            parts.append((one, index[mine]))
    return parts


def _of_everybody(at_s: Floats, is_rare: NDArray[np.bool_]) -> Ints:
    """The samples that the pool of everybody is made of: all of rare classes, and as many of others as are bearable."""
    others = np.flatnonzero(~is_rare)
    return np.union1d(np.flatnonzero(is_rare), others[keep(at_s[others], MAX_TRACK_SAMPLES)]).astype(np.intp)


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


def _learn_pool(tracks: TrackSamples, index: Ints, segment: Ints, ground: Ground) -> Pool:
    samples, segment = tracks.take(index), segment[index]
    models: dict[str, Model] = {}
    normal = np.full((len(samples), len(CUES)), np.nan)
    for cue in (*TRACK_CUES, APPEARANCE_CUE):
        rows = samples.appearance if cue is APPEARANCE_CUE else samples.rows
        vectors = vectors_of(cue, rows, ground)
        judge, raw = _learn_cue(cue, vectors, segment)
        tail = tail_of(_by_track(raw, samples) if cue.is_lasting else raw, cue.grain)
        if tail is not None:
            models[cue.name] = Model(cue, judge, tail)
            normal[:, CUES.index(cue.name)] = tail.surprise(raw)
    return Pool(index, samples, models, normal)


def _by_stretch(raw: NDArray[np.floating[Any]], at_s: Floats) -> Floats:
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


def _learn_scene(scene: SceneSamples) -> dict[str, Tail]:
    index = np.arange(len(scene))
    block = np.array([hour_block(at_s) for at_s in scene.at_s.tolist()], np.intp)
    parts = [("", index), *((f"@{one}", part) for one, part in _hour_parts(index, block, scene.at_s, _MIN_HOUR_SCENE))]
    tails: dict[str, Tail] = {}
    for suffix, part in parts:
        for i, name in enumerate(SCENE_CUES):
            tail = tail_of(_by_stretch(scene.rows[part, i], scene.at_s[part]), SCENE_GRAINS[name])
            if tail is not None:
                tails[name + suffix] = tail
    return tails


def _learn_texts(texts: TextSamples) -> dict[str, TextModel]:
    index = np.arange(len(texts))
    block = np.array([hour_block(at_s) for at_s in texts.at_s.tolist()], np.intp)
    parts = [("", index), *((f"@{one}", part) for one, part in _hour_parts(index, block, texts.at_s, _MIN_HOUR_TEXTS))]
    models: dict[str, TextModel] = {}
    for suffix, part in parts:
        neighbours = fit_neighbours(texts.embedding[part].astype(np.float64), is_scaled=False)
        if neighbours is None:
            continue
        segment = segments_of(np.zeros(len(part), np.int64), texts.at_s[part])
        raw = neighbours.left_out(segment, len(part))
        tail = tail_of(_by_stretch(raw, texts.at_s[part]), TEXT_GRAIN)
        if tail is not None:
            models[suffix] = TextModel(neighbours, tail, part)
    return models
