"""Which request to describe comes first, and what it is called: what every bus's queue has in common.

In: a :class:`~pipeline.descriptions.DescribeRequest`. Out: its lasting name, and its urgency: an alert before a changed
scene before a slow look, then the score; of two alike the newer. Next file: ``pipeline/bus/requests.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from pipeline.descriptions import DescribeReason, DescribeRequest
from pipeline.protocols import Count

__all__ = ["camera_of_id", "count_dropped", "request_id", "urgency"]

_RANKS: Mapping[DescribeReason, int] = MappingProxyType({"alert": 2, "scene_change": 1, "periodic": 0})
_DIGITS = 6
_ALMOST_ONE = 0.999_999  # no score makes a request more urgent than its reason


def request_id(request: DescribeRequest) -> str:
    """Names a request for ever; of two equally urgent ones the newer is the greater."""
    at_us = round(request.ref.at_s * 1e6)
    return f"{at_us:018d}|{request.ref.key}|{request.reason}|{request.alert_id or ''}"


def camera_of_id(id_: str) -> str:
    """The camera in what :func:`request_id` gave."""
    return id_.partition("|")[2].rsplit("|", 2)[0].rsplit("/", 2)[0]


def urgency(request: DescribeRequest) -> float:
    """0..3, to six digits: what is described first."""
    return round(_RANKS[request.reason] + min(request.score, _ALMOST_ONE), _DIGITS)


def count_dropped(count: Count, ids: Iterable[str], reason: str) -> None:
    """Tell ``count`` of every request that will not be described."""
    for id_ in ids:
        count("describe_dropped", camera_of_id(id_), reason)
