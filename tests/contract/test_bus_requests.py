"""The queue of requests to describe is the same on every bus; descriptions come back as they were."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from pipeline.bus.connection import Link
from pipeline.bus.memory import MemoryBus
from pipeline.bus.redis import RedisBus
from pipeline.bus.requests import RedisRequests
from pipeline.bus.server import EmbeddedRedis
from pipeline.bus.topics import DESCRIPTIONS, MAX_TRIES, MAX_WAITING, REQUESTS_TEXT, REQUESTS_WAITING
from pipeline.bus.urgency import camera_of_id, request_id, urgency
from pipeline.descriptions import DescribeRequest, SceneDescription
from pipeline.errors import MessageError
from tests.contract.bus_messages import description, finding, request
from tests.contract.conftest import NewBus

LONG_S = 60.0


def test_a_description_comes_back_as_it_was(new_bus: NewBus) -> None:
    bus = new_bus()
    sent = [description(1, alert_id="a_1"), replace(description(2), embedding=None, text="", claims=())]
    for each in sent:
        assert bus.append("gate", DESCRIPTIONS, each)
    found = new_bus().read({("gate", DESCRIPTIONS): "0"}, max_entries=10, block_s=0.0)["gate", DESCRIPTIONS]
    for before, entry in zip(sent, found, strict=True):
        after = entry.message
        assert isinstance(after, SceneDescription)
        assert _same(after, before)
        if before.embedding is None:
            assert after.embedding is None
        else:
            assert after.embedding is not None
            np.testing.assert_array_equal(after.embedding, before.embedding)


def _same(one: SceneDescription, other: SceneDescription) -> bool:
    """Descriptions compare by identity (they hold arrays); everything but the array is compared here."""
    names = ("ref", "title", "text", "source", "claims", "concerns", "answers", "confidence", "latency_s", "alert_id")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def test_only_descriptions_stand_among_descriptions(new_bus: NewBus) -> None:
    with pytest.raises(MessageError, match="descriptions of gate carry SceneDescription"):
        new_bus().append("gate", DESCRIPTIONS, finding(1))


def test_the_most_urgent_is_given_first_and_comes_back_as_it_was(new_bus: NewBus) -> None:
    bus = new_bus()
    asked = [
        request(1, "periodic", 0.0),
        request(2, "scene_change", 1.0),
        request(3, "alert", 0.25, alert_id="a_3"),
        request(4, "alert", 0.75, "yard|1", alert_id="a_4"),
        request(5, "alert", 0.25, alert_id="a_5"),
    ]
    assert all(bus.request(each) for each in asked)
    assert bus.requests_waiting() == 5
    other = new_bus()
    assert other.next_requests(2, hold_s=LONG_S) == [asked[3], asked[4]]
    assert other.next_requests(9, hold_s=LONG_S) == [asked[2], asked[1], asked[0]]
    assert bus.requests_waiting() == 0
    assert bus.next_requests(9, hold_s=LONG_S) == []


def test_a_request_takes_effect_once(new_bus: NewBus) -> None:
    bus = new_bus()
    assert bus.request(request(1))
    assert not bus.request(request(1))
    (taken,) = bus.next_requests(9, hold_s=LONG_S)
    assert not new_bus().request(request(1))
    bus.finish_request(taken)
    assert not bus.request(request(1)), "an alert worker that folds again after a kill asks again"
    assert bus.next_requests(9, hold_s=LONG_S) == []


def test_what_nobody_finishes_is_given_to_others_and_in_the_end_given_up(new_bus: NewBus) -> None:
    counted: Counter[tuple[str, str, str]] = Counter()
    bus = new_bus(count=lambda *event: counted.update([event]))
    bus.request(request(1))
    bus.request(request(2))
    for _ in range(MAX_TRIES):
        taken = _until_taken(bus, 2)
        assert {each.ref.key.seq for each in taken} == {1, 2}
    bus.finish_request(request(2))
    for _ in range(1_000):
        if counted:
            break
        assert bus.next_requests(9, hold_s=0.001) == []
    assert counted == {("describe_dropped", "gate", "given_up"): 1}
    assert bus.requests_waiting() == 0


def _until_taken(bus: object, count: int) -> list[DescribeRequest]:
    """What was held for a millisecond is free again a millisecond later: ask until it is."""
    found: list[DescribeRequest] = []
    for _ in range(10_000):
        found += bus.next_requests(9, hold_s=0.001)  # type: ignore[attr-defined]
        if len(found) >= count:
            return found
    raise AssertionError(f"only {len(found)} of {count} were given")


def test_a_full_queue_keeps_the_most_urgent_and_counts_the_others(new_bus: NewBus) -> None:
    counted: Counter[tuple[str, str, str]] = Counter()
    bus = new_bus(count=lambda *event: counted.update([event]))
    for seq in range(MAX_WAITING):
        assert bus.request(request(seq, "scene_change", 0.5, camera="yard"))
    assert bus.request(request(900, "alert", 0.0))
    assert not bus.request(request(901, "periodic", 1.0)), "it is the least urgent itself"
    assert bus.requests_waiting() == MAX_WAITING
    assert counted == {
        ("describe_dropped", "yard", "queue_full"): 1,
        ("describe_dropped", "gate", "queue_full"): 1,
    }
    served = bus.next_requests(MAX_WAITING, hold_s=LONG_S)
    assert served[0].ref.key.seq == 900
    assert {each.ref.key.seq for each in served[1:]} == set(range(1, MAX_WAITING)), "of those alike the oldest went"


@pytest.mark.parametrize("kind", ["memory", "redis"])
def test_a_storm_of_ten_thousand_keeps_the_high_scores(
    kind: str, request_storm: list[DescribeRequest], embedded: EmbeddedRedis
) -> None:
    counted: Counter[str] = Counter()

    def count(_name: str, _camera: str, reason: str) -> None:
        counted[reason] += 1

    if kind == "memory":
        bus: MemoryBus | RedisBus = MemoryBus(count=count)
    else:
        bus = RedisBus(embedded.url, count=count)
        Link(embedded.url).call("x", "FLUSHALL")
    for each in request_storm:
        bus.request(each)
    best = sorted(request_storm, key=lambda each: (urgency(each), request_id(each)), reverse=True)[:MAX_WAITING]
    assert bus.next_requests(2 * MAX_WAITING, hold_s=LONG_S) == best
    assert counted == {"queue_full": len(request_storm) - MAX_WAITING}
    bus.close()


@pytest.fixture(scope="module")
def request_storm() -> list[DescribeRequest]:
    rng = np.random.default_rng(4)
    reasons = ("alert", "scene_change", "periodic")
    return [
        replace(
            request(seq, reasons[int(rng.integers(3))], round(float(rng.random()), 3)),  # type: ignore[arg-type]
            facts=replace(request(seq).facts, facts=()),
        )
        for seq in range(10_000)
    ]


def test_a_request_that_cannot_be_read_is_buried(embedded: EmbeddedRedis) -> None:
    bus, link = RedisBus(embedded.url), Link(embedded.url)
    link.call("x", "FLUSHALL")
    bus.request(request(1))
    link.call(REQUESTS_WAITING, "ZADD", REQUESTS_WAITING, 9, "hostile")
    link.call(REQUESTS_TEXT, "HSET", REQUESTS_TEXT, "hostile", b'9.0\n1\n{"ref":[]}')
    assert [each.ref.key.seq for each in bus.next_requests(9, hold_s=LONG_S)] == [1]
    assert bus.requests_waiting() == 0
    (letter,) = bus.dead_letters()
    assert letter.key == REQUESTS_TEXT
    assert "request.ref" in letter.reason
    assert link.call(REQUESTS_TEXT, "HLEN", REQUESTS_TEXT) == 1
    bus.close()
    link.close()


@pytest.mark.parametrize("camera", ["gate", "a|b", "a/b", "x|1/2"])
def test_the_name_of_a_request_tells_its_camera(camera: str) -> None:
    assert camera_of_id(request_id(request(3, camera=camera, alert_id="a_1"))) == camera
    assert camera_of_id(request_id(request(3, camera=camera))) == camera


def test_the_queue_is_counted_per_redis_not_per_process(embedded: EmbeddedRedis) -> None:
    link = Link(embedded.url)
    link.call("x", "FLUSHALL")
    queue = RedisRequests(link, lambda *_: None, lambda *_: None)
    assert queue.ask(request(1))
    assert queue.waiting() == 1
    queue.finish(request(1))
    assert queue.waiting() == 0
    link.close()
