"""What a label means here: person, vehicle, animal, bag or thing. In: a detector's word. Out: one of five words.

Detectors trained here or elsewhere say words beyond the groups of ``pipeline/labels.py``; what is said of an object
(it walks, it drives, it was left) depends on its kind. Next file: ``pipeline/describe/motion_words.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

from pipeline.labels import group_of

__all__ = ["Kind", "kind_of"]

Kind = Literal["person", "vehicle", "animal", "bag", "thing"]

_BEYOND_GROUPS: Mapping[str, Kind] = MappingProxyType(
    {"van": "vehicle", "lorry": "vehicle", "tram": "vehicle", "forklift": "vehicle", "scooter": "vehicle",
     "fox": "animal", "deer": "animal", "rider": "person", "pedestrian": "person", "box": "bag", "package": "bag"}
)  # fmt: skip
_GROUPS: Mapping[str, Kind] = MappingProxyType(
    {"person": "person", "vehicle": "vehicle", "animal": "animal", "bag": "bag"}
)


@lru_cache(maxsize=256)
def kind_of(label: str) -> Kind:
    """The kind of a label; ``thing`` for a word that is not known."""
    return _GROUPS.get(group_of(label)) or _BEYOND_GROUPS.get(label, "thing")
