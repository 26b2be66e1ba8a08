"""What the alert stage tells judges that learn from what they see: whom a rule holds something against.

Used by ``pipeline/alert/stage.py``; such a judge is ``pipeline/unusual/judge.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from pipeline.types import Track

__all__ = ["Learner"]


@runtime_checkable
class Learner(Protocol):
    """A judge whose idea of normal grows with what it sees."""

    def beware(self, tracks: Sequence[Track], at_s: float) -> None:
        """Rules hold something against ``tracks`` at ``at_s`` (UTC seconds): what they do now is not to be learned."""
        ...
