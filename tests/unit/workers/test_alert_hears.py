"""The alert worker and language: requests on the queue, descriptions as updates, nothing lost wherever it is killed."""

from __future__ import annotations

import io
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest

from pipeline.alert.settings import AlertSettings, Zone, ZoneRule
from pipeline.alert.stage import AlertStage, standard_judges
from pipeline.bus.memory import MemoryBus
from pipeline.bus.topics import DESCRIPTIONS, DETECTIONS, Topic
from pipeline.describe.facts import FactsFold
from pipeline.describe.narrator import SceneNarrator
from pipeline.descriptions import DescribeRequest, SceneDescription
from pipeline.errors import BusError, MessageError
from pipeline.protocols import Entry, Lease, Message
from pipeline.settings import LedgerSettings
from pipeline.telemetry import Telemetry
from pipeline.track.bytetrack import ByteTracker
from pipeline.types import Alert, Finding
from tests.unit.alert.acting import finding, person
from workers import alert as role
from workers.claims import Claims
from workers.ledger import Scribe
from workers.runtime import Liveness

SETTINGS = AlertSettings(
    camera="gate",
    zones=(Zone("yard", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))),),
    rules=(ZoneRule(name="nobody", zone="yard", close_after_s=2, cool_down_s=1),),
)
WORDS = "A man in a red jacket climbs the gate."


class Killed(BaseException):
    """The process is gone, as far as it can tell."""


class DescribedBus(MemoryBus):
    """A bus with a describer behind it that answers after ``lag`` reads, and a worker that dies at call ``kill_at``."""

    def __init__(self, stop: threading.Event, *, lag: int = 3, kill_at: int = 0) -> None:
        self.now_s = 0.0
        super().__init__(clock=lambda: self.now_s)
        self.stop, self.lag, self.kill_at = stop, lag, kill_at
        self.calls = 0
        self.refusals: BusError | MessageError | None = None
        self._answers: list[tuple[int, SceneDescription]] = []
        self._reads = 0

    def request(self, request: DescribeRequest) -> bool:
        self._live()
        if self.refusals is not None:
            raise self.refusals
        is_new = super().request(request)
        if is_new and self.lag:
            words = SceneDescription(request.ref, "A man climbs", WORDS, "vlm:m", alert_id=request.alert_id)
            self._answers.append((self._reads + self.lag, words))
        return is_new

    def read(
        self, positions: Mapping[tuple[str, Topic], str], *, max_entries: int, block_s: float
    ) -> dict[tuple[str, Topic], list[Entry]]:
        self._live()
        self._reads += 1
        for due, words in [answer for answer in self._answers if answer[0] <= self._reads]:
            self.append("gate", DESCRIPTIONS, words)
            self._answers.remove((due, words))
        if role.has_ended(self, "gate") and not self._answers:
            self.stop.set()
        return super().read(positions, max_entries=5, block_s=0.0)

    def exchange(
        self, camera: str, consumed: Sequence[tuple[Topic, str]], produced: Sequence[tuple[Topic, Message]]
    ) -> None:
        self._live()
        super().exchange(camera, consumed, produced)

    def save_state(self, camera: str, role: str, state: bytes, *, lease: Lease | None = None) -> bool:
        self._live()
        return super().save_state(camera, role, state, lease=lease)

    def publish_alert(self, alert: Alert) -> bool:
        self._live()
        return super().publish_alert(alert)

    def trim(self, camera: str, topic: Topic, before: str) -> None:
        self._live()
        super().trim(camera, topic, before)

    def _live(self) -> None:
        self.calls += 1
        if self.calls == self.kill_at:
            raise Killed


def new_stage(_camera: str) -> AlertStage:
    narrator = SceneNarrator(FactsFold("gate", {"yard": SETTINGS.zones[0].polygon_norm}))
    return AlertStage(SETTINGS, ByteTracker(), standard_judges(SETTINGS), narrator=narrator)


