"""Array types of the renderer: float arrays are float32 by construction, float64 where precision asks for it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["U8", "Bools", "Floats", "Ints", "f32", "i32"]

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]
Bools = NDArray[np.bool_]
U8 = NDArray[np.uint8]


def f32(values: ArrayLike) -> NDArray[np.float32]:
    """``values`` as a float32 array."""
    return np.asarray(values, np.float32)


def i32(values: ArrayLike) -> NDArray[np.int32]:
    """``values`` as an int32 array."""
    return np.asarray(values, np.int32)
