"""Which frame a message speaks of: a :class:`~pipeline.types.FrameRef` as a part of a message's head, and back.

In: a ref, or a head from the bus. Out: JSON values, or a checked ref. Next file: ``pipeline/bus/codec.py``.
"""

from __future__ import annotations

from pipeline.bus.head import Head, instant_us, ratio
from pipeline.types import FrameKey, FrameRef

__all__ = ["read_ref", "ref_head"]


def ref_head(ref: FrameRef) -> dict[str, object]:
    """``ref`` as JSON values; :func:`read_ref` reads them back exactly."""
    return {
        "camera": ref.key.camera,
        "session": int(ref.key.session),
        "seq": int(ref.key.seq),
        "pts": int(ref.pts),
        "time_base": ratio(ref.time_base),
        "captured_at_us": instant_us(ref.captured_at),
        "source_wh": [int(ref.source_wh[0]), int(ref.source_wh[1])],
    }


def read_ref(head: Head) -> FrameRef:
    """The ref written in ``head``. Raises MessageError."""
    return FrameRef(
        key=FrameKey(head.text("camera"), head.integer("session"), head.integer("seq", least=0)),
        pts=head.integer("pts"),
        time_base=head.ratio("time_base"),
        captured_at=head.instant("captured_at_us"),
        source_wh=head.size("source_wh"),
    )
