"""Telemetry: logs without secrets, metrics by the table, and an endpoint asked over real HTTP."""

from __future__ import annotations

import ast
import io
import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.metrics import EVENTS, METRICS
from pipeline.protocols import Count
from pipeline.telemetry import Telemetry
from pipeline.types import (
    Alert,
    Detections,
    Finding,
    Frame,
    FrameKey,
    FrameNote,
    FrameRef,
    Packet,
    PacketBatch,
    StreamInfo,
)

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
NOON_S = NOON.timestamp()
SECRET = "rtsp://admin:hunter2@10.0.0.7/live?token=abc123"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def telemetry(stream: io.StringIO) -> Telemetry:
    return Telemetry("detect:0", stream=stream, now=lambda: NOON_S + 0.4)


def _ref(after_s: float = 0.0, camera: str = "gate") -> FrameRef:
    at = datetime.fromtimestamp(NOON_S + after_s, UTC)
    return FrameRef(FrameKey(camera, 1, round(after_s * 10)), 0, Fraction(1, 90_000), at, (640, 360))


def _alert() -> Alert:
    return Alert(
        id="a_1",
        revision=1,
        phase="opened",
        camera="gate",
        kind="zone",
        severity="warning",
        score=0.9,
        opened_at=NOON,
        updated_at=NOON,
        closed_at=None,
        title="",
        text="",
        text_source="grounded",
        tracks=(),
        evidence=(),
    )


def _value(telemetry: Telemetry, name: str, **labels: str) -> float | None:
    return telemetry.registry.get_sample_value(name, labels)


def _get(port: int, path: str) -> tuple[int, str, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode()


def test_a_log_line_is_one_json_object(telemetry: Telemetry, stream: io.StringIO) -> None:
    telemetry.log.info("camera_claimed", camera="gate", position="7-0", wh=(640, 384))
    (line,) = stream.getvalue().splitlines()
    entry = json.loads(line)
    assert entry.pop("at").endswith("Z")
    assert entry == {
        "event": "camera_claimed",
        "level": "info",
        "worker": "detect:0",
        "camera": "gate",
        "position": "7-0",
        "wh": [640, 384],
    }


def test_secrets_are_taken_out_wherever_they_stand(telemetry: Telemetry, stream: io.StringIO) -> None:
    telemetry.log.warning(f"cannot open {SECRET}", url=SECRET, deep={"list": [SECRET, ValueError(SECRET)]}, n=3)
    try:
        raise RuntimeError(SECRET)
    except RuntimeError:
        telemetry.log.exception("failed")
    text = stream.getvalue()
    assert "hunter2" not in text
    assert "abc123" not in text
    assert text.count("10.0.0.7") >= 5
    assert json.loads(text.splitlines()[0])["n"] == 3


def test_a_terminal_gets_readable_lines() -> None:
    stream = _Terminal()
    Telemetry("ingest:gate", stream=stream).log.info("role_ready", url=SECRET)
    assert not stream.getvalue().startswith("{")
    assert "role_ready" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


def test_a_quiet_one_says_only_what_is_wrong(stream: io.StringIO) -> None:
    telemetry = Telemetry("replay", is_quiet=True, stream=stream)
    telemetry.log.info("hello")
    assert stream.getvalue() == ""
    telemetry.log.warning("bus_away")
    assert "bus_away" in stream.getvalue()


def test_two_workers_in_one_process_do_not_share_anything(stream: io.StringIO) -> None:
    one, other = Telemetry("a", stream=stream), Telemetry("b", stream=stream)
    one.count("dropped", "gate", "late")
    assert _value(one, "vedette_dropped_total", camera="gate", reason="late") == 1
    assert _value(other, "vedette_dropped_total", camera="gate", reason="late") is None


def test_count_is_what_the_stages_call_count(telemetry: Telemetry) -> None:
    count: Count = telemetry.count
    for _ in range(3):
        count("dropped", "gate", "late")
    count("dropped", "yard", "late")
    count("never_heard_of", "gate", "why")
    assert _value(telemetry, "vedette_dropped_total", camera="gate", reason="late") == 3
    assert _value(telemetry, "vedette_dropped_total", camera="yard", reason="late") == 1
    assert _value(telemetry, "vedette_other_total", event="never_heard_of", camera="gate", reason="why") == 1


def _counted_names() -> Iterator[tuple[str, str]]:
    """Every ``….count("name", …)`` with a literal name in the sources."""
    for root in ("pipeline", "workers"):
        for path in (Path(__file__).resolve().parents[2] / root).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and len(node.args) == 3):
                    continue
                name = node.args[0]
                if node.func.attr in ("count", "_count") and isinstance(name, ast.Constant):
                    yield path.name, str(name.value)


