"""UCF-Crime (Sultani et al., CVPR 2018) in the official layout: every video is another camera, 30 frames per second.

In: a folder with the videos at any depth and ``Temporal_Anomaly_Annotation_for_Testing_Videos.txt``, whose lines are
``Abuse028_x264.mp4 Abuse 165 240 -1 -1``: two ranges of frames at most, -1 for none. No camera has training footage of
its own, so that what is normal has to be learned within each clip; the set's normal training videos are other cameras
and are not read.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import UsageError
from pipeline.evaluate.clips import Clip, DataSet
from pipeline.evaluate.datasets.layout import frame_count, is_video
from pipeline.evaluate.labels import labels_from_ranges

__all__ = ["ANNOTATION", "load"]

ANNOTATION = "Temporal_Anomaly_Annotation_for_Testing_Videos.txt"


def load(path: Path) -> DataSet:
    """The 290 test videos that are there. Raises UsageError for another layout, or when none is there."""
    annotation = next(iter(sorted(path.rglob(ANNOTATION))), None)
    if annotation is None:
        raise UsageError(f"{path} is not UCF-Crime: {ANNOTATION} is nowhere in it.")
    videos = {video.name: video for video in sorted(path.rglob("*.mp4")) if is_video(video)}
    clips, absent = [], 0
    for line in annotation.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] not in videos:
            absent += 1
            continue
        clips.append(_clip(videos[words[0]], words, annotation))
    if not clips:
        raise UsageError(f"None of the videos that {annotation} lists is in {path}.")
    notes = (f"{absent} of {absent + len(clips)} test videos are not in {path}.",) if absent else ()
    return DataSet("ucf-crime", tuple(clips), notes)


def _clip(video: Path, words: list[str], annotation: Path) -> Clip:
    try:
        numbers = [int(word) for word in words[2:6]]
    except ValueError as error:
        raise UsageError(f"{annotation}: expected `VIDEO CLASS start end start end`, got {words}.") from error
    count = frame_count(video)
    pairs = list(zip(numbers[::2], numbers[1::2], strict=False))
    # Some published ranges end a few frames after the video does.
    ranges = [(start, min(end + 1, count)) for start, end in pairs if start >= 0 and end >= start]
    labels = labels_from_ranges(ranges, count, annotation)
    return Clip(video.stem, video.stem, "test", video, labels)
