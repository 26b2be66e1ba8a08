"""Street furniture: lamps, poles, bins, bollards, barriers, containers, doors.

In: a :class:`~pipeline.scenes.model.Prop`. Out: a :class:`~pipeline.scenes.pieces.Piece`. Next file: ``props.py``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.scenes.meshes import box, quad, tube
from pipeline.scenes.model import Prop
from pipeline.scenes.pieces import LAMP_COLORS, Lamp, Piece, default, placed

__all__ = ["FURNITURE"]


def _lamp(prop: Prop) -> Piece:
    """A lamp post; ``storeys`` is unused, ``size_m[0]`` scales its power, ``color`` its tint."""
    height = default(prop.size_m, 2, 5.5)
    color = LAMP_COLORS[prop.color or "sodium"]
    arm = tube((0, 0, height), (0.9, 0, height + 0.1), 0.035, "metal")
    parts = [
        tube((0, 0, 0), (0, 0, height), 0.06, "metal", 8),
        arm,
        box((0.5, 0.22, 0.10), "metal").moved((0.9, 0, height + 0.02)),
    ]
    bulb = quad((0.68, -0.09, height), (0.68, 0.09, height), (1.12, 0.09, height), (1.12, -0.09, height), "glow:lamp")
    piece = placed(prop, *parts, bulb)
    at = piece.solid[-1].vertices.mean(axis=0)
    lamp = Lamp(
        (float(at[0]), float(at[1]), float(at[2]) - 0.06), color, default(prop.size_m, 0, 1.0) * 16.0, 0.8, 0.12
    )
    return Piece(piece.solid, (), (lamp,))


def _wall_lamp(prop: Prop) -> Piece:
    """A bulkhead light at height ``at_m[2]``."""
    color = LAMP_COLORS[prop.color or "white"]
    z = default(prop.at_m, 2, 3.2)
    body = box((0.34, 0.2, 0.2), "glow:lamp").moved((prop.at_m[0], prop.at_m[1], z))
    lamp = Lamp((prop.at_m[0], prop.at_m[1], z - 0.1), color, default(prop.size_m, 0, 1.0) * 9.0, 0.4, 0.15)
    return Piece((body,), (), (lamp,))


def _pole(prop: Prop) -> Piece:
    return placed(
        prop,
        tube(
            (0, 0, 0),
            (0, 0, default(prop.size_m, 2, 3.0)),
            default(prop.size_m, 0, 0.10) / 2,
            prop.material or "metal",
            10,
        ),
    )


def _bollard(prop: Prop) -> Piece:
    height = default(prop.size_m, 2, 0.95)
    band = tube((0, 0, height * 0.72), (0, 0, height * 0.86), 0.083, "flat:white", 12)
    return placed(prop, tube((0, 0, 0), (0, 0, height), 0.08, prop.material or "dark", 12), band)


def _bin(prop: Prop) -> Piece:
    lid = box((0.62, 0.66, 0.07), "dark").moved((0, 0, 1.02))
    return placed(prop, box((0.56, 0.60, 1.02), f"flat:{prop.color or 'green'}"), lid)


def _skip(prop: Prop) -> Piece:
    """A large waste container."""
    body = box((default(prop.size_m, 0, 2.2), 1.15, 1.2), f"flat:{prop.color or 'blue'}").moved((0, 0, 0.14))
    rails = [box((default(prop.size_m, 0, 2.2) + 0.1, 0.06, 0.08), "rust").moved((0, y, 1.28)) for y in (-0.56, 0.56)]
    return placed(prop, body, *rails)


def _container(prop: Prop) -> Piece:
    """A 20-foot shipping container."""
    return placed(prop, box((6.06, 2.44, 2.59), f"cladding:{prop.color or 'blue'}"), box((6.1, 2.48, 0.1), "rust"))


def _pallets(prop: Prop) -> Piece:
    """Pallets with cartons, ``storeys`` high."""
    rng = np.random.default_rng(prop.seed + 3)
    parts = [box((1.2, 0.9, 0.14), "wood")]
    for level in range(max(prop.storeys, 1)):
        for i, j in ((-1, -1), (1, -1), (-1, 1), (1, 1)):
            size = (0.56, 0.42, 0.42)
            turn = float(rng.uniform(-5, 5))
            parts.append(box(size, "card").moved((i * 0.29, j * 0.22, 0.14 + 0.43 * level), turn))
    return placed(prop, *parts)


def _bench(prop: Prop) -> Piece:
    seat = [box((1.7, 0.11, 0.04), "wood").moved((0, y, 0.44)) for y in (-0.18, 0.0, 0.18)]
    back = [box((1.7, 0.04, 0.11), "wood").moved((0, 0.27, z)) for z in (0.60, 0.78)]
    legs = [box((0.07, 0.5, 0.45), "dark").moved((x, 0.03, 0)) for x in (-0.7, 0.7)]
    return placed(prop, *seat, *back, *legs)


def _barrier(prop: Prop) -> Piece:
    """A raised boom next to its box; ``storeys`` 0 leaves it lowered."""
    length = default(prop.size_m, 0, 4.0)
    rise = (0.30, 0.95) if prop.storeys else (1.0, 0.0)
    cabinet = box((0.38, 0.34, 1.05), "flat:orange")
    bands = []
    for i in range(int(length / 0.5)):
        a, b = 0.3 + i * 0.5, 0.8 + i * 0.5
        bands.append(
            tube(
                (a * rise[0], 0.22, 0.95 + a * rise[1]),
                (b * rise[0], 0.22, 0.95 + b * rise[1]),
                0.045,
                "flat:red" if i % 2 else "flat:white",
            )
        )
    return placed(prop, cabinet, *bands)


def _door(prop: Prop) -> Piece:
    """A closed door or (wide) a roller shutter, in a frame; it stands in front of whatever wall is there."""
    width, height = default(prop.size_m, 0, 1.0), default(prop.size_m, 2, 2.1)
    material = prop.material or "wood"
    frame = [box((0.1, 0.14, height), "frame").moved((s * (width / 2 + 0.05), 0, 0)) for s in (-1, 1)]
    lintel = box((width + 0.2, 0.14, 0.12), "frame").moved((0, 0, height))
    leaf = box((width, 0.06, height), material)
    handle = box((0.14, 0.05, 0.04), "metal").moved((width / 2 - 0.15, -0.06, 1.03))
    return placed(prop, leaf, lintel, *frame, handle)


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
}
