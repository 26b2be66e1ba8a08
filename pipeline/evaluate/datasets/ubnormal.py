"""UBnormal (Acsintoae et al., CVPR 2022) in the official layout: rendered scenes, 30 frames per second.

In: ``SceneN/normal_scene_N_scenario_M.mp4``, ``SceneN/abnormal_….mp4`` with ``…_annotations/…_tracks.txt``, and the
lists of the split (``normal_training_video_names.txt``, ``abnormal_test_video_names.txt``, …) in it or in ``scripts``,
as the authors' repository has them. Normal training clips teach what is normal in a scene; abnormal training clips are
kept out of that, and are there for ``vedette train fusion``.
"""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.evaluate.clips import Clip, DataSet, Part
from pipeline.evaluate.datasets.layout import frame_count
from pipeline.evaluate.labels import labels_from_tracks

__all__ = ["load"]

_SCENE = re.compile(r"(abnormal|normal)_scene_(\d+)_")
_LISTS: tuple[tuple[str, str, Part], ...] = (
    ("normal", "training", "train"),
    ("abnormal", "training", "train"),
    ("normal", "test", "test"),
    ("abnormal", "test", "test"),
)


def load(path: Path) -> DataSet:
    """The training and test parts. Raises UsageError for another layout."""
    clips = []
    for kind, word, part in _LISTS:
        names = _names(path, f"{kind}_{word}_video_names.txt")
        clips += [_clip(path, name, part) for name in names]
    return DataSet("ubnormal", tuple(clips))


def _names(root: Path, file: str) -> list[str]:
    for folder in (root, root / "scripts", root.parent / "scripts"):
        if (folder / file).is_file():
            return sorted((folder / file).read_text(encoding="utf-8").split())
    raise UsageError(f"{root} is not UBnormal: {file} is neither in it nor in scripts.")


def _clip(root: Path, name: str, part: Part) -> Clip:
    found = _SCENE.match(name)
    if found is None:
        raise UsageError(f"{name!r} is not called like a clip of UBnormal, for instance normal_scene_1_scenario_1.")
    folder = root / f"Scene{found[2]}"
    video = folder / f"{name}.mp4"
    if not video.is_file():
        raise UsageError(f"The clip {video}, which the split of UBnormal names, is not there.")
    labels = None
    if found[1] == "abnormal":
        labels = labels_from_tracks(folder / f"{name}_annotations" / f"{name}_tracks.txt", frame_count(video))
    return Clip(name, f"scene-{found[2]}", part, video, labels)
