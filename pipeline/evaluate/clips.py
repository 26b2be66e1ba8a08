"""A labelled set of clips, whatever its layout on disk was: what the loaders give and the runner takes.

In: nothing but values. Out: :class:`Clip` (footage, camera, a label per frame) and :class:`DataSet`, checked. A label
is 1 for an unusual frame, 0 for a normal one, -1 for one that counts neither way (the border of an event). Next file:
``pipeline/evaluate/footage.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UsageError

__all__ = ["ABNORMAL", "IGNORED", "NORMAL", "Clip", "DataSet", "Part", "runs_of"]

Part = Literal["train", "test"]
NORMAL, ABNORMAL, IGNORED = 0, 1, -1


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One stretch of footage of one camera.

    ``path`` is a video, or a folder of numbered stills shown at ``stills_fps``. ``labels`` (N,) int8, one per frame of
    the footage; None: every frame is normal. ``events``: half-open frame ranges where the set lists its events itself
    (they may overlap); None: the runs of 1. Clips of one ``camera`` share what is learned from its training clips;
    ``source`` is the recording it was cut from, where that says more than the camera.
    """

    name: str
    camera: str
    part: Part
    path: Path
    labels: NDArray[np.int8] | None = None
    stills_fps: float = 0.0
    events: tuple[tuple[int, int], ...] | None = None
    source: str = ""

    def __post_init__(self) -> None:
        if self.labels is None:
            return
        labels = np.asarray(self.labels, np.int8).view()
        if labels.ndim != 1 or not np.isin(labels, (NORMAL, ABNORMAL, IGNORED)).all():
            raise UsageError(f"The labels of {self.name} have to be one of 0, 1 and -1 for every frame.")
        labels.flags.writeable = False
        object.__setattr__(self, "labels", labels)

    @property
    def is_normal(self) -> bool:
        """Whether nothing unusual is labelled anywhere in it."""
        return self.labels is None or not bool((self.labels == ABNORMAL).any())


@dataclass(frozen=True, slots=True)
class DataSet:
    """Clips of both parts, in the order in which they are shown. ``notes``: what a reader of the results must know."""

    name: str
    clips: tuple[Clip, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.part("test"):
            raise UsageError(f"{self.name} has no test clip.")
        names = [(clip.part, clip.name) for clip in self.clips]
        doubled = sorted({name for part, name in names if names.count((part, name)) > 1})
        if doubled:
            raise UsageError(f"{self.name} has two clips called {', '.join(doubled)}.")

    def part(self, part: Part) -> tuple[Clip, ...]:
        """The clips of one part."""
        return tuple(clip for clip in self.clips if clip.part == part)


def runs_of(labels: NDArray[np.int8]) -> list[tuple[int, int]]:
    """Events in (N,) labels as half-open frame ranges (start, stop): runs of 1, joined where only -1 lies between."""
    events: list[tuple[int, int]] = []
    edges = np.flatnonzero(np.diff(np.concatenate([[0], labels == ABNORMAL, [0]])))
    for start, stop in edges.reshape(-1, 2).tolist():
        if events and (labels[events[-1][1] : start] == IGNORED).all():
            events[-1] = (events[-1][0], stop)
        else:
            events.append((start, stop))
    return events
