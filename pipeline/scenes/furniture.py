"""Street and room furniture: lamps, poles, bins, bollards, barriers, containers, racks, counters, rooms.

In: a :class:`~pipeline.scenes.model.Prop`. Out: a :class:`~pipeline.scenes.pieces.Piece`. Next file: ``props.py``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.scenes.meshes import Mesh, box, ellipsoid, join, quad, tube
from pipeline.scenes.model import Prop
from pipeline.scenes.pieces import Lamp, Piece, default

__all__ = ["FURNITURE"]

_LAMP_COLORS = {"white": (1.0, 0.97, 0.90), "sodium": (1.0, 0.66, 0.30), "cool": (0.88, 0.96, 1.0)}


def _placed(prop: Prop, *parts: Mesh, lamps: tuple[Lamp, ...] = ()) -> Piece:
    at = (prop.at_m[0], prop.at_m[1], default(prop.at_m, 2, 0.0))
    return Piece(tuple(part.moved(at, prop.yaw_deg) for part in parts), (), lamps)


def _lamp(prop: Prop) -> Piece:
    """A lamp post; ``storeys`` is unused, ``size_m[0]`` scales its power, ``color`` its tint."""
    height = default(prop.size_m, 2, 5.5)
    color = _LAMP_COLORS[prop.color or "sodium"]
    arm = tube((0, 0, height), (0.9, 0, height + 0.1), 0.035, "metal")
    parts = [tube((0, 0, 0), (0, 0, height), 0.06, "metal", 8), arm, box((0.5, 0.22, 0.10), "metal").moved((0.9, 0, height + 0.02))]
    bulb = quad((0.68, -0.09, height), (0.68, 0.09, height), (1.12, 0.09, height), (1.12, -0.09, height), "glow:lamp")
    piece = _placed(prop, *parts, bulb)
    at = piece.solid[-1].vertices.mean(axis=0)
    lamp = Lamp((float(at[0]), float(at[1]), float(at[2]) - 0.06), color, default(prop.size_m, 0, 1.0) * 16.0, 0.8, 0.12)
    return Piece(piece.solid, (), (lamp,))


def _wall_lamp(prop: Prop) -> Piece:
    """A bulkhead light at height ``at_m[2]``."""
    color = _LAMP_COLORS[prop.color or "white"]
    z = default(prop.at_m, 2, 3.2)
    body = box((0.34, 0.2, 0.2), "glow:lamp").moved((prop.at_m[0], prop.at_m[1], z))
    lamp = Lamp((prop.at_m[0], prop.at_m[1], z - 0.1), color, default(prop.size_m, 0, 1.0) * 9.0, 0.4, 0.15)
    return Piece((body,), (), (lamp,))


def _pole(prop: Prop) -> Piece:
    return _placed(prop, tube((0, 0, 0), (0, 0, default(prop.size_m, 2, 3.0)), default(prop.size_m, 0, 0.10) / 2, prop.material or "metal", 10))


def _bollard(prop: Prop) -> Piece:
    height = default(prop.size_m, 2, 0.95)
    band = tube((0, 0, height * 0.72), (0, 0, height * 0.86), 0.083, "flat:white", 12)
    return _placed(prop, tube((0, 0, 0), (0, 0, height), 0.08, prop.material or "dark", 12), band)


def _bin(prop: Prop) -> Piece:
    lid = box((0.62, 0.66, 0.07), "dark").moved((0, 0, 1.02))
    return _placed(prop, box((0.56, 0.60, 1.02), f"flat:{prop.color or 'green'}"), lid)


def _skip(prop: Prop) -> Piece:
    """A large waste container."""
    body = box((default(prop.size_m, 0, 2.2), 1.15, 1.2), f"flat:{prop.color or 'blue'}").moved((0, 0, 0.14))
    rails = [box((default(prop.size_m, 0, 2.2) + 0.1, 0.06, 0.08), "rust").moved((0, y, 1.28)) for y in (-0.56, 0.56)]
    return _placed(prop, body, *rails)


def _container(prop: Prop) -> Piece:
    """A 20-foot shipping container."""
    return _placed(prop, box((6.06, 2.44, 2.59), f"cladding:{prop.color or 'blue'}"), box((6.1, 2.48, 0.1), "rust"))


def _pallets(prop: Prop) -> Piece:
    """Pallets with cartons, ``storeys`` high."""
    rng = np.random.default_rng(prop.seed + 3)
    parts = [box((1.2, 0.9, 0.14), "wood")]
    for level in range(max(prop.storeys, 1)):
        for i, j in ((-1, -1), (1, -1), (-1, 1), (1, 1)):
            size = (0.56, 0.42, 0.42)
            turn = float(rng.uniform(-5, 5))
            parts.append(box(size, "card").moved((i * 0.29, j * 0.22, 0.14 + 0.43 * level), turn))
    return _placed(prop, *parts)


def _bench(prop: Prop) -> Piece:
    seat = [box((1.7, 0.11, 0.04), "wood").moved((0, y, 0.44)) for y in (-0.18, 0.0, 0.18)]
    back = [box((1.7, 0.04, 0.11), "wood").moved((0, 0.27, z)) for z in (0.60, 0.78)]
    legs = [box((0.07, 0.5, 0.45), "dark").moved((x, 0.03, 0)) for x in (-0.7, 0.7)]
    return _placed(prop, *seat, *back, *legs)


def _barrier(prop: Prop) -> Piece:
    """A raised boom next to its box; ``storeys`` 0 leaves it lowered."""
    length = default(prop.size_m, 0, 4.0)
    rise = (0.30, 0.95) if prop.storeys else (1.0, 0.0)
    cabinet = box((0.38, 0.34, 1.05), "flat:orange")
    bands = []
    for i in range(int(length / 0.5)):
        a, b = 0.3 + i * 0.5, 0.8 + i * 0.5
        bands.append(tube((a * rise[0], 0.22, 0.95 + a * rise[1]), (b * rise[0], 0.22, 0.95 + b * rise[1]), 0.045, "flat:red" if i % 2 else "flat:white"))
    return _placed(prop, cabinet, *bands)


def _door(prop: Prop) -> Piece:
    """A closed door or (wide) a roller shutter, in a frame; it stands in front of whatever wall is there."""
    width, height = default(prop.size_m, 0, 1.0), default(prop.size_m, 2, 2.1)
    material = prop.material or "wood"
    frame = [box((0.1, 0.14, height), "frame").moved((s * (width / 2 + 0.05), 0, 0)) for s in (-1, 1)]
    lintel = box((width + 0.2, 0.14, 0.12), "frame").moved((0, 0, height))
    leaf = box((width, 0.06, height), material)
    handle = box((0.14, 0.05, 0.04), "metal").moved((width / 2 - 0.15, -0.06, 1.03))
    return _placed(prop, leaf, lintel, *frame, handle)


def _window(prop: Prop) -> Piece:
    """A glazed wall from the floor up, mullions every 1.4 m; colour ``day``: daylight behind it, seen from inside."""
    width, height = default(prop.size_m, 0, 3.0), default(prop.size_m, 2, 2.6)
    pane = quad((-width / 2, -0.02, 0.05), (width / 2, -0.02, 0.05), (width / 2, -0.02, height), (-width / 2, -0.02, height), "glow:day" if prop.color == "day" else "glass")
    bars = [box((0.07, 0.10, height), "frame").moved((float(x), -0.03, 0)) for x in np.linspace(-width / 2, width / 2, max(2, int(width / 1.4) + 1))]
    rails = [box((width, 0.10, 0.08), "frame").moved((0, -0.03, z)) for z in (0.0, 1.02, height)]
    return _placed(prop, pane, *bars, *rails)


def _rack(prop: Prop) -> Piece:
    """Shelving with boxes of mixed goods along x."""
    length, depth, height = (default(prop.size_m, i, v) for i, v in enumerate((3.0, 0.5, 2.0)))
    rng = np.random.default_rng(prop.seed + 5)
    parts = [box((0.05, depth, height), "metal").moved((float(x), 0, 0)) for x in np.linspace(-length / 2, length / 2, max(2, int(length) + 1))]
    words = ("red", "white", "blue", "green", "yellow", "orange", "brown", "beige")
    for z in np.arange(0.12, height, 0.46):
        parts.append(box((length, depth, 0.035), "metal").moved((0, 0, float(z))))
        x = -length / 2 + 0.1
        while x < length / 2 - 0.3:
            wide, high = float(rng.uniform(0.14, 0.42)), float(rng.uniform(0.16, 0.36))
            if rng.random() < 0.88:
                parts.append(box((wide, depth * 0.8, high), f"flat:{rng.choice(words)}").moved((x + wide / 2, 0, float(z) + 0.035)))
            x += wide + 0.02
    return _placed(prop, *parts)


def _counter(prop: Prop) -> Piece:
    length, depth, height = (default(prop.size_m, i, v) for i, v in enumerate((2.4, 0.7, 1.05)))
    top = box((length + 0.06, depth + 0.06, 0.04), prop.color and f"flat:{prop.color}" or "dark").moved((0, 0, height))
    screen = box((0.45, 0.05, 0.32), "dark").moved((length * 0.2, 0.1, height + 0.14))
    return _placed(prop, box((length, depth, height), prop.material or "wood"), top, screen, box((0.1, 0.1, 0.14), "dark").moved((length * 0.2, 0.12, height + 0.03)))


def _table(prop: Prop) -> Piece:
    size = tuple(default(prop.size_m, i, v) for i, v in enumerate((1.4, 0.8, 0.74)))
    legs = [box((0.05, 0.05, size[2]), "metal").moved((x * size[0] * 0.45, y * size[1] * 0.42, 0)) for x in (-1, 1) for y in (-1, 1)]
    return _placed(prop, box((size[0], size[1], 0.04), prop.material or "wood").moved((0, 0, size[2])), *legs)


def _chair(prop: Prop) -> Piece:
    color = f"flat:{prop.color or 'navy'}"
    seat, back = box((0.46, 0.46, 0.06), color).moved((0, 0, 0.43)), box((0.46, 0.05, 0.45), color).moved((0, 0.21, 0.52))
    legs = [tube((x * 0.2, y * 0.2, 0), (x * 0.2, y * 0.2, 0.43), 0.018, "metal", 5) for x in (-1, 1) for y in (-1, 1)]
    return _placed(prop, seat, back, *legs)


def _sofa(prop: Prop) -> Piece:
    color, length = f"flat:{prop.color or 'grey'}", default(prop.size_m, 0, 1.9)
    parts = [box((length, 0.80, 0.40), color), box((length, 0.22, 0.80), color).moved((0, 0.34, 0))]
    return _placed(prop, *parts, *(box((0.2, 0.80, 0.58), color).moved((s * (length / 2 - 0.1), 0, 0)) for s in (-1, 1)))


def _plant(prop: Prop) -> Piece:
    """A potted plant."""
    rng = np.random.default_rng(prop.seed + 11)
    leaves = []
    for _ in range(34):
        turn, rise = float(rng.uniform(0, 360)), float(rng.uniform(0.35, 1.0))
        leaves.append(ellipsoid((0.26, 0.06, 0.015), "foliage", 4, 8).transformed(_tilt(rise)).moved((0, 0, 0.55), turn).moved((0, 0, rise * 0.45)))
    return _placed(prop, tube((0, 0, 0), (0, 0, 0.42), 0.19, "flat:white", 14), tube((0, 0, 0.4), (0, 0, 1.0), 0.02, "bark"), *leaves)


def _tilt(rise: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    c, s = np.cos(rise), np.sin(rise)
    return np.asarray([[c, 0, -s], [0, 1, 0], [s, 0, c]], np.float32)


def _sign(prop: Prop) -> Piece:
    """A board on a post (outdoors) or on the wall (``at_m[2]`` above zero)."""
    width, height = default(prop.size_m, 0, 0.7), default(prop.size_m, 2, 0.5)
    board = box((width, 0.03, height), f"flat:{prop.color or 'blue'}")
    text = [box((width * w, 0.01, 0.045), "flat:white").moved((0, -0.022, height * z)) for w, z in ((0.7, 0.62), (0.5, 0.40), (0.6, 0.2))]
    if default(prop.at_m, 2, 0.0) > 0:
        return _placed(prop, board, *text)
    lifted = [m.moved((0, -0.04, 2.0)) for m in (board, *text)]
    return _placed(prop, tube((0, 0, 0), (0, 0, 2.5), 0.03, "metal"), *lifted)


def _column(prop: Prop) -> Piece:
    side = default(prop.size_m, 0, 0.4)
    return _placed(prop, box((side, side, default(prop.size_m, 2, 3.0)), prop.material or "concrete"))


def _block(prop: Prop) -> Piece:
    """A plain box of any size and material: steps, plinths, docks, ramps' stand-ins."""
    size = tuple(default(prop.size_m, i, v) for i, v in enumerate((1.0, 1.0, 1.0)))
    return _placed(prop, box(size, prop.material or "concrete"))


