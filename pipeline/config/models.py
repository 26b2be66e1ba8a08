"""What a site file may say: every knob with its type, range, default and meaning. Defaults live here and nowhere else
(those of rules in :mod:`pipeline.alert.settings`, which :mod:`pipeline.config.rules` mirrors).

In: plain values. Out: frozen pydantic models, which ``pipeline/config/site.py`` turns into
:class:`~pipeline.settings.SiteSettings`. No knob names a command to run.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from pipeline.config.describe import DescribeModel
from pipeline.config.rules import AnyRule, Part, PolicyModel
from pipeline.settings import Backend, Transport
from pipeline.unusual.settings import ALERTS_PER_DAY, WARM_UP_S

__all__ = [
    "NAME_PATTERN",
    "CameraKnobs",
    "CameraModel",
    "DetectorModel",
    "LedgerModel",
    "RedisModel",
    "SearchModel",
    "SiteModel",
    "TelemetryModel",
]

NAME_PATTERN = r"^[A-Za-z0-9_-]{1,64}$"

Share = Annotated[float, Field(ge=0, le=1)]
Point = tuple[float, float]
Seconds = Annotated[float, Field(gt=0, le=600)]


class RedisModel(Part):
    """Where the bus is. Without a URL, Vedette starts a Redis of its own."""

    url: SecretStr | None = None
    """redis://user@host:6379/0, rediss:// (TLS) or unix:///path/to/socket."""
    url_file: str | None = None
    """A file that holds the URL, instead of `url`."""
    password_file: str | None = None
    """A file that holds the password for `url`."""
    frames_url: SecretStr | None = None
    """A second Redis for frames and packets, without persistence; they go to `url` if absent. Not for a cluster."""
    cluster: bool = False
    """The URL names a node of a Redis Cluster."""
    ca_file: str | None = None
    """Certificates that the server's is checked against (rediss://); the system's if absent."""
    cert_file: str | None = None
    """This client's certificate, when the server asks for one."""
    key_file: str | None = None
    """The key of `cert_file`."""


class TelemetryModel(Part):
    """Where metrics (/metrics) and health (/health) are served."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for every interface."""
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    """First port: workers started together take this one and those after it; 0 serves nothing."""


class DetectorModel(Part):
    """What finds objects in pictures."""

    weights: str | None = None
    """A model's file, folder or name; the bundled detector if absent. .pt files are pickles: use those you trust."""
    backend: Backend = "auto"
    """auto chooses by the weights: .pt runs in ultralytics, all else in openvino."""
    device: str = "auto"
    """auto, or the backend's own word: CPU, GPU.0, cuda:0."""
    min_confidence: Share = 0.1
    """Boxes below are forgotten. Low on purpose: tracking uses weak boxes, rules have a min_confidence of their own."""
    class_confidence: dict[str, Share] = Field(default_factory=dict)
    """min_confidence for single labels or groups, e.g. {dog: 0.4}."""
    labels: tuple[str, ...] = ()
    """Labels or groups (person, vehicle, animal, bag) that are kept; all if empty."""
    max_age_s: Seconds = 1.0
    """A live frame older than this is dropped instead of analysed."""
    max_batch: Annotated[int, Field(ge=1, le=256)] = 8
    """Most frames given to the model at once."""
    frame_wh: tuple[Annotated[int, Field(ge=64, le=4096)], Annotated[int, Field(ge=64, le=4096)]] = (640, 384)
    """Pictures are scaled down to fit in [width, height] before they are analysed: what the model was made for."""
    streams: Annotated[int, Field(ge=0, le=256)] = 0
    """Inferences that run side by side; 0 chooses for this machine."""
    threads: Annotated[int, Field(ge=0, le=1024)] = 0
    """Processor threads in all; 0 chooses for this machine."""
    looks: bool = True
    """Measure the pixels of what was detected: motion, colours, posture. false saves a few milliseconds a frame."""


class LedgerModel(Part):
    """What is kept of what was seen and said, for back-tests, `vedette why` and feedback. No pictures."""

    keep_days: Annotated[int, Field(ge=0, le=3660)] = 30
    """How many days of each camera are kept; 0 keeps none."""
    max_bytes: Annotated[int, Field(ge=2**24, le=2**50)] = 20 * 2**30
    """How much room all cameras together may take on this machine; the oldest goes first."""


class SearchModel(Part):
    """What descriptions are kept for `vedette search`, and for how long."""

    keep_days: Annotated[int, Field(ge=1, le=3660)] = 30
    """How many days of each camera are kept."""
    max_descriptions: Annotated[int, Field(ge=1024, le=10_000_000)] = 200_000
    """How many moments of all cameras together are kept (about 1.2 kB each); the oldest go first."""


