"""``vedette replay``: recorded footage through the same stages as live cameras, faster than real time.

In: a site and its recordings. Out: alert revisions in the order of media time, byte-identical on every run: in this
process, or over a private Redis with several workers. Next files: ``pipeline/replay.py``, ``workers/run.py``.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from pipeline.alert.message import to_json
from pipeline.descriptions import DescribeRequest, SceneDescription
from pipeline.errors import BusError, ConfigError, StorageError, UsageError
from pipeline.ingest.camera import recording_length_s
from pipeline.ingest.source import SourceConfig
from pipeline.replay import in_order, replay
from pipeline.settings import CameraSettings, Secret, SiteSettings
from pipeline.tape import Tape
from pipeline.telemetry import Telemetry
from pipeline.types import Alert, Finding, Frame, PacketBatch
from workers import wiring
from workers.alert import has_ended
from workers.describers import new_encoder, replayed
from workers.ledger import Scribe, scribe
from workers.run import jobs_of, run_site

__all__ = ["assign", "length_s", "over_bus", "refuse_recorded", "refuse_unwritable", "single", "write_alerts"]

READ_ENTRIES = 500


def assign(site: SiteSettings | None, files: list[str], of_urls: Callable[[list[str]], SiteSettings]) -> SiteSettings:
    """The site whose cameras are ``files``, each ``FILE`` or ``CAMERA=FILE``.

    Without a site every file is a camera named after it. With one, a file belongs to the camera it names, to the camera
    called like it, or to the only camera there is. Raises UsageError where that is several or none.
    """
    if site is None:
        return of_urls(files)
    names = [camera.name for camera in site.cameras]
    chosen: dict[str, str] = {}
    for word in files:
        name, equals, file = word.partition("=")
        if not equals or name not in names:
            if equals and "/" not in name and not Path(word).exists():
                raise UsageError(f"The site has no camera {name!r}; it has {', '.join(names)}.")
            file = word
            name = Path(word).stem if Path(word).stem in names else names[0]
            if name != Path(word).stem and len(names) > 1:
                raise UsageError(f"Which camera is {word}? Write CAMERA={word} with one of: {', '.join(names)}.")
        if name in chosen:
            raise UsageError(f"Camera {name} is given two recordings; put them in one folder to replay them in order.")
        chosen[name] = file
    cameras = [
        replace(camera, url=Secret(chosen[camera.name]), detect_url=None)
        for camera in site.cameras
        if camera.name in chosen
    ]
    return replace(site, cameras=tuple(cameras))


def length_s(site: SiteSettings) -> float | None:
    """Seconds of footage in all, for a progress bar; None when a recording does not say. Raises SourceError."""
    lengths = [recording_length_s(SourceConfig(camera.url.reveal())) for camera in site.cameras]
    known = [length for length in lengths if length is not None]
    return sum(known) if len(known) == len(lengths) else None


def refuse_live(site: SiteSettings) -> None:
    """Raises ConfigError when a camera of ``site`` is not a recording."""
    for camera in site.cameras:
        if not wiring.is_recording(camera):
            raise ConfigError(
                f"Camera {camera.name} is live, and only recordings can be replayed; use `vedette watch`."
            )


def refuse_recorded(site: SiteSettings) -> None:
    """Raises ConfigError when a camera of ``site`` is a recording."""
    for camera in site.cameras:
        if wiring.is_recording(camera):
            raise ConfigError(f"{camera.name} is a recording, not a live camera; use `vedette replay`.")


def single(
    site: SiteSettings,
    telemetry: Telemetry,
    *,
    speed: float | None,
    start_at: datetime | None,
    on_alert: Callable[[Alert], None],
    on_progress: Callable[[float], None],
    ledger: Path | None = None,
) -> list[Alert]:
    """Every alert revision, in order, in this process. ``speed`` 1 is real time, None as fast as it goes.

    ``on_progress`` is given the seconds of footage done since the last call. ``ledger``: the folder in which everything
    is kept for back-tests. Raises SourceError, ModelError.
    """
    refuse_live(site)
    detector = wiring.new_detector(site)
    encoder = new_encoder(site, telemetry)
    stages = {camera.name: wiring.new_stage(site, camera.name, encoder=encoder) for camera in site.cameras}

    has_model = site.describe.backend != "grounded"

    def read(camera: CameraSettings) -> Tape:
        frame_wh = site.detector.frame_wh
        values = wiring.frame_reader(camera, frame_wh, telemetry, start_at=start_at, has_packets=has_model)
        return Tape(_watched(values if speed is None else _paced(values, speed), on_progress))

    alerts = []
    batch = 1 if speed is not None else max(site.detector.max_batch, 1)
    tapes = {camera.name: read(camera) for camera in site.cameras}
    looker = wiring.new_looker(site)
    with replayed(site, tapes, telemetry) as describe, scribe(ledger, site.ledger, telemetry) as writer:
        for camera in stages:
            writer.open(camera)

        def on_finding(finding: Finding) -> None:
            writer.folded(finding, stages[finding.ref.key.camera].tracked, [])

        found = replay(
            tapes,
            detector,
            stages,
            looker=looker,
            describe=None if describe is None else partial(_noted, writer, describe),
            on_finding=on_finding,
            batch=batch,
        )
        for alert in found:
            alerts.append(alert)
            on_alert(alert)
            writer.raised(alert)
    return in_order(alerts)


def _noted(
    writer: Scribe, describe: Callable[[DescribeRequest], SceneDescription], request: DescribeRequest
) -> SceneDescription:
    """What ``describe`` answers to ``request``, kept."""
    description = describe(request)
    writer.described(description, [])
    return description


def over_bus(
    site: SiteSettings,
    telemetry: Telemetry,
    *,
    workers: int,
    start_at: datetime | None,
    on_alert: Callable[[Alert], None],
) -> tuple[int, list[Alert]]:
    """Exit code and every alert revision, in order, from ``workers`` detect and as many alert processes.

    They talk over a Redis of their own in a temporary folder, so a running site is never touched. Raises UsageError
    for a site whose descriptions a model writes: when its words would arrive is not the same twice.
    """
    refuse_live(site)
    if site.describe.backend != "grounded":
        raise UsageError("Leave out --workers: a replay that a model describes runs in one process.")
    alerts: list[Alert] = []
    with tempfile.TemporaryDirectory(prefix="vedette-replay-") as folder:
        private = replace(
            site,
            data_dir=Path(folder),
            redis=replace(site.redis, url=None, is_cluster=False),
            telemetry=replace(site.telemetry, port=0),
        )
        jobs = jobs_of(private, detectors=workers, alerters=workers, is_lossless=True, is_quiet=True)

        def beside(ready: SiteSettings) -> Callable[[], bool]:
            bus = wiring.open_bus(ready.redis, telemetry.count)
            reached = "0"

            def collect() -> bool:
                nonlocal reached
                try:
                    is_over = all(has_ended(bus, camera.name) for camera in ready.cameras)
                    while entries := bus.alerts(reached, max_entries=READ_ENTRIES, block_s=0.0):
                        reached = entries[-1][0]
                        for _, alert in entries:
                            alerts.append(alert)
                            on_alert(alert)
                except BusError:  # its Redis died and is being started again; nothing that was written is lost
                    return False
                return is_over

            return collect

        code = run_site(private, telemetry, jobs=[replace(job, start_at=start_at) for job in jobs], beside=beside)
    return code, in_order(alerts)


def refuse_unwritable(path: Path) -> None:
    """Raises UsageError when :func:`write_alerts` could not write ``path`` whatever room there is."""
    target = path.resolve()
    if not target.parent.is_dir():
        raise UsageError(f"--out {path}: there is no folder {target.parent}.")
    if target.is_dir():
        raise UsageError(f"--out {path} is a folder; name a file in it.")
    needed = target if target.exists() and not target.is_file() else target.parent
    if not os.access(needed, os.W_OK):
        raise UsageError(f"--out {path}: {needed} cannot be written by this user.")


def write_alerts(path: Path, alerts: Iterable[Alert]) -> None:
    """Write one JSON line per revision, all or nothing; a pipe or a device is written as it is, never replaced.

    Raises StorageError when the disk will not take it.
    """
    target = path.resolve()
    is_replaced = target.is_file() or not target.exists()
    partial = target.with_name(f".{target.name}.{os.getpid()}") if is_replaced else target
    try:
        with partial.open("w", encoding="ascii") as file:
            for alert in alerts:
                file.write(to_json(alert) + "\n")
        if is_replaced:
            partial.replace(target)
    except OSError as error:
        if is_replaced:
            with suppress(OSError):
                partial.unlink()
        raise StorageError(f"{path} cannot be written: {error.strerror}.") from error


def _watched(
    values: Iterable[Frame | PacketBatch], on_progress: Callable[[float], None]
) -> Iterator[Frame | PacketBatch]:
    done_s: float | None = None
    for value in values:
        yield value
        if isinstance(value, Frame):
            if done_s is not None:
                on_progress(max(0.0, value.ref.at_s - done_s))
            done_s = value.ref.at_s


def _paced(values: Iterable[Frame | PacketBatch], speed: float) -> Iterator[Frame | PacketBatch]:
    """Hold every frame back until its moment, ``speed`` seconds of footage per second."""
    began: tuple[float, float] | None = None
    for value in values:
        if isinstance(value, Frame):
            began = began or (time.monotonic(), value.ref.at_s)
            due_s = began[0] + (value.ref.at_s - began[1]) / speed
            time.sleep(max(0.0, due_s - time.monotonic()))
        yield value
