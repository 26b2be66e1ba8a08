"""Which of the words a detector can say a site wants to hear, and how sure the detector must be of each.

In: a detector's labels and the person's wishes (words or groups, confidences). Out: one least confidence per class.
Labels are words everywhere in Vedette; class numbers never leave ``pipeline/detect``. Next file: ``letterbox.py``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UsageError
from pipeline.labels import GROUPS, expand_labels

__all__ = ["COCO_80", "Selection", "labels_of"]

_COCO_WORDS = (
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,parking meter,"
    "bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,"
    "skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,"
    "cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,"
    "potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,"
    "refrigerator,book,clock,vase,scissors,teddy bear,hair drier,toothbrush"
)
COCO_80: tuple[str, ...] = tuple(_COCO_WORDS.split(","))
"""Class names of the COCO detection task in the order in which YOLO models number them."""


def labels_of(words: Iterable[str], labels: Sequence[str]) -> tuple[str, ...]:
    """The labels of a detector that ``words`` (labels or groups) stand for, in the detector's order, each once.

    Raises UsageError for a word this detector can never say, with the nearest words it can.
    """
    said = set(labels)
    wanted: set[str] = set()
    for word in words:
        matches = expand_labels([word]) & said
        if not matches:
            raise UsageError(_unknown(word, labels))
        wanted |= matches
    return tuple(label for label in dict.fromkeys(labels) if label in wanted)


def _unknown(word: str, labels: Sequence[str]) -> str:
    """The sentence for a word that the detector does not know."""
    groups = [group for group, members in GROUPS.items() if members & set(labels)]
    near = difflib.get_close_matches(word.lower(), [*labels, *groups], n=3, cutoff=0.6)
    if near:
        return f"unknown class '{word}'; did you mean {' or '.join(repr(name) for name in dict.fromkeys(near))}?"
    shown = ", ".join(list(labels)[:12]) + (", …" if len(labels) > 12 else "")
    return f"unknown class '{word}'; this detector knows {shown}"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which detections are worth reporting.

    ``min_confidence`` 0..1 holds for every label except those in ``class_confidence`` (word or group, least
    confidence); where a label is named by itself and by its group, its own number wins. ``labels`` are the words or
    groups kept (all when empty). ``max_iou`` is the overlap above which two boxes of one class are one object;
    ``min_side_px`` the shorter side, in pixels of the network's input, below which a box is noise.

    Raises UsageError for numbers out of range.
    """

    min_confidence: float
    class_confidence: tuple[tuple[str, float], ...] = ()
    labels: tuple[str, ...] = ()
    max_iou: float = 0.65
    min_side_px: float = 2.0

    def __post_init__(self) -> None:
        numbers = [("min_confidence", self.min_confidence), ("max_iou", self.max_iou)]
        for name, value in [
            *numbers,
            *((f"the confidence of '{word}'", value) for word, value in self.class_confidence),
        ]:
            if not 0.0 <= value <= 1.0:
                raise UsageError(f"{name}: expected a number from 0 to 1, got {value}")
        if not 0.0 <= self.min_side_px < float("inf"):
            raise UsageError(f"min_side_px: expected a number of pixels, got {self.min_side_px}")

    def thresholds(self, labels: Sequence[str]) -> NDArray[np.float32]:
        """Least confidence of each class of a detector, (len(labels),) float32; infinite where a class is unwanted.

        Raises UsageError for a word that the detector cannot say.
        """
        least = dict.fromkeys(labels, self.min_confidence)
        by_width = sorted(self.class_confidence, key=lambda pair: -len(labels_of([pair[0]], labels)))
        for word, confidence in by_width:
            least.update(dict.fromkeys(labels_of([word], labels), confidence))
        wanted = set(labels_of(self.labels, labels)) if self.labels else set(labels)
        return np.array([least[label] if label in wanted else np.inf for label in labels], np.float32)
