"""Picks the adapters: the only place that knows which detector, tracker, bus and camera reader a site runs with.

In: ``SiteSettings`` and a ``Job``. Out: a role at work (``ingest``, ``detect``, ``alert``, ``describe``), or its parts
for replay and bench. Heavy imports stay inside the functions, so that each process loads only what its role needs.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.bus.connection import Tls
from pipeline.bus.redis import RedisBus
from pipeline.bus.topics import PACKETS
from pipeline.detect.card import model_name
from pipeline.errors import SourceError, UsageError
from pipeline.labels import GROUPS
from pipeline.protocols import Bus, Count, Detector, Judge, TextEncoder, Tracker
from pipeline.settings import BUNDLED_WEIGHTS, CameraSettings, DetectorSettings, RedisSettings, Secret, SiteSettings
from pipeline.telemetry import Telemetry
from pipeline.types import Frame, PacketBatch
from workers.claims import Claims
from workers.describers import asking, ignore, new_encoder, new_narrator, serve
from workers.runtime import Liveness

if TYPE_CHECKING:
    from pipeline.alert.silence import Silence
    from pipeline.alert.stage import AlertStage
    from pipeline.embed.visual import VisualLooker
    from pipeline.ingest.camera import CameraConfig
    from pipeline.ingest.source import SourceConfig
    from workers.child import Job
    from workers.ingest import Past, Reader
    from workers.normality import Shelf

__all__ = [
    "alert",
    "describe",
    "detect",
    "frame_reader",
    "ingest",
    "is_recording",
    "needs_words",
    "new_detector",
    "new_looker",
    "new_stage",
    "new_tracker",
    "open_bus",
    "packet_reader",
]

LOSSLESS_WAIT_S = 1.0
PACKET_BATCH_S = 0.5


def open_bus(settings: RedisSettings, count: Count) -> RedisBus:
    """The bus of a site whose Redis is known. Raises UsageError for a URL that cannot be used."""
    if settings.url is None:
        raise UsageError(
            "This process was given no Redis URL; `vedette run` starts a Redis of its own and passes it on."
        )
    tls = Tls(settings.ca_file, settings.cert_file, settings.key_file)
    frames_url = None if settings.frames_url is None else settings.frames_url.reveal()
    return RedisBus(settings.url.reveal(), frames_url=frames_url, is_cluster=settings.is_cluster, tls=tls, count=count)


def new_detector(site: SiteSettings) -> Detector:
    """The detector ``site`` asks for: the bundled one, an exported network in OpenVINO, or ``.pt`` weights in torch.

    Raises ModelError when the weights cannot be used, UsageError for a class that it can never say, be it among the
    detector's own settings or in a rule.
    """
    detector = _load_detector(site)
    _require_known_labels(site, detector)
    return detector


def _load_detector(site: SiteSettings) -> Detector:
    from pipeline.detect.selection import Selection

    settings = site.detector
    selection = Selection(settings.min_confidence, settings.class_confidence, settings.labels)
    weights = settings.weights
    is_torch = settings.backend == "ultralytics" or (settings.backend == "auto" and str(weights).endswith(".pt"))
    if is_torch:
        from pipeline.detect.ultralytics import UltralyticsDetector

        if weights is None:
            raise UsageError("detector.backend ultralytics needs detector.weights, for instance yolo26n.pt.")
        return UltralyticsDetector(weights, selection, device=settings.device, threads=settings.threads)
    from pipeline.detect.openvino import OpenVinoDetector
    from pipeline.openvino_runtime import Placement

    cache = site.data_dir / "compiled-models"
    placement = Placement(settings.device, settings.threads, settings.streams, cache_dir=cache)
    return OpenVinoDetector(BUNDLED_WEIGHTS if weights is None else Path(weights), selection, placement)


def new_looker(site: SiteSettings) -> VisualLooker | None:
    """What measures the pixels of detections; None where ``site`` wants boxes alone."""
    if not site.detector.has_looks:
        return None
    from pipeline.embed.visual import VisualLooker

    return VisualLooker()


def _require_known_labels(site: SiteSettings, detector: Detector) -> None:
    """A group stays allowed when this detector knows none of it: the rules that apply everywhere name all groups."""
    from pipeline.detect.selection import labels_of

    for camera in site.cameras:
        for rule in camera.alert.rules:
            try:
                labels_of((word for word in rule.labels if word not in GROUPS), detector.labels)
            except UsageError as error:
                raise UsageError(f"Camera {camera.name}, rule {rule.name}: {error}") from error


def detector_name(settings: DetectorSettings) -> str:
    """The detector as alerts name it, known without loading it."""
    return model_name(BUNDLED_WEIGHTS if settings.weights is None else Path(settings.weights))


def new_stage(
    site: SiteSettings,
    camera: str,
    tracker: Tracker | None = None,
    *,
    encoder: TextEncoder | None = None,
    count: Count = ignore,
    shelf: Shelf | None = None,
    silences: Sequence[Silence] = (),
    dismissed: Sequence[tuple[float, float]] = (),
    has_words: bool = True,
    is_learning: bool = True,
) -> AlertStage:
    """The alert stage of one camera: its tracker (or the one that is given), its narrator, its rules, its health.

    With an ``encoder``, words carry vectors, and rules that no fact tells of compare them. Where what is normal is
    learned, it is kept on ``shelf``; without one it begins anew with every stage, as a replay has to. ``dismissed``:
    when (UTC seconds) alerts were that a person dismissed; what they held may be learned. A back-test leaves out what
    cannot make a difference: without ``has_words`` nobody narrates, without ``is_learning`` nothing unusual is looked
    for.
    """
    from pipeline.alert.silence import SilencedJudge
    from pipeline.alert.stage import AlertStage, standard_judges

    settings = site.camera(camera).alert
    judges = (
        *standard_judges(settings, encoder),
        *(_learning_judges(site, camera, shelf, dismissed) if is_learning else ()),
    )
    models = {"detector": detector_name(site.detector), "tracker": "bytetrack"}
    if encoder is not None:
        models["text_encoder"] = encoder.name
    return AlertStage(
        settings,
        tracker or new_tracker(),
        tuple(SilencedJudge(judge, silences) for judge in judges) if silences else judges,
        site.config_hash,
        models,
        narrator=new_narrator(site, camera, encoder, count) if has_words else None,
        asking=asking(site, camera),
    )


def _learning_judges(
    site: SiteSettings, camera: str, shelf: Shelf | None, dismissed: Sequence[tuple[float, float]]
) -> tuple[Judge, ...]:
    """The judge of unusual behaviour, unless the camera has none."""
    from pipeline.unusual.judge import UnusualJudge

    settings = site.camera(camera).unusual
    if settings is None:
        return ()
    if shelf is None:
        return (UnusualJudge(settings, dismissed=dismissed),)
    found = shelf.newest()
    return (UnusualJudge(settings, normality=found, keep=shelf.keep, recall=shelf.recall, dismissed=dismissed),)


def new_tracker() -> Tracker:
    """The tracker that every camera has one of."""
    from pipeline.track.bytetrack import ByteTracker

    return ByteTracker()


def needs_words(site: SiteSettings, camera: str) -> bool:
    """Whether a rule of ``camera`` is about facts or words, so that they have to be there when it is judged."""
    from pipeline.alert.settings import WatchRule

    return any(isinstance(rule, WatchRule) for rule in site.camera(camera).alert.rules)


def frame_reader(
    camera: CameraSettings,
    frame_wh: tuple[int, int],
    telemetry: Telemetry,
    *,
    after: Past | None = None,
    start_at: datetime | None = None,
    has_packets: bool = True,
) -> Iterator[Frame | PacketBatch]:
    """Analysis frames of one camera, and its packets too unless it has a sub-stream or ``has_packets`` is False."""
    from pipeline.ingest.camera import CameraConfig
    from pipeline.ingest.health import HealthConfig
    from pipeline.ingest.motion import GateConfig

    config = CameraConfig(
        camera.name,
        _source(camera, camera.detect_url or camera.url),
        detect_fps=camera.detect_fps,
        heartbeat_s=camera.heartbeat_s,
        analysis_wh=frame_wh,
        start_at=start_at,
        batch_s=PACKET_BATCH_S if has_packets and camera.detect_url is None else 0.0,
        gate=GateConfig(is_enabled=camera.is_gated, hold_s=camera.motion_hold_s),
        health=HealthConfig(declared_fps=camera.declared_fps),
    )
    return _read(config, telemetry, after)


def packet_reader(
    camera: CameraSettings, telemetry: Telemetry, *, after: Past | None = None
) -> Iterator[Frame | PacketBatch]:
    """Packets of a camera's recorded stream when another stream of it is analysed: nothing is decoded."""
    from pipeline.ingest.camera import CameraConfig

    config = CameraConfig(camera.name, _source(camera, camera.url), has_frames=False, batch_s=PACKET_BATCH_S)
    return _read(config, telemetry, after)