class CameraKnobs(Part):
    """What can be set for one camera, or under `defaults` for all; a camera's own word wins."""

    transport: Transport = "tcp"
    """How RTSP carries video: tcp loses nothing, udp is for cameras that cannot."""
    open_timeout_s: Seconds = 10.0
    """How long a camera may take to answer."""
    read_timeout_s: Seconds = 5.0
    """How long a camera may send nothing before it is opened again."""
    detect_fps: Annotated[float, Field(gt=0, le=60)] = 5.0
    """Frames analysed per second while something moves."""
    heartbeat_s: Annotated[float, Field(gt=0, le=60)] = 2.0
    """While nothing moves, one frame per this many seconds is analysed."""
    motion_gate: bool = True
    """false analyses detect_fps frames per second whether something moves or not."""
    motion_hold_s: Annotated[float, Field(ge=0, le=600)] = 4.0
    """How long frames are still analysed after the last motion."""
    declared_fps: Annotated[float, Field(ge=0, le=240)] = 0.0
    """The frame rate that the camera should deliver; 0 learns it."""
    packets_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    """How many seconds of compressed video are kept for clips."""
    packets_bytes: Annotated[int, Field(ge=2**20, le=2**32)] = 64 * 2**20
    """How many bytes of compressed video are kept at most."""
    time_zone: str = "UTC"
    """IANA name of the time zone in which schedules are meant, e.g. Europe/Berlin."""
    watch_for: tuple[str, ...] = ()
    """Plain sentences to be alerted of, e.g. "someone lies on the floor"; `vedette check` shows how they are read."""
    health_alerts: bool = True
    """Whether a camera that is offline, dark, frozen, blurred, covered or moved is an alert."""
    unusual: bool = True
    """Whether what is normal is learned from the camera itself, and what is far from it is an alert."""
    alerts_per_day: Annotated[float, Field(gt=0, le=1000)] = ALERTS_PER_DAY
    """How many alerts of kind unusual you want to read on a day on which nothing is wrong; the threshold follows."""
    warm_up_s: Annotated[float, Field(ge=0, le=604_800)] = WARM_UP_S
    """How long a camera is watched before anything is called unusual; what is seen until then is taken for normal."""
    policy: PolicyModel = PolicyModel()
    """How often incidents report."""
    rules: tuple[AnyRule, ...] | None = None
    """What is an alert. If absent: loitering, running, crowds and objects left behind, anywhere in the picture."""


class CameraModel(CameraKnobs):
    """One camera."""

    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    """Letters, digits, - and _, at most 64; not needed where cameras are written as a map."""
    url: SecretStr | None = None
    """rtsp://, rtsps://, http(s)://, a device (/dev/video0), a file, or a folder of files."""
    url_file: str | None = None
    """A file that holds the URL, instead of `url`."""
    password_file: str | None = None
    """A file that holds the password for `url` and `detect_url`."""
    detect_url: SecretStr | None = None
    """A smaller stream of the same view, analysed instead of `url`: the largest saving there is."""
    zones: dict[str, tuple[Point, ...]] = Field(default_factory=dict)
    """Polygons by name, points [x, y] from 0 to 1 of the picture, from its upper left corner."""
    lines: dict[str, tuple[Point, ...]] = Field(default_factory=dict)
    """Lines by name: two points; who walks from the first to the second has side A on the left and B on the right."""
    private: tuple[tuple[Point, ...], ...] = ()
    """Polygons of the picture that no model ever sees: a neighbour's window, a keypad."""
    notes: tuple[Annotated[str, Field(min_length=1, max_length=500)], ...] = ()
    """What a model should know of this view, besides `describe.context`: "the door on the left is the staff's"."""


class SiteModel(Part):
    """A site: its cameras and everything they share."""

    cameras: tuple[CameraModel, ...]
    """The cameras, as a list with names or as a map from name to camera (or to its URL)."""
    defaults: CameraKnobs = CameraKnobs()
    """What holds for every camera that does not say otherwise."""
    detector: DetectorModel = DetectorModel()
    redis: RedisModel = RedisModel()
    telemetry: TelemetryModel = TelemetryModel()
    ledger: LedgerModel = LedgerModel()
    search: SearchModel = SearchModel()
    describe: DescribeModel = DescribeModel()
    text_encoder: str | None = None
    """What turns words into vectors: a folder, a hub id (owner/name) or none; the installed package if absent."""
    data_dir: str | None = None
    """Where Vedette keeps its state; $XDG_STATE_HOME/vedette or ~/.local/state/vedette if absent."""
