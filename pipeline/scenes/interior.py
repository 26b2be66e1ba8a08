"""Rooms and what stands in them: walls with light panels, glazing, counters, racks, seats, plants, signs, columns.

In: a :class:`~pipeline.scenes.model.Prop`. Out: a :class:`~pipeline.scenes.pieces.Piece`. Next file: ``props.py``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.scenes.arrays import Floats
from pipeline.scenes.meshes import box, ellipsoid, join, quad, tube
from pipeline.scenes.model import Prop
from pipeline.scenes.pieces import LAMP_COLORS, Lamp, Piece, default, placed

__all__ = ["INTERIOR"]


def _window(prop: Prop) -> Piece:
    """A glazed wall from the floor up, mullions every 1.4 m; colour ``day``: daylight behind it, seen from inside."""
    width, height = default(prop.size_m, 0, 3.0), default(prop.size_m, 2, 2.6)
    pane = quad(
        (-width / 2, -0.02, 0.05),
        (width / 2, -0.02, 0.05),
        (width / 2, -0.02, height),
        (-width / 2, -0.02, height),
        "glow:day" if prop.color == "day" else "glass",
    )
    bars = [
        box((0.07, 0.10, height), "frame").moved((float(x), -0.03, 0))
        for x in np.linspace(-width / 2, width / 2, max(2, int(width / 1.4) + 1))
    ]
    rails = [box((width, 0.10, 0.08), "frame").moved((0, -0.03, z)) for z in (0.0, 1.02, height)]
    return placed(prop, pane, *bars, *rails)


def _rack(prop: Prop) -> Piece:
    """Shelving with boxes of mixed goods along x."""
    length, depth, height = (default(prop.size_m, i, v) for i, v in enumerate((3.0, 0.5, 2.0)))
    rng = np.random.default_rng(prop.seed + 5)
    parts = [
        box((0.05, depth, height), "metal").moved((float(x), 0, 0))
        for x in np.linspace(-length / 2, length / 2, max(2, int(length) + 1))
    ]
    words = ("red", "white", "blue", "green", "yellow", "orange", "brown", "beige")
    for z in np.arange(0.12, height, 0.46):
        parts.append(box((length, depth, 0.035), "metal").moved((0, 0, float(z))))
        x = -length / 2 + 0.1
        while x < length / 2 - 0.3:
            wide, high = float(rng.uniform(0.14, 0.42)), float(rng.uniform(0.16, 0.36))
            if rng.random() < 0.88:
                parts.append(
                    box((wide, depth * 0.8, high), f"flat:{rng.choice(words)}").moved(
                        (x + wide / 2, 0, float(z) + 0.035)
                    )
                )
            x += wide + 0.02
    return placed(prop, *parts)


def _counter(prop: Prop) -> Piece:
    length, depth, height = (default(prop.size_m, i, v) for i, v in enumerate((2.4, 0.7, 1.05)))
    top = box((length + 0.06, depth + 0.06, 0.04), (prop.color and f"flat:{prop.color}") or "dark").moved(
        (0, 0, height)
    )
    screen = box((0.45, 0.05, 0.32), "dark").moved((length * 0.2, 0.1, height + 0.14))
    return placed(
        prop,
        box((length, depth, height), prop.material or "wood"),
        top,
        screen,
        box((0.1, 0.1, 0.14), "dark").moved((length * 0.2, 0.12, height + 0.03)),
    )


def _table(prop: Prop) -> Piece:
    size = tuple(default(prop.size_m, i, v) for i, v in enumerate((1.4, 0.8, 0.74)))
    legs = [
        box((0.05, 0.05, size[2]), "metal").moved((x * size[0] * 0.45, y * size[1] * 0.42, 0))
        for x in (-1, 1)
        for y in (-1, 1)
    ]
    return placed(prop, box((size[0], size[1], 0.04), prop.material or "wood").moved((0, 0, size[2])), *legs)


def _chair(prop: Prop) -> Piece:
    color = f"flat:{prop.color or 'navy'}"
    seat, back = (
        box((0.46, 0.46, 0.06), color).moved((0, 0, 0.43)),
        box((0.46, 0.05, 0.45), color).moved((0, 0.21, 0.52)),
    )
    legs = [tube((x * 0.2, y * 0.2, 0), (x * 0.2, y * 0.2, 0.43), 0.018, "metal", 5) for x in (-1, 1) for y in (-1, 1)]
    return placed(prop, seat, back, *legs)


def _sofa(prop: Prop) -> Piece:
    color, length = f"flat:{prop.color or 'grey'}", default(prop.size_m, 0, 1.9)
    parts = [box((length, 0.80, 0.40), color), box((length, 0.22, 0.80), color).moved((0, 0.34, 0))]
    return placed(prop, *parts, *(box((0.2, 0.80, 0.58), color).moved((s * (length / 2 - 0.1), 0, 0)) for s in (-1, 1)))


def _plant(prop: Prop) -> Piece:
    """A potted plant."""
    rng = np.random.default_rng(prop.seed + 11)
    leaves = []
    for _ in range(34):
        turn, rise = float(rng.uniform(0, 360)), float(rng.uniform(0.35, 1.0))
        leaves.append(
            ellipsoid((0.26, 0.06, 0.015), "foliage", 4, 8)
            .transformed(_tilt(rise))
            .moved((0, 0, 0.55), turn)
            .moved((0, 0, rise * 0.45))
        )
    return placed(
        prop,
        tube((0, 0, 0), (0, 0, 0.42), 0.19, "flat:white", 14),
        tube((0, 0, 0.4), (0, 0, 1.0), 0.02, "bark"),
        *leaves,
    )


def _tilt(rise: float) -> Floats:
    c, s = np.cos(rise), np.sin(rise)
    return np.asarray([[c, 0, -s], [0, 1, 0], [s, 0, c]], np.float32)


def _sign(prop: Prop) -> Piece:
    """A board on a post (outdoors) or on the wall (``at_m[2]`` above zero)."""
    width, height = default(prop.size_m, 0, 0.7), default(prop.size_m, 2, 0.5)
    board = box((width, 0.03, height), f"flat:{prop.color or 'blue'}")
    text = [
        box((width * w, 0.01, 0.045), "flat:white").moved((0, -0.022, height * z))
        for w, z in ((0.7, 0.62), (0.5, 0.40), (0.6, 0.2))
    ]
    if default(prop.at_m, 2, 0.0) > 0:
        return placed(prop, board, *text)
    lifted = [m.moved((0, -0.04, 2.0)) for m in (board, *text)]
    return placed(prop, tube((0, 0, 0), (0, 0, 2.5), 0.03, "metal"), *lifted)


def _column(prop: Prop) -> Piece:
    side = default(prop.size_m, 0, 0.4)
    return placed(prop, box((side, side, default(prop.size_m, 2, 3.0)), prop.material or "concrete"))


def _block(prop: Prop) -> Piece:
    """A plain box of any size and material: steps, plinths, docks, ramps' stand-ins."""
    size = tuple(default(prop.size_m, i, v) for i, v in enumerate((1.0, 1.0, 1.0)))
    return placed(prop, box(size, prop.material or "concrete"))