def test_every_event_counted_in_the_sources_is_in_the_table() -> None:
    names = set(_counted_names())
    assert len(names) > 5
    assert {(where, name) for where, name in names if name not in {event.name for event in EVENTS}} == set()


def test_the_table_is_sound() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    assert all((metric.kind == "histogram") == bool(metric.buckets) for metric in METRICS)
    assert all(metric.help.endswith(".") for metric in METRICS)


def test_ever_new_reasons_do_not_fill_the_memory(telemetry: Telemetry) -> None:
    for i in range(3000):
        telemetry.count("dropped", "gate", f"reason {i}")
    metric = next(m for m in telemetry.registry.collect() if m.name == "vedette_dropped")
    totals = [sample for sample in metric.samples if sample.name.endswith("_total")]
    assert len(totals) <= 1001
    assert sum(sample.value for sample in totals) == 3000


def test_no_secret_reaches_a_label(telemetry: Telemetry) -> None:
    telemetry.count("source_errors", SECRET, SECRET)
    samples = [sample for metric in telemetry.registry.collect() for sample in metric.samples]
    assert not any("hunter2" in value for sample in samples for value in sample.labels.values())


def test_what_ingest_publishes_is_counted(telemetry: Telemetry) -> None:
    picture = np.zeros((540, 640), np.uint8)
    telemetry.published(Frame(_ref(), FrameNote("open"), picture))
    telemetry.published(Frame(_ref(0.1), FrameNote("heartbeat"), picture))
    telemetry.published(Frame(_ref(0.2), FrameNote("absent"), None))
    packets = tuple(Packet(i, i, 1, i == 0, b"x") for i in range(12))
    telemetry.published(PacketBatch("gate", 1, StreamInfo("h264", b"", (64, 64), Fraction(1, 25)), NOON, 0, packets))
    gates = [
        _value(telemetry, "vedette_frames_published_total", camera="gate", gate=gate)
        for gate in ("open", "heartbeat", "absent")
    ]
    assert gates == [1, 1, 1]
    assert _value(telemetry, "vedette_packets_published_total", camera="gate") == 12
    assert _value(telemetry, "vedette_lag_seconds_count", camera="gate", stage="ingest") == 2


def test_findings_give_lag_coverage_gate_and_conditions(telemetry: Telemetry) -> None:
    seen = Detections(np.array([[0, 0, 9, 9], [1, 1, 5, 5]], np.float32), np.ones(2, np.float32), ("person", "car"))
    notes = [FrameNote("open")] * 10 + [FrameNote("heartbeat", conditions=("black",))] * 5
    for i, note in enumerate(notes):
        telemetry.folded(Finding(_ref(float(i) - 15), note, seen))
    telemetry.folded(Finding(_ref(0.0), FrameNote("heartbeat", conditions=("moved",)), None))
    telemetry.folded(Finding(_ref(0.1), FrameNote("absent", conditions=("offline",)), None))
    states = {
        state: _value(telemetry, "vedette_coverage_seconds_total", camera="gate", state=state)
        for state in ("seen", "blind", "impaired", "gap")
    }
    assert states == {"seen": 9.0, "blind": pytest.approx(5.1), "impaired": 1.0, "gap": None}
    assert _value(telemetry, "vedette_condition", camera="gate", condition="black") == 0
    assert _value(telemetry, "vedette_condition", camera="gate", condition="offline") == 1
    assert _value(telemetry, "vedette_detections_total", camera="gate", label="person") == 15
    assert _value(telemetry, "vedette_findings_total", camera="gate") == 17
    assert _value(telemetry, "vedette_gate_seconds_total", camera="gate", gate="open") == 9.0
    assert _value(telemetry, "vedette_lag_seconds_count", camera="gate", stage="fold") == 16


def test_a_hole_in_the_findings_is_a_gap(telemetry: Telemetry) -> None:
    for after_s in (0.0, 1.0, 61.0, 61.0, 50.0):
        telemetry.folded(Finding(_ref(after_s), FrameNote("open"), None))
    assert _value(telemetry, "vedette_coverage_seconds_total", camera="gate", state="gap") == 60.0
    assert _value(telemetry, "vedette_coverage_seconds_total", camera="gate", state="seen") == 1.0


