"""A describer that stalls delays no alert: alert role, bus and describe role together, in memory and on real Redis."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable

import pytest

from pipeline.alert.message import to_json
from pipeline.bus.topics import DESCRIPTIONS, DETECTIONS
from pipeline.protocols import Bus
from pipeline.settings import LedgerSettings
from pipeline.telemetry import Telemetry
from pipeline.types import Alert
from tests.contract.conftest import NewBus
from tests.unit.workers import describing
from tests.unit.workers.test_alert_hears import new_stage, require_whole, scene
from workers import alert as alert_role
from workers import describe as describe_role
from workers.claims import Claims
from workers.ledger import Scribe
from workers.runtime import Liveness

PATIENCE_S = 30.0
WORDS = "The light has changed."


def reached(is_met: Callable[[], bool]) -> bool:
    """Whether it comes true before patience runs out; how long that takes decides nothing."""
    until = time.monotonic() + PATIENCE_S
    while not is_met() and time.monotonic() < until:
        time.sleep(0.005)
    return is_met()


def published(bus: Bus) -> list[Alert]:
    return [alert for _, alert in bus.alerts("0", max_entries=1_000, block_s=0.0)]


def described(bus: Bus) -> set[str]:
    return {alert.id for alert in published(bus) if alert.text.endswith(WORDS)}


class Site:
    """An alert worker and a describe worker in threads, whose model waits until it is let go."""

    def __init__(self, new_bus: NewBus) -> None:
        self.stop, self.may_speak, self.is_asked = threading.Event(), threading.Event(), threading.Event()
        self._threads = [
            threading.Thread(target=self._alert, args=(new_bus(),)),
            threading.Thread(target=self._describe, args=(new_bus(),)),
        ]

    def __enter__(self) -> Site:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.may_speak.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)
        assert not any(thread.is_alive() for thread in self._threads)

    def _alert(self, bus: Bus) -> None:
        telemetry = Telemetry("alert", stream=io.StringIO())
        silent = Scribe(None, LedgerSettings(keep_days=0, max_bytes=0), telemetry)
        claims = Claims(bus, "alert", "one", ["gate"])
        alert_role.work(bus, claims, new_stage, telemetry, Liveness(time.monotonic), self.stop, silent)

    def _describe(self, bus: Bus) -> None:
        def stall() -> None:
            self.is_asked.set()
            self.may_speak.wait(PATIENCE_S)

        said = describing.Said()
        model = describing.model_says(describing.reply_of(WORDS), before=stall)
        describe_role.work(
            bus,
            describing.stage(model, said.count),
            describing.Pad(said.telemetry).book,
            said.telemetry,
            Liveness(time.monotonic),
            self.stop,
            batch=4,
            hold_s=PATIENCE_S,
        )


@pytest.mark.parametrize("new_bus", ["memory", "embedded", "cluster"], indirect=True)
def test_alerts_go_out_while_the_describer_stalls(new_bus: NewBus) -> None:
    expected = [to_json(alert) for stage in [new_stage("gate")] for one in scene() for alert in stage.step(one)]
    feeder, watcher = new_bus(), new_bus()
    with Site(new_bus) as site:
        for one in scene()[:-1]:
            feeder.append("gate", DETECTIONS, one)
        assert site.is_asked.wait(PATIENCE_S), "the describer is in the middle of a call"
        feeder.append("gate", DETECTIONS, scene()[-1])
        assert reached(lambda: alert_role.has_ended(watcher, "gate"))
        assert [to_json(alert) for alert in published(watcher)] == expected, (
            "every alert is out, and as without a model"
        )
        assert not site.may_speak.is_set()
        assert watcher.depth("gate", DESCRIPTIONS) == 0


@pytest.mark.parametrize("new_bus", ["memory", "embedded", "cluster"], indirect=True)
def test_the_words_arrive_as_updates_when_the_describer_wakes(new_bus: NewBus) -> None:
    feeder, watcher = new_bus(), new_bus()
    with Site(new_bus) as site:
        for one in scene()[:-1]:  # the recording goes on: nothing is forgotten yet
            feeder.append("gate", DETECTIONS, one)
        assert site.is_asked.wait(PATIENCE_S)
        assert reached(lambda: sum(alert.phase == "closed" for alert in published(watcher)) == 2)
        assert {alert.text_source for alert in published(watcher)} == {"grounded"}
        site.may_speak.set()
        assert reached(lambda: len(described(watcher)) == 2)
        require_whole(published(watcher), "server:told", WORDS)
