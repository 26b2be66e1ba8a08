"""Is the camera all right? In: pictures, arrivals and absences in media time; out: the conditions that hold now.

What each condition means, and when it ends (all judged against what this camera itself showed before):

- ``offline``: nothing arrived for ``offline_after_s``; ends after ``recover_s`` of arriving pictures.
- ``low_frame_rate``: fewer pictures than ``min_fps_share`` of the declared or learned rate.
- ``black``: nothing in the picture is bright, whatever the camera used to show.
- ``frozen``: a camera whose sensor noise is known delivers the same pixels again and again (a ticking clock in the
  picture does not count). A source that never had noise, such as a rendered scene, is never called frozen.
- ``defocused``: edges are blurred, but the scene is still where it was.
- ``covered``: edges are gone in a third of the picture or more, or the picture is without structure.
- ``moved``: edges are there, but not where they were, all over the picture. Ends when the old view is back, when a
  person accepts the new one (:meth:`HealthMonitor.accept_view`), or when the new view stayed for ``relearn_after_s``.

A condition opens within 10 s of media time at any spacing of looks up to 4 s. The reference is learned slowly and only
while nothing is wrong or suspected, so that slow sabotage of minutes does not teach it.
Measures of a single picture are in ``pipeline/ingest/view.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.ingest.delivery import DeliveryMeter
from pipeline.ingest.reference import Reference
from pipeline.ingest.stillness import Stillness
from pipeline.ingest.view import View, measure
from pipeline.types import HEALTH_CONDITIONS, HealthCondition

__all__ = ["HealthConfig", "HealthMonitor", "HealthReading"]

_MAX_MOTION = 0.3  # share of the picture; with more of it in motion this is not the usual view
_LOOK_S = 0.45  # closer looks tell nothing new
_REFERENCE_S = 120.0
_CANDIDATE_S = 30.0
_DARK_LUMA = 40.0  # video black is 16; nothing brighter than this is visible
_PLAIN_STRUCTURE = 3.0  # grey levels; the steepest 2 % of any real view exceed it
_BLANK_SHARE = 0.35
_LOST_STRUCTURE = 0.4
_MIN_LAYOUT = 0.7
_MOVED_AGREEMENT = 0.42
_BLURRED = 0.72
_CLEAR = 0.8

# Seconds a suspicion must last before it is believed, and must be gone before it is dropped.
_OPEN_S: dict[HealthCondition, float] = {
    "offline": 0.0,
    "black": 2.0,
    "frozen": 0.0,
    "defocused": 4.0,
    "covered": 4.0,
    "moved": 5.0,
    "low_frame_rate": 3.0,
}


@dataclass(frozen=True, slots=True)
class HealthConfig:
    """Knobs of the monitor, in seconds of media time. ``declared_fps`` 0: learn the frame rate from the stream."""

    declared_fps: float = 0.0
    min_fps_share: float = 0.4
    offline_after_s: float = 3.0
    frozen_after_s: float = 3.9
    recover_s: float = 2.0
    relearn_after_s: float = 900.0

    def __post_init__(self) -> None:
        for name in ("offline_after_s", "frozen_after_s", "recover_s", "relearn_after_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name}: expected seconds > 0, got {value}")
        if not (math.isfinite(self.declared_fps) and self.declared_fps >= 0):
            raise ValueError(f"declared_fps: expected >= 0, got {self.declared_fps}")
        if not 0 < self.min_fps_share < 1:
            raise ValueError(f"min_fps_share: expected a share between 0 and 1, got {self.min_fps_share}")


@dataclass(frozen=True, slots=True)
class HealthReading:
    """Conditions holding now (in the order of ``HEALTH_CONDITIONS``); mean luma 0..255 and sharpness (about 1 for sharp
    edges, 0.25 for blurred ones) of the last picture looked at."""

    conditions: tuple[HealthCondition, ...]
    brightness: float
    sharpness: float


class HealthMonitor:
    """Health of one camera over its whole life: keep it across sessions. Bounded state; media time only."""

    def __init__(self, config: HealthConfig | None = None) -> None:
        self._config = config or HealthConfig()
        self._delivery = DeliveryMeter(self._config.declared_fps)
        self._latches = {name: _Latch(_OPEN_S[name], self._config.recover_s) for name in HEALTH_CONDITIONS}
        self._reference = Reference(_REFERENCE_S)
        self._candidate = Reference(_CANDIDATE_S)
        self._candidate_since_s = math.inf
        self._stillness = Stillness(self._config.frozen_after_s)
        self._last_arrival_s = -math.inf
        self._first_missing_s = math.inf
        self._look_s = -math.inf
        self._brightness = 0.0
        self._sharpness = 0.0

    def arrived(self, at_s: float) -> None:
        """A picture arrived (call it for every packet or frame, decoded or not): the delivered frame rate."""
        _check_time(at_s)
        self._delivery.arrived(at_s)
        self._last_arrival_s = max(self._last_arrival_s, at_s)
        self._first_missing_s = math.inf
        self._latches["offline"].feel(False, at_s)

    def update(self, luma: NDArray[np.uint8], at_s: float, *, motion: float = 0.0) -> HealthReading:
        """Look at a decoded picture, (h, w) uint8, at media time ``at_s``; ``motion`` is ``GateReading.motion``, and
        while it is large (a truck fills the view) nothing is learned.

        Call it for every decoded frame: it looks closely about twice a second and is free in between. Raises
        ValueError for another shape or type, a side under 16 pixels, or a time that is not finite.
        """
        _check_time(at_s)
        if luma.ndim != 2 or luma.dtype != np.uint8 or min(luma.shape) < 16:
            raise ValueError(f"luma: expected (h, w) uint8 with sides of 16 or more, got {luma.shape} {luma.dtype}")
        if at_s - self._look_s >= _LOOK_S:
            self._look(measure(luma), at_s, motion)
        return self._reading()

    def missing(self, at_s: float) -> HealthReading:
        """There is no picture at media time ``at_s`` (connection lost, nothing sent). Raises ValueError as above."""
        _check_time(at_s)
        self._first_missing_s = min(self._first_missing_s, at_s)
        since_s = self._last_arrival_s if math.isfinite(self._last_arrival_s) else self._first_missing_s
        offline = self._latches["offline"]
        offline.feel(offline.is_on or at_s - since_s >= self._config.offline_after_s, at_s)
        self._delivery.reset()
        return self._reading()

    def new_session(self) -> None:
        """The source was opened again: times may jump, size and codec may differ. What was learned is kept."""
        self._delivery.reset()
        self._stillness.reset()
        self._look_s = -math.inf
        for latch in self._latches.values():
            latch.restart_clock()

    def accept_view(self) -> None:
        """A person says the present view is right: learn it anew and drop every judgement made against the old one."""
        self._reference = Reference(_REFERENCE_S)
        self._candidate_since_s = math.inf
        for name in ("moved", "covered", "defocused"):
            self._latches[name].clear()

    def _look(self, view: View, at_s: float, motion: float) -> None:
        dt_s = min(max(at_s - self._look_s, 0.0), 10.0)
        self._look_s = at_s
        self._brightness, self._sharpness = view.brightness, view.sharpness[0]
        is_black = view.highlight < _DARK_LUMA
        likeness = self._reference.likeness(view)
        is_blurred = self._reference.is_blurred(view, _CLEAR if self._latches["defocused"].is_on else _BLURRED)
        is_lost = view.structure < _LOST_STRUCTURE * self._reference.structure
        keeps_layout = likeness.layout >= _MIN_LAYOUT
        is_plain = view.structure < _PLAIN_STRUCTURE and not keeps_layout
        is_covered = is_plain or likeness.blank >= _BLANK_SHARE or (is_lost and not keeps_layout)
        is_covered = not is_black and is_covered and not (is_blurred and keeps_layout)
        is_defocused = not is_black and is_blurred and keeps_layout
        is_usual = not (is_black or is_covered or is_defocused)
        suspicion: dict[HealthCondition, bool] = {
            "black": is_black,
            "frozen": self._stillness.is_frozen(view.sample, at_s, is_usual=is_usual),
            "defocused": is_defocused,
            "covered": is_covered,
            "moved": not (is_black or is_defocused) and likeness.agreeing < _MOVED_AGREEMENT,
            "low_frame_rate": self._delivery.share_of_usual() < self._config.min_fps_share,
        }
        for name, is_suspected in suspicion.items():
            self._latches[name].feel(is_suspected, at_s)
        self._learn(view, at_s, dt_s, is_in_doubt=motion > _MAX_MOTION or any(suspicion.values()))

    def _learn(self, view: View, at_s: float, dt_s: float, *, is_in_doubt: bool) -> None:
        """Learn the view while all is well; while it is another view for good, learn that one beside it."""
        if not is_in_doubt:
            self._reference.learn(view, dt_s)
        if not self._latches["moved"].is_on or self._latches["covered"].is_on:
            self._candidate_since_s = math.inf
            return
        is_stable = self._candidate.likeness(view).agreeing >= 0.5
        if math.isinf(self._candidate_since_s) or not is_stable:
            self._candidate = Reference(_CANDIDATE_S)
            self._candidate_since_s = at_s
        self._candidate.learn(view, dt_s)
        if at_s - self._candidate_since_s >= self._config.relearn_after_s:
            view_for_good = self._candidate.lasting(_REFERENCE_S)
            self.accept_view()
            self._reference = view_for_good

    def _reading(self) -> HealthReading:
        conditions = tuple(name for name in HEALTH_CONDITIONS if self._latches[name].is_on)
        if "covered" in conditions:  # a covered view is a lost one too, which says less
            conditions = tuple(name for name in conditions if name != "moved")
        return HealthReading(conditions, self._brightness, self._sharpness)


class _Latch:
    """Turns on when a suspicion lasted ``open_s`` (and two looks), off when it was gone for ``close_s``."""

    def __init__(self, open_s: float, close_s: float) -> None:
        self._open_s, self._close_s = open_s, close_s
        self.is_on = False
        self._against_s = math.inf  # since when looks contradict the state

    def feel(self, is_suspected: bool, at_s: float) -> None:
        """One look at ``at_s``."""
        if is_suspected == self.is_on:
            self._against_s = math.inf
            return
        self._against_s = min(self._against_s, at_s)
        if at_s - self._against_s >= (self._close_s if self.is_on else self._open_s):
            self.is_on = is_suspected
            self._against_s = math.inf

    def restart_clock(self) -> None:
        """Times before and after do not compare."""
        self._against_s = math.inf

    def clear(self) -> None:
        """Off, as if nothing had been."""
        self.is_on = False
        self._against_s = math.inf


def _check_time(at_s: float) -> None:
    if not math.isfinite(at_s):
        raise ValueError(f"at_s: expected a finite number, got {at_s}")
