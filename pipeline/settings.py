"""The effective settings of a site as plain frozen values: what every worker is built from.

Nothing heavy is imported (no pydantic, no YAML), so that a camera's ingest process stays small. Out: ``SiteSettings``
and its parts. :mod:`pipeline.config` builds them from a site file, checks them and owns every default;
:mod:`pipeline.handover` passes them to another process. Next file: ``pipeline/config/models.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pipeline.alert.settings import AlertSettings
from pipeline.describe.settings import DescribeSettings
from pipeline.redact import Secret
from pipeline.unusual.settings import UnusualSettings

__all__ = [
    "BUNDLED_WEIGHTS",
    "Backend",
    "CameraSettings",
    "DetectorSettings",
    "LedgerSettings",
    "RedisSettings",
    "SearchSettings",
    "Secret",
    "Sentence",
    "SiteSettings",
    "TelemetrySettings",
    "Transport",
]

Backend = Literal["auto", "openvino", "ultralytics"]
Transport = Literal["tcp", "udp"]
BUNDLED_WEIGHTS = Path(__file__).resolve().parent / "detect" / "weights" / "vedette-n"
"""Folder of the detector that comes with Vedette."""


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """Where the bus is. ``url`` None starts an embedded Redis below the data directory; files are for TLS.

    ``frames_url`` is a second server for frames and packets, None when they go to ``url`` too.
    """

    url: Secret | None
    frames_url: Secret | None
    is_cluster: bool
    ca_file: Path | None
    cert_file: Path | None
    key_file: Path | None


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """Where metrics and health are served. Workers of one machine take ``port``, ``port + 1``, …; 0: none is served."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class LedgerSettings:
    """How much is kept of what was seen and said: ``keep_days`` of each camera (0: nothing), ``max_bytes`` of all."""

    keep_days: int
    max_bytes: int


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """How much is kept for searching: ``keep_days`` of each camera, ``max_descriptions`` of all."""

    keep_days: int
    max_descriptions: int


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """Which detector runs and how.

    ``weights`` None is the bundled model, else a file, a folder or a model's name; ``device`` is ``auto`` or the
    backend's own word (``CPU``, ``GPU.0``, ``cuda:0``); ``class_confidence`` holds (label, least confidence) pairs that
    replace ``min_confidence`` for those labels; ``labels`` are the words kept (all of the model's when empty);
    ``max_age_s`` is the age above which a live frame is dropped unseen; pictures are scaled down to fit in
    ``frame_wh``; ``streams`` and ``threads`` 0 let the backend choose for this machine; ``has_looks``: whether the
    pixels of what was detected are measured too.
    """

    weights: str | None
    backend: Backend
    device: str
    min_confidence: float
    class_confidence: tuple[tuple[str, float], ...]
    labels: tuple[str, ...]
    max_age_s: float
    max_batch: int
    frame_wh: tuple[int, int]
    streams: int
    threads: int
    has_looks: bool = True


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of ``watch_for``, the name of the rule that it became, and notes on how it was read."""

    text: str
    rule: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """One camera: where its picture comes from, how much of it is analysed, and how much of its past is kept.

    ``url`` is recorded; ``detect_url``, when there is one, is a smaller sub-stream of the same view that is analysed
    instead. ``detect_fps`` frames per second are analysed while something moves, one per ``heartbeat_s`` while nothing
    does. ``is_gated`` False analyses them always; ``motion_hold_s`` keeps the gate open after the last motion.
    ``declared_fps`` 0: the frame rate that health is judged by is learned. ``packets_s`` and ``packets_bytes`` bound
    the compressed past on the bus, from which clips are cut. ``alert`` is all that the alert stage needs; ``notes`` are
    what the owner says of this view to whoever describes it. ``unusual`` None: what is normal is not learned.
    ``watch_for`` says which of the rules were plain sentences.
    """

    name: str
    url: Secret
    detect_url: Secret | None
    transport: Transport
    open_timeout_s: float
    read_timeout_s: float
    detect_fps: float
    heartbeat_s: float
    is_gated: bool
    motion_hold_s: float
    declared_fps: float
    packets_s: float
    packets_bytes: int
    alert: AlertSettings
    notes: tuple[str, ...] = ()
    unusual: UnusualSettings | None = None
    watch_for: tuple[Sentence, ...] = ()


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """A whole site. ``config_hash`` names the effective configuration: 16 hex digits, no secret goes into it.

    ``text_encoder``: a folder or a hub id, ``none`` for no encoder, None for the one that is installed.
    """

    path: Path
    data_dir: Path
    redis: RedisSettings
    telemetry: TelemetrySettings
    ledger: LedgerSettings
    search: SearchSettings
    text_encoder: str | None
    detector: DetectorSettings
    describe: DescribeSettings
    cameras: tuple[CameraSettings, ...]
    config_hash: str

    @property
    def ledger_dir(self) -> Path:
        """The folder in which the ledger lies."""
        return self.data_dir / "ledger"

    @property
    def normality_dir(self) -> Path:
        """The folder in which what was learned of each camera lies."""
        return self.data_dir / "normality"

    @property
    def descriptions_file(self) -> Path:
        """Where descriptions are kept for searching."""
        return self.data_dir / "descriptions.sqlite"

    @property
    def alerts_file(self) -> Path:
        """Where the history of alerts is kept."""
        return self.data_dir / "alerts.sqlite"

    def camera(self, name: str) -> CameraSettings:
        """The camera called ``name``. Raises KeyError when there is none."""
        for camera in self.cameras:
            if camera.name == name:
                return camera
        raise KeyError(name)

    def only(self, name: str) -> SiteSettings:
        """This site with no camera but ``name``: what its ingest process is given. Raises KeyError."""
        return replace(self, cameras=(self.camera(name),))
