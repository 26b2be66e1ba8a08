"""CUHK Avenue (Lu et al., ICCV 2013) in the official layout: one camera, 25 frames per second.

In: ``Avenue Dataset`` (or what it lies in) with ``training_videos/*.avi``, ``testing_videos/*.avi``, and
``ground_truth_demo/testing_label_mask/N_label.mat`` in it or beside it.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import UsageError
from pipeline.evaluate.clips import Clip, DataSet
from pipeline.evaluate.datasets.layout import frame_count, only_folder, videos_in
from pipeline.evaluate.labels import labels_from_mat, require_length

__all__ = ["load"]

_ROOTS = ("Avenue Dataset", "Avenue_Dataset", "avenue", "Avenue")
_MASKS = "testing_label_mask"


def load(path: Path) -> DataSet:
    """16 training and 21 test clips. Raises UsageError for another layout."""
    root = next((path / name for name in _ROOTS if (path / name / "testing_videos").is_dir()), path)
    train = only_folder(root, ["training_videos"], "CUHK Avenue")
    test = only_folder(root, ["testing_videos"], "CUHK Avenue")
    masks = _masks(root)
    clips = [Clip(video.stem, "avenue", "train", video) for video in videos_in(train)]
    for video in videos_in(test):
        if not video.stem.isdecimal():
            raise UsageError(f"{video} is not a test clip of CUHK Avenue: those are called 01.avi to 21.avi.")
        labels = labels_from_mat(masks / f"{int(video.stem)}_label.mat")
        clips.append(Clip(video.stem, "avenue", "test", video, require_length(labels, frame_count(video), video.stem)))
    return DataSet("avenue", tuple(clips))


def _masks(root: Path) -> Path:
    for above in (root, root.parent):
        for folder in (above / "ground_truth_demo" / _MASKS, above / _MASKS):
            if folder.is_dir():
                return folder
    raise UsageError(f"{root} has no labels: ground_truth_demo/{_MASKS} is neither in it nor beside it.")
