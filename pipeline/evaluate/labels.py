"""Reads labels as data sets write them: masks, text, MATLAB, numpy, intervals. Next file: ``datasets/ucsd.py``.

In: a file. Out: (N,) int8 labels (1 unusual, 0 normal, -1 neither) or frame ranges. Every function raises UsageError
with one sentence that names the file for anything it cannot read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UsageError
from pipeline.evaluate.clips import ABNORMAL

__all__ = [
    "labels_from_masks",
    "labels_from_mat",
    "labels_from_npy",
    "labels_from_ranges",
    "labels_from_tracks",
    "labels_from_txt",
    "ranges_from_m",
    "read_json",
    "require_length",
]

_GT_FRAME = re.compile(r"gt_frame\s*=\s*\[([^\]]*)\]")
_RANGES = re.compile(r"[\d\s:,;]*")
_RANGE = re.compile(r"(\d+)(?:\s*:\s*(\d+))?")


def labels_from_txt(path: Path) -> NDArray[np.int8]:
    """One label per line (or separated by blanks or commas): 0, 1 or -1."""
    words = _text(path).replace(",", " ").split()
    try:
        values = np.array([float(word) for word in words])
    except ValueError as error:
        raise UsageError(f"{path} holds something that is no number: {error}.") from error
    return _checked(values, path)


def labels_from_npy(path: Path) -> NDArray[np.int8]:
    """A (N,) array of 0 and 1, as ShanghaiTech's ``test_frame_mask``; never unpickled."""
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UsageError(f"{path} is not an array of frame labels: {error}.") from error
    return _checked(np.asarray(values).reshape(-1), path)


def labels_from_mat(path: Path) -> NDArray[np.int8]:
    """Avenue's ``N_label.mat``: ``volLabel``, a mask per frame; a frame with any marked pixel is unusual."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        masks = np.asarray(loadmat(path)["volLabel"]).reshape(-1)
        return np.array([bool(np.asarray(mask).any()) for mask in masks], np.int8)
    except (OSError, ValueError, TypeError, KeyError, NotImplementedError, MatReadError) as error:
        raise UsageError(f"{path} is not a MATLAB file with `volLabel`: {error}.") from error


def labels_from_masks(files: Sequence[Path]) -> NDArray[np.int8]:
    """A mask picture per frame, in order; a frame with any pixel above 0 is unusual."""
    labels = np.zeros(len(files), np.int8)
    for index, file in enumerate(files):
        mask = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        if mask is None:
            raise UsageError(f"The mask {file} cannot be decoded.")
        labels[index] = bool(mask.any())
    return labels


def labels_from_tracks(path: Path, count: int) -> NDArray[np.int8]:
    """UBnormal's ``NAME_tracks.txt``: lines ``track, first frame, last frame``, counted from 0, both included."""
    ranges = []
    for line in _text(path).splitlines():
        words = line.replace(",", " ").split()
        if not words:
            continue
        try:
            first, last = round(float(words[1])), round(float(words[2]))
        except (IndexError, ValueError) as error:
            raise UsageError(f"{path}: expected `track, first, last`, got {line[:60]!r}.") from error
        ranges.append((first, last + 1))
    return labels_from_ranges(ranges, count, path)


def labels_from_ranges(
    ranges: Iterable[tuple[int, int]], count: int, path: Path, value: int = ABNORMAL
) -> NDArray[np.int8]:
    """``value`` in half-open frame ranges, 0 elsewhere. A range that leaves ``count`` frames is refused."""
    labels = np.zeros(count, np.int8)
    for start, stop in ranges:
        if not 0 <= start < stop <= count:
            raise UsageError(f"{path}: frames {start} to {stop - 1} are not within the {count} frames of the footage.")
        labels[start:stop] = value
    return labels


def ranges_from_m(path: Path) -> list[list[tuple[int, int]]]:
    """UCSD's ``.m`` file: for each test clip in order, half-open ranges of frames counted from 0.

    MATLAB counts from 1 and includes the last: ``gt_frame = [61:180]`` is (60, 180). ``[1:100, 110:200]`` is two.
    """
    clips = []
    for match in _GT_FRAME.finditer(re.sub(r"%.*", "", _text(path))):
        if not _RANGES.fullmatch(match[1]):
            raise UsageError(f"{path}: expected frame ranges such as 61:180, got {match[1][:60]!r}.")
        ranges = [(int(first) - 1, int(last or first)) for first, last in _RANGE.findall(match[1])]
        clips.append(ranges)
    if not clips:
        raise UsageError(f"{path} defines no `gt_frame`.")
    return clips


def read_json(path: Path) -> Any:
    """A JSON file."""
    try:
        return json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise UsageError(f"{path} is not JSON: {error}.") from error


def require_length(labels: NDArray[np.int8], count: int, clip: str) -> NDArray[np.int8]:
    """``labels``, when there is one for each of the footage's ``count`` frames."""
    if len(labels) != count:
        raise UsageError(f"{clip} has {count} frames and {len(labels)} labels; one label per frame is needed.")
    return labels


def _checked(values: NDArray[Any], path: Path) -> NDArray[np.int8]:
    if not len(values):
        raise UsageError(f"{path} holds no label.")
    if values.dtype.kind not in "biuf" or not np.isin(values, (0, 1, -1)).all():
        raise UsageError(f"{path}: a label is 0, 1 or -1.")
    return values.astype(np.int8)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not a text file.") from error
