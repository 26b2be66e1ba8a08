"""A whole site for end-to-end tests: a toy detector, footage whose story is known, and ``vedette run`` as a process.

In: a folder. Out: videos in which a person stands at known times (to the toy detector a red cell *is* a person), a site
file, and a :class:`RunningSite` whose logs, alerts and metrics can be waited for. Nothing sleeps for a guessed time:
everything polls for a state, with a deadline that fails the test.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psutil
import yaml
from numpy.typing import NDArray

from pipeline.bus.redis import RedisBus
from pipeline.bus.server import EmbeddedRedis
from pipeline.types import Alert
from tests.clips import wall, write_clip
from tests.unit.detect.toys import CELL, card, network, save

__all__ = ["LOOP_S", "RunningSite", "footage", "rule", "running", "site_file", "until", "vedette", "weights"]

T = TypeVar("T")

SIZE_WH = (320, 192)
FPS = 10
LOOP_S = 6
"""In every loop a person stands at the left from second 1 to 3 (see :func:`visits`)."""
VEDETTE = Path(sys.executable).with_name("vedette")
RED_YUV = (82, 90, 240)
DEADLINE_S = 30.0


def visits(number: int, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """A wall; in every loop of six seconds a person stands before it for two."""
    i420 = wall(number, size_wh)
    if FPS <= number % (LOOP_S * FPS) < 3 * FPS:
        _stand(i420, size_wh, column=2)
    return i420


def _stand(i420: NDArray[np.uint8], size_wh: tuple[int, int], *, column: int) -> None:
    """Paint one cell of the toy detector red."""
    width, height = size_wh
    luma, chroma_u, chroma_v = np.split(i420.reshape(-1), [width * height, width * height * 5 // 4])
    left, top = column * CELL, 2 * CELL
    for plane, value, shrink in ((luma, RED_YUV[0], 1), (chroma_u, RED_YUV[1], 2), (chroma_v, RED_YUV[2], 2)):
        picture = plane.reshape(height // shrink, width // shrink)
        picture[top // shrink : (top + CELL) // shrink, left // shrink : (left + CELL) // shrink] = value


def footage(path: Path, *, loops: int = 1) -> Path:
    """A video of ``loops`` visits. Its length is ``loops * LOOP_S`` seconds."""
    return write_clip(path, frames=loops * LOOP_S * FPS, fps=FPS, gop=FPS, size_wh=SIZE_WH, paint=visits)


def weights(folder: Path) -> Path:
    """The toy detector in OpenVINO's format: red is a person, green a car, blue a dog."""
    return save(network(size_wh=SIZE_WH), folder, card=card(("person", "car", "dog")))


def rule(**changes: object) -> dict[str, object]:
    """Somebody stands anywhere: opens after 0.3 s, closes half a second after they left, may open again at once."""
    base: dict[str, object] = {
        "kind": "zone",
        "name": "somebody",
        "zone": "all",
        "labels": ["person"],
        "open_after_s": 0.3,
        "close_after_s": 0.5,
        "cool_down_s": 0,
    }
    return {**base, **changes}


def site_file(
    folder: Path, cameras: Mapping[str, str | Mapping[str, object]], *, detector: Path, **sections: object
) -> Path:
    """Write ``site.yaml``: every camera (a URL, or its settings) watches its whole picture for somebody."""
    listed = []
    for name, given in cameras.items():
        settings = {"url": given} if isinstance(given, str) else dict(given)
        zones = {"all": [[0, 0], [1, 0], [1, 1], [0, 1]]}
        listed.append({"name": name, "zones": zones, "rules": [rule()], **settings})
    site = {
        "data_dir": str(folder / "state"),
        "detector": {"weights": str(detector), "min_confidence": 0.7, "frame_wh": list(SIZE_WH)},
        "defaults": {"motion_gate": False, "health_alerts": False, "open_timeout_s": 2, "read_timeout_s": 2},
        "cameras": listed,
        **sections,
    }
    path = folder / "site.yaml"
    path.write_text(yaml.safe_dump(site, sort_keys=False))
    return path


