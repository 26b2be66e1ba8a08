"""Small scenes for the tests: 160x90 pixels, traced in well under a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.scenes.model import ActorSpec, Camera, Light, Look, Scene, Step

SceneFactory = Callable[..., Scene]


def make_tiny(**changes: Any) -> Scene:
    """A tiny scene; keywords replace fields of :class:`Scene`."""
    values: dict[str, Any] = {
        "name": "tiny",
        "title": "a tiny scene",
        "family": "tiny",
        "camera": Camera((0.0, -4.0, 3.0), (0.0, 4.0, 0.8), fov_deg=60.0, distortion=-0.04, label="T"),
        "light": Light(mode="overcast", wind=0.0),
        "seconds": 2.0,
        "fps": 5,
        "size_wh": (160, 90),
    }
    return Scene(**{**values, **changes})


@pytest.fixture
def tiny() -> SceneFactory:
    """Makes tiny scenes."""
    return make_tiny


def walker(name: str, *points: tuple[float, float], at_s: float = 0.0, **look: Any) -> ActorSpec:
    """Somebody who walks through ``points``."""
    return ActorSpec(name, "person", (Step("go", points),), at_s, Look(**{"carry": "none", **look}))


def stander(name: str, x: float, y: float, seconds: float = 60.0, **look: Any) -> ActorSpec:
    """Somebody who stands at a place from the first second."""
    steps = (Step("go", ((x - 0.02, y), (x, y))), Step("stand", seconds=seconds))
    return ActorSpec(name, "person", steps, 0.0, Look(**{"carry": "none", **look}))
