"""Footage of Vedette's own renderer with its exact truth: usual days teach, unusual ones are judged.

In: a folder of videos and, beside each, the truth that ``vedette scenes render NAME --out NAME.mp4 --truth NAME.json``
wrote. Scenes of one family are one camera. An unusual clip without a usual one of its family is judged from scratch.
What is about the camera itself (covered, moved) belongs to its health and counts neither way.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.errors import UsageError, VedetteError
from pipeline.evaluate.clips import ABNORMAL, IGNORED, NORMAL, Clip, DataSet
from pipeline.evaluate.datasets.layout import videos_in
from pipeline.evaluate.footage import frame_times_s
from pipeline.scenes.truth import Truth, load_truth

__all__ = ["load"]

_ABOUT_THE_CAMERA = frozenset({"camera_covered", "camera_moved"})


def load(path: Path) -> DataSet:
    """The rendered clips in ``path``. Raises UsageError when one has no truth, or there is no unusual one."""
    videos = videos_in(path)
    if not videos:
        raise UsageError(f"{path} holds no rendered clip; `vedette scenes render` makes them.")
    clips = [_clip(video) for video in videos]
    kinds = sorted({event.kind for _, truth in clips for event in truth.events})
    ordered = sorted((clip for clip, _ in clips), key=lambda clip: (clip.part != "train", clip.name))
    return DataSet("rendered", tuple(ordered), (f"Kinds of events: {', '.join(kinds)}.",) if kinds else ())


def _clip(video: Path) -> tuple[Clip, Truth]:
    file = video.with_suffix(".json")
    try:
        truth = load_truth(file)
    except (OSError, VedetteError) as error:
        raise UsageError(f"{video.name} has no truth: {file} cannot be read ({error}).") from error
    if truth.is_usual:
        return Clip(video.stem, truth.family, "train", video), truth
    times_s = frame_times_s(video)
    labels = np.zeros(len(times_s), np.int8)
    events: list[tuple[int, int]] = []
    for event in truth.events:
        start, stop = (int(place) for place in np.searchsorted(times_s, (event.from_s, event.to_s)))
        if event.kind in _ABOUT_THE_CAMERA:
            labels[start:stop][labels[start:stop] == NORMAL] = IGNORED
        elif start < stop:
            labels[start:stop] = ABNORMAL
            events.append((start, stop))
    return Clip(video.stem, truth.family, "test", video, labels, events=tuple(events)), truth
