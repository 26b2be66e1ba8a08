"""Words for what detectors see, and the groups one may write instead: ``person``, ``vehicle``, ``animal``, ``bag``.

In: label words of any detector (COCO's and our own). Out: which group a word belongs to, and every word of a group.
Used by tracking (what may be the same object), rules (``labels: [vehicle]``) and the site file's checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

__all__ = ["GROUPS", "expand_labels", "group_of"]

GROUPS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "person": frozenset({"person"}),
        "vehicle": frozenset({"bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat"}),
        "animal": frozenset(
            {"bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "animal"}
        ),
        "bag": frozenset({"backpack", "handbag", "suitcase", "bag"}),
    }
)
"""Group word -> label words. A word that is both (``person``, ``bag``) means the group."""
_GROUP_OF: Mapping[str, str] = MappingProxyType({label: group for group, words in GROUPS.items() for label in words})


def expand_labels(words: Iterable[str]) -> frozenset[str]:
    """Every label meant by ``words``: groups are replaced by their members, other words stay as they are."""
    return frozenset(label for word in words for label in GROUPS.get(word, frozenset({word})))


def group_of(label: str) -> str:
    """The group of ``label``; the label itself when it belongs to none."""
    return _GROUP_OF.get(label, label)
