"""Who is trained on and who is judged: held-out cameras, and the near-copies of their pictures.

In: ``configs/train/split.yaml`` and pictures. Out: a :class:`Split` that answers by name, and :func:`difference_hash` /
:class:`NearCopies` that answer by look. Used by ``pipeline/train/prepare.py``.

The hash is the difference hash (Krawetz 2013) on a 16 x 16 grid: 256 bits, sign of the horizontal gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from pipeline.errors import ConfigError

__all__ = ["NearCopies", "Split", "difference_hash", "read_split"]

_GRID = 16


@dataclass(frozen=True, slots=True)
class Split:
    """``clips`` (paths below the footage folder) and the file-name prefixes of stills that show the same cameras."""

    clips: tuple[str, ...]
    image_prefixes: tuple[str, ...]

    def is_held_out_clip(self, relative: str) -> bool:
        """Whether a clip, named relative to the footage folder, is kept for judging."""
        return PurePosixPath(relative).as_posix() in self.clips

    def is_held_out_image(self, file: str) -> bool:
        """Whether a still shows a held-out camera, by its file name."""
        return PurePosixPath(file).name.startswith(self.image_prefixes)


def read_split(path: Path) -> Split:
    """Parse a split file; raises :class:`ConfigError` when it is unreadable, of another shape or empty."""
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: the split cannot be read: {error}") from error
    rows = tree.get("held_out") if isinstance(tree, dict) else None
    if not isinstance(rows, list) or not rows:
        raise ConfigError(f"{path}: key held_out: the split is empty: expected a list of clips to judge on")
    clips: list[str] = []
    prefixes: list[str] = []
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not isinstance(row.get("clip"), str):
            raise ConfigError(f"{path}: held_out, entry {number}: expected a mapping with the key clip")
        clips.append(row["clip"])
        prefixes.extend(str(prefix) for prefix in row.get("image_prefixes") or ())
    return Split(tuple(clips), tuple(prefixes))


def difference_hash(rgb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(H, W, 3) -> (256,) bits."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    small = np.asarray(cv2.resize(grey, (_GRID + 1, _GRID), interpolation=cv2.INTER_AREA), np.int16)
    return (small[:, 1:] > small[:, :-1]).reshape(-1)


class NearCopies:
    """Remembers hashes; :meth:`holds` is true for a picture that differs in at most ``max_bits`` of 256 from one."""

    def __init__(self, max_bits: int) -> None:
        if not 0 <= max_bits < _GRID * _GRID:
            raise ValueError(f"max_bits: expected 0..{_GRID * _GRID - 1}, got {max_bits}")
        self._max_bits = max_bits
        self._known: list[NDArray[np.bool_]] = []

    def add(self, bits: NDArray[np.bool_]) -> None:
        """Remember one hash."""
        self._known.append(bits)

    def holds(self, bits: NDArray[np.bool_]) -> bool:
        """Whether a near copy of this picture is known."""
        if not self._known:
            return False
        return bool((np.stack(self._known) != bits).sum(1).min() <= self._max_bits)