def _room(prop: Prop) -> Piece:
    """An interior ``size_m`` (x, y, height) centred on ``at_m``: walls, ceiling with light panels; floor is the ground."""
    x, y, z = (default(prop.size_m, i, v) for i, v in enumerate((8.0, 10.0, 2.8)))
    cx, cy = prop.at_m[0], prop.at_m[1]
    material = prop.material or "wall"
    corners = [(cx - x / 2, cy - y / 2), (cx + x / 2, cy - y / 2), (cx + x / 2, cy + y / 2), (cx - x / 2, cy + y / 2)]
    parts = []
    for (ax, ay), (bx, by) in zip(corners, (*corners[1:], corners[0]), strict=True):
        parts.append(quad((ax, ay, 0), (ax, ay, z), (bx, by, z), (bx, by, 0), material))
    parts.append(quad(*((px, py, z) for px, py in reversed(corners)), "ceiling"))
    lamps = []
    columns, rows = max(1, round(x / 3.2)), max(1, round(y / 3.6))
    for i in range(columns):
        for j in range(rows):
            px, py = cx - x / 2 + (i + 0.5) * x / columns, cy - y / 2 + (j + 0.5) * y / rows
            parts.append(quad((px - 0.3, py - 0.6, z - 0.012), (px - 0.3, py + 0.6, z - 0.012), (px + 0.3, py + 0.6, z - 0.012), (px + 0.3, py - 0.6, z - 0.012), "glow:panel"))
            lamps.append(Lamp((px, py, z - 0.05), _LAMP_COLORS[prop.color or "white"], 3.4, 1.0, 0.45))
    return Piece((join(parts),), (), tuple(lamps))


FURNITURE: dict[str, Callable[[Prop], Piece]] = {
    "lamp": _lamp,
    "wall_lamp": _wall_lamp,
    "pole": _pole,
    "bollard": _bollard,
    "bin": _bin,
    "skip": _skip,
    "container": _container,
    "pallets": _pallets,
    "bench": _bench,
    "barrier": _barrier,
    "door": _door,
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
