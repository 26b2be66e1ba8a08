"""What a looker remembers of a camera as bytes, and back: numbers and small pictures, nothing that could run.

    one line of JSON: {"v": 1, "numbers": {...}, "pictures": [[name, type, [sides]], ...]}
    the pictures one after another, little-endian

Whatever does not fit is refused with a ValueError: starting over costs a second of flow. Used by ``visual.py``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["pack", "unpack"]

_VERSION = 1
_TYPES: Mapping[str, np.dtype[Any]] = {"u1": np.dtype("u1"), "f4": np.dtype("<f4"), "b1": np.dtype("?")}
_MOST_BYTES = 16 * 2**20
_MOST_HEAD_BYTES = 64 * 2**10


def pack(numbers: Mapping[str, float | int | list[float] | list[int]], pictures: Mapping[str, NDArray[Any]]) -> bytes:
    """Numbers and pictures of type uint8, float32 or bool as bytes."""
    parts = [[name, _name_of(picture), list(picture.shape)] for name, picture in pictures.items()]
    head = json.dumps({"v": _VERSION, "numbers": dict(numbers), "pictures": parts}, allow_nan=False)
    return b"".join([head.encode(), b"\n", *(np.ascontiguousarray(picture).tobytes() for picture in pictures.values())])


def unpack(memory: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What :func:`pack` was given; pictures are copies of their own. Raises ValueError for anything else."""
    head_bytes, _, rest = memory[:_MOST_HEAD_BYTES].partition(b"\n")
    rest = memory[len(head_bytes) + 1 :]
    if len(memory) > _MOST_BYTES:
        raise ValueError(f"memory: expected at most {_MOST_BYTES} bytes, got {len(memory)}")
    try:
        head = json.loads(head_bytes)
        version, numbers, parts = head["v"], dict(head["numbers"]), list(head["pictures"])
        if version != _VERSION:
            raise ValueError(f"memory: expected version {_VERSION}, got {version!r}")
        pictures: dict[str, NDArray[Any]] = {}
        at = 0
        for name, kind, sides in parts:
            count = math.prod(int(side) for side in sides)
            if min((int(side) for side in sides), default=0) < 0 or count > _MOST_BYTES:
                raise ValueError(f"memory: picture {str(name)[:40]!r} has the sides {str(sides)[:80]}")
            array: NDArray[Any] = np.frombuffer(rest, _TYPES[kind], count, at)
            pictures[str(name)] = array.reshape([int(side) for side in sides]).copy()
            at += array.nbytes
    except (KeyError, TypeError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"memory is damaged: {error!r:.100}") from error
    if at != len(rest):
        raise ValueError(f"memory: expected {at} bytes of pictures, got {len(rest)}")
    return numbers, pictures


def _name_of(picture: NDArray[Any]) -> str:
    for name, kind in _TYPES.items():
        if picture.dtype == kind:
            return name
    raise ValueError(f"picture: expected one of {', '.join(_TYPES)}, got {picture.dtype}")
