"""The ground as the camera sees it: metres from pixels, learned from the people and vehicles who pass.

In: boxes of things whose usual height is known. Out: places on the ground in metres (to the right, away), for speeds,
directions and distances. Nothing has to be calibrated by hand: how the height of a standing person changes with the
row of the feet gives tilt and height of the camera (after Hoiem, Efros and Hebert, "Putting objects in perspective",
2006, here with the tilted pinhole written out). Until somebody has passed, a usual camera is assumed.
Next file: ``pipeline/describe/trail.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes import Box
from pipeline.protocols import Json

__all__ = ["USUAL_HEIGHT_M", "Ground", "Point"]

Point = tuple[float, float]

USUAL_HEIGHT_M: Mapping[str, float] = MappingProxyType(
    {"person": 1.7, "car": 1.5, "van": 2.2, "truck": 2.9, "bus": 3.0, "bicycle": 1.1, "motorcycle": 1.2}
)
"""What things of a class usually measure in height, in metres."""

_FOCAL_WIDTHS = 0.65  # focal length in picture widths: a view of 75 degrees, which most fixed cameras come near
_USUAL_TILT_DEG, _TILT_SPREAD_DEG = 18.0, 14.0
_USUAL_CAMERA_M = 4.0
_TILTS_DEG: NDArray[np.float64] = np.arange(2.0, 61.0, 1.0)
_BANDS, _PER_BAND = 16, 6
_MAX_SLOPE_SIN = 0.02  # rays flatter than this meet the ground too far away to measure
_BORDER_NORM = 0.01
_MIN_HEIGHT_NORM = 0.03
_FIT_EVERY = 4
_NOISE = 0.08  # spread of the log heights of people


class Ground:
    """One camera's ground. Observations are bounded: the newest few for each band of rows of the picture."""

    def __init__(self) -> None:
        self._bands: list[list[tuple[float, float, float]]] = [[] for _ in range(_BANDS)]
        self._unfitted = 0
        self._judge(math.inf)
        self._stand(_USUAL_TILT_DEG, _USUAL_CAMERA_M)

    def _stand(self, tilt_deg: float, camera_m: float) -> None:
        self._tilt_deg, self._camera_m = tilt_deg, camera_m
        self._sin, self._cos = math.sin(math.radians(tilt_deg)), math.cos(math.radians(tilt_deg))

    @property
    def camera_m(self) -> float:
        """Height of the camera above the ground."""
        return self._camera_m

    @property
    def tilt_deg(self) -> float:
        """How far the camera looks down."""
        return self._tilt_deg

    @property
    def trust(self) -> float:
        """0..1: how well the people seen so far agree on this ground; 0.3 before anybody was seen."""
        return self._trust

    def _judge(self, spread: float) -> None:
        self._spread = spread
        self._trust = 0.3 if math.isinf(spread) else 1.0 / (1.0 + (spread / 0.25) ** 2)

    def learn(self, label: str, xyxy: Box, source_wh: tuple[int, int]) -> None:
        """Take in a thing that stands upright in full view; one that is cut off by the border teaches nothing."""
        height_m = USUAL_HEIGHT_M.get(label)
        width, height = source_wh
        if height_m is None or min(source_wh) <= 0:
            return
        x1, y1, x2, y2 = xyxy[0] / width, xyxy[1] / height, xyxy[2] / width, xyxy[3] / height
        low, high = _BORDER_NORM, 1 - _BORDER_NORM
        if x1 < low or y1 < low or x2 > high or y2 > high or y2 - y1 < _MIN_HEIGHT_NORM:
            return
        if label == "person" and xyxy[3] - xyxy[1] < 1.8 * (xyxy[2] - xyxy[0]):
            return
        focal = _FOCAL_WIDTHS * width
        band = self._bands[min(_BANDS - 1, int(y2 * _BANDS))]
        band.append(((xyxy[3] - height / 2) / focal, (xyxy[1] - height / 2) / focal, height_m))
        if len(band) > _PER_BAND:
            band.pop(0)
        self._unfitted += 1
        if self._unfitted >= _FIT_EVERY or math.isinf(self._spread):
            self._fit()

    def _fit(self) -> None:
        """Choose the tilt at which everybody seen implies the same height of the camera."""
        self._unfitted = 0
        seen = np.array([one for band in self._bands for one in band])  # (N, 3)
        tilt = np.radians(_TILTS_DEG)[:, None]  # (T, 1)
        foot, head, height_m = seen[:, 0][None], seen[:, 1][None], seen[:, 2][None]
        down = np.sin(tilt) + foot * np.cos(tilt)  # (T, N)
        away = (np.cos(tilt) - foot * np.sin(tilt)) / np.maximum(down, _MAX_SLOPE_SIN)
        rise = 1 - away * (np.sin(tilt) + head * np.cos(tilt)) / np.maximum(np.cos(tilt) - head * np.sin(tilt), 0.05)
        is_sound = (down > _MAX_SLOPE_SIN) & (rise > 0.01)
        camera = np.log(height_m / np.maximum(rise, 0.01))  # log metres of camera height
        middle = np.median(camera, axis=1, keepdims=True)
        spread = np.where(is_sound, np.minimum(np.abs(camera - middle), 1.0), 1.0).mean(axis=1)  # (T,)
        unusual = ((_TILTS_DEG - _USUAL_TILT_DEG) / _TILT_SPREAD_DEG) ** 2
        best = int(np.argmin(seen.shape[0] * spread / _NOISE + unusual))
        self._stand(float(_TILTS_DEG[best]), float(np.clip(np.exp(middle[best, 0]), 1.0, 30.0)))
        self._judge(float(spread[best]))

    def place(self, seen_xy: Point, source_wh: tuple[int, int], above_m: float = 0.0) -> Point:
        """Metres (to the right of the camera, away from it) of the ground below a point seen at ``seen_xy`` pixels.

        The point is ``above_m`` metres above the ground: 0 for feet, a person's height for the crown of the head.
        """
        width, height = source_wh
        focal = _FOCAL_WIDTHS * width
        below = (seen_xy[1] - height / 2) / focal
        down = self._sin + below * self._cos
        reach_m = (self._camera_m - above_m) / (down if down > _MAX_SLOPE_SIN else _MAX_SLOPE_SIN)
        return (reach_m * (seen_xy[0] - width / 2) / focal, reach_m * (self._cos - below * self._sin))

    def pixel_m(self, foot_y: float, source_wh: tuple[int, int]) -> float:
        """Metres of ground, away from the camera, that one pixel covers at row ``foot_y``."""
        focal = _FOCAL_WIDTHS * source_wh[0]
        down = self._sin + (foot_y - source_wh[1] / 2) / focal * self._cos
        return self._camera_m / (max(down, _MAX_SLOPE_SIN) ** 2 * focal)

    def height_px(self, foot_xy: Point, height_m: float, source_wh: tuple[int, int]) -> float:
        """How many pixels high a thing of ``height_m`` that stands at ``foot_xy`` appears; at least 1."""
        width, height = source_wh
        focal = _FOCAL_WIDTHS * width
        below = (foot_xy[1] - height / 2) / focal
        down = max(_MAX_SLOPE_SIN, self._sin + below * self._cos)
        away_m = self._camera_m * (self._cos - below * self._sin) / down
        drop_m = self._camera_m - height_m
        depth_m = away_m * self._cos + drop_m * self._sin
        head = (drop_m * self._cos - away_m * self._sin) / max(depth_m, 0.1)
        return max(1.0, (below - head) * focal)

    def state(self) -> Json:
        """Everything needed to go on elsewhere."""
        return {
            "bands": [[list(one) for one in band] for band in self._bands],
            "unfitted": self._unfitted,
            "tilt_deg": self._tilt_deg,
            "camera_m": self._camera_m,
            "spread": None if math.isinf(self._spread) else self._spread,
        }

    def restore(self, state: Json) -> None:
        """Continue from :meth:`state`."""
        self._bands = [[(float(a), float(b), float(c)) for a, b, c in band] for band in state["bands"]]
        self._unfitted = int(state["unfitted"])
        self._stand(float(state["tilt_deg"]), float(state["camera_m"]))
        self._judge(math.inf if state["spread"] is None else float(state["spread"]))
