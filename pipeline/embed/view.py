"""What is remembered of one camera while its session lasts: the last small pictures and its background.

In and out: bytes, so that another process can go on exactly where this one stopped. Used by ``visual.py``.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.embed.blobs import Background, MovingBlobs
from pipeline.embed.memory import pack, unpack
from pipeline.embed.small import small_shape
from pipeline.types import FrameKey

__all__ = ["View"]

_MOST_KEPT = 8
_KEPT_S = 0.25  # flow is measured over a tenth of a second at least, and rain over three pictures


@dataclass(slots=True)
class View:
    """``session`` and ``seq`` of the newest picture, its analysis size and media time, and what was learned so far.

    ``refreshed_at_s``: media time of the newest picture in which appearances were measured.
    """

    session: int
    seq: int
    size_wh: tuple[int, int]
    at_s: float
    background: Background
    refreshed_at_s: float = 0.0
    moving: MovingBlobs = field(default_factory=MovingBlobs)
    past: deque[tuple[float, NDArray[np.uint8]]] = field(default_factory=lambda: deque(maxlen=_MOST_KEPT))

    def precedes(self, key: FrameKey, at_s: float) -> bool:
        """Whether a frame goes on with this view."""
        return self.session == key.session and self.seq < key.seq and self.at_s <= at_s

    def remember(self, luma: NDArray[np.uint8]) -> None:
        """The newest small picture is one of the past, as soon as it has been measured against those before."""
        while len(self.past) > 1 and self.at_s - self.past[1][0] >= _KEPT_S:
            self.past.popleft()
        self.past.append((self.at_s, luma))

    def to_bytes(self) -> bytes:
        """As bytes from which :meth:`from_bytes` goes on."""
        numbers: dict[str, float | int | list[float] | list[int]] = {
            "session": self.session,
            "seq": self.seq,
            "size_wh": list(self.size_wh),
            "at_s": self.at_s,
            "refreshed_at_s": self.refreshed_at_s,
            "looks": self.background.looks,
            "past_s": [at_s for at_s, _ in self.past],
        }
        pictures = self.background.pictures()
        pictures["past"] = np.stack([luma for _, luma in self.past])
        if self.moving.before is not None:
            pictures["before"] = self.moving.before
        return pack(numbers, pictures)

    @classmethod
    def from_bytes(cls, memory: bytes) -> View:
        """Raises ValueError for what :meth:`to_bytes` has not written."""
        numbers, pictures = unpack(memory)
        try:
            at_s, past_s, past = float(numbers["at_s"]), [float(at) for at in numbers["past_s"]], pictures["past"]
            width, height = (int(side) for side in numbers["size_wh"])
            background = Background.from_pictures(pictures, at_s, int(numbers["looks"]))
            keys = int(numbers["session"]), int(numbers["seq"])
            view = cls(*keys, (width, height), at_s, background, float(numbers["refreshed_at_s"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"memory lacks something: {error!r:.100}") from error
        shape, before = pictures["slow"].shape, pictures.get("before")
        is_whole = past.shape == (len(past_s), *shape) and past.dtype == np.uint8 and shape == small_shape(view.size_wh)
        if not is_whole or (before is not None and (before.shape != shape or before.dtype != np.bool_)):
            raise ValueError(f"memory: expected pictures of {shape}, got {past.shape}")
        view.past.extend(zip(past_s, past, strict=True))
        view.moving.before = before
        return view