def ingest(site: SiteSettings, job: Job, telemetry: Telemetry, liveness: Liveness, stop: threading.Event) -> int:
    """Read the camera of ``job`` onto the bus until told to stop or its recording ends; the exit code.

    A replay whose ingest process died is read from its beginning again: the same frames get the same keys, and the
    fold takes each once.
    """
    from workers.ingest import work

    camera = site.camera(job.camera or site.cameras[0].name)
    bus = open_bus(site.redis, telemetry.count)
    readers: list[Reader] = [partial(_frames_after, camera, site.detector.frame_wh, telemetry, job)]
    if camera.detect_url is not None:
        readers.append(partial(_packets_after, camera, telemetry))
    error = work(
        bus,
        Claims(bus, job.role, _owner(), [camera.name]),
        camera.name,
        readers,
        telemetry,
        liveness,
        stop,
        packets=replace(PACKETS, max_age_s=camera.packets_s, max_bytes=camera.packets_bytes),
        wait_s=LOSSLESS_WAIT_S if job.is_lossless or is_recording(camera) else None,
    )
    if error is None:
        return 0
    telemetry.log.error("source_ended", camera=camera.name, error=str(error))
    return error.exit_code


def detect(site: SiteSettings, job: Job, telemetry: Telemetry, liveness: Liveness, stop: threading.Event) -> int:
    """Detect in the frames of this job's share of the cameras until told to stop; the exit code."""
    from pipeline.detect.stage import DetectStage
    from workers.detect import work

    detector = new_detector(site)
    telemetry.log.info("detector_ready", detector=detector.name, input_wh=detector.input_wh)
    stage = DetectStage(detector, telemetry.count, max_batch=site.detector.max_batch, max_age_s=site.detector.max_age_s)
    recorded = frozenset(camera.name for camera in site.cameras if job.is_lossless or is_recording(camera))
    bus = open_bus(site.redis, telemetry.count)
    looker = new_looker(site)
    work(bus, _claims(bus, site, job), stage, telemetry, liveness, stop, recorded=recorded, looker=looker)
    return 0


