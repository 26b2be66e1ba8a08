"""Looks at decoded pictures of one camera: which are analysed, does anything move, is the camera all right.

In: a ``Picture`` and its media time; out: a ``Look`` with the analysis pixels and the ``FrameNote`` that goes with
them, or None when the moment is passed over. Next file: ``pipeline/ingest/stream.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.ingest.health import HealthConfig, HealthMonitor
from pipeline.ingest.motion import GateConfig, MotionGate
from pipeline.ingest.sampling import Sampler
from pipeline.types import FrameNote
from pipeline.video.decoder import Picture, Scaler, fit_size

__all__ = ["Analyst", "Look"]

_MIN_SIDE_PX = 16
_FORGET_AFTER_S = 10.0
"""A gap in the pictures after which the gate learns the scene afresh."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Analysis pixels (height * 3 / 2, width) uint8 I420 and what is known of the moment."""

    i420: NDArray[np.uint8]
    note: FrameNote


class Analyst:
    """Sampling, motion gate and health of one camera; lives as long as the camera, across its sessions."""

    def __init__(
        self,
        *,
        detect_fps: float,
        heartbeat_s: float,
        analysis_wh: tuple[int, int],
        gate: GateConfig | None = None,
        health: HealthConfig | None = None,
    ) -> None:
        """Raises ValueError for a rate or a period that is not > 0."""
        self._analysis_wh = analysis_wh
        self._looked_at = Sampler(detect_fps, heartbeat_s)
        self._published = Sampler(detect_fps, heartbeat_s)
        self._gate = MotionGate(gate)
        self._health = HealthMonitor(health)
        self._scaler = Scaler()
        self._is_open = True
        self._motion = 0.0
        self._last_look_s: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether the motion gate was open at the last look."""
        return self._is_open

    @property
    def motion(self) -> float:
        """Changed share of the picture at the last look, 0..1."""
        return self._motion

    def begin_session(self) -> None:
        """A new session begins: the sampling grids start over, what was learned of the scene stays."""
        self._looked_at.reset()
        self._published.reset()
        self._health.new_session()

    def arrived(self, at_s: float) -> None:
        """A packet of media time ``at_s`` arrived, decoded or not."""
        self._health.arrived(at_s)

    def wants(self, at_s: float) -> bool:
        """Whether the picture at ``at_s`` is to be looked at; ask once per picture."""
        return self._looked_at.choose(at_s) is not None

    def can_see(self, picture: Picture) -> bool:
        """Whether ``picture`` is large enough, once scaled, for gate and health to say anything about it."""
        sides = picture.size_wh
        return min(sides) >= _MIN_SIDE_PX and min(fit_size(sides, self._analysis_wh)) >= _MIN_SIDE_PX

    def look(self, picture: Picture, at_s: float) -> Look | None:
        """Scale ``picture``, judge it, and say whether it is published. Raises SourceError when it cannot be scaled."""
        if self._last_look_s is not None and at_s - self._last_look_s > _FORGET_AFTER_S:
            self._gate.reset()
        self._last_look_s = at_s
        i420 = self._scaler.i420(picture, fit_size(picture.size_wh, self._analysis_wh))
        luma = i420[: i420.shape[0] * 2 // 3]
        reading = self._gate.update(luma, at_s)
        health = self._health.update(luma, at_s)
        self._is_open, self._motion = reading.is_open, reading.motion
        kind = self._published.choose(at_s, is_open=reading.is_open)
        if kind is None:
            return None
        return Look(i420, FrameNote(kind, reading.motion, health.conditions, health.brightness))

    def absent(self, at_s: float) -> FrameNote:
        """The note of a tick at ``at_s``: nothing has been heard of the camera."""
        reading = self._health.missing(at_s)
        return FrameNote("absent", conditions=reading.conditions, brightness=reading.brightness)
