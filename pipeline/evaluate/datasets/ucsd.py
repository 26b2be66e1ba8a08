"""UCSD Ped1 and Ped2 (Mahadevan et al., CVPR 2010) in the official layout.

In: ``UCSDped2`` or the ``UCSD_Anomaly_Dataset.v1p2`` it lies in: ``Train/TrainNNN/*.tif``, ``Test/TestNNN/*.tif``,
labels from ``Test/TestNNN_gt/*.bmp`` (any marked pixel makes a frame unusual) or, for clips without masks, from the
``.m`` file beside them. Both are one camera each, grey, 10 frames per second.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UsageError
from pipeline.evaluate.clips import Clip, DataSet
from pipeline.evaluate.datasets.layout import sub_folders
from pipeline.evaluate.footage import stills_in
from pipeline.evaluate.labels import labels_from_masks, labels_from_ranges, ranges_from_m, require_length

__all__ = ["FPS", "load_ped1", "load_ped2"]

FPS = 10.0
_TRAIN = re.compile(r"Train\d+$")
_TEST = re.compile(r"Test\d+$")


def load_ped1(path: Path) -> DataSet:
    """Ped1: 34 training and 36 test clips of 200 frames. Raises UsageError for another layout."""
    return _load("ped1", path, "UCSDped1")


def load_ped2(path: Path) -> DataSet:
    """Ped2: 16 training clips and 12 test clips with 12 events. Raises UsageError for another layout."""
    return _load("ped2", path, "UCSDped2")


def _load(name: str, path: Path, folder: str) -> DataSet:
    root = path / folder if (path / folder).is_dir() else path
    train = [clip for clip in sub_folders(root / "Train") if _TRAIN.match(clip.name)]
    test = [clip for clip in sub_folders(root / "Test") if _TEST.match(clip.name)]
    if not train or not test:
        raise UsageError(
            f"{path} is not UCSD {name}: expected {folder}/Train/Train001 and {folder}/Test/Test001 in it."
        )
    clips = [Clip(clip.name, name, "train", clip, stills_fps=FPS) for clip in train]
    for index, clip in enumerate(test):
        clips.append(Clip(clip.name, name, "test", clip, _labels(clip, index, len(test)), FPS))
    return DataSet(name, tuple(clips), (f"{FPS:g} frames per second is nominal; the set does not say.",))


def _labels(clip: Path, index: int, clips: int) -> NDArray[np.int8]:
    """From the clip's masks, else from its line of the ``.m`` file."""
    count = len(stills_in(clip))
    masks = clip.with_name(f"{clip.name}_gt")
    if masks.is_dir():
        return require_length(labels_from_masks(stills_in(masks)), count, clip.name)
    scripts = sorted(file for file in clip.parent.glob("*.m") if not file.name.startswith("."))
    if not scripts:
        raise UsageError(f"{clip} has no labels: neither {masks.name} nor a .m file is in {clip.parent}.")
    ranges = ranges_from_m(scripts[0])
    if len(ranges) != clips:
        raise UsageError(f"{scripts[0]} labels {len(ranges)} clips, and {clip.parent} holds {clips}.")
    return labels_from_ranges(ranges[index], count, scripts[0])
