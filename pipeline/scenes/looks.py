"""Colours and clothes: words for people, linear reflectances for the renderer.

In: a :class:`~pipeline.scenes.model.Look` and a seed. Out: an :class:`Outfit`, every choice made. The colour words are
the ones the truth reports. Next file: ``pipeline/scenes/materials.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.scenes.arrays import Floats, f32
from pipeline.scenes.model import Look

__all__ = ["BAG_COLORS", "CLOTHES", "PAINTS", "Outfit", "linear", "outfit_of"]


# sRGB, 0..255
CLOTHES: dict[str, tuple[int, int, int]] = {
    "black": (30, 30, 33),
    "grey": (112, 113, 116),
    "white": (214, 213, 208),
    "navy": (35, 43, 72),
    "blue": (48, 86, 150),
    "red": (160, 36, 38),
    "green": (48, 96, 60),
    "olive": (84, 82, 54),
    "brown": (92, 66, 46),
    "beige": (176, 158, 128),
    "yellow": (206, 176, 48),
    "orange": (226, 108, 28),
    "purple": (88, 52, 104),
    "pink": (206, 138, 150),
}
PAINTS: dict[str, tuple[int, int, int]] = {
    "white": (224, 225, 224),
    "silver": (152, 155, 158),
    "grey": (88, 91, 95),
    "black": (26, 27, 29),
    "blue": (36, 62, 118),
    "red": (140, 22, 26),
    "green": (34, 72, 52),
    "yellow": (212, 170, 30),
    "brown": (84, 68, 54),
}
BAG_COLORS: tuple[str, ...] = ("black", "navy", "grey", "brown", "red", "green", "blue")
_SKIN = ((232, 190, 164), (214, 166, 136), (186, 134, 104), (142, 96, 70), (92, 60, 44))
_HAIR = {
    "black": (22, 20, 19),
    "brown": (62, 44, 32),
    "blond": (164, 132, 84),
    "grey": (136, 134, 130),
    "red": (112, 56, 30),
}
_TOP_STYLES = ("tshirt", "shirt", "jacket", "hoodie", "coat", "jacket", "shirt", "tshirt")
_LEG_STYLES = ("trousers", "jeans", "trousers", "jeans", "shorts", "skirt")


@dataclass(frozen=True, slots=True)
class Outfit:
    """Everything that decides a person's shape and colours. ``*_color`` are words, ``skin``/``hair`` sRGB 0..255."""

    height_m: float
    girth: float
    top_style: str
    top_color: str
    legs_style: str
    legs_color: str
    shoe_color: str
    head: str
    hair_length: int
    hair: tuple[int, int, int]
    skin: tuple[int, int, int]
    hat_color: str
    carry: str
    bag_color: str
    pattern: int
    seed: int

    @property
    def top_loose(self) -> float:
        """How much wider than the body the top hangs."""
        return {"tshirt": 1.05, "shirt": 1.07, "jacket": 1.18, "hoodie": 1.15, "coat": 1.20, "vest": 1.16}.get(
            self.top_style, 1.08
        )

    @property
    def sleeve_loose(self) -> float:
        """How much wider than the arm the sleeve hangs."""
        return {"tshirt": 1.08, "shirt": 1.15, "jacket": 1.38, "hoodie": 1.34, "coat": 1.42, "vest": 1.22}.get(
            self.top_style, 1.1
        )

    @property
    def sleeve_z(self) -> float:
        """Height (body fractions) below which the arm is bare."""
        return 0.70 if self.top_style in ("tshirt", "dress") else 0.0

    @property
    def hem_z(self) -> float:
        """Height below which the trunk shows the trousers."""
        return {"tshirt": 0.515, "shirt": 0.535, "jacket": 0.50, "hoodie": 0.51, "vest": 0.52}.get(self.top_style, 0.40)

    @property
    def legs_loose(self) -> float:
        """How much wider than the leg the trousers hang."""
        return {"trousers": 1.20, "jeans": 1.10, "shorts": 1.22}.get(self.legs_style, 1.0)

    @property
    def shorts_z(self) -> float:
        """Height below which the leg is bare."""
        if self.top_style == "dress" or self.legs_style == "skirt":
            return 0.6
        return 0.27 if self.legs_style == "shorts" else 0.0


def linear(srgb: tuple[int, int, int]) -> Floats:
    """Linear reflectance (3,) of an 8-bit sRGB colour."""
    return (np.asarray(srgb, np.float32) / 255.0) ** f32(2.2)


def outfit_of(look: Look, seed: int, *, is_cold: bool = False) -> Outfit:
    """All the choices ``look`` leaves open, drawn from ``seed``; ``is_cold`` prefers coats and long trousers."""
    rng = np.random.default_rng(seed)
    words = tuple(CLOTHES)
    usual = f32([5, 3, 2, 3, 2, 1.2, 1, 1, 1, 1, 0.4, 0.4, 0.4, 0.5])
    top = look.top or str(rng.choice(words, p=usual / usual.sum()))
    legs = look.legs or str(
        rng.choice(
            ("black", "navy", "grey", "blue", "beige", "olive", "brown"), p=(0.28, 0.22, 0.14, 0.18, 0.1, 0.04, 0.04)
        )
    )
    styles = ("jacket", "coat", "hoodie", "jacket") if is_cold else _TOP_STYLES
    top_style = look.top_style or str(rng.choice(styles))
    legs_style = look.legs_style or str(rng.choice(_LEG_STYLES[:4] if is_cold else _LEG_STYLES))
    hair_word = look.hair or str(rng.choice(tuple(_HAIR), p=(0.4, 0.34, 0.12, 0.1, 0.04)))
    hair = np.asarray(_HAIR.get(hair_word, _HAIR["brown"])) * rng.uniform(0.8, 1.2)
    is_woman = bool(rng.random() < 0.45)
    height = look.height_m or float(np.clip(rng.normal(1.66 if is_woman else 1.78, 0.065), 1.48, 1.98))
    head = look.head or str(rng.choice(("bare", "bare", "bare", "bare", "cap", "beanie" if is_cold else "bare")))
    return Outfit(
        height_m=height,
        girth=look.girth or float(np.clip(rng.normal(1.02, 0.11), 0.84, 1.38)),
        top_style=top_style,
        top_color=top,
        legs_style=legs_style,
        legs_color=legs,
        shoe_color=str(rng.choice(("black", "black", "brown", "white", "grey"))),
        head=head,
        hair_length=int(2 if is_woman and rng.random() < 0.7 else rng.random() < 0.92),
        hair=(int(hair[0]), int(hair[1]), int(hair[2])),
        skin=_SKIN[int(rng.integers(len(_SKIN)))],
        hat_color=str(rng.choice(("black", "navy", "grey", "red"))),
        carry=look.carry or str(rng.choice(("none", "none", "none", "backpack", "handbag" if is_woman else "none"))),
        bag_color=look.color or str(rng.choice(BAG_COLORS)),
        pattern=int(rng.integers(0, 6)),
        seed=seed,
    )
