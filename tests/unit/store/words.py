"""Descriptions to remember, and an encoder whose vectors can be read: one dimension per known word."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from pipeline.descriptions import SceneDescription
from pipeline.types import FrameKey, FrameRef, utc_from_s

START_S = 1_790_000_000.0
WORDS = ("person", "red", "gate", "car", "night", "dog", "fence", "bag")


class WordEncoder:
    """Counts words; calls are kept in ``seen``."""

    def __init__(self, name: str = "words", words: Sequence[str] = WORDS) -> None:
        self.name = name
        self._words = tuple(words)
        self.seen: list[str] = []

    @property
    def dimensions(self) -> int:
        return len(self._words) + 1

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.seen += texts
        counts = np.array([[text.lower().split().count(word) for word in self._words] + [0.1] for text in texts])
        vectors = counts.reshape(-1, self.dimensions).astype(np.float32)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def described(
    text: str,
    at_s: float = 0.0,
    camera: str = "gate",
    *,
    alert_id: str | None = None,
    source: str = "grounded",
    embedding: NDArray[np.float32] | None = None,
) -> SceneDescription:
    """``text`` about ``camera``, ``at_s`` seconds after the start."""
    ref = FrameRef(FrameKey(camera, 1, int(at_s * 10)), int(at_s * 1000), Fraction(1, 1000), utc_from_s(START_S + at_s))
    return SceneDescription(ref, text.split(".", maxsplit=1)[0], text, source, alert_id=alert_id, embedding=embedding)
