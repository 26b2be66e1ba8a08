"""How high a score has to be, given how many alerts a day the owner wants to read.

In: the left-one-segment-out surprise of a generation's own samples, replayed through fusion and smoothing in the order
in which they were seen. Out: :class:`Threshold`. The highest score of each ten seconds of normal life is collected; the
threshold is the level that such a maximum passes so rarely that a whole normal day passes it ``alerts_per_day`` times.
Beyond what was observed the tail is exponential: contributions are ``-log p``, whose sums fall off like that.
Next file: ``pipeline/unusual/judge.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.unusual.channels import CUES, SCENE_CUES
from pipeline.unusual.fusion import Fusion
from pipeline.unusual.normality import Normality, hour_block
from pipeline.unusual.smoothing import Smoother

__all__ = ["Threshold", "normal_maxima", "threshold_of"]

_BLOCK_S = 10.0
_DAY_S = 86_400.0
_MIN_BLOCKS = 3
_TAIL_SHARE = 0.5
_USUAL_SCALE = 4.5  # cameras of streets, shops and rooms measured 1.6 to 3.8, from a minute or two: rather too wide ...
_USUAL_WEIGHT = 5.0  # ... and worth as much as so many maxima of this camera
_USUAL_STEP_S = 0.2

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Threshold:
    """``begin`` is the level that ``begin_share`` of normal blocks of ten seconds pass; above it they thin out by
    ``scale``. ``blocks`` of them were observed."""

    begin: float
    begin_share: float
    scale: float
    blocks: int

    def level(self, alerts_per_day: float) -> float:
        """The score that normal life passes ``alerts_per_day`` times a day, or once in all the time that was watched
        where that is shorter: what is rarer cannot be known yet."""
        share = max(alerts_per_day * _BLOCK_S / _DAY_S, 1 / (self.blocks + 1))
        return self.begin + self.scale * max(0.0, math.log(self.begin_share / share))

    def per_day(self, score: float) -> float:
        """How many times a day normal life passes ``score``."""
        return self.begin_share * math.exp(-max(0.0, score - self.begin) / self.scale) * _DAY_S / _BLOCK_S


def threshold_of(maxima: Floats) -> Threshold | None:
    """The threshold from the highest score of each block (n,); None when there are too few blocks."""
    n = len(maxima)
    if n < _MIN_BLOCKS:
        return None
    ordered = np.sort(maxima)
    in_tail = max(1, int(_TAIL_SHARE * n))
    begin = float(ordered[n - in_tail - 1])
    excess = float((ordered[n - in_tail :] - begin).sum())
    scale = (excess + _USUAL_WEIGHT * _USUAL_SCALE) / (in_tail + _USUAL_WEIGHT)
    return Threshold(begin, (1 + in_tail) / (n + 1), scale, n)


def normal_maxima(normality: Normality, fusion: Fusion) -> Floats:
    """The highest score of every block (n,) of ten seconds of the samples that ``normality`` was learned from."""
    highest: dict[int, float] = {}
    for at_s, score in zip(*_track_scores(normality, fusion), strict=True):
        block = int(at_s // _BLOCK_S)
        highest[block] = max(highest.get(block, 0.0), score)
    scene: dict[int, float] = {}
    for at_s, score in zip(*_scene_scores(normality, fusion), strict=True):
        block = int(at_s // _BLOCK_S)
        scene[block] = max(scene.get(block, 0.0), score)
    blocks = sorted(highest.keys() | scene.keys())
    return np.array([highest.get(block, 0.0) + scene.get(block, 0.0) for block in blocks])


def _track_scores(normality: Normality, fusion: Fusion) -> tuple[Floats, Floats]:
    """Time and smoothed score of every track sample, each judged by what had not seen its stretch of time."""
    tracks = normality.tracks
    added = fusion.contributions(normality.normal_surprise())
    smoother = Smoother(len(CUES))
    names = [f"{run}/{track}" for run, track in zip(tracks.run.tolist(), tracks.track.tolist(), strict=True)]
    ids = {name: number for number, name in enumerate(dict.fromkeys(names))}
    order = np.argsort(tracks.at_s, kind="stable")
    scores = np.zeros(len(tracks))
    for i in order.tolist():
        value = smoother.smooth([ids[names[i]]], float(tracks.at_s[i]), _USUAL_STEP_S, added[i : i + 1])
        scores[i] = value.sum()
    return tracks.at_s, scores


def _scene_scores(normality: Normality, fusion: Fusion) -> tuple[Floats, Floats]:
    scene = normality.scene
    surprise = np.full((len(scene), len(SCENE_CUES)), np.nan)
    blocks = np.array([hour_block(at_s) for at_s in scene.at_s.tolist()])
    for block in sorted(set(blocks.tolist())):
        mine = np.flatnonzero(blocks == block)
        surprise[mine] = normality.scene_surprise(scene.rows[mine], float(scene.at_s[mine[0]]))
    return scene.at_s, fusion.contributions(surprise).sum(1)
