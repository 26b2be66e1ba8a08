"""What a scene is: camera, light, set, people and traffic, as frozen values checked once.

In: nothing (``script.py`` builds these from YAML; a Python script may build them directly). Out: :class:`Scene`.
World coordinates are metres, x east, y north, z up; angles are degrees, counter-clockwise from east seen from above.
Next file: ``pipeline/scenes/script.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

__all__ = [
    "ActorSpec",
    "Camera",
    "CameraEvent",
    "Encode",
    "Gate",
    "Light",
    "Look",
    "Prop",
    "Scene",
    "Step",
    "Traffic",
    "Zone",
]

Point = tuple[float, float]
Point3 = tuple[float, float, float]
Kind = Literal["person", "bicycle", "motorcycle", "car", "van", "truck", "bus", "dog", "bag"]
Mode = Literal["day", "overcast", "dusk", "night", "ir", "indoor"]
Verb = Literal["go", "stand", "crouch", "fall", "lie", "rise", "climb", "fight", "drop", "pick", "phone"]
KINDS: tuple[str, ...] = ("person", "bicycle", "motorcycle", "car", "van", "truck", "bus", "dog", "bag")
MODES: tuple[str, ...] = ("day", "overcast", "dusk", "night", "ir", "indoor")


def _require(is_ok: bool, what: str, expected: object, got: object) -> None:
    if not is_ok:
        raise ValueError(f"{what}: expected {expected}, got {got}")


@dataclass(frozen=True, slots=True)
class Camera:
    """Where the camera hangs and what its lens sees. ``distortion`` is k1 (negative: barrel); ``label`` is burnt in."""

    position_m: Point3
    look_at_m: Point3
    fov_deg: float = 78.0
    roll_deg: float = 0.0
    distortion: float = -0.05
    label: str = "CAM 01"

    def __post_init__(self) -> None:
        _require(15.0 <= self.fov_deg <= 120.0, "fov_deg", "15..120", self.fov_deg)
        _require(-0.25 <= self.distortion <= 0.0, "distortion", "-0.25..0", self.distortion)
        _require(self.position_m[2] > 0.5, "position_m", "a height above 0.5 m", self.position_m)
        _require(self.position_m[:2] != self.look_at_m[:2], "look_at_m", "a point not straight below", self.look_at_m)


@dataclass(frozen=True, slots=True)
class Light:
    """Time of day and weather. ``sun_azimuth_deg`` is where the sun stands; ``rain``, ``wind``, ``fog`` 0..1."""

    mode: Mode = "day"
    sun_azimuth_deg: float = 230.0
    sun_elevation_deg: float = 42.0
    rain: float = 0.0
    wind: float = 0.4
    fog: float = 0.0

    def __post_init__(self) -> None:
        _require(self.mode in MODES, "mode", "|".join(MODES), self.mode)
        for name in ("rain", "wind", "fog"):
            _require(0.0 <= getattr(self, name) <= 1.0, name, "0..1", getattr(self, name))
        _require(2.0 <= self.sun_elevation_deg <= 90.0, "sun_elevation_deg", "2..90", self.sun_elevation_deg)


@dataclass(frozen=True, slots=True)
class Prop:
    """One piece of the set. ``size_m`` is (along, across, height); runs such as walls go from ``at_m`` to ``to_m``."""

    kind: str
    at_m: tuple[float, ...] = (0.0, 0.0)
    to_m: Point | None = None
    size_m: tuple[float, ...] = ()
    yaw_deg: float = 0.0
    material: str = ""
    color: str = ""
    storeys: int = 0
    seed: int = 0
    points_m: tuple[Point, ...] = ()


@dataclass(frozen=True, slots=True)
class Zone:
    """A polygon on the ground. ``role`` says which rules the truth applies to it.

    ``restricted``: a person inside is an intrusion. ``walkway``: a vehicle inside is an event. ``one_way``: a vehicle
    or bicycle travelling against ``direction_deg`` is an event. ``loiter_s``: longest usual stay; ``crowd_n``: people
    within 3.5 m of each other for 5 s that make a crowd; 0 for no limit.
    """

    name: str
    points_m: tuple[Point, ...]
    role: Literal["area", "restricted", "walkway", "one_way"] = "area"
    direction_deg: float = 0.0
    loiter_s: float = 0.0
    crowd_n: int = 0

    def __post_init__(self) -> None:
        _require(len(self.points_m) >= 3, f"zone {self.name}: points_m", "at least 3 points", len(self.points_m))


@dataclass(frozen=True, slots=True)
class Gate:
    """A line people pass one by one; two of the same direction closer than ``min_gap_s`` are tailgating."""

    name: str
    from_m: Point
    to_m: Point
    min_gap_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Look:
    """How an actor looks; anything left empty is drawn from the seed. Colours are words of ``looks.py``."""

    top: str = ""
    top_style: str = ""
    legs: str = ""
    legs_style: str = ""
    hair: str = ""
    head: str = ""
    carry: str = ""
    color: str = ""
    height_m: float = 0.0
    girth: float = 0.0


@dataclass(frozen=True, slots=True)
class Step:
    """One thing an actor does: ``points_m`` for ``go``/``climb``, ``seconds`` for what lasts, ``style`` of a fall."""

    verb: Verb
    points_m: tuple[Point, ...] = ()
    seconds: float = 0.0
    speed_m_s: float = 0.0
    over_m: float = 0.0
    style: str = ""
    face_deg: float | None = None


@dataclass(frozen=True, slots=True)
class ActorSpec:
    """One scripted actor: appears at ``at_s`` on its first point and leaves after its last step."""

    name: str
    kind: Kind
    steps: tuple[Step, ...]
    at_s: float = 0.0
    look: Look = field(default_factory=Look)

    def __post_init__(self) -> None:
        _require(self.kind in KINDS, f"actor {self.name}: kind", "|".join(KINDS), self.kind)
        _require(len(self.steps) > 0, f"actor {self.name}: steps", "at least one step", "none")
        first = self.steps[0]
        _require(
            first.verb == "go" and len(first.points_m) >= 1,
            f"actor {self.name}: first step",
            "go: [[x, y], …]",
            first.verb,
        )


@dataclass(frozen=True, slots=True)
class Traffic:
    """Background actors drawn from the seed: ``per_minute`` on average along one of ``routes_m``, within a time span.

    ``spread_m`` scatters them sideways, ``min_gap_s`` keeps arrivals apart, ``group`` and ``pause`` are chances of
    company and of a rest midway.
    """

    kind: Kind
    per_minute: float
    routes_m: tuple[tuple[Point, ...], ...]
    speed_m_s: tuple[float, float] = (1.1, 1.6)
    spread_m: float = 0.5
    min_gap_s: float = 0.0
    group: float = 0.0
    pause: float = 0.0
    from_s: float = 0.0
    to_s: float = 0.0

    def __post_init__(self) -> None:
        _require(self.kind in KINDS, "traffic: kind", "|".join(KINDS), self.kind)
        _require(0.0 <= self.per_minute <= 120.0, "traffic: per_minute", "0..120", self.per_minute)
        _require(
            len(self.routes_m) > 0 and all(len(r) > 1 for r in self.routes_m),
            "traffic: routes_m",
            "routes of 2+ points",
            "",
        )
        _require(0.05 < self.speed_m_s[0] <= self.speed_m_s[1], "traffic: speed_m_s", "[low, high]", self.speed_m_s)


@dataclass(frozen=True, slots=True)
class CameraEvent:
    """Somebody covers the lens or turns the camera, from ``at_s`` for ``seconds``."""

    kind: Literal["covered", "moved"]
    at_s: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Encode:
    """How the camera compresses: average bit rate and seconds between key frames."""

    codec: Literal["h264", "hevc", "mjpeg"] = "h264"
    bit_rate_kbps: int = 700
    gop_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything about one recording. ``family`` names the camera several scenes share; ``is_usual``: a normal day."""

    name: str
    title: str
    family: str
    camera: Camera
    light: Light = field(default_factory=Light)
    seconds: float = 60.0
    fps: int = 15
    size_wh: tuple[int, int] = (640, 360)
    start_at: str = "2026-05-12 09:30:00"
    is_usual: bool = True
    ground: str = "asphalt"
    props: tuple[Prop, ...] = ()
    zones: tuple[Zone, ...] = ()
    gates: tuple[Gate, ...] = ()
    actors: tuple[ActorSpec, ...] = ()
    traffic: tuple[Traffic, ...] = ()
    camera_events: tuple[CameraEvent, ...] = ()
    encode: Encode = field(default_factory=Encode)

    def __post_init__(self) -> None:
        _require(0.1 <= self.seconds <= 86400.0, "seconds", "0.1..86400", self.seconds)
        _require(1 <= self.fps <= 60, "fps", "1..60", self.fps)
        w, h = self.size_wh
        _require(
            w % 2 == 0 and h % 2 == 0 and 160 <= w <= 1920 and 90 <= h <= 1080, "size_wh", "even, <= 1920x1080", (w, h)
        )
        names = [actor.name for actor in self.actors]
        _require(len(set(names)) == len(names), "actors", "unique names", names)
        self.started_at()

    def started_at(self) -> datetime:
        """The local time that the camera burns into its first frame, as a UTC instant.

        Raises ValueError for a text that is not ``YYYY-MM-DD HH:MM:SS``.
        """
        return datetime.strptime(self.start_at, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
