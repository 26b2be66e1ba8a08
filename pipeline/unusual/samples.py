"""What is remembered of normal life: bounded arrays of samples, each one look at one track, or at the whole frame.

In: rows made by ``pipeline/unusual/features.py``. Out: the same rows in a form that JSON and npz can carry. Lengths are
in *picture heights* and angles in degrees, so that a sample means the same whatever the camera's resolution.
Next file: ``pipeline/unusual/features.py``.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "APPEARANCE_DIMENSIONS",
    "COLUMNS",
    "FLOW_BINS",
    "SCENE_COLUMNS",
    "SceneSamples",
    "TextSamples",
    "TrackSamples",
    "column",
]

FLOW_BINS = 8
APPEARANCE_DIMENSIONS = 64

COLUMNS: tuple[str, ...] = (
    "foot_x",  # picture heights
    "foot_y",
    "height",
    "width",
    "velocity_x",  # picture heights per second, of the box
    "velocity_y",
    "growth_per_s",  # of the logarithm of the box height
    "widening_per_s",  # of the logarithm of the box width
    "collapse",  # share of its height by which it sank in the last second and a half
    "flow",  # picture heights per second, of the pixels in the box
    "flow_peak",
    "flow_spread",
    "moving_share",
    "body_angle_deg",
    "gap",  # picture heights to the nearest other object's middle
    "closing",  # picture heights per second at which that gap closes
    *(f"flow_{number}_share" for number in range(FLOW_BINS)),
)
"""What is measured of a track, one column each; NaN where unknown."""

SCENE_COLUMNS: tuple[str, ...] = (
    "outside_share",  # share of the picture that moves outside every box
    "moving_share",  # of the picture
    "flow_energy",  # picture heights per second
    "flicker",  # brightness against its own last half minute, 0..255
    "count",  # objects in view
)
"""What is measured of a whole frame, one column each; NaN where unknown."""

_INDEX = {name: position for position, name in enumerate(COLUMNS)}
_MAX_LABEL = 24


def column(rows: NDArray[np.floating[Any]], name: str) -> NDArray[np.float64]:
    """One column of sample rows (n, columns), as float64 (n,)."""
    return np.asarray(rows[:, _INDEX[name]], np.float64)


def _pack(array: NDArray[Any]) -> dict[str, Any]:
    plain = np.ascontiguousarray(array)
    return {
        "dtype": plain.dtype.str,
        "shape": list(plain.shape),
        "zlib": base64.b64encode(zlib.compress(plain.tobytes(), 1)).decode("ascii"),
    }


def _unpack(packed: Mapping[str, Any], dtype: type, width: int | None) -> NDArray[Any]:
    """The array that :func:`_pack` wrote. Raises ValueError when it is not one of ``dtype`` and ``width`` columns."""
    try:
        raw = zlib.decompress(base64.b64decode(packed["zlib"], validate=True))
    except zlib.error as error:
        raise ValueError(f"saved samples are damaged: {error}") from error
    array = np.frombuffer(raw, np.dtype(packed["dtype"])).reshape([int(side) for side in packed["shape"]])
    if not np.issubdtype(array.dtype, dtype) or (width is not None and array.shape[1:] != (width,)):
        raise ValueError(f"saved samples: expected {dtype.__name__} with {width} columns, got {array.shape}")
    return array


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TrackSamples:
    """n looks at tracks: ``rows`` (n, columns) float32, ``appearance`` (n, 64) float16 (NaN: not measured).

    ``label`` (n,) words, ``track`` (n,) ids, ``at_s`` (n,) media time in UTC seconds, ``run`` (n,) which unbroken
    stretch of watching a sample belongs to (track ids are unique within a run).
    """

    rows: NDArray[np.float32]
    appearance: NDArray[np.float16]
    label: NDArray[np.str_]
    track: NDArray[np.int64]
    at_s: NDArray[np.float64]
    run: NDArray[np.int64]

    def __post_init__(self) -> None:
        n = len(self.at_s)
        shapes = (self.rows.shape, self.appearance.shape, self.label.shape, self.track.shape, self.run.shape)
        expected = ((n, len(COLUMNS)), (n, APPEARANCE_DIMENSIONS), (n,), (n,), (n,))
        if shapes != expected:
            raise ValueError(f"samples: expected shapes {expected}, got {shapes}")

    @classmethod
    def empty(cls) -> TrackSamples:
        """No samples."""
        return cls.of([], [], [], [], [], [])

    @classmethod
    def of(
        cls,
        rows: Iterable[Any],
        appearance: Iterable[Any],
        label: Iterable[str],
        track: Iterable[int],
        at_s: Iterable[float],
        run: Iterable[int],
    ) -> TrackSamples:
        """Samples from sequences of equal length."""
        return cls(
            np.asarray(list(rows), np.float32).reshape(-1, len(COLUMNS)),
            np.asarray(list(appearance), np.float16).reshape(-1, APPEARANCE_DIMENSIONS),
            np.asarray([word[:_MAX_LABEL] for word in label], f"<U{_MAX_LABEL}"),
            np.asarray(list(track), np.int64),
            np.asarray(list(at_s), np.float64),
            np.asarray(list(run), np.int64),
        )

    def __len__(self) -> int:
        return len(self.at_s)

    def __repr__(self) -> str:
        return f"TrackSamples(n={len(self)})"

    def take(self, keep: NDArray[np.bool_] | NDArray[np.intp]) -> TrackSamples:
        """The samples chosen by a mask (n,) or by indices."""
        return TrackSamples(*(getattr(self, name)[keep] for name in self.__slots__))

    @classmethod
    def joined(cls, parts: Sequence[TrackSamples]) -> TrackSamples:
        """All samples of ``parts``, in order."""
        if not parts:
            return cls.empty()
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Every array by its name."""
        return {name: getattr(self, name) for name in self.__slots__}

    def state(self) -> dict[str, Any]:
        """A JSON form that :meth:`from_state` reads without loss."""
        return {name: _pack(array) for name, array in self.arrays().items()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> TrackSamples:
        """What :meth:`state` wrote. Raises ValueError or KeyError for anything else."""
        return cls(
            _unpack(state["rows"], np.float32, len(COLUMNS)),
            _unpack(state["appearance"], np.float16, APPEARANCE_DIMENSIONS),
            _unpack(state["label"], np.str_, None),
            _unpack(state["track"], np.int64, None),
            _unpack(state["at_s"], np.float64, None),
            _unpack(state["run"], np.int64, None),
        )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SceneSamples:
    """n looks at the whole frame: ``rows`` (n, scene columns) float32 and ``at_s`` (n,) in UTC seconds."""

    rows: NDArray[np.float32]
    at_s: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.rows.shape != (len(self.at_s), len(SCENE_COLUMNS)):
            raise ValueError(
                f"scene samples: expected ({len(self.at_s)}, {len(SCENE_COLUMNS)}) rows, got {self.rows.shape}"
            )

    @classmethod
    def of(cls, rows: Iterable[Any], at_s: Iterable[float]) -> SceneSamples:
        """Samples from sequences of equal length."""
        return cls(
            np.asarray(list(rows), np.float32).reshape(-1, len(SCENE_COLUMNS)), np.asarray(list(at_s), np.float64)
        )

    def __len__(self) -> int:
        return len(self.at_s)

    def __repr__(self) -> str:
        return f"SceneSamples(n={len(self)})"

    def take(self, keep: NDArray[np.bool_] | NDArray[np.intp]) -> SceneSamples:
        """The samples chosen by a mask (n,) or by indices."""
        return SceneSamples(self.rows[keep], self.at_s[keep])

    @classmethod
    def joined(cls, parts: Sequence[SceneSamples]) -> SceneSamples:
        """All samples of ``parts``, in order."""
        if not parts:
            return cls.of([], [])
        return cls(np.concatenate([part.rows for part in parts]), np.concatenate([part.at_s for part in parts]))

    def state(self) -> dict[str, Any]:
        """A JSON form that :meth:`from_state` reads without loss."""
        return {"rows": _pack(self.rows), "at_s": _pack(self.at_s)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> SceneSamples:
        """What :meth:`state` wrote. Raises ValueError or KeyError for anything else."""
        return cls(_unpack(state["rows"], np.float32, len(SCENE_COLUMNS)), _unpack(state["at_s"], np.float64, None))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TextSamples:
    """n normal sentences: unit vectors ``embedding`` (n, D) float16, the sentences themselves, and ``at_s`` (n,)."""

    embedding: NDArray[np.float16]
    text: tuple[str, ...]
    at_s: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.embedding.ndim != 2 or not len(self.embedding) == len(self.text) == len(self.at_s):
            raise ValueError(
                f"texts: expected {len(self.text)} vectors, got {self.embedding.shape} and {len(self.at_s)} times"
            )

    @classmethod
    def empty(cls) -> TextSamples:
        """No sentences."""
        return cls(np.zeros((0, 0), np.float16), (), np.zeros(0))

    def __len__(self) -> int:
        return len(self.text)

    def __repr__(self) -> str:
        return f"TextSamples(n={len(self)})"

    def take(self, keep: NDArray[np.intp]) -> TextSamples:
        """The sentences at the indices ``keep``."""
        return TextSamples(self.embedding[keep], tuple(self.text[i] for i in keep), self.at_s[keep])

    @classmethod
    def joined(cls, parts: Sequence[TextSamples]) -> TextSamples:
        """All sentences of ``parts``, in order; only those of the encoder that came last."""
        dimensions = next((part.embedding.shape[1] for part in reversed(parts) if len(part)), 0)
        alike = [part for part in parts if len(part) and part.embedding.shape[1] == dimensions]
        if not alike:
            return cls.empty()
        return cls(
            np.concatenate([part.embedding for part in alike]),
            tuple(text for part in alike for text in part.text),
            np.concatenate([part.at_s for part in alike]),
        )

    def state(self) -> dict[str, Any]:
        """A JSON form that :meth:`from_state` reads without loss."""
        return {"embedding": _pack(self.embedding), "text": list(self.text), "at_s": _pack(self.at_s)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> TextSamples:
        """What :meth:`state` wrote. Raises ValueError or KeyError for anything else."""
        return cls(
            _unpack(state["embedding"], np.float16, None),
            tuple(str(text) for text in state["text"]),
            _unpack(state["at_s"], np.float64, None),
        )