def scene() -> list[Finding]:
    """Two visits, each of three seconds, and the end."""
    visits = [finding(n / 5, [person(1, 100 + 8 * n)] if n < 15 or 35 <= n < 50 else [], seq=n) for n in range(70)]
    return [*visits, finding(14.0, None, seq=70, gate="absent", ended=True)]


def work(bus: DescribedBus, owner: str, *, is_asking: bool = True) -> Telemetry:
    telemetry = Telemetry("alert", stream=io.StringIO())
    silent = Scribe(None, LedgerSettings(keep_days=0, max_bytes=0), telemetry)
    claims = Claims(bus, "alert", owner, ["gate"])
    role.work(bus, claims, new_stage, telemetry, Liveness(time.monotonic), bus.stop, silent, is_asking=is_asking)
    return telemetry


def filled(**options: int) -> DescribedBus:
    bus = DescribedBus(threading.Event(), **options)
    for one in scene():
        bus.append("gate", DETECTIONS, one)
    return bus


def published(bus: MemoryBus) -> list[Alert]:
    return [alert for _, alert in bus.alerts("0", max_entries=1000, block_s=0.0)]


def require_whole(alerts: Sequence[Alert], source: str = "vlm:m", words: str = WORDS) -> None:
    """Two incidents, each opened once, described, closed, with every revision once and in order."""
    by_id: dict[str, list[Alert]] = {}
    for alert in alerts:
        by_id.setdefault(alert.id, []).append(alert)
    assert len(by_id) == 2
    for revisions in by_id.values():
        assert [alert.revision for alert in revisions] == list(range(1, len(revisions) + 1))
        assert revisions[0].phase == "opened"
        assert revisions[-1].phase == "closed"
        assert revisions[-1].text_source == source
        assert revisions[-1].text.endswith(words)
        assert Counter(alert.phase for alert in revisions)["opened"] == 1


@pytest.mark.parametrize("lag", [1, 2, 5])
def test_a_description_becomes_an_update_of_the_alert_it_was_asked_for(lag: int) -> None:
    bus = filled(lag=lag)
    work(bus, "one")
    require_whole(published(bus))
    assert bus.depth("gate", DESCRIPTIONS) == 0, "what was heard leaves the stream"
    assert bus.depth("gate", DETECTIONS) == 0


def test_killed_at_any_call_loses_and_doubles_nothing() -> None:
    whole = filled(lag=2)
    work(whole, "one")
    for kill_at in range(1, whole.calls + 1, 2):
        bus = filled(lag=2, kill_at=kill_at)
        with pytest.raises(Killed):
            work(bus, "one")
        bus.now_s += 10.0  # its lease runs out
        work(bus, "two")
        require_whole(published(bus))


def test_without_a_describer_alerts_are_as_they_were() -> None:
    alone, asking = filled(lag=0), filled(lag=0)
    work(alone, "one", is_asking=False)
    work(asking, "one")
    assert published(alone) == published(asking)
    assert {alert.text_source for alert in published(alone)} == {"grounded"}
    assert alone.requests_waiting() == 0
    assert asking.requests_waiting() >= 2


@pytest.mark.parametrize("refusal", [BusError("Redis is out of memory."), MessageError("too large")])
def test_a_queue_that_refuses_holds_no_alert_back(refusal: BusError | MessageError) -> None:
    bus, plain = filled(lag=0), filled(lag=0)
    bus.refusals = refusal
    work(bus, "one")
    work(plain, "one", is_asking=False)
    assert published(bus) == published(plain)


def test_a_successor_that_took_the_camera_over_is_not_talked_into() -> None:
    bus = filled(lag=2)
    original = bus.save_state
    refused: list[str] = []

    def refuse_once(camera: str, role_: str, state: bytes, *, lease: Lease | None = None) -> bool:
        if role_ == "alert" and b'"outbox":["' in state:
            bus.save_state = original  # type: ignore[method-assign]
            refused.append(camera)
            return False
        return original(camera, role_, state, lease=lease)

    bus.save_state = refuse_once  # type: ignore[method-assign]
    work(bus, "one")
    require_whole(published(bus))
    assert len(refused) == 1
