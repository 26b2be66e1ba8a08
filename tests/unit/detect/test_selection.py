"""Which words a site may ask for, and how sure the detector has to be of each."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.detect.selection import COCO_80, Selection, labels_of
from pipeline.errors import UsageError

OURS = ("person", "bicycle", "car", "motorcycle", "bus", "truck", "dog", "cat", "bag")


def test_coco_has_eighty_words():
    assert len(set(COCO_80)) == 80
    assert (COCO_80[0], COCO_80[9], COCO_80[79]) == ("person", "traffic light", "toothbrush")


@pytest.mark.parametrize(
    ("words", "labels", "expected"),
    [
        (["car", "person"], COCO_80, ("person", "car")),
        (["bag"], COCO_80, ("backpack", "handbag", "suitcase")),
        (["bag"], OURS, ("bag",)),
        (["vehicle"], OURS, ("bicycle", "car", "motorcycle", "bus", "truck")),
        (["animal", "dog"], OURS, ("dog", "cat")),
        ([], OURS, ()),
    ],
)
def test_words_and_groups_become_labels(words, labels, expected):
    assert labels_of(words, labels) == expected


@pytest.mark.parametrize(
    ("word", "labels", "sentence"),
    [
        ("persn", OURS, "unknown class 'persn'; did you mean 'person'?"),
        ("Person", OURS, "unknown class 'Person'; did you mean 'person'?"),
        ("vehicles", OURS, "unknown class 'vehicles'; did you mean 'vehicle'?"),
        ("ship", OURS, "unknown class 'ship'; this detector knows person, bicycle"),
        ("vehicle", ("person",), "unknown class 'vehicle'; this detector knows person"),
        ("", OURS, "unknown class ''"),
    ],
)
def test_unknown_words_name_the_nearest(word, labels, sentence):
    with pytest.raises(UsageError) as caught:
        labels_of([word], labels)
    assert str(caught.value).startswith(sentence)


def test_thresholds_of_words_beat_those_of_their_group_in_any_order():
    for pairs in [(("vehicle", 0.6), ("car", 0.2)), (("car", 0.2), ("vehicle", 0.6))]:
        least = Selection(0.4, class_confidence=pairs).thresholds(OURS)
        assert least.tolist() == pytest.approx([0.4, 0.6, 0.2, 0.6, 0.6, 0.6, 0.4, 0.4, 0.4])


def test_unwanted_classes_can_never_be_confident_enough():
    least = Selection(0.4, labels=("person", "dog")).thresholds(OURS)
    assert [label for label, value in zip(OURS, least, strict=True) if np.isfinite(value)] == ["person", "dog"]


def test_thresholds_of_unknown_words_are_refused():
    with pytest.raises(UsageError, match="unknown class 'lorry'"):
        Selection(0.4, class_confidence=(("lorry", 0.5),)).thresholds(OURS)


@pytest.mark.parametrize(
    "arguments",
    [
        {"min_confidence": -0.1},
        {"min_confidence": 1.1},
        {"min_confidence": float("nan")},
        {"min_confidence": 0.5, "max_iou": 2.0},
        {"min_confidence": 0.5, "min_side_px": -1.0},
        {"min_confidence": 0.5, "min_side_px": float("inf")},
        {"min_confidence": 0.5, "class_confidence": (("car", 1.5),)},
    ],
)
def test_numbers_out_of_range_are_refused(arguments):
    with pytest.raises(UsageError, match="expected"):
        Selection(**arguments)
