"""What is really there: the exact truth of every rendered frame, and its JSON form.

JSON (version 1): the fields of the dataclasses below under their names, plus ``"v": 1``; the schema with every unit is
``truth.schema.json`` beside this file. Angles in degrees, times in seconds of media time from the first frame, boxes
in pixels. Next file: ``pipeline/scenes/renderer.py``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import StorageError, UsageError

__all__ = ["FrameTruth", "Truth", "TruthEvent", "TruthObject", "TruthZone", "load_truth"]

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class TruthObject:
    """One object in one frame.

    ``xyxy``: box of the visible pixels; ``full_xyxy``: box of the whole object, also where hidden or beyond the
    frame; ``visible``: share of it that is seen. ``posture``: upright, bent, lying, or empty for things.
    ``heading_deg`` in the world; ``direction``: left, right, towards or away as the camera sees it, still when it
    stands. ``colors``: part -> colour word. ``is_parked``: part of the set; ``is_carried``: a bag on somebody.
    """

    id: int
    name: str
    label: str
    xyxy: Box
    full_xyxy: Box
    visible: float
    at_m: tuple[float, float]
    speed_m_s: float
    heading_deg: float
    direction: str
    action: str
    posture: str
    zones: tuple[str, ...]
    colors: dict[str, str]
    is_parked: bool = False
    is_carried: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.visible <= 1.0:
            raise ValueError(f"visible: expected 0..1, got {self.visible}")


@dataclass(frozen=True, slots=True)
class FrameTruth:
    """All objects visible in frame ``index``, shown at ``at_s``; ``camera``: clear, covered or moved."""

    index: int
    at_s: float
    objects: tuple[TruthObject, ...]
    camera: str = "clear"


@dataclass(frozen=True, slots=True)
class TruthEvent:
    """Something a guard would want to know, over [``from_s``, ``to_s``]; ``actors`` are track ids."""

    kind: str
    from_s: float
    to_s: float
    actors: tuple[int, ...] = ()
    zone: str = ""


@dataclass(frozen=True, slots=True)
class TruthZone:
    """A zone as the camera sees it: polygon in 0..1 of the picture, cut to it, and its role."""

    name: str
    role: str
    points_norm: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Truth:
    """The truth of one recording."""

    scene: str
    family: str
    seed: int
    fps: int
    size_wh: tuple[int, int]
    is_usual: bool
    seconds: float
    zones: tuple[TruthZone, ...]
    events: tuple[TruthEvent, ...]
    frames: tuple[FrameTruth, ...]

    def to_json(self) -> str:
        """One line of JSON, version 1, stable key order."""
        return json.dumps({"v": 1, **asdict(self)}, separators=(",", ":"), ensure_ascii=False)

    def save(self, path: Path) -> None:
        """Write the JSON whole or not at all. Raises StorageError."""
        part = path.with_name(path.name + ".part")
        try:
            part.write_text(self.to_json(), encoding="utf-8")
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise StorageError(f"cannot write the truth to {path}: {error.strerror or error}") from error


def _tupled(value: Any) -> Any:
    return tuple(_tupled(item) for item in value) if isinstance(value, list) else value


def load_truth(path: Path) -> Truth:
    """Read what :meth:`Truth.save` wrote. Raises UsageError for anything else."""
    try:
        head = json.loads(path.read_text(encoding="utf-8"))
        if head.pop("v") != 1:
            raise UsageError(f"{path}: truth of a version other than 1")
        frames = tuple(
            FrameTruth(
                f["index"],
                f["at_s"],
                tuple(TruthObject(**{k: _tupled(v) for k, v in o.items()}) for o in f["objects"]),
                f["camera"],
            )
            for f in head.pop("frames")
        )
        events = tuple(TruthEvent(**{k: _tupled(v) for k, v in e.items()}) for e in head.pop("events"))
        zones = tuple(TruthZone(**{k: _tupled(v) for k, v in z.items()}) for z in head.pop("zones"))
        return Truth(**{k: _tupled(v) for k, v in head.items()}, zones=zones, events=events, frames=frames)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} is not a truth file: {error}") from error
