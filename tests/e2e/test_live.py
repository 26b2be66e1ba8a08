"""``vedette run`` over real RTSP: alerts on the channel, telemetry, secrets, and cameras that say nothing.

One site serves all tests of this file: three good cameras behind a password, one that accepts and says nothing, and one
whose password is wrong.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import jsonschema
import psutil
import pytest
import redis

from tests.contract.redis_servers import free_port
from tests.e2e import sites
from tests.e2e.sites import RunningSite, get, incidents, metric, until, vedette
from tests.rtsp_server import serving

pytestmark = pytest.mark.e2e

PASSWORD = "s3cret-p@ss/wörd"
WRONG = "not-the-s3cret"
GOOD = ("gate", "yard", "door")
SCHEMA = Path(__file__).resolve().parents[2] / "configs" / "alert.schema.json"


@dataclass
class Watched:
    """The running site, and what a plain subscriber of its channel has heard."""

    site: RunningSite
    port: int
    channel: redis.client.PubSub
    heard: list[dict[str, object]]

    def hear(self) -> list[dict[str, object]]:
        """Everything heard so far."""
        while (message := self.channel.get_message(ignore_subscribe_messages=True, timeout=0.01)) is not None:
            self.heard.append(json.loads(message["data"]))
        return self.heard

    def closed(self, camera: str) -> list[dict[str, object]]:
        """Closed incidents of somebody standing before a camera."""
        return [a for a in self.hear() if (a["camera"], a["phase"], a["kind"]) == (camera, "closed", "zone")]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, detector: Path, video: Path) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("live")
    with ExitStack() as stack:
        server = stack.enter_context(serving(dict.fromkeys(GOOD, video), user="viewer", password=PASSWORD))
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        at = f"127.0.0.1:{server.port}"
        cameras: dict[str, object] = {name: f"rtsp://viewer:${{PASSWORD}}@{at}/{name}" for name in GOOD}
        cameras["silent"] = {"url": f"rtsp://127.0.0.1:{silent.getsockname()[1]}/x", "health_alerts": True}
        cameras["refused"] = {"url": f"rtsp://viewer:{WRONG}@{at}/gate", "health_alerts": True}
        port = free_port(spare=7)
        site = sites.site_file(folder, cameras, detector=detector, telemetry={"port": port})  # type: ignore[arg-type]
        run = stack.enter_context(sites.running(site, env={"PASSWORD": PASSWORD}))
        client = stack.enter_context(closing(redis.Redis.from_url(run.embedded.url)))
        channel = stack.enter_context(closing(client.pubsub()))
        channel.subscribe("vedette:alerts")
        yield Watched(run, port, channel, [])


def metrics(port: int, count: int) -> str:
    """What all workers say about themselves."""
    return "\n".join(get(f"http://127.0.0.1:{port + place}/metrics") for place in range(count))


def test_a_plain_subscriber_hears_alerts_of_every_camera_that_fit_the_schema(watched: Watched) -> None:
    for camera in GOOD:
        until(f"two visits at {camera}", lambda camera=camera: len(watched.closed(camera)) >= 2)  # type: ignore[misc]
    schema = json.loads(SCHEMA.read_text())
    for alert in watched.heard:
        jsonschema.validate(alert, schema, format_checker=jsonschema.FormatChecker())
    on_stream = {(alert.id, alert.revision) for _, alert in watched.site.alerts()}
    assert {(alert["id"], alert["revision"]) for alert in watched.heard} <= on_stream


def test_incidents_come_once_per_visit_and_last_as_long_as_it(watched: Watched) -> None:
    until("two visits", lambda: len(watched.closed("gate")) >= 2)
    alerts = [alert for _, alert in watched.site.alerts() if alert.camera == "gate"]
    sites.assert_none_doubled(alerts)
    found = [revisions for revisions in incidents(alerts).values() if revisions[-1].phase == "closed"]
    opened = [revisions[0].opened_at.timestamp() for revisions in found]
    assert all(abs(b - a - sites.LOOP_S) < 1.0 for a, b in pairwise(opened))
    lasted = [r[-1].closed_at.timestamp() - r[0].opened_at.timestamp() for r in found if r[-1].closed_at]
    assert all(1.0 < seconds < 2.5 for seconds in lasted)


def test_a_silent_and_a_refused_camera_are_alerts_and_slow_nobody(watched: Watched) -> None:
    for camera in ("silent", "refused"):
        alert = watched.site.wait_for_alert(lambda a, camera=camera: (a.camera, a.kind) == (camera, "camera_health"))  # type: ignore[misc]
        assert alert.evidence
    until("two visits", lambda: len(watched.closed("gate")) >= 2)
    told = metrics(watched.port, 8)
    for camera in GOOD:
        seen_s = metric(told, "coverage_seconds_total", camera=camera, state="seen")
        findings = metric(told, "findings_total", camera=camera)
        dropped = metric(told, "dropped_total", camera=camera)
        assert findings + dropped > 4.0 * seen_s, camera  # of five asked for per second of media time


def test_the_refusal_is_told_in_words(watched: Watched) -> None:
    failed = until("a refusal", lambda: watched.site.events("source_failed", camera="refused"))
    assert "password" in failed[0]["error"]


def test_health_and_metrics_answer_for_every_worker(watched: Watched) -> None:
    until("a first visit", lambda: watched.closed("gate"))
    for place in range(8):  # the supervisor, alert, detect and five cameras
        health = json.loads(get(f"http://127.0.0.1:{watched.port + place}/health"))
        assert health["healthy"] is True, (place, health)
        assert "process_resident_memory_bytes" in get(f"http://127.0.0.1:{watched.port + place}/metrics")


def test_lag_and_published_frames_are_measured(watched: Watched) -> None:
    until("a first visit", lambda: watched.closed("gate"))
    told = metrics(watched.port, 8)
    assert metric(told, "frames_published_total", camera="gate") > 5
    assert metric(told, "packets_published_total", camera="gate") > 10
    for stage in ("ingest", "fold", "alert"):
        assert metric(told, "lag_seconds_count", camera="gate", stage=stage) > 0, stage
    assert metric(told, "alerts_total", camera="gate", kind="zone", phase="opened") >= 1


def test_the_password_shows_nowhere(watched: Watched) -> None:
    until("a first visit", lambda: watched.closed("gate"))
    until("a refusal", lambda: watched.site.events("source_failed", camera="refused"))
    shown = [watched.site.log_file.read_text(), metrics(watched.port, 8), json.dumps(watched.hear())]
    shown += [" ".join(process.cmdline()) for process in watched.site.family() if process.is_running()]
    shown += [get(f"http://127.0.0.1:{watched.port + place}/health") for place in range(8)]
    for secret in (PASSWORD, WRONG, "s3cret", "p%40ss"):
        assert not [text for text in shown if secret in text], secret


def test_the_alert_channel_resumes_without_loss(watched: Watched) -> None:
    until("two visits", lambda: len(watched.closed("door")) >= 2)
    first = vedette("alerts", "--json", "--config", str(watched.site.site), env={"PASSWORD": PASSWORD})
    told = [json.loads(line) for line in first.stdout.splitlines()]
    assert first.returncode == 0
    assert len(told) >= 6
    since = told[2]["stream_id"]
    second = vedette(
        "alerts", "--json", "--since", since, "--config", str(watched.site.site), env={"PASSWORD": PASSWORD}
    )
    resumed = [json.loads(line) for line in second.stdout.splitlines()]
    assert resumed[: len(told) - 3] == told[3:]
    assert [a["stream_id"] for a in resumed] == sorted({a["stream_id"] for a in resumed}, key=position)


def position(stream_id: str) -> tuple[int, ...]:
    """A stream id as a number."""
    return tuple(int(part) for part in stream_id.split("-"))


def test_sigterm_drains_and_leaves_nothing_behind(tmp_path: Path, detector: Path, video: Path) -> None:
    with serving({"gate": video}) as server:
        site = sites.site_file(tmp_path, {"gate": server.urls["gate"]}, detector=detector)
        with sites.running(site) as run:
            opened = run.wait_for_alert(lambda alert: alert.phase == "opened")
            family = run.family()
            began_s = time.monotonic()
            assert run.stop() == 0
            assert time.monotonic() - began_s < 10
            _, alive = psutil.wait_procs(family, timeout=2)
            assert not alive
        assert opened.camera == "gate"
        assert "Traceback" not in run.log_file.read_text()
