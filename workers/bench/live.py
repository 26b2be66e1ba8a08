"""A site at work on RTSP cameras of the bench's own, watched from outside for a while.

In: a site, how many cameras, which footage. Out: an :class:`Observation`: results, latency, drops, processor time and
memory per role. Everything is measured from outside the roles: the bench reads what they write and what the kernel says
of them. Next file: ``workers/bench/capacity.py``.
"""

from __future__ import annotations

import os
import socket
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
from prometheus_client.parser import text_string_to_metric_families

from pipeline.bus.topics import DETECTIONS, PACKETS
from pipeline.errors import BusError, UsageError
from pipeline.protocols import Bus
from pipeline.settings import CameraSettings, Secret, SiteSettings
from pipeline.telemetry import Telemetry
from pipeline.types import Finding, PacketBatch
from workers.bench.glass import SentClip, late_s
from workers.bench.result import percentile
from workers.rtsp import Served, serve
from workers.run import jobs_of, run_site
from workers.wiring import open_bus

__all__ = ["Observation", "RoleUse", "observe"]

SETTLE_S = 4.0
START_LIMIT_S = 120.0
READ_ENTRIES = 200
SAMPLE_EVERY_S = 5.0
FIRST_PORT = 20_000
LAST_PORT = 30_000


@dataclass(slots=True)
class RoleUse:
    """Processor seconds and memory of all processes of one role (``ingest``, ``detect``, ``alert``, ``redis`` …).

    ``rss_bytes`` is the largest of them; ``growth_bytes`` by how much one grew at most between the first and the last
    third of the time.
    """

    cpu_s: float = 0.0
    rss_bytes: int = 0
    growth_bytes: int = 0
    processes: int = 0


@dataclass(frozen=True, slots=True)
class Observation:
    """What ``cameras`` cameras did in ``seconds``.

    ``latencies_s``: from the sending of a picture by the camera to the reading of its finding from the bus.
    ``alert_latencies_s``: the same of opened alerts, from the deciding picture. ``dropped``: frames by reason.
    ``wanted``: findings there should have been.
    """

    cameras: int
    seconds: float
    wanted: float
    findings: int
    latencies_s: Sequence[float]
    alert_latencies_s: Sequence[float]
    dropped: Mapping[str, float]
    roles: Mapping[str, RoleUse] = field(default_factory=dict)

    @property
    def is_kept_up(self) -> bool:
        """No frame dropped for lack of time, nothing missing, and latency within its bounds."""
        return (
            not sum(self.dropped.values())
            and self.findings >= 0.97 * self.wanted
            and percentile(self.latencies_s, 0.5) <= 0.3
            and percentile(self.latencies_s, 0.99) <= 1.0
        )

    def summary(self) -> dict[str, float | int | str]:
        """The numbers behind a verdict."""
        shown: dict[str, float | int | str] = {
            "findings_share": self.findings / self.wanted if self.wanted else 1.0,
            "dropped": int(sum(self.dropped.values())),
            "p50_s": percentile(self.latencies_s, 0.5),
            "p99_s": percentile(self.latencies_s, 0.99),
        }
        shown |= {f"{role}_cores": use.cpu_s / self.seconds for role, use in self.roles.items()}
        return shown


def observe(
    site: SiteSettings,
    videos: Mapping[str, Path],
    seconds: float,
    *,
    wanted_fps: float,
    settle_s: float = SETTLE_S,
) -> Observation:
    """Run ``site`` with one camera per video for ``seconds``, ``settle_s`` after every camera's first finding.

    Cameras begin one after another, so that their frames do not all come at once, as with real ones. Raises UsageError
    when the RTSP server is missing or a camera yields nothing in two minutes.
    """
    with tempfile.TemporaryDirectory(prefix="vedette-bench-") as folder, serve(videos) as served:
        live = replace(
            site,
            data_dir=Path(folder),
            redis=replace(site.redis, url=None, frames_url=None, is_cluster=False),
            telemetry=replace(site.telemetry, host="127.0.0.1", port=_free_ports(len(videos) + 3)),
            cameras=tuple(_camera_at(site.cameras[0], name, url) for name, url in served.urls.items()),
        )
        watch = _Watch(live, seconds, wanted_fps, settle_s, served, videos)
        telemetry = Telemetry(role="bench", is_quiet=True)
        jobs = jobs_of(live, is_quiet=True)
        code = run_site(live, telemetry, jobs=jobs, beside=watch.beside(telemetry))
        if watch.observation is None:
            raise UsageError(f"The cameras of the bench did not come to work (exit code {code}).")
        return watch.observation


