"""What a tracker made of a finding, as the ledger keeps it, so that folding again need not track again.

In: track snapshots. Out: one line of JSON per finding, exact (floats are written so that they read back the same).
Next file: ``pipeline/ledger/reader.py``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from pipeline.types import Track

__all__ = ["tracks_from_bytes", "tracks_to_bytes"]


def tracks_to_bytes(tracks: Sequence[Track]) -> bytes:
    """Rows ``[id, label, confidence, x1, y1, x2, y2, first_at_s, last_at_s, vx, vy, detection]``."""
    rows = [
        [t.id, t.label, t.confidence, *t.xyxy, t.first_at_s, t.last_at_s, *t.velocity_xy, t.detection] for t in tracks
    ]
    return json.dumps(rows, separators=(",", ":"), allow_nan=False).encode()


def tracks_from_bytes(content: bytes) -> tuple[Track, ...]:
    """The tracks that :func:`tracks_to_bytes` wrote. Raises ValueError for anything else."""
    try:
        return tuple(
            Track(
                id=int(row[0]),
                label=str(row[1]),
                confidence=float(row[2]),
                xyxy=(float(row[3]), float(row[4]), float(row[5]), float(row[6])),
                first_at_s=float(row[7]),
                last_at_s=float(row[8]),
                velocity_xy=(float(row[9]), float(row[10])),
                detection=None if row[11] is None else int(row[11]),
            )
            for row in json.loads(content)
        )
    except (TypeError, IndexError, KeyError, ValueError) as error:
        raise ValueError(f"tracks of the ledger are damaged: {error}") from error
