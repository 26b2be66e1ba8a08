"""Claims: who serves which camera when workers come, die and come back; time is given, nothing sleeps."""

from __future__ import annotations

import pytest

from pipeline.bus.memory import MemoryBus
from workers.claims import Claims

CAMERAS = ["a", "b", "c", "d"]


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def settle(clock: Clock, *workers: Claims, for_s: float = 8.0) -> None:
    """Let ``workers`` renew every second."""
    for _ in range(int(for_s)):
        clock.now_s += 1.0
        for worker in workers:
            worker.renew(clock.now_s)


def pair(bus: MemoryBus) -> tuple[Claims, Claims]:
    return (
        Claims(bus, "detect", "one", CAMERAS, index=0, count=2),
        Claims(bus, "detect", "two", CAMERAS, index=1, count=2),
    )


def test_a_lone_worker_takes_every_camera_at_once() -> None:
    clock = Clock()
    claims = Claims(MemoryBus(clock=clock), "detect", "one", CAMERAS)

    change = claims.renew(clock.now_s)

    assert change.gained == tuple(CAMERAS)
    assert claims.held == tuple(CAMERAS)


def test_two_workers_share_the_cameras_evenly_and_stay() -> None:
    clock = Clock()
    one, two = pair(MemoryBus(clock=clock))

    settle(clock, one, two)

    assert one.held == ("a", "c")
    assert two.held == ("b", "d")


def test_cameras_of_a_dead_worker_are_taken_over_and_given_back() -> None:
    clock = Clock()
    bus = MemoryBus(clock=clock)
    one, two = pair(bus)
    settle(clock, one, two)

    settle(clock, one)  # two is killed: it renews no more
    assert one.held == tuple(CAMERAS)

    again = Claims(bus, "detect", "two again", CAMERAS, index=1, count=2)
    settle(clock, one, again)
    assert (one.held, again.held) == (("a", "c"), ("b", "d"))


def test_no_camera_is_ever_held_twice_while_workers_renew() -> None:
    clock = Clock()
    one, two = pair(MemoryBus(clock=clock))
    for second in range(30):
        clock.now_s += 1.0
        one.renew(clock.now_s)
        if second > 4:
            two.renew(clock.now_s)
        assert not set(one.held) & set(two.held)


def test_released_cameras_are_free_at_once() -> None:
    clock = Clock()
    bus = MemoryBus(clock=clock)
    one = Claims(bus, "alert", "one", CAMERAS)
    one.renew(clock.now_s)

    one.release()

    successor = Claims(bus, "alert", "next", CAMERAS)
    assert successor.renew(clock.now_s).gained == tuple(CAMERAS)


def test_a_worker_that_slept_through_its_leases_begins_afresh() -> None:
    clock = Clock()
    claims = Claims(MemoryBus(clock=clock), "alert", "one", CAMERAS)
    claims.renew(clock.now_s)
    clock.now_s += 10.0

    change = claims.renew(clock.now_s)

    assert change.lost == tuple(CAMERAS)
    assert change.gained == tuple(CAMERAS)


def test_an_index_outside_the_count_is_refused() -> None:
    with pytest.raises(ValueError, match="index: expected"):
        Claims(MemoryBus(), "detect", "one", CAMERAS, index=2, count=2)
