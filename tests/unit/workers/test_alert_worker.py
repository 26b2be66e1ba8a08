"""The alert worker on a memory bus: every finding folded once, whatever dies or fails in between."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable

import pytest

from pipeline.alert.settings import AlertSettings, Zone, ZoneRule
from pipeline.alert.stage import AlertStage, standard_judges
from pipeline.bus.memory import MemoryBus
from pipeline.bus.topics import DETECTIONS
from pipeline.settings import LedgerSettings
from pipeline.telemetry import Telemetry
from pipeline.track.bytetrack import ByteTracker
from pipeline.types import Alert, Finding
from tests.unit.alert.acting import finding, person
from tests.unit.workers.flaky import FlakyBus
from workers import alert as role
from workers.claims import Claims
from workers.coverage import reports
from workers.ledger import Scribe
from workers.runtime import Liveness

SETTINGS = AlertSettings(
    camera="gate",
    zones=(Zone("yard", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))),),
    rules=(ZoneRule(name="nobody", zone="yard"),),
)


def new_stage(_camera: str) -> AlertStage:
    return AlertStage(SETTINGS, ByteTracker(), standard_judges(SETTINGS))


def scene() -> list[Finding]:
    """Somebody walks through for eight seconds, then nobody, then the recording ends."""
    walk = [finding(n / 5, [person(1, 100 + 8 * n)], seq=n) for n in range(40)]
    empty = [finding(n / 5, [], seq=n) for n in range(40, 90)]
    return [*walk, *empty, finding(18.0, None, seq=90, gate="absent", ended=True)]


def expected() -> list[Alert]:
    stage = new_stage("gate")
    return [alert for one in scene() for alert in stage.step(one)]


def published(bus: MemoryBus) -> list[Alert]:
    return [alert for _, alert in bus.alerts("0", max_entries=1000, block_s=0.0)]


def run_until(bus: MemoryBus, is_done: Callable[[], bool], owner: str = "one") -> None:
    """Run a worker until ``is_done``, then tell it to stop; fails after ten seconds."""
    stop = threading.Event()
    telemetry = Telemetry("alert", stream=io.StringIO())
    claims = Claims(bus, "alert", owner, ["gate"])
    silent = Scribe(None, LedgerSettings(keep_days=0, max_bytes=0), telemetry)
    arguments = (bus, claims, new_stage, telemetry, Liveness(time.monotonic), stop, silent)
    thread = threading.Thread(target=role.work, args=arguments)
    thread.start()
    until = time.monotonic() + 10.0
    while not is_done() and time.monotonic() < until and thread.is_alive():
        time.sleep(0.005)
    stop.set()
    thread.join(10.0)
    assert not thread.is_alive()
    assert is_done()


def test_every_finding_becomes_the_alerts_of_the_pure_fold() -> None:
    bus = MemoryBus()
    for one in scene():
        bus.append("gate", DETECTIONS, one)

    run_until(bus, lambda: role.has_ended(bus, "gate"))

    assert published(bus) == expected()
    assert {alert.phase for alert in published(bus)} >= {"opened", "closed"}


@pytest.mark.parametrize("method", ["read", "publish_alert", "save_state", "acquire"])
def test_a_bus_that_fails_in_the_middle_loses_and_doubles_nothing(method: str) -> None:
    bus = FlakyBus()
    for one in scene():
        bus.append("gate", DETECTIONS, one)
    bus.failures[method] = 2

    run_until(bus, lambda: role.has_ended(bus, "gate"))

    assert published(bus) == expected()


@pytest.mark.parametrize("cut", [1, 17, 60])
def test_a_successor_continues_where_the_state_was_saved(cut: int) -> None:
    bus = MemoryBus()
    for one in scene()[:cut]:
        bus.append("gate", DETECTIONS, one)
    run_until(bus, lambda: bus.load_state("gate", "alert") is not None)
    for one in scene()[cut:]:
        bus.append("gate", DETECTIONS, one)

    run_until(bus, lambda: role.has_ended(bus, "gate"), owner="two")

    assert published(bus) == expected()


def test_a_successor_of_a_killed_worker_folds_again_and_doubles_nothing() -> None:
    bus = MemoryBus()
    for one in scene():
        bus.append("gate", DETECTIONS, one)
    killed = new_stage("gate")
    for one in scene()[:50]:  # it published these and died before it saved anything
        for alert in killed.step(one):
            bus.publish_alert(alert)

    run_until(bus, lambda: role.has_ended(bus, "gate"))

    assert published(bus) == expected()


@pytest.mark.parametrize(
    "saved", [b"", b"[]", b'{"v":99}', b'{"v":1,"position":"0","ended":false,"stage":{}}', b"\xff"]
)
def test_a_saved_state_that_cannot_be_read_is_left_and_the_fold_begins_afresh(saved: bytes) -> None:
    bus = MemoryBus()
    bus.save_state("gate", "alert", saved)
    for one in scene():
        bus.append("gate", DETECTIONS, one)

    run_until(bus, lambda: role.has_ended(bus, "gate"))

    assert published(bus) == expected()


def test_folded_findings_leave_the_stream() -> None:
    bus = MemoryBus()
    for one in scene():
        bus.append("gate", DETECTIONS, one)

    run_until(bus, lambda: role.has_ended(bus, "gate"))

    assert bus.depth("gate", DETECTIONS) == 0


def test_what_the_camera_saw_is_kept_for_the_coverage_report() -> None:
    bus = MemoryBus()
    for one in scene():
        bus.append("gate", DETECTIONS, one)

    run_until(bus, lambda: role.has_ended(bus, "gate"))

    end_s = scene()[-1].ref.at_s
    report = reports(bus, ["gate", "yard"], now_s=end_s + 6.0, window_s=3600.0)
    seen = report["gate"]
    assert seen is not None
    assert seen.seen_s == pytest.approx(18.0)
    assert seen.gap_s == pytest.approx(6.0)
    assert report["yard"] is None
