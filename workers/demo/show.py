"""Runs the demo: rendered scenes served as RTSP cameras, every role on them, alerts on the terminal and a page.

In: a folder for footage and state. Out: alerts as they come, then ``demo.html``. Next files: ``footage.py``,
``page.py``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.bus.topics import PACKETS
from pipeline.config import load_site
from pipeline.errors import SourceError, StorageError
from pipeline.protocols import Bus
from pipeline.settings import SiteSettings
from pipeline.telemetry import Telemetry
from pipeline.types import Alert, PacketBatch
from pipeline.video.window import pixels_at
from workers.alerts import show
from workers.demo.footage import Take, site_file, takes
from workers.demo.page import Incident, page, picture_of
from workers.rtsp import serve
from workers.run import jobs_of, run_site
from workers.wiring import open_bus

__all__ = ["run_demo"]

START_UP_S = 12.0
READ_ENTRIES = 200


def run_demo(folder: Path, telemetry: Telemetry, *, seconds: float | None, as_json: bool) -> int:
    """Show the main job on rendered cameras for ``seconds`` (None: once through the footage); the exit code.

    Raises UsageError when the RTSP server's system packages are missing, StorageError when ``folder`` cannot be used.
    """
    footage = _render(folder)
    length_s = START_UP_S + max(take.truth.seconds for take in footage) if seconds is None else seconds
    log: list[Alert] = []
    pictures: dict[str, bytes] = {}
    with serve({take.camera: take.video for take in footage}) as served:
        site = load_site(site_file(folder, footage, served.urls))
        started_s = time.monotonic()

        def beside(ready: SiteSettings) -> Callable[[], bool]:
            bus = open_bus(ready.redis, telemetry.count)
            console = Console()
            reached = bus.newest_alert()

            def look() -> bool:
                nonlocal reached
                for position, alert in bus.alerts(reached, max_entries=READ_ENTRIES, block_s=0.0):
                    show(console, position, alert, as_json=as_json)
                    log.append(alert)
                    if alert.phase == "opened" and (jpeg := _picture(bus, alert)) is not None:
                        pictures[alert.id] = jpeg
                    reached = position
                return time.monotonic() - started_s >= length_s

            return look

        code = run_site(site, telemetry, jobs=jobs_of(site, is_quiet=True), beside=beside)
    newest = {alert.id: alert for alert in log}
    target = folder / "demo.html"
    incidents = [Incident(alert, pictures.get(id_)) for id_, alert in newest.items()]
    _write(target, page("Vedette demo", _summary(footage, newest), incidents))
    sys.stderr.write(f"{_summary(footage, newest)}\nPictures and evidence: {target}\n")
    return code


def _render(folder: Path) -> list[Take]:
    """The footage of every camera, with a progress bar while some of it is rendered."""
    console = Console(stderr=True)
    with Progress(TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task("rendering the cameras' footage (once)", total=None, visible=False)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, visible=True)

        return takes(folder, progress)


def _picture(bus: Bus, alert: Alert) -> bytes | None:
    """The native picture of the alert's moment, from the packets kept on the bus; None when they are gone."""
    stream = (alert.camera, PACKETS)
    entries = bus.read({stream: "0"}, max_entries=PACKETS.max_entries, block_s=0.0).get(stream, [])
    batches = [entry.message for entry in entries if isinstance(entry.message, PacketBatch)]
    try:
        bgr, _ = pixels_at(batches, alert.updated_at.timestamp())
    except SourceError:
        return None
    return picture_of(alert, bgr)


def _summary(footage: list[Take], newest: Mapping[str, Alert]) -> str:
    """What really happens in the footage, and how much of it was said."""
    happened = sum(len(take.truth.events) for take in footage)
    cameras = len(footage)
    return f"{cameras} cameras, {happened} events rendered into their footage, {len(newest)} incidents on the channel."


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}.") from error