def alert(site: SiteSettings, job: Job, telemetry: Telemetry, liveness: Liveness, stop: threading.Event) -> int:
    """Fold the findings of this job's share of the cameras into alerts until told to stop; the exit code."""
    from workers.alert import work
    from workers.dismissals import Dismissals
    from workers.ledger import alert_history, scribe
    from workers.normality import Shelf

    bus = open_bus(site.redis, telemetry.count)
    root, past = (None, None) if job.is_lossless else (site.ledger_dir, site.alerts_file)
    with alert_history(past, telemetry) as history, scribe(root, site.ledger, telemetry, history) as writer:
        encoder = new_encoder(site, telemetry)
        dismissals = Dismissals(site, telemetry)

        def stage_of(camera: str) -> AlertStage:
            shelf = Shelf(site.normality_dir, camera, telemetry)
            return new_stage(
                site,
                camera,
                encoder=encoder,
                count=telemetry.count,
                shelf=shelf,
                silences=dismissals.of(camera),
                dismissed=dismissals.spans_of(camera),
            )

        claims = _claims(bus, site, job)
        work(
            bus,
            claims,
            stage_of,
            telemetry,
            liveness,
            stop,
            writer,
            is_asking=not job.is_lossless,
            has_feedback=dismissals.has_changed,
        )
    return 0


def describe(site: SiteSettings, job: Job, telemetry: Telemetry, liveness: Liveness, stop: threading.Event) -> int:
    """Describe what is asked for until told to stop; the exit code."""
    return serve(site, job, open_bus(site.redis, telemetry.count), telemetry, liveness, stop)


def is_recording(camera: CameraSettings) -> bool:
    """Whether the analysed stream of ``camera`` is a file, which loses nothing, instead of a live source."""
    return not _source(camera, camera.detect_url or camera.url).is_live


def _frames_after(
    camera: CameraSettings,
    frame_wh: tuple[int, int],
    telemetry: Telemetry,
    job: Job,
    past: Past | None,
) -> Iterator[Frame | PacketBatch]:
    after = None if job.is_lossless else past
    return frame_reader(camera, frame_wh, telemetry, after=after, start_at=job.start_at)


def _packets_after(camera: CameraSettings, telemetry: Telemetry, past: Past | None) -> Iterator[Frame | PacketBatch]:
    return packet_reader(camera, telemetry, after=past)


def _source(camera: CameraSettings, url: Secret) -> SourceConfig:
    from pipeline.ingest.source import SourceConfig

    return SourceConfig(url.reveal(), camera.transport, camera.open_timeout_s, camera.read_timeout_s)


def _read(config: CameraConfig, telemetry: Telemetry, after: Past | None) -> Iterator[Frame | PacketBatch]:
    from pipeline.ingest.camera import CameraReader

    def tell(error: SourceError) -> None:
        telemetry.log.warning("source_failed", camera=config.name, error=str(error))

    return iter(CameraReader(config, after=after, count=telemetry.count, tell=tell))


def _claims(bus: Bus, site: SiteSettings, job: Job) -> Claims:
    names = [camera.name for camera in site.cameras]
    return Claims(bus, job.role, _owner(), names, index=job.index, count=job.count)


def _owner() -> str:
    """A name for this process that no other has."""
    return f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"
