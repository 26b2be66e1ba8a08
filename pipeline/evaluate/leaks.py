"""Does the test part hold frames of the training part? Published sets do; a split that leaks is refused with the list.

In: the clips of a data set. Out: :class:`Leak` for every pair of clips that share frames. Two frames are the same when
their decoded pixels are byte-identical: clips cut from one another and re-muxed copies are found, copies that were
encoded anew are not. A picture repeated within its own clip counts once, and a pair of clips needs ``MIN_SHARED``
different ones, so that a black frame or a title makes no leak. Next file: ``pipeline/evaluate/metrics.py``.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pipeline.errors import UsageError
from pipeline.evaluate.clips import Clip, DataSet
from pipeline.evaluate.footage import pictures

__all__ = ["MIN_SHARED", "Leak", "find_leaks", "frame_digests", "refuse_leaks"]

MIN_SHARED = 5
"""So many different frames of a test clip that are also in a training clip make a leak."""

_MAX_LISTED = 20


@dataclass(frozen=True, slots=True)
class Leak:
    """``shared`` different frames of the test clip ``test`` are also in the training clip ``train``."""

    train: str
    test: str
    shared: int

    def __str__(self) -> str:
        return f"{self.test} shares {self.shared} frames with {self.train}"


def frame_digests(clip: Clip) -> frozenset[bytes]:
    """A digest of every different frame that decodes. Raises SourceError for footage that cannot be read."""
    return frozenset(
        hashlib.blake2b(picture.bgr().tobytes(), digest_size=12).digest()
        for picture in pictures(clip.path, clip.stills_fps)
    )


def find_leaks(digests: Mapping[tuple[str, str], frozenset[bytes]]) -> list[Leak]:
    """Leaks among clips given as ``{(part, name): digests}``, the largest first."""
    holders: defaultdict[bytes, list[str]] = defaultdict(list)
    for (part, name), found in digests.items():
        if part == "train":
            for digest in found:
                holders[digest].append(name)
    shared: Counter[tuple[str, str]] = Counter()
    for (part, name), found in digests.items():
        if part == "test":
            shared.update((train, name) for digest in found for train in holders.get(digest, ()))
    leaks = [Leak(train, test, count) for (train, test), count in shared.items() if count >= MIN_SHARED]
    return sorted(leaks, key=lambda leak: (-leak.shared, leak.test, leak.train))


def refuse_leaks(data_set: DataSet, on_clip: Callable[[Clip], None] = lambda _: None) -> None:
    """Decode every clip and compare. ``on_clip`` is told of each one done.

    Raises UsageError with the list when frames of the training part are in the test part; SourceError for footage that
    cannot be read.
    """
    if not data_set.part("train"):
        return
    digests: dict[tuple[str, str], frozenset[bytes]] = {}
    for clip in data_set.clips:
        digests[clip.part, clip.name] = frame_digests(clip)
        on_clip(clip)
    leaks = find_leaks(digests)
    if leaks:
        listed = "; ".join(str(leak) for leak in leaks[:_MAX_LISTED])
        more = f"; and {len(leaks) - _MAX_LISTED} more" if len(leaks) > _MAX_LISTED else ""
        raise UsageError(f"{data_set.name}: the test part leaks into the training part: {listed}{more}.")