def _camera_at(like: CameraSettings, name: str, url: str) -> CameraSettings:
    """A camera like another, with its own name and place."""
    alert = replace(like.alert, camera=name)
    return replace(like, name=name, url=Secret(url), detect_url=None, alert=alert)


class _Watch:
    """Waits until every camera has findings, lets them settle, then measures."""

    def __init__(
        self,
        site: SiteSettings,
        seconds: float,
        wanted_fps: float,
        settle_s: float,
        served: Served,
        videos: Mapping[str, Path],
    ) -> None:
        self._site, self._seconds, self._wanted_fps, self._settle_s = site, seconds, wanted_fps, settle_s
        self._served, self._videos = served, videos
        self._listener: _Listener | None = None
        self._started_s = time.monotonic()
        self._settled_s = 0.0
        self._began_s = 0.0
        self._sampled_s = 0.0
        self._before: tuple[dict[str, float], dict[int, tuple[str, float]]] = ({}, {})
        self._memory: dict[int, list[int]] = {}
        self.observation: Observation | None = None

    def beside(self, telemetry: Telemetry) -> Callable[[SiteSettings], Callable[[], bool]]:
        """For :func:`workers.run.run_site`."""

        def start(ready: SiteSettings) -> Callable[[], bool]:
            self._listener = _Listener(open_bus(ready.redis, telemetry.count), [c.name for c in ready.cameras])
            return self._look

        return start

    def _look(self) -> bool:
        """One round of watching; True when it is over."""
        listener = self._listener
        if listener is None:
            return True
        now_s = time.monotonic()
        if not self._settled_s:
            if len(listener.seen) == len(self._site.cameras):
                self._settled_s = now_s + self._settle_s
            elif now_s - self._started_s > START_LIMIT_S + 2 * len(self._site.cameras):
                listener.close()
                return True
            return False
        if now_s < self._settled_s:
            return False
        if not self._began_s:
            self._before = (self._dropped(), self._cpu())
            listener.begin()
            self._began_s = time.monotonic()
        if now_s - self._sampled_s >= min(SAMPLE_EVERY_S, self._seconds / 6):
            self._sampled_s = now_s
            self._sample_memory()
        if now_s - self._began_s < self._seconds:
            return False
        self.observation = self._finish(listener)
        return True

    def _finish(self, listener: _Listener) -> Observation:
        listener.end()
        elapsed_s = time.monotonic() - self._began_s
        dropped_before, cpu_before = self._before
        dropped = {reason: count - dropped_before.get(reason, 0.0) for reason, count in self._dropped().items()}
        self._sample_memory()
        roles = self._use(cpu_before)
        late = self._late_s(listener)
        listener.close()
        latencies = [seen_s + late[camera] for camera, seen_s in listener.latencies_s]
        alert_latencies = [seen_s + late[camera] for camera, seen_s in listener.alert_latencies_s]
        wanted = self._wanted_fps * elapsed_s * len(self._site.cameras)
        return Observation(
            len(self._site.cameras), elapsed_s, wanted, len(latencies), latencies, alert_latencies, dropped, roles
        )

    def _late_s(self, listener: _Listener) -> dict[str, float]:
        """Camera -> seconds by which its media time lies after the sending of its pictures."""
        clips = {video: SentClip(video) for video in set(self._videos.values())}
        found: dict[str, float] = {}
        for camera, video in self._videos.items():
            began_s = self._served.began_s.get(camera)
            late = None if began_s is None else late_s(clips[video], began_s, listener.packets(camera))
            if late is None:
                raise UsageError(f"No packet of {video.name} could be recognised, so that latency cannot be measured.")
            found[camera] = late
        return found

    def _use(self, before: Mapping[int, tuple[str, float]]) -> dict[str, RoleUse]:
        roles: dict[str, RoleUse] = {}
        for pid, (role, cpu_s) in self._cpu().items():
            use = roles.setdefault(role, RoleUse())
            use.processes += 1
            use.cpu_s += cpu_s - before.get(pid, (role, 0.0))[1]
            memory = self._memory.get(pid, [0])
            third = max(1, len(memory) // 3)
            use.rss_bytes = max(use.rss_bytes, *memory)
            growth = sum(memory[-third:]) // third - sum(memory[:third]) // third
            use.growth_bytes = max(use.growth_bytes, growth)
        return roles

    def _cpu(self) -> dict[int, tuple[str, float]]:
        """Process id -> (role, processor seconds so far)."""
        found = {}
        for process in self._processes():
            with suppress(psutil.Error):
                times = process.cpu_times()
                found[process.pid] = (_role_of(process, self._served.pid), times.user + times.system)
        return found

    def _sample_memory(self) -> None:
        for process in self._processes():
            with suppress(psutil.Error):
                self._memory.setdefault(process.pid, []).append(process.memory_info().rss)

    def _processes(self) -> list[psutil.Process]:
        me = psutil.Process()
        return [me, *me.children(recursive=True)]

    def _dropped(self) -> dict[str, float]:
        """Frames lost for lack of time so far, by reason, over all workers."""
        counts: dict[str, float] = {}
        first = self._site.telemetry.port
        for port in range(first + 1, first + 3 + len(self._site.cameras)):
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                for family in text_string_to_metric_families(answer.read().decode()):
                    if family.name in {"vedette_dropped", "vedette_bus_dropped"}:
                        for sample in family.samples:
                            if sample.name.endswith("_total") and not sample.labels["reason"].startswith("packets"):
                                reason = sample.labels["reason"]
                                counts[reason] = counts.get(reason, 0.0) + sample.value
        return counts


class _Listener(threading.Thread):
    """Reads findings and alerts as they come, and notes the camera and the age of each, counted from media time."""

    def __init__(self, bus: Bus, cameras: Sequence[str]) -> None:
        super().__init__(name="bench-listener", daemon=True)
        self._bus = bus
        self._positions = {(camera, DETECTIONS): "0" for camera in cameras}
        self._alert_position = "0"
        self._is_over = threading.Event()
        self._is_measuring = False
        self.latencies_s: list[tuple[str, float]] = []
        self.alert_latencies_s: list[tuple[str, float]] = []
        self.seen: set[str] = set()
        self.start()

    def begin(self) -> None:
        """Count from now."""
        self.latencies_s, self.alert_latencies_s = [], []
        self._is_measuring = True

    def end(self) -> None:
        """Count no more."""
        self._is_measuring = False

    def packets(self, camera: str) -> list[PacketBatch]:
        """The oldest packets of a camera that are still on the bus."""
        stream = (camera, PACKETS)
        entries = self._bus.read({stream: "0"}, max_entries=2, block_s=0.0).get(stream, [])
        return [entry.message for entry in entries if isinstance(entry.message, PacketBatch)]

    def close(self) -> None:
        """End the thread and let the bus go."""
        self._is_over.set()
        self.join()
        self._bus.close()

    def run(self) -> None:
        """Until closed."""
        while not self._is_over.is_set():
            with suppress(BusError):
                self._read()

    def _read(self) -> None:
        for (camera, topic), entries in self._bus.read(self._positions, max_entries=READ_ENTRIES, block_s=0.2).items():
            now_s = time.time()
            self._positions[camera, topic] = entries[-1].id
            found = [e.message for e in entries if isinstance(e.message, Finding) and e.message.detections is not None]
            if found:
                self.seen.add(camera)
            if self._is_measuring:
                self.latencies_s += [(camera, now_s - finding.ref.at_s) for finding in found]
        for position, alert in self._bus.alerts(self._alert_position, max_entries=READ_ENTRIES, block_s=0.0):
            self._alert_position = position
            if self._is_measuring and alert.phase == "opened":
                self.alert_latencies_s.append((alert.camera, time.time() - alert.updated_at.timestamp()))


def _role_of(process: psutil.Process, server_pid: int) -> str:
    if process.pid == os.getpid():
        return "bench"
    if process.pid == server_pid:
        return "rtsp_server"
    words = process.cmdline()
    if "workers.child" in words:
        return str(words[words.index("workers.child") + 1])
    return "redis" if process.name() == "redis-server" else str(process.name())


def _free_ports(count: int) -> int:
    """The first of ``count`` ports in a row that are free. Raises UsageError when there are none."""
    for first in range(FIRST_PORT + os.getpid() % 5_000, LAST_PORT, count):
        probes = []
        try:
            for port in range(first, first + count):
                probe = socket.socket()
                probes.append(probe)
                probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()
        return first
    raise UsageError("The bench found no free ports on loopback.")
