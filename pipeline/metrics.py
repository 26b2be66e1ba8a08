"""Every metric Vedette exports, in one table (as ``vedette_…``). Next file: ``pipeline/telemetry.py``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["EVENTS", "METRICS", "Metric"]

_LAG_S = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
_BATCH_S = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.0)
_DESCRIBE_S = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0)
_BATCH = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One line of the table: name without the prefix ``vedette_``, kind, labels, help, histogram buckets."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()


EVENTS: tuple[Metric, ...] = (
    Metric("dropped", "counter", ("camera", "reason"), "Frames or packets dropped on purpose."),
    Metric("bus_dropped", "counter", ("camera", "reason"), "Messages dropped to keep a topic within its bound."),
    Metric("decode_errors", "counter", ("camera", "reason"), "Packets the decoder refused, by codec."),
    Metric("source_errors", "counter", ("camera", "reason"), "Failures to open or read the source, by error."),
    Metric("sessions", "counter", ("camera", "reason"), "Stretches of unbroken time, by why they began."),
    Metric("reconnects", "counter", ("camera", "reason"), "Times the source was opened again, by why."),
    Metric("describe_dropped", "counter", ("camera", "reason"), "Requests to describe that no model answered, by why."),
    Metric("claims", "counter", ("model", "verdict"), "Claims of a model held against the facts."),
    Metric("text_encoder_failed", "counter", ("camera", "reason"), "Cameras whose words go on without vectors."),
    Metric("normality_refused", "counter", ("camera", "reason"), "Kept normality that could not be read or written."),
    Metric("alert_state_refused", "counter", ("camera", "reason"), "Saved states that could not be restored."),
    Metric("ledger_dropped", "counter", ("camera", "reason"), "Entries the ledger could not keep, by kind."),
    Metric("role_restarts", "counter", ("role", "reason"), "Worker processes started again after they died."),
    Metric("other", "counter", ("event", "camera", "reason"), "Events that are in no other line of this table."),
)
"""What :meth:`pipeline.telemetry.Telemetry.count` counts, by its first argument."""

METRICS: tuple[Metric, ...] = (
    *EVENTS,
    Metric("packets_published", "counter", ("camera",), "Compressed video packets (pictures) put on the bus."),
    Metric("frames_published", "counter", ("camera", "gate"), "Analysis frames and ticks put on the bus."),
    Metric("detect_batch", "histogram", (), "Frames looked at in one inference.", _BATCH),
    Metric("detect_seconds", "histogram", (), "Duration of one inference with its pre- and post-processing.", _BATCH_S),
    Metric("findings", "counter", ("camera",), "Findings folded by the alert stage."),
    Metric("detections", "counter", ("camera", "label"), "Objects detected."),
    Metric("tracks", "gauge", ("camera",), "Objects tracked now."),
    Metric("warm_up_share", "gauge", ("camera",), "How much of the warm-up of a camera is done, 0..1."),
    Metric("gate_seconds", "counter", ("camera", "gate"), "Media time by state of the motion gate."),
    Metric("coverage_seconds", "counter", ("camera", "state"), "Media time seen, impaired, blind, or without record."),
    Metric("condition", "gauge", ("camera", "condition"), "1 while a health condition of a camera holds."),
    Metric("alerts", "counter", ("camera", "kind", "severity", "phase"), "Alert revisions published."),
    Metric("descriptions", "counter", ("camera", "source"), "Descriptions by who wrote them."),
    Metric("describe_seconds", "histogram", ("source",), "How long a model took for one description.", _DESCRIBE_S),
    Metric("lag_seconds", "histogram", ("camera", "stage"), "From media time to ingest, fold or alert.", _LAG_S),
    Metric("queue_depth", "gauge", ("camera", "topic"), "Messages waiting on the bus."),
)