def _room(prop: Prop) -> Piece:
    """An interior ``size_m`` (x, y, height) about ``at_m``: walls, ceiling with panels; the floor is the ground."""
    x, y, z = (default(prop.size_m, i, v) for i, v in enumerate((8.0, 10.0, 2.8)))
    cx, cy = prop.at_m[0], prop.at_m[1]
    material = prop.material or "wall"
    corners = [(cx - x / 2, cy - y / 2), (cx + x / 2, cy - y / 2), (cx + x / 2, cy + y / 2), (cx - x / 2, cy + y / 2)]
    parts = []
    for (ax, ay), (bx, by) in zip(corners, (*corners[1:], corners[0]), strict=True):
        parts.append(quad((ax, ay, 0), (ax, ay, z), (bx, by, z), (bx, by, 0), material))
    d, c, b, a = ((px, py, z) for px, py in corners)
    parts.append(quad(a, b, c, d, "ceiling"))
    lamps = []
    columns, rows = max(1, round(x / 3.2)), max(1, round(y / 3.6))
    for i in range(columns):
        for j in range(rows):
            px, py = cx - x / 2 + (i + 0.5) * x / columns, cy - y / 2 + (j + 0.5) * y / rows
            parts.append(
                quad(
                    (px - 0.3, py - 0.6, z - 0.012),
                    (px - 0.3, py + 0.6, z - 0.012),
                    (px + 0.3, py + 0.6, z - 0.012),
                    (px + 0.3, py - 0.6, z - 0.012),
                    "glow:panel",
                )
            )
            lamps.append(Lamp((px, py, z - 0.05), LAMP_COLORS[prop.color or "white"], 3.4, 1.0, 0.45))
    return Piece((join(parts),), (), tuple(lamps))


INTERIOR: dict[str, Callable[[Prop], Piece]] = {
    "window": _window,
    "rack": _rack,
    "counter": _counter,
    "table": _table,
    "chair": _chair,
    "sofa": _sofa,
    "plant": _plant,
    "sign": _sign,
    "column": _column,
    "block": _block,
    "room": _room,
}
