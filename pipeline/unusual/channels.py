"""The cues a track is judged by: which numbers each one looks at, and how a normal one is told from another.

In: sample rows and the camera's :class:`~pipeline.unusual.ground.Ground`. Out: per cue a vector per row, in body
heights, body heights per second, or logarithms, NaN where unknown. Next file: ``pipeline/unusual/normality.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.unusual.ground import Ground
from pipeline.unusual.samples import COLUMNS, FLOW_BINS, column

__all__ = [
    "APPEARANCE_CUE",
    "CUES",
    "KIND_CUE",
    "SCENE_CUES",
    "SCENE_GRAINS",
    "TEXT_CUE",
    "TEXT_GRAIN",
    "TRACK_CUES",
    "Cue",
    "vectors_of",
]

Floats = NDArray[np.float64]
Method = Literal["upper", "nearest", "mixture"]
_WAY_PER_HEIGHT = 0.5  # being two heights away from where others walk weighs as much as one height per second more
_EDGES = 2.0  # two edges move when a box becomes narrower
_FIRST_BIN = COLUMNS.index("flow_0_share")


@dataclass(frozen=True, slots=True)
class Cue:
    """One attribute of a track. ``upper``: large values are unusual; ``nearest``: far from every normal sample is;
    ``mixture``: where normal samples are sparse. ``is_scaled``: each number is divided by its normal spread first.

    ``grain``: a raw score (the value, a distance, a negative logarithm of density) has to grow by so much at the least
    to become rarer by 1/e. ``is_lasting``: who is unusual in this once is so for as long as he is in view, so that
    looks at one track are one sample of what is normal and not many.
    """

    name: str
    method: Method
    of: Callable[[NDArray[Any], Ground], Floats]
    grain: float
    is_scaled: bool = False
    is_lasting: bool = False


def _height(rows: NDArray[Any], ground: Ground) -> Floats:
    return ground.height(column(rows, "foot_y"))


def _speed(rows: NDArray[Any], ground: Ground) -> Floats:
    """Of the box, but no faster than the fastest pixels in it: a box that jumps moves nothing."""
    pace = np.fmin(np.hypot(column(rows, "velocity_x"), column(rows, "velocity_y")), column(rows, "flow_peak"))
    return (pace / _height(rows, ground))[:, None]


def _agitation(rows: NDArray[Any], ground: Ground) -> Floats:
    return (column(rows, "flow_spread") / _height(rows, ground))[:, None]


def _motion(rows: NDArray[Any], ground: Ground) -> Floats:
    flow = column(rows, "flow") / _height(rows, ground)
    spread = column(rows, "flow_spread") / _height(rows, ground)
    bins = np.asarray(rows[:, _FIRST_BIN : _FIRST_BIN + FLOW_BINS], np.float64) * flow[:, None]
    return np.column_stack([flow, spread, bins])


def _way(rows: NDArray[Any], ground: Ground) -> Floats:
    height = _height(rows, ground)
    place = _place(rows, ground) * _WAY_PER_HEIGHT
    velocity = np.column_stack([column(rows, "velocity_x"), column(rows, "velocity_y")]) / height[:, None]
    return np.column_stack([place, velocity])


def _place(rows: NDArray[Any], ground: Ground) -> Floats:
    return np.column_stack([column(rows, "foot_x"), column(rows, "foot_y")]) / _height(rows, ground)[:, None]


def _shape(rows: NDArray[Any], ground: Ground) -> Floats:
    height, width = column(rows, "height"), column(rows, "width")
    return np.log(np.column_stack([height / width, height / _height(rows, ground)]))


def _change(rows: NDArray[Any], _: Ground) -> Floats:
    """Of the box's sides, but no faster than the fastest pixels could have moved them."""
    pace = np.hypot(column(rows, "growth_per_s"), column(rows, "widening_per_s"))
    return np.fmin(pace, _EDGES * column(rows, "flow_peak") / column(rows, "width"))[:, None]


def _collapse(rows: NDArray[Any], _: Ground) -> Floats:
    return column(rows, "collapse")[:, None]


def _posture(rows: NDArray[Any], _: Ground) -> Floats:
    return (90.0 - column(rows, "body_angle_deg"))[:, None]


def _company(rows: NDArray[Any], ground: Ground) -> Floats:
    height = _height(rows, ground)
    return np.column_stack([np.log(np.maximum(1e-3, column(rows, "gap") / height)), column(rows, "closing") / height])


TRACK_CUES: tuple[Cue, ...] = (
    Cue("speed", "upper", _speed, grain=0.1),
    Cue("agitation", "upper", _agitation, grain=0.03),
    Cue("motion", "nearest", _motion, grain=0.1, is_scaled=True),
    Cue("way", "nearest", _way, grain=0.1, is_lasting=True),
    Cue("place", "nearest", _place, grain=0.15, is_lasting=True),
    Cue("shape", "mixture", _shape, grain=0.5),
    Cue("change", "upper", _change, grain=0.1),
    Cue("collapse", "upper", _collapse, grain=0.04),
    Cue("posture", "upper", _posture, grain=2.0),
    Cue("company", "mixture", _company, grain=0.5, is_lasting=True),
)
"""Cues computed from sample rows; ``appearance`` and ``class`` have data of their own."""

APPEARANCE_CUE = Cue("appearance", "nearest", lambda rows, _: np.asarray(rows, np.float64), 0.03, is_lasting=True)
"""Computed from appearance vectors in the place of rows."""

KIND_CUE = "class"
TEXT_CUE = "text"
TEXT_GRAIN = 0.05
SCENE_GRAINS: Mapping[str, float] = MappingProxyType(
    {"outside": 0.003, "moving": 0.02, "flow": 0.005, "light": 3.0, "crowd": 0.5}
)
SCENE_CUES: tuple[str, ...] = tuple(SCENE_GRAINS)
"""Cues of the whole frame, in the order of :data:`~pipeline.unusual.samples.SCENE_COLUMNS`; all of them upper."""

CUES: tuple[str, ...] = (*(cue.name for cue in TRACK_CUES), APPEARANCE_CUE.name, KIND_CUE)
"""Every cue of a track, in the order of the columns of a score."""


def vectors_of(cue: Cue, rows: NDArray[Any], ground: Ground) -> Floats:
    """The vectors (n, d) that ``cue`` looks at in ``rows`` (n, columns)."""
    return cue.of(rows, ground)
