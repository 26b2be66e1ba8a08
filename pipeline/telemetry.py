"""What a worker tells the outside about itself: logs, metrics, health. The door to structlog and prometheus_client.

In: events a stage reports (:meth:`Telemetry.count` is a :class:`pipeline.protocols.Count`), findings, alerts. Out: one
JSON object per line on standard error (readable lines on a terminal), and ``/metrics`` and ``/health`` over HTTP.
Every metric is declared in ``pipeline/metrics.py``; every text passes :func:`pipeline.redact.redact`. Each
:class:`Telemetry` has its own registry and logger, so nothing here is global. Next file: ``workers/runtime.py``.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, Generic, TextIO, TypeVar

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client import generate_latest as as_prometheus_text
from structlog.typing import FilteringBoundLogger

from pipeline.coverage import BLIND
from pipeline.descriptions import SceneDescription
from pipeline.endpoint import Health, Server
from pipeline.metrics import EVENTS, METRICS, Metric
from pipeline.redact import redact
from pipeline.types import HEALTH_CONDITIONS, Alert, Finding, Frame, PacketBatch

__all__ = ["Telemetry"]

_MAX_LIVE_LAG_S = 3600.0  # media time further from the clock belongs to a recording: no lag can be told from it
_MAX_GAP_S = 10.0
_MAX_SERIES = 1000  # of one metric; a source of ever new reasons must not fill the memory


class Telemetry:
    """One worker's voice. Thread-safe, except that each camera's findings come from one thread."""

    def __init__(
        self,
        role: str,
        *,
        is_quiet: bool = False,
        stream: TextIO | None = None,
        registry: CollectorRegistry | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """``role`` is in every log line; ``is_quiet`` keeps what is below a warning (a progress bar is on the screen).

        ``stream`` is standard error unless given; ``registry`` a new one; ``now`` gives UTC seconds.
        """
        self.registry = registry or CollectorRegistry()
        self.log = _logger(role, stream or sys.stderr, logging.WARNING if is_quiet else logging.INFO)
        self._now = now
        self._counters, self._gauges, self._histograms = _Family(Counter), _Family(Gauge), _Family(Histogram)
        families: dict[str, _Family[Any]] = {
            "counter": self._counters,
            "gauge": self._gauges,
            "histogram": self._histograms,
        }
        for metric in METRICS:
            families[metric.kind].declare(metric, self.registry)
        self._events = {event.name for event in EVENTS}
        self._last_at_s: dict[str, float] = {}
        ProcessCollector(registry=self.registry)  # resident memory, CPU seconds, open files

    def count(self, name: str, camera: str, reason: str) -> None:
        """One event of ``EVENTS`` happened; a name that is not there is counted as ``other``."""
        if name in self._events and name != "other":
            self._counters(name, camera, reason).inc()
        else:
            self._counters("other", name, camera, reason).inc()

    def published(self, message: Frame | PacketBatch) -> None:
        """Ingest put a frame, a tick or a batch of packets on the bus."""
        if isinstance(message, PacketBatch):
            self._counters("packets_published", message.camera).inc(len(message.packets))
            return
        camera = message.ref.key.camera
        self._counters("frames_published", camera, message.note.gate).inc()
        if message.i420 is not None:
            self._observe_lag(camera, "ingest", message.ref.at_s)

    def detected(self, pictures: int, seconds: float) -> None:
        """One inference looked at ``pictures`` frames in ``seconds``; nothing is told of an empty one."""
        if pictures > 0:
            self._histograms("detect_batch").observe(pictures)
            self._histograms("detect_seconds").observe(seconds)

    def folded(self, finding: Finding) -> None:
        """The alert stage took in a finding: lag, coverage and gate of its camera."""
        camera, note, at_s = finding.ref.key.camera, finding.note, finding.ref.at_s
        self._counters("findings", camera).inc()
        for label in finding.detections.label if finding.detections is not None else ():
            self._counters("detections", camera, label).inc()
        for condition in HEALTH_CONDITIONS:
            self._gauges("condition", camera, condition).set(condition in note.conditions)
        if note.gate != "absent":
            self._observe_lag(camera, "fold", at_s)
        passed_s = at_s - self._last_at_s.get(camera, at_s)
        self._last_at_s[camera] = at_s
        if passed_s > 0:
            state = "gap" if passed_s > _MAX_GAP_S else _coverage_state(note.conditions)
            self._counters("coverage_seconds", camera, state).inc(passed_s)
            self._counters("gate_seconds", camera, "absent" if state == "gap" else note.gate).inc(passed_s)

    def tracking(self, camera: str, tracks: int) -> None:
        """So many objects of ``camera`` are tracked now."""
        self._gauges("tracks", camera).set(tracks)

    def learning(self, camera: str, share: float) -> None:
        """So much of the warm-up of ``camera`` is done, 0..1."""
        self._gauges("warm_up_share", camera).set(share)

    def alerted(self, alert: Alert) -> None:
        """An alert revision was published."""
        self._counters("alerts", alert.camera, alert.kind, alert.severity, alert.phase).inc()
        self._observe_lag(alert.camera, "alert", alert.updated_at.timestamp())

    def described(self, description: SceneDescription) -> None:
        """A description was handed over: whose words they are, and how long a model took for them."""
        self._counters("descriptions", description.ref.key.camera, description.source).inc()
        if description.latency_s > 0:
            self._histograms("describe_seconds", description.source).observe(description.latency_s)

    def queued(self, camera: str, topic: str, entries: int) -> None:
        """So many messages wait in a topic of ``camera``."""
        self._gauges("queue_depth", camera, topic).set(entries)

    def serve(self, host: str, port: int, is_healthy: Health) -> Server:
        """Answer ``/metrics`` and ``/health`` in a daemon thread until closed; port 0 takes any free one.

        ``is_healthy`` is called by the serving threads. Raises UsageError when the address cannot be used.
        """
        return Server(host, port, lambda: as_prometheus_text(self.registry), is_healthy, self.log.warning)

    @contextmanager
    def serving(self, host: str, port: int, is_healthy: Health) -> Iterator[Server | None]:
        """As :meth:`serve`, closed at the end; port 0 serves nothing. Raises UsageError."""
        if port == 0:
            yield None
            return
        server = self.serve(host, port, is_healthy)
        try:
            yield server
        finally:
            server.close()

    def _observe_lag(self, camera: str, stage: str, at_s: float) -> None:
        lag_s = self._now() - at_s
        if abs(lag_s) < _MAX_LIVE_LAG_S:
            self._histograms("lag_seconds", camera, stage).observe(max(lag_s, 0.0))


C = TypeVar("C", Counter, Gauge, Histogram)


class _Family(Generic[C]):
    """All metrics of one kind, by name; a series is looked up by its label values."""

    def __init__(self, kind: type[C]) -> None:
        self._kind: type[C] = kind
        self._declared: dict[str, C] = {}
        self._series: dict[str, dict[tuple[str, ...], C]] = {}

    def declare(self, metric: Metric, registry: CollectorRegistry) -> None:
        more: dict[str, Any] = {"buckets": metric.buckets} if metric.buckets else {}
        name = f"vedette_{metric.name}"
        self._declared[metric.name] = self._kind(name, metric.help, metric.labels, registry=registry, **more)
        self._series[metric.name] = {}

    def __call__(self, name: str, *values: str) -> C:
        """The series of metric ``name`` with these label values, secrets taken out."""
        series = self._series[name]
        known = series.get(values)
        if known is not None:
            return known
        declared = self._declared[name]
        if not values:
            return declared
        if len(series) >= _MAX_SERIES:
            return declared.labels(*("other" for _ in values))
        return series.setdefault(values, declared.labels(*(redact(value) for value in values)))


def _logger(role: str, stream: TextIO, level: int) -> FilteringBoundLogger:
    """A logger of its own, no global configuration: JSON lines, or readable ones when ``stream`` is a terminal."""
    is_terminal = stream.isatty()
    render: Any = (
        structlog.dev.ConsoleRenderer(colors=True) if is_terminal else structlog.processors.JSONRenderer(default=str)
    )
    stamp = structlog.processors.TimeStamper(fmt="%H:%M:%S" if is_terminal else "iso", utc=not is_terminal, key="at")
    steps = [structlog.processors.add_log_level, stamp, structlog.processors.format_exc_info, _without_secrets, render]
    log: FilteringBoundLogger = structlog.wrap_logger(
        structlog.WriteLogger(stream), processors=steps, wrapper_class=structlog.make_filtering_bound_logger(level)
    ).bind(worker=role)
    return log


def _without_secrets(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """structlog processor: redact every text in a log entry, however deep."""
    return {key: _clean(value) for key, value in event.items()}


def _clean(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {redact(str(key)): _clean(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(inner) for inner in value]
    return redact(str(value))


def _coverage_state(conditions: tuple[str, ...]) -> str:
    if not conditions:
        return "seen"
    return "impaired" if BLIND.isdisjoint(conditions) else "blind"
