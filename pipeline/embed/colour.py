"""What colour clothes and things are, in the eleven words of ``pipeline/descriptions.py``. In: an I420 picture and
boxes. Out: shares of the words, adding up to 1; NaN where the picture has no colour or is too dark to tell.

Every pixel is looked up in a table from (luma, chroma) to a word. The table is made of regions of CIELAB, where equal
steps look alike: little chroma is black, grey or white by lightness; the rest goes by hue, and brown and pink are dark
orange and light red (the regions lie around the focal colours of Berlin and Kay, 1969). Chroma is first shifted so
that what is nearly grey in this picture becomes grey: that takes out the cast of the light. Next file: ``visual.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.descriptions import COLOURS

__all__ = ["Chroma", "colour_shares", "colour_words"]

_LUMA_STEP = 8
_CHROMA_STEP = 4
_NEUTRAL = 128
_SAMPLED = 3  # of the half-size picture's rows and columns, for what is said of the whole picture
_NEARLY_GREY = 20  # levels of chroma; a light's cast moves grey things at most so far
_MOST_CAST = 20.0
_BLACK, _WHITE = 16.0, 235.0  # of limited range
_LEAST_GREY_PIXELS = 64
_COLOURED = 8.0
_LEAST_COLOURED_SHARE = 0.004  # an infrared or grey picture has less
_LEAST_LIGHT = 28.0  # mean luma of the picture
_LEAST_PIXELS = 12

Plane = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Chroma:
    """The colour of one picture at half its size: ``luma``, ``u``, ``v`` (h/2, w/2) uint8; ``cast_uv``: what a white
    thing shows in this light, relative to 128; ``saturation_share``: of the picture that carries colour; ``is_known``:
    whether colour can be told at all.
    """

    luma: Plane
    u: Plane
    v: Plane
    cast_uv: tuple[float, float]
    saturation_share: float
    is_known: bool

    @classmethod
    def of(cls, i420: NDArray[np.uint8]) -> Chroma:
        """Of a picture (height * 3 / 2, width) of even height."""
        width, height = i420.shape[1], i420.shape[0] * 2 // 3
        half = (height // 2, width // 2)
        u, v = i420[height:].reshape(2, *half)
        luma = i420[:height:2, ::2]
        some_u, some_v = (plane[::_SAMPLED, ::_SAMPLED].astype(np.int16) - _NEUTRAL for plane in (u, v))
        is_coloured = np.maximum(np.abs(some_u), np.abs(some_v)) > _COLOURED
        share = float(is_coloured.mean())
        some_luma = luma[::_SAMPLED, ::_SAMPLED]
        is_lit = (some_luma > 40) & (some_luma < 225)
        cast = _cast(some_luma[is_lit], some_u[is_lit], some_v[is_lit])
        is_known = share >= _LEAST_COLOURED_SHARE and float(some_luma.mean()) >= _LEAST_LIGHT
        return cls(luma, u, v, cast, share, is_known)


def colour_shares(chroma: Chroma, columns: slice, rows: slice, mask: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """Shares (11,) of the words among the pixels of a region of the half-size picture, those in ``mask`` only if it is
    given; NaN when too few pixels are there or colour is unknown."""
    if not chroma.is_known:
        return np.full(len(COLOURS), np.nan, np.float32)
    luma, u, v = (plane[rows, columns] for plane in (chroma.luma, chroma.u, chroma.v))
    if mask is not None:
        luma, u, v = luma[mask], u[mask], v[mask]
    if luma.size < _LEAST_PIXELS:
        return np.full(len(COLOURS), np.nan, np.float32)
    word = colour_words(luma, u, v, chroma.cast_uv)
    counts = np.bincount(word.ravel(), minlength=len(COLOURS))
    return (counts / word.size).astype(np.float32)


def colour_words(luma: Plane, u: Plane, v: Plane, cast_uv: tuple[float, float] = (0.0, 0.0)) -> NDArray[np.uint8]:
    """Place in ``COLOURS`` of every pixel; the three planes (…) have one shape, BT.601 limited range.

    ``cast_uv`` is taken off in proportion to the luma: a light colours what is bright more than what is dark.
    """
    share = (luma.astype(np.float32) - _BLACK) * np.float32(1.0 / (_WHITE - _BLACK))
    column = (u - np.float32(cast_uv[0]) * share).clip(0.0, 255.0).astype(np.intp) // _CHROMA_STEP
    row = (v - np.float32(cast_uv[1]) * share).clip(0.0, 255.0).astype(np.intp) // _CHROMA_STEP
    return _table()[luma // _LUMA_STEP, column, row]


def _cast(luma: NDArray[np.uint8], u: NDArray[np.int16], v: NDArray[np.int16]) -> tuple[float, float]:
    """Chroma that white shows, by the median of what is nearly grey."""
    is_grey = (np.abs(u) <= _NEARLY_GREY) & (np.abs(v) <= _NEARLY_GREY)
    if np.count_nonzero(is_grey) < _LEAST_GREY_PIXELS:
        return (0.0, 0.0)
    scale = (_WHITE - _BLACK) / (luma[is_grey].astype(np.float32) - _BLACK)
    cast_u, cast_v = (float(np.median(plane[is_grey] * scale)) for plane in (u, v))
    return float(np.clip(cast_u, -_MOST_CAST, _MOST_CAST)), float(np.clip(cast_v, -_MOST_CAST, _MOST_CAST))


@lru_cache(maxsize=1)
def _table() -> NDArray[np.uint8]:
    """(32, 64, 64) -> place in ``COLOURS``, for the middle of every cell of (luma, u, v)."""
    luma = np.arange(0, 256, _LUMA_STEP) + _LUMA_STEP // 2
    chroma = np.arange(0, 256, _CHROMA_STEP) + _CHROMA_STEP // 2
    y, u, v = (plane.astype(np.float64) for plane in np.meshgrid(luma, chroma, chroma, indexing="ij"))
    y, u, v = (y - 16.0) * 255.0 / 219.0, (u - 128.0) * 255.0 / 224.0, (v - 128.0) * 255.0 / 224.0
    rgb = np.stack([y + 1.402 * v, y - 0.344136 * u - 0.714136 * v, y + 1.772 * u], axis=-1)
    rgb01 = (rgb / 255.0).clip(0.0, 1.0).astype(np.float32)
    lab = cv2.cvtColor(rgb01.reshape(-1, 1, 3), cv2.COLOR_RGB2Lab).reshape(*y.shape, 3)
    words = _words_of_lab(lab)
    words.flags.writeable = False
    return words


def _words_of_lab(lab: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Place in ``COLOURS`` of CIELAB colours (…, 3)."""
    light, a, b = lab[..., 0], lab[..., 1], lab[..., 2]
    chroma, hue = np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360.0
    is_reddish = (hue < 45) | (hue >= 345)
    regions = [
        ("black", (light < 16) | ((chroma < 7) & (light < 30))),
        ("white", (light > 76) & (chroma < 11)),
        ("grey", chroma < np.where(light < 70, 7.0, 9.0)),
        ("pink", is_reddish & (light > 60) | (hue >= 338) & (light > 50)),
        ("brown", is_reddish & (chroma < 32) & (hue < 45) & (hue > 20)),
        ("red", is_reddish),
        ("brown", (hue < 88) & ((light < 52) | (chroma < 34) & (light < 72))),
        ("orange", hue < 72),
        ("yellow", (hue < 106) & (light > 50)),
        ("green", hue < 192),
        ("blue", hue < 303),
        ("purple", hue < 338),
        ("red", np.ones_like(light, np.bool_)),
    ]
    names = [COLOURS.index(name) for name, _ in regions]
    return np.select([region for _, region in regions], names).astype(np.uint8)
