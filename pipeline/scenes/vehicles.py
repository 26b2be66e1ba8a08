"""Vehicles: car, van, truck, bus, bicycle, motorcycle as meshes, front towards +x, wheels on z = 0.

In: a kind, a colour word, a seed. Out: :class:`~pipeline.scenes.meshes.Mesh`. Body shapes are stations of a loft read
off common European models. Next file: ``pipeline/scenes/props.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pipeline.scenes.arrays import Floats
from pipeline.scenes.meshes import Mesh, box, ellipsoid, join, loft, quad, tube

__all__ = ["VEHICLE_LENGTH_M", "build_vehicle"]


VEHICLE_LENGTH_M = {"car": 4.4, "van": 5.2, "truck": 7.6, "bus": 11.2, "bicycle": 1.75, "motorcycle": 2.1}

_DECK_SIDES = 32


@dataclass(frozen=True, slots=True)
class _Shell:
    """``hull``: (x, top z, half width, bottom z) front to back. ``cabin``: (z, front x, back x, half width) upwards."""

    hull: tuple[tuple[float, float, float, float], ...]
    cabin: tuple[tuple[float, float, float, float], ...]
    axles_x: tuple[float, ...]
    wheel_m: float
    track_m: float


_SEDAN = _Shell(
    hull=((2.22, 0.58, 0.60, 0.38), (2.17, 0.66, 0.74, 0.26), (2.02, 0.73, 0.83, 0.20),
          (1.5, 0.83, 0.88, 0.18), (0.92, 0.93, 0.89, 0.18),
          (0.0, 0.95, 0.90, 0.18), (-1.2, 0.98, 0.89, 0.18), (-1.85, 1.00, 0.86, 0.20),
          (-2.10, 0.95, 0.80, 0.26), (-2.20, 0.72, 0.70, 0.36)),
    cabin=((0.90, 1.05, -1.82, 0.82), (1.10, 0.76, -1.55, 0.77), (1.28, 0.50, -1.28, 0.70),
           (1.38, 0.30, -1.08, 0.65), (1.44, -0.02, -0.80, 0.52)),
    axles_x=(1.36, -1.34), wheel_m=0.32, track_m=0.79,
)  # fmt: skip
_HATCH = _Shell(
    hull=((2.00, 0.60, 0.60, 0.38), (1.95, 0.70, 0.74, 0.26), (1.80, 0.78, 0.82, 0.20),
          (1.3, 0.90, 0.86, 0.18), (0.8, 0.98, 0.87, 0.18),
          (0.0, 1.00, 0.88, 0.18), (-1.2, 1.02, 0.87, 0.18), (-1.80, 1.02, 0.82, 0.20),
          (-1.98, 0.90, 0.76, 0.28), (-2.02, 0.70, 0.70, 0.36)),
    cabin=((0.95, 0.95, -1.92, 0.80), (1.15, 0.66, -1.84, 0.76), (1.34, 0.40, -1.72, 0.70),
           (1.45, 0.20, -1.58, 0.65), (1.51, -0.10, -1.30, 0.52)),
    axles_x=(1.25, -1.22), wheel_m=0.31, track_m=0.76,
)  # fmt: skip
_SUV = _Shell(
    hull=((2.25, 0.70, 0.66, 0.46), (2.20, 0.86, 0.80, 0.32), (2.02, 0.94, 0.88, 0.27),
          (1.5, 1.04, 0.92, 0.25), (0.95, 1.10, 0.93, 0.25),
          (0.0, 1.12, 0.94, 0.25), (-1.3, 1.14, 0.93, 0.25), (-2.05, 1.14, 0.88, 0.27),
          (-2.24, 1.00, 0.82, 0.34), (-2.28, 0.76, 0.76, 0.42)),
    cabin=((1.06, 1.12, -2.18, 0.86), (1.28, 0.82, -2.10, 0.81), (1.50, 0.55, -1.98, 0.75),
           (1.63, 0.32, -1.85, 0.70), (1.70, 0.0, -1.55, 0.56)),
    axles_x=(1.40, -1.38), wheel_m=0.36, track_m=0.82,
)  # fmt: skip
_VAN = _Shell(
    hull=((2.62, 0.74, 0.74, 0.44), (2.56, 0.98, 0.88, 0.28), (2.36, 1.12, 0.95, 0.24),
          (1.9, 1.26, 0.98, 0.22), (0.0, 1.30, 0.99, 0.22),
          (-2.3, 1.30, 0.98, 0.24), (-2.54, 1.25, 0.95, 0.30), (-2.60, 1.00, 0.93, 0.38)),
    cabin=((1.20, 2.12, -2.58, 0.97), (1.60, 1.74, -2.57, 0.95), (1.95, 1.36, -2.56, 0.92),
           (2.15, 1.05, -2.53, 0.88), (2.25, 0.7, -2.40, 0.76)),
    axles_x=(1.72, -1.55), wheel_m=0.35, track_m=0.86,
)  # fmt: skip
_TRUCK = _Shell(
    hull=((3.80, 0.90, 1.00, 0.50), (3.74, 1.30, 1.14, 0.40), (3.55, 1.36, 1.18, 0.38),
          (2.2, 1.36, 1.18, 0.38), (2.05, 1.10, 1.10, 0.55),
          (-3.7, 1.08, 1.10, 0.70), (-3.8, 1.00, 1.08, 0.72)),
    cabin=((1.25, 3.76, 2.12, 1.16), (1.80, 3.66, 2.10, 1.14), (2.25, 3.50, 2.10, 1.10),
           (2.50, 3.30, 2.12, 1.04), (2.62, 3.0, 2.2, 0.90)),
    axles_x=(2.75, -1.6, -2.5), wheel_m=0.48, track_m=1.02,
)  # fmt: skip
_BUS = _Shell(
    hull=((5.60, 1.00, 1.12, 0.42), (5.54, 1.15, 1.22, 0.34), (5.3, 1.22, 1.26, 0.32),
          (0.0, 1.22, 1.27, 0.32), (-5.3, 1.22, 1.26, 0.34), (-5.58, 1.1, 1.2, 0.42)),
    cabin=((1.10, 5.58, -5.58, 1.25), (1.9, 5.52, -5.56, 1.24), (2.55, 5.42, -5.54, 1.22),
           (2.85, 5.28, -5.48, 1.16), (3.0, 5.0, -5.3, 1.02)),
    axles_x=(3.0, -2.6), wheel_m=0.50, track_m=1.06,
)  # fmt: skip


def _wheel(radius_m: float, width_m: float) -> Mesh:
    """A wheel centred on the origin, axis along y, with a bright rim."""
    turn = np.linspace(0.0, 2 * np.pi, 20, endpoint=False)

    def ring(radius: float, y: float) -> Floats:
        return np.stack([radius * np.cos(turn), np.full(20, y), radius * np.sin(turn)], axis=1).astype(np.float32)

    half = width_m / 2
    tyre = loft(
        [
            ring(radius_m * 0.9, -half),
            ring(radius_m, -half * 0.6),
            ring(radius_m, half * 0.6),
            ring(radius_m * 0.9, half),
        ],
        "rubber",
    )
    rims = [
        loft([ring(radius_m * 0.64, s * (half - 0.01)), ring(radius_m * 0.2, s * (half + 0.015))], "metal")
        for s in (-1.0, 1.0)
    ]
    return join([tyre, *rims])


def _section(x: float, top: float, half: float, bottom: float) -> Floats:
    """A rounded cross-section of the hull at ``x``: widest at a third of its height, shoulders drawn in."""
    turn = np.linspace(0.0, 2 * np.pi, 20, endpoint=False)
    c, s = np.cos(turn), np.sin(turn)
    y = np.sign(c) * np.abs(c) ** 0.42 * half
    z = (np.sign(s) * np.abs(s) ** 0.55 + 1.0) / 2 * (top - bottom) + bottom
    share = (z - bottom) / max(top - bottom, 1e-3)
    y = y * (1.0 - 0.07 * np.clip(share - 0.45, 0.0, 1.0) / 0.55 - 0.06 * np.clip(0.25 - share, 0.0, 1.0) / 0.25)
    return np.stack([np.full(20, x), y, z], axis=1).astype(np.float32)


def _deck(z: float, front: float, back: float, half: float) -> Floats:
    """A horizontal rounded rectangle of the cabin at height ``z``."""
    turn = np.linspace(0.0, 2 * np.pi, _DECK_SIDES, endpoint=False)
    c, s = np.cos(turn), np.sin(turn)
    x = np.sign(c) * np.abs(c) ** 0.30 * (front - back) / 2 + (front + back) / 2
    y = np.sign(s) * np.abs(s) ** 0.30 * half
    return np.stack([x, y, np.full(_DECK_SIDES, z)], axis=1).astype(np.float32)


def _stripes(shell: _Shell, color: str, is_panel_van: bool) -> Mesh:
    """The cabin with glass between belt line and roof, pillars left in body colour."""
    mesh = loft([_deck(*row) for row in shell.cabin], f"paint:{color}")
    sides = _DECK_SIDES * (len(shell.cabin) - 1)
    panel = np.arange(len(mesh.faces)) % sides  # the two triangles of one quadrilateral share a panel
    is_glass = (panel < 3 * _DECK_SIDES) & (np.arange(len(mesh.faces)) < 2 * sides)
    if is_panel_van:
        centre_x = mesh.vertices[mesh.faces].mean(axis=1)[:, 0]
        mean_x = (centre_x[:sides] + centre_x[sides : 2 * sides]) / 2
        is_glass &= mean_x[panel] > shell.cabin[1][1] - 1.15
    return Mesh(mesh.vertices, mesh.faces, is_glass.astype(np.int32), (f"paint:{color}", "tinted"))


def _pillars(shell: _Shell, color: str) -> list[Mesh]:
    """Thin bars over the glass where doors meet, both sides."""
    z0, front, back, half0 = shell.cabin[0]
    z1, _, _, half1 = shell.cabin[3]
    count = max(1, round((front - back) / 1.5) - 1)
    bars: list[Mesh] = []
    for i in range(count):
        x = front - 0.55 + (back - front + 0.55) * (i + 1) / (count + 1)
        ends = ((x, half0 - 0.01, z0), (x - 0.1, half1 - 0.005, z1))
        bars += [
            tube((ends[0][0], side * ends[0][1], z0), (ends[1][0], side * ends[1][1], z1), 0.045, f"paint:{color}", 5)
            for side in (-1.0, 1.0)
        ]
    return bars


def _fittings(shell: _Shell, kind: str) -> list[Mesh]:
    """Lamps, plates, bumpers, mirrors, dark sills and wheel arches."""
    nose, tail = shell.hull[1], shell.hull[-2]
    parts = []
    for side in (-1.0, 1.0):
        lamp = ellipsoid((0.10, 0.17, 0.075), "frame", 6, 10).moved(
            (nose[0] - 0.06, side * (nose[2] - 0.17), nose[1] - 0.06)
        )
        rear = ellipsoid((0.06, 0.13, 0.10), "flat:red", 6, 10).moved(
            (tail[0] + 0.03, side * (tail[2] - 0.13), tail[1] - 0.14)
        )
        mirror = ellipsoid((0.06, 0.10, 0.06), "dark", 6, 8).moved(
            (shell.cabin[1][1] - 0.1, side * (shell.cabin[1][3] + 0.17), shell.cabin[0][0] + 0.08)
        )
        sill = box((shell.axles_x[0] - shell.axles_x[-1] - 0.7, 0.03, 0.09), "dark").moved(
            ((shell.axles_x[0] + shell.axles_x[-1]) / 2, side * (shell.hull[3][2] - 0.045), shell.hull[3][3] + 0.02)
        )
        parts += [lamp, rear, mirror, sill]
        for x in shell.axles_x:
            turn = np.linspace(0.0, 2 * np.pi, 18, endpoint=False)
            r = shell.wheel_m * 1.16
            ring = np.stack(
                [
                    x + r * np.cos(turn),
                    np.full(18, side * (shell.hull[3][2] - 0.015)),
                    shell.wheel_m + r * np.sin(turn),
                ],
                axis=1,
            )
            inner = ring.copy()
            inner[:, 1] = side * (shell.track_m - 0.2)
            parts.append(loft([inner.astype(np.float32), ring.astype(np.float32)], "dark"))
            parts.append(_wheel(shell.wheel_m, 0.24).moved((x, side * (shell.track_m + 0.045), shell.wheel_m)))
    front_x, back_x = shell.hull[0][0], shell.hull[-1][0]
    height = shell.hull[0][1] - 0.12
    parts.append(box((0.03, 0.52, 0.11), "flat:white").moved((front_x + 0.01, 0.0, height)))
    parts.append(
        box((0.03, 0.52, 0.11), "flat:yellow" if kind == "car" else "flat:white").moved(
            (back_x - 0.01, 0.0, shell.hull[-1][1] - 0.08)
        )
    )
    parts.append(box((0.06, nose[2] * 1.1, 0.10), "dark").moved((front_x - 0.03, 0.0, shell.hull[0][3] + 0.02)))
    return parts


def _four_wheeled(kind: str, color: str, seed: int) -> Mesh:
    shell = {"car": (_SEDAN, _HATCH, _SUV)[seed % 3], "van": _VAN, "truck": _TRUCK, "bus": _BUS}[kind]
    hull = loft([_section(*row) for row in shell.hull], f"paint:{color}")
    parts = [hull, _stripes(shell, color, kind == "van" and seed % 2 == 0), *_fittings(shell, kind)]
    if kind != "truck":
        parts += _pillars(shell, color)
    else:
        cargo = ("white", "grey", "blue", "white")[seed % 4]
        parts.append(box((5.7, 2.36, 2.35), f"flat:{cargo}").moved((-0.90, 0.0, 1.10)))
        parts.append(box((5.7, 2.40, 0.12), "dark").moved((-0.90, 0.0, 1.00)))
    return join(parts)


def _hoop(radius_m: float, thick_m: float) -> Mesh:
    """A thin spoked wheel centred on the origin, axis along y."""
    outer = []
    for turn in np.linspace(0.0, 2 * np.pi, 25):
        ring_turn = np.linspace(0.0, 2 * np.pi, 6, endpoint=False)
        r = radius_m - thick_m + thick_m * np.cos(ring_turn)
        outer.append(
            np.stack([r * math.cos(turn), thick_m * np.sin(ring_turn), r * math.sin(turn)], axis=1).astype(np.float32)
        )
    spokes = [
        tube((0.0, 0.0, 0.0), (radius_m * 0.95 * math.cos(t), 0.0, radius_m * 0.95 * math.sin(t)), 0.0045, "metal", 3)
        for t in np.linspace(0.0, 2 * np.pi, 14, endpoint=False)
    ]
    return join([loft(outer, "rubber", is_capped=False), *spokes, tube((0, -0.05, 0), (0, 0.05, 0), 0.03, "metal")])


def _bicycle(color: str) -> Mesh:
    crank, seat, head = (0.0, 0.0, 0.29), (-0.19, 0.0, 0.80), (0.36, 0.0, 0.82)
    rear, front = (-0.46, 0.0, 0.345), (0.60, 0.0, 0.345)
    paint = f"paint:{color}"
    frame = [
        tube(a, b, 0.021, paint)
        for a, b in (
            (crank, seat),
            (crank, (0.38, 0, 0.72)),
            ((-0.17, 0, 0.72), (0.37, 0, 0.78)),
            (seat, rear),
            (crank, rear),
        )
    ]
    fork = [tube(head, front, 0.019, paint), tube(head, (0.34, 0.0, 0.98), 0.018, "metal")]
    bars = [
        tube((0.36, -0.29, 1.0), (0.36, 0.29, 1.0), 0.016, "dark"),
        tube((0.36, 0.0, 0.98), (0.36, 0, 1.01), 0.02, "metal"),
    ]
    saddle = [
        ellipsoid((0.14, 0.075, 0.035), "dark", 6, 10).moved((-0.22, 0.0, 0.93)),
        tube(seat, (-0.21, 0, 0.92), 0.016, "metal"),
    ]
    chain = ellipsoid((0.09, 0.012, 0.09), "dark", 6, 12).moved(crank)
    return join(
        [*frame, *fork, *bars, *saddle, chain, _hoop(0.345, 0.022).moved(rear), _hoop(0.345, 0.022).moved(front)]
    )


def _motorcycle(color: str) -> Mesh:
    paint = f"paint:{color}"
    parts = [_wheel(0.31, 0.14).moved((-0.68, 0.0, 0.31)), _wheel(0.30, 0.11).moved((0.70, 0.0, 0.30))]
    parts.append(ellipsoid((0.30, 0.16, 0.17), paint, 8, 12).moved((0.18, 0.0, 0.84)))
    parts.append(ellipsoid((0.26, 0.19, 0.22), "metal", 8, 10).moved((0.05, 0.0, 0.48)))
    parts.append(ellipsoid((0.42, 0.13, 0.08), "dark", 6, 12).moved((-0.38, 0.0, 0.80)))
    parts.append(ellipsoid((0.20, 0.10, 0.10), paint, 6, 10).moved((-0.72, 0.0, 0.80)))
    parts += [tube((0.70, s * 0.08, 0.30), (0.46, s * 0.08, 0.98), 0.03, "metal") for s in (-1.0, 1.0)]
    parts.append(tube((0.44, -0.36, 1.03), (0.44, 0.36, 1.03), 0.02, "dark"))
    parts.append(ellipsoid((0.10, 0.10, 0.11), "frame", 6, 10).moved((0.60, 0.0, 0.88)))
    parts += [tube((-0.68, s * 0.09, 0.31), (0.0, s * 0.10, 0.42), 0.03, "metal") for s in (-1.0, 1.0)]
    parts.append(tube((-0.1, -0.16, 0.32), (-0.85, -0.18, 0.42), 0.05, "metal", 8))
    parts.append(
        quad((-0.95, -0.09, 0.62), (-0.95, 0.09, 0.62), (-0.93, 0.09, 0.76), (-0.93, -0.09, 0.76), "flat:white")
    )
    return join(parts)


def build_vehicle(kind: str, color: str, seed: int) -> Mesh:
    """The mesh of one vehicle; ``seed`` picks the body style. Raises KeyError for a kind that is not a vehicle."""
    if kind == "bicycle":
        return _bicycle(color)
    if kind == "motorcycle":
        return _motorcycle(color)
    return _four_wheeled(kind, color, seed)