def vedette(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    return subprocess.run(
        [VEDETTE, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **(env or {})},
    )


def until(what: str, look: Callable[[], T], *, timeout_s: float = DEADLINE_S) -> T:
    """The first true answer of ``look``. Raises AssertionError when there is none in time."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        answer = look()
        if answer:
            return answer
        assert time.monotonic() < deadline_s, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.05)


@dataclass
class RunningSite:
    """``vedette run`` on a site file; ``log_file`` takes its standard error."""

    process: subprocess.Popen[bytes]
    site: Path
    log_file: Path
    redis_url: str | None = None
    _bus: RedisBus | None = field(default=None, repr=False)

    @property
    def embedded(self) -> EmbeddedRedis:
        """The Redis that it started, as another process of this user finds it."""
        started = until("an embedded Redis", lambda: self.events("redis_embedded"))
        found = EmbeddedRedis.start(Path(started[0]["folder"]).parent)
        assert not found.is_owner
        return found

    @property
    def bus(self) -> RedisBus:
        """The bus its roles talk over: its own, or that of the site file."""
        if self._bus is None:
            if self.redis_url is None:
                self._bus = RedisBus(self.embedded.url, frames_url=self.embedded.frames_url)
            else:
                self._bus = RedisBus(self.redis_url)
        return self._bus

    def events(self, name: str, **facts: object) -> list[dict[str, Any]]:
        """Log entries called ``name`` that state these facts, oldest first."""
        lines = [line for line in self.log_file.read_text().splitlines() if line.startswith("{") and line.endswith("}")]
        entries = [json.loads(line) for line in lines]
        return [e for e in entries if e["event"] == name and all(e.get(key) == facts[key] for key in facts)]

    def alerts(self, since: str = "0") -> list[tuple[str, Alert]]:
        """The whole alert stream after a position."""
        return self.bus.alerts(since, max_entries=10_000, block_s=0.0)

    def wait_for_alert(
        self, is_wanted: Callable[[Alert], bool], *, since: str = "0", timeout_s: float = DEADLINE_S
    ) -> Alert:
        """The first alert revision after ``since`` that is wanted."""

        def look() -> Alert | None:
            return next((alert for _, alert in self.alerts(since) if is_wanted(alert)), None)

        found = until("a wanted alert", look, timeout_s=timeout_s)
        assert found is not None
        return found

    def wait_for_visit(self, camera: str, *, since: str = "0") -> None:
        """Return when a visit that began after position ``since`` is over."""
        opened = self.wait_for_alert(lambda a: (a.camera, a.kind, a.phase) == (camera, "zone", "opened"), since=since)
        self.wait_for_alert(lambda a: (a.id, a.phase) == (opened.id, "closed"), since=since)

    def newest(self) -> str:
        """Position of the newest alert, to wait for what comes after it."""
        return self.bus.newest_alert()

    def role(self, name: str) -> psutil.Process:
        """The living process of a role, as the log names it (``ingest:gate``, ``detect:0``)."""

        def look() -> psutil.Process | None:
            started = self.events("role_started", role=name)
            pid = started[-1]["pid"] if started else 0
            return psutil.Process(pid) if pid and psutil.pid_exists(pid) else None

        found = until(f"role {name}", look)
        assert found is not None
        return found

    def family(self) -> list[psutil.Process]:
        """The supervisor, its roles and its Redis."""
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def stop(self, timeout_s: float = 10.0) -> int:
        """SIGTERM; the exit code. Raises TimeoutExpired when it takes longer than the promised ten seconds."""
        if self._bus is not None:
            self._bus.close()
            self._bus = None
        self.process.terminate()
        return self.process.wait(timeout_s)


@contextmanager
def running(
    site: Path, *arguments: str, env: Mapping[str, str] | None = None, redis_url: str | None = None
) -> Iterator[RunningSite]:
    """``vedette run`` as a process of its own; whatever is left of it afterwards is killed."""
    log_file = site.with_suffix(".log")
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [VEDETTE, "run", str(site), *arguments], stderr=log, stdout=log, env={**os.environ, **(env or {})}
        )
    started = RunningSite(process, site, log_file, redis_url)
    try:
        yield started
    finally:
        left = started.family() if process.poll() is None else []
        for one in left:
            if one.is_running():
                one.kill()
        process.wait(10)


def get(url: str) -> str:
    """The body of an HTTP answer, whatever its status says."""
    try:
        with closing(urllib.request.urlopen(url, timeout=5)) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return error.read().decode()


def metric(text: str, name: str, **labels: str) -> float:
    """The sum over the series of a metric whose labels say so."""
    total = 0.0
    for line in text.splitlines():
        if line.startswith(f"vedette_{name}{{") and all(f'{key}="{value}"' in line for key, value in labels.items()):
            total += float(line.rsplit(" ", 1)[1])
    return total


def incidents(alerts: Sequence[Alert]) -> dict[str, list[Alert]]:
    """Revisions by incident, in the order of the stream."""
    found: dict[str, list[Alert]] = {}
    for alert in alerts:
        found.setdefault(alert.id, []).append(alert)
    return found


def assert_none_doubled(alerts: Sequence[Alert]) -> None:
    """Every incident has each of its revisions once, from the first without a gap, and ends once at most."""
    for name, revisions in incidents(alerts).items():
        assert [alert.revision for alert in revisions] == list(range(1, len(revisions) + 1)), name
        assert [alert.phase for alert in revisions[:-1]].count("closed") == 0, name
        assert revisions[0].phase == "opened", name