def test_lag_is_end_to_end_from_media_time_and_unknown_for_recordings(telemetry: Telemetry) -> None:
    telemetry.alerted(_alert())
    assert _value(telemetry, "vedette_lag_seconds_sum", camera="gate", stage="alert") == pytest.approx(0.4)
    assert (
        _value(telemetry, "vedette_alerts_total", camera="gate", kind="zone", severity="warning", phase="opened") == 1
    )
    recorded = FrameRef(FrameKey("film", 1, 1), 0, Fraction(1, 25), datetime(1970, 1, 1, tzinfo=UTC))
    telemetry.folded(Finding(recorded, FrameNote("open"), None))
    assert _value(telemetry, "vedette_lag_seconds_count", camera="film", stage="fold") is None


def test_detection_batches_queues_and_tracks(telemetry: Telemetry) -> None:
    telemetry.detected(8, 0.031)
    telemetry.detected(0, 0.5)
    telemetry.queued("gate", "frames", 3)
    telemetry.tracking("gate", 2)
    assert _value(telemetry, "vedette_detect_batch_sum") == 8
    assert _value(telemetry, "vedette_detect_seconds_count") == 1
    assert _value(telemetry, "vedette_queue_depth", camera="gate", topic="frames") == 3
    assert _value(telemetry, "vedette_tracks", camera="gate") == 2


def test_metrics_and_health_over_http(telemetry: Telemetry) -> None:
    telemetry.count("dropped", "gate", "late")
    state: tuple[bool, dict[str, object]] = (True, {"bus": "ok", "idle_s": 0.2})
    server = telemetry.serve("127.0.0.1", 0, lambda: state)
    try:
        status, kind, text = _get(server.port, "/metrics")
        assert (status, kind.split(";")[0]) == (200, "text/plain")
        assert 'vedette_dropped_total{camera="gate",reason="late"} 1.0' in text
        assert "process_resident_memory_bytes" in text
        status, kind, text = _get(server.port, "/health?verbose=1")
        assert (status, kind) == (200, "application/json")
        assert json.loads(text) == {"healthy": True, "bus": "ok", "idle_s": 0.2}
        state = (False, {"bus": f"cannot reach {SECRET}"})
        status, _, text = _get(server.port, "/health")
        assert status == 503
        assert json.loads(text)["healthy"] is False
        assert "hunter2" not in text
        assert _get(server.port, "/etc/passwd")[0] == 404
    finally:
        server.close()
    with pytest.raises(urllib.error.URLError):
        _get(server.port, "/health")


def test_a_health_check_that_fails_and_a_client_that_is_rude_stop_nothing(
    telemetry: Telemetry, stream: io.StringIO
) -> None:
    def broken() -> tuple[bool, dict[str, object]]:
        raise RuntimeError(SECRET)

    with telemetry.serving("127.0.0.1", _free_port(), broken) as server:
        assert server is not None
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as rude:
            rude.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
            rude.recv(1000)
        with pytest.raises(OSError, match=r"."):
            _get(server.port, "/health")
        assert _get(server.port, "/metrics")[0] == 200
    assert "telemetry_request_failed" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


def test_many_scrapes_at_once_while_it_counts(telemetry: Telemetry) -> None:
    server = telemetry.serve("127.0.0.1", 0, lambda: (True, {}))
    answers: list[int] = []
    scrapers = [threading.Thread(target=lambda: answers.append(_get(server.port, "/metrics")[0])) for _ in range(8)]
    for scraper in scrapers:
        scraper.start()
    for i in range(2000):
        telemetry.count("dropped", f"camera {i % 50}", "late")
    for scraper in scrapers:
        scraper.join()
    server.close()
    assert answers == [200] * 8


def test_port_zero_serves_nothing_and_a_taken_port_is_said_so(telemetry: Telemetry) -> None:
    with telemetry.serving("127.0.0.1", 0, lambda: (True, {})) as nothing:
        assert nothing is None
    with telemetry.serving("127.0.0.1", _free_port(), lambda: (True, {})) as server:
        assert server is not None
        with pytest.raises(UsageError, match=f"cannot be served on 127.0.0.1:{server.port}"):
            telemetry.serve("127.0.0.1", server.port, lambda: (True, {}))
    with pytest.raises(UsageError, match="cannot be served"):
        telemetry.serve("no-such-host.invalid", 0, lambda: (True, {}))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
