"""The describe role: serves the site's queue of requests, most urgent first, and keeps what was said for searching.

In: requests to describe, and ``vedette:{cam}:packets`` for the pictures. Out: ``vedette:{cam}:descriptions``, which the
alert role folds, and the site's store of descriptions. A request leaves the queue after its description has arrived, so
a describer that dies leaves it to another; what was spent is saved before anything more is, so dying buys nothing.
Nothing waits for this role. Next file: ``pipeline/describe/stage.py``.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.bus.topics import DESCRIBER, DESCRIPTIONS, PACKETS
from pipeline.describe.budget import Budget
from pipeline.describe.pictures import ModelPicture, take
from pipeline.describe.settings import DescribeSettings
from pipeline.describe.stage import DescribeStage, Outcome, Pictures
from pipeline.descriptions import DescribeRequest, SceneDescription
from pipeline.errors import BusError, MessageError, ModelError, SourceError, StorageError
from pipeline.protocols import Bus
from pipeline.telemetry import Telemetry
from pipeline.types import PacketBatch
from workers.runtime import Liveness, bus_patience

__all__ = ["Notebook", "load_budget", "packet_pictures", "save_budget", "work"]

ROLE = "describe"
POLL_S = 0.2
PAUSE_S = 1.0
READ_PACKETS = 64
BEYOND_S = 1.0
"""Packets so long after the moment are read too: a picture may be held back by its successors."""
FORGET_EVERY_S = 3_600.0
_QUIET_OBSTACLES = ("", "no_model", "unchanged")


def packet_pictures(bus: Bus, settings: DescribeSettings) -> Pictures:
    """Pictures out of the packets that ``bus`` still holds."""

    def pictures(request: DescribeRequest) -> Sequence[ModelPicture]:
        camera, at_s = request.facts.camera, request.ref.at_s
        batches: list[PacketBatch] = []
        position = "0"
        while True:
            try:
                found = bus.read({(camera, PACKETS): position}, max_entries=READ_PACKETS, block_s=0.0)
            except BusError as error:
                raise SourceError(f"The packets of {camera} cannot be read: {error}") from error
            entries = found.get((camera, PACKETS), [])
            batches += [entry.message for entry in entries if isinstance(entry.message, PacketBatch)]
            if len(entries) < READ_PACKETS or _ends_after(batches, at_s + BEYOND_S):
                return take(batches, request, settings.pictures, settings.privacy)
            position = entries[-1].id

    return pictures


def _ends_after(batches: Sequence[PacketBatch], at_s: float) -> bool:
    return bool(batches and batches[-1].packets) and batches[-1].at_s(batches[-1].packets[-1].pts) > at_s


def load_budget(bus: Bus, budget: Budget, index: int, telemetry: Telemetry) -> bool:
    """Go on with what the worker ``index`` before this one had spent; whether there was anything. Raises BusError."""
    saved = bus.load_state(DESCRIBER, f"budget:{index}")
    if saved is not None:
        try:
            budget.restore(json.loads(saved))
        except ValueError as error:
            telemetry.log.warning("budget_state_refused", error=str(error))
    return saved is not None


def save_budget(bus: Bus, budget: Budget, index: int) -> None:
    """Keep what was spent. Raises BusError."""
    bus.save_state(DESCRIBER, f"budget:{index}", json.dumps(budget.state(), separators=(",", ":")).encode())


@dataclass(slots=True)
class Notebook:
    """Keeps descriptions for searching: ``add`` remembers one, ``forget_before`` what is older (UTC seconds).

    A disk that is full, or an encoder that fails, costs the description its place in the search and nothing else.
    """

    add: Callable[[SceneDescription], None]
    forget_before: Callable[[float], object]
    keep_s: float
    telemetry: Telemetry
    forgot_at_s: float = float("-inf")
    is_failing: bool = False

    def keep(self, description: SceneDescription, now_s: float) -> None:
        """Remember ``description``, and once per hour forget what is too old."""
        try:
            self.add(description)
            if now_s - self.forgot_at_s >= FORGET_EVERY_S:
                self.forget_before(now_s - self.keep_s)
                self.forgot_at_s = now_s
        except (StorageError, ModelError) as error:
            self.telemetry.count("describe_dropped", description.ref.key.camera, "not_kept")
            if not self.is_failing:
                self.telemetry.log.error("descriptions_not_kept", error=str(error))
            self.is_failing = True
            return
        self.is_failing = False


def work(
    bus: Bus,
    stage: DescribeStage,
    notebook: Notebook,
    telemetry: Telemetry,
    liveness: Liveness,
    stop: threading.Event,
    *,
    batch: int,
    hold_s: float,
    now: Callable[[], float] = time.time,
) -> None:
    """Describe until told to stop: at most ``batch`` moments at a time, in at most ``hold_s``. ``now``: UTC seconds."""
    tell = _Voice(telemetry)
    while not stop.is_set():
        requests = bus_patience(lambda: bus.next_requests(batch, hold_s=hold_s), stop, telemetry, liveness)
        if requests is None:
            return
        try:
            outcomes = stage.describe(requests, now()) if requests else []
        except BusError as error:  # what was spent could not be kept, so nothing was; the requests come again
            liveness.bus_is(error)
            stop.wait(PAUSE_S)
            continue
        for outcome in outcomes:
            tell.outcome(outcome)
            notebook.keep(outcome.description, now())
            bus_patience(lambda outcome=outcome: _hand_over(bus, outcome, telemetry), stop, telemetry, liveness)  # type: ignore[misc]
        liveness.progress()
        if not requests:
            stop.wait(POLL_S)


def _hand_over(bus: Bus, outcome: Outcome, telemetry: Telemetry) -> None:
    camera = outcome.description.ref.key.camera
    try:
        bus.append(camera, DESCRIPTIONS, outcome.description)
    except MessageError as error:
        telemetry.count("describe_dropped", camera, "unwritable")
        telemetry.log.warning("description_refused", camera=camera, error=str(error))
    telemetry.described(outcome.description)
    bus.finish_request(outcome.request)
    telemetry.queued("", "describe", bus.requests_waiting())


class _Voice:
    """Says once what keeps the model from describing, and once that it describes again."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._is_spent = False

    def outcome(self, outcome: Outcome) -> None:
        """Log what became of a request: one line per failure, and one when the budget is spent or is there again."""
        camera = outcome.description.ref.key.camera
        if outcome.obstacle == "budget":
            if not self._is_spent:
                self._telemetry.log.warning("describe_budget_spent", error=outcome.sentence, instead="grounded")
            self._is_spent = True
        elif outcome.obstacle not in _QUIET_OBSTACLES:
            self._telemetry.log.warning(
                "describe_failed", camera=camera, reason=outcome.obstacle, error=outcome.sentence, instead="grounded"
            )
        elif outcome.obstacle == "" and self._is_spent:
            self._telemetry.log.info("describe_budget_back")
            self._is_spent = False
