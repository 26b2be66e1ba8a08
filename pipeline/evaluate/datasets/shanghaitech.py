"""ShanghaiTech Campus (Luo et al., ICCV 2017) in the official layout: 13 cameras, 24 frames per second.

In: ``training/videos/CC_NNN.avi``, ``testing/frames/CC_NNNN/*.jpg`` (or ``testing/videos``),
``testing/test_frame_mask/CC_NNNN.npy``. CC is the camera: what is normal is learned from the training clips of the
same camera alone.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import UsageError
from pipeline.evaluate.clips import Clip, DataSet
from pipeline.evaluate.datasets.layout import footage_in, frame_count, only_folder
from pipeline.evaluate.labels import labels_from_npy, require_length

__all__ = ["FPS", "load"]

FPS = 24.0


def load(path: Path) -> DataSet:
    """330 training and 107 test clips. Raises UsageError for another layout."""
    root = path / "shanghaitech" if (path / "shanghaitech").is_dir() else path
    masks = only_folder(root, ["testing/test_frame_mask"], "ShanghaiTech")
    train = [each for name in ("videos", "frames") for each in footage_in(root / "training" / name)]
    test = footage_in(only_folder(root, ["testing/frames", "testing/videos"], "ShanghaiTech"))
    clips = {each.stem: Clip(each.stem, _camera(each), "train", each, stills_fps=FPS) for each in train}
    tested = []
    for each in test:
        labels = require_length(labels_from_npy(masks / f"{each.stem}.npy"), frame_count(each), each.stem)
        tested.append(Clip(each.stem, _camera(each), "test", each, labels, FPS))
    return DataSet("shanghaitech", (*clips.values(), *tested))


def _camera(clip: Path) -> str:
    camera, separator, _ = clip.stem.partition("_")
    if not separator:
        raise UsageError(f"{clip} is not called like a clip of ShanghaiTech, for instance 01_0014.")
    return f"camera-{camera}"
