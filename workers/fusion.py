"""``vedette train fusion``, the gathering: data sets through the stages of a default site, into lessons.

In: words such as ``own=/data/falls`` or ``rendered=/data/rendered``. Out: lessons, and the text encoder whose vectors
they hold. Next file: ``pipeline/train/lessons.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.config import site_of_urls
from pipeline.errors import UsageError
from pipeline.evaluate.clips import DataSet
from pipeline.evaluate.datasets import load
from pipeline.train.lessons import gather
from workers.evaluation import new_finder, new_recorder, text_encoder

if TYPE_CHECKING:
    from pipeline.protocols import TextEncoder
    from pipeline.train.fusion import Lesson

__all__ = ["edited_vectors", "gather_lessons"]

DETECT_FPS = 5.0


def gather_lessons(
    sets: Sequence[str], whole: Sequence[str], cache: Path | None, progress: Callable[[str, int, int], None]
) -> tuple[list[Lesson], TextEncoder | None]:
    """Lessons of the training parts of ``sets`` (``NAME=FOLDER``); of folders in ``whole``, of both parts.

    Raises UsageError for a word that names no set, or when nothing was gathered.
    """
    site = site_of_urls(["clips.mp4"])
    encoder = text_encoder(site)
    finder = new_finder(site, detect_fps=DETECT_FPS, cache=cache)
    lessons: list[Lesson] = []
    for word in sets:
        name, equals, folder = word.partition("=")
        if not equals:
            raise UsageError(f"{word}: expected NAME=FOLDER, for instance own=/data/falls.")
        data_set = load(name, Path(folder))
        if folder in whole:
            data_set = _taught(data_set)
        clips = len(data_set.part("train"))
        done = [0]

        def count(_clip: object, *, name: str = name, clips: int = clips, done: list[int] = done) -> None:
            done[0] += 1
            progress(name, min(done[0], clips), clips)

        lessons += gather(data_set, finder.findings, partial(new_recorder, site, encoder), count)
    if not lessons:
        raise UsageError("None of the sets has a training part.")
    return lessons, encoder


def _taught(data_set: DataSet) -> DataSet:
    """The same clips, all of them for training; one is named as a test clip too, because a set has to have one."""
    clips = tuple(replace(clip, part="train") for clip in data_set.clips)
    return DataSet(data_set.name, (*clips, replace(clips[-1], part="test")))


def edited_vectors(encoder: TextEncoder | None, captions: Sequence[str]) -> NDArray[np.float32]:
    """The vectors of ``captions``, (0, 1) without an encoder."""
    return np.zeros((0, 1), np.float32) if encoder is None else encoder.encode(captions)
