"""What a prop is made of: meshes that block light, meshes that half block it, and lamps. Next file: ``props.py``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.scenes.meshes import Mesh
from pipeline.scenes.model import Prop

__all__ = ["LAMP_COLORS", "Backdrop", "Lamp", "Piece", "default", "placed"]


LAMP_COLORS = {"white": (1.0, 0.97, 0.90), "sodium": (1.0, 0.66, 0.30), "cool": (0.88, 0.96, 1.0)}


@dataclass(frozen=True, slots=True)
class Lamp:
    """A light that shines downwards (or around, ``spread`` 0) from a small disc.

    ``power`` is radiant intensity in the renderer's linear units at 1 m; ``spread`` the cosine exponent about straight
    down; ``radius_m`` softens shadows.
    """

    at_m: tuple[float, float, float]
    color: tuple[float, float, float]
    power: float
    spread: float = 1.0
    radius_m: float = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """One prop, placed: ``solid`` and ``veil`` meshes in world metres, ``lamps`` that are on after dark or indoors."""

    solid: tuple[Mesh, ...] = ()
    veil: tuple[Mesh, ...] = ()
    lamps: tuple[Lamp, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Backdrop:
    """The whole set of a scene."""

    solid: Mesh
    veil: Mesh
    lamps: tuple[Lamp, ...]


def default(values: Sequence[float], index: int, otherwise: float) -> float:
    """``values[index]`` or ``otherwise`` when the scene leaves it out."""
    return float(values[index]) if index < len(values) else otherwise


def placed(prop: Prop, *parts: Mesh, lamps: tuple[Lamp, ...] = ()) -> Piece:
    """``parts`` moved to where ``prop`` stands."""
    at = (prop.at_m[0], prop.at_m[1], default(prop.at_m, 2, 0.0))
    return Piece(tuple(part.moved(at, prop.yaw_deg) for part in parts), (), lamps)
