"""Which cameras this worker serves: leases on the bus, sticky, balanced by preference, taken over when a holder dies.

Worker ``index`` of ``count`` prefers every ``count``-th camera. It takes others only when their preferred worker has
not asked for them for a whole lease time, and gives them back when that worker asks for them again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.protocols import Bus, Lease

__all__ = ["Change", "Claims"]

LEASE_S = 3.0
RENEW_S = 1.0


@dataclass(frozen=True, slots=True)
class Change:
    """Cameras that this worker began (``gained``) and ceased (``lost``) to serve at a round of renewals."""

    gained: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


class Claims:
    """The cameras held in ``role`` by ``owner``. Call :meth:`renew` at least every second; time is an argument."""

    def __init__(
        self, bus: Bus, role: str, owner: str, cameras: Sequence[str], *, index: int = 0, count: int = 1
    ) -> None:
        if not 0 <= index < count:
            raise ValueError(f"index: expected 0..{count - 1}, got {index}")
        self._bus = bus
        self._role = role
        self._owner = owner
        self._cameras = tuple(cameras)
        self._is_alone = count == 1
        self._preferred = frozenset(camera for place, camera in enumerate(self._cameras) if place % count == index)
        self._held: set[str] = set()
        self._unasked_since: dict[str, float] = {}
        self._renewed_at = float("-inf")

    @property
    def held(self) -> tuple[str, ...]:
        """Cameras served now, in the order of the site."""
        return tuple(camera for camera in self._cameras if camera in self._held)

    def renew(self, now_s: float) -> Change:
        """Renew, take over and give back; does nothing between two rounds. Raises BusError.

        Leases that ran out in the meantime count as lost and, where they could be had again, as gained anew: somebody
        else may have served those cameras.
        """
        if now_s - self._renewed_at < RENEW_S:
            return Change()
        has_slept = now_s - self._renewed_at >= LEASE_S
        before = set(self._held)
        for camera in self._cameras:
            if self._wants(camera, now_s) and self._bus.acquire(self.lease(camera), LEASE_S):
                self._held.add(camera)
                self._unasked_since.pop(camera, None)
            else:
                self._held.discard(camera)
        self._renewed_at = now_s
        return Change(
            gained=tuple(c for c in self._cameras if c in self._held and (has_slept or c not in before)),
            lost=tuple(c for c in self._cameras if c in before and (has_slept or c not in self._held)),
        )

    def release(self) -> None:
        """Give everything back, so that a successor need not wait."""
        for camera in self.held:
            self._bus.release(self.lease(camera))
        self._held.clear()

    def lease(self, camera: str) -> Lease:
        """The lease under which this worker serves ``camera``; what it saves is refused once that is gone."""
        return Lease(camera, self._role, self._owner)

    def _wants(self, camera: str, now_s: float) -> bool:
        if self._is_alone:
            return True
        wish = Lease(camera, f"{self._role}-wish", self._owner)
        if camera in self._preferred:
            if camera not in self._held:
                self._bus.acquire(wish, LEASE_S)
            else:
                self._bus.release(wish)
            return True
        if not self._bus.acquire(wish, LEASE_S):  # its preferred worker is alive and asks for it
            if camera in self._held:
                self._bus.release(self.lease(camera))
            self._unasked_since.pop(camera, None)
            return False
        self._bus.release(wish)
        if camera in self._held:
            return True
        return now_s - self._unasked_since.setdefault(camera, now_s) >= LEASE_S
