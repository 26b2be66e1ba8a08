from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.scenes.body import build_body
from pipeline.scenes.looks import CLOTHES, outfit_of
from pipeline.scenes.model import Look
from pipeline.scenes.motion import Pose, pose_of

ACTIONS = ("go", "stand", "crouch", "fall", "lie", "rise", "climb", "fight", "drop", "pick", "phone")


def _pose(action: str, progress: float = 0.5, phase: float = 0.3, speed: float = 1.35, style: str = "side") -> Pose:
    return pose_of(
        action,
        phase=phase,
        speed_m_s=speed,
        progress=progress,
        since_s=5.0 * progress,
        left_s=5.0 * (1 - progress),
        at_s=3.0 + progress,
        style=style,
        seed=4,
    )


@pytest.mark.parametrize("seed", range(8))
def test_a_standing_body_has_the_height_it_was_asked_for_and_stands_on_the_ground(seed: int) -> None:
    outfit = outfit_of(Look(height_m=1.75, head="bare", carry="none"), seed)
    vertices = build_body(outfit).posed(_pose("stand"))
    assert vertices[:, 2].min() == pytest.approx(0.0, abs=1e-5)
    assert vertices[:, 2].max() == pytest.approx(1.75, abs=0.09)
    assert np.ptp(vertices[:, 1]) < 0.95


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("progress", [0.0, 0.35, 0.7, 1.0])
def test_every_pose_is_finite_and_touches_the_ground(action: str, progress: float) -> None:
    vertices = build_body(outfit_of(Look(), 3)).posed(_pose(action, progress))
    assert np.isfinite(vertices).all()
    assert vertices[:, 2].min() == pytest.approx(0.0, abs=1e-4)
    assert vertices[:, 2].max() < 2.6


@pytest.mark.parametrize("style", ["forward", "backward", "side"])
@pytest.mark.parametrize("seed", range(5))
def test_who_lies_is_low_and_long(style: str, seed: int) -> None:
    body = build_body(outfit_of(Look(height_m=1.8, carry="none"), seed))
    vertices = body.posed(
        pose_of("lie", phase=0, speed_m_s=0, progress=0.5, since_s=5, left_s=5, at_s=1, style=style, seed=seed)
    )
    assert vertices[:, 2].max() < 0.75
    assert np.ptp(vertices[:, :2], axis=0).max() > 1.2


def test_a_fall_ends_where_lying_begins() -> None:
    body = build_body(outfit_of(Look(), 5))
    fallen, lying = body.posed(_pose("fall", 1.0)), body.posed(_pose("lie", 0.0))
    assert np.abs(fallen - lying).max() < 0.1


def test_the_standing_foot_does_not_slide_while_walking() -> None:
    """Over a stance the planted foot moves far less than the body: the gait matches the distance walked."""
    outfit = outfit_of(Look(height_m=1.75, carry="none", legs_style="jeans"), 1)
    body = build_body(outfit)
    shoe = np.flatnonzero(body.weights[:, 12] > 0.99)  # everything that hangs on the left ankle
    stride = 1.75 * math.sqrt(1.35 / 1.35) * 0.80
    ahead = [body.posed(_pose("go", phase=p))[shoe, 0].mean() + p * stride for p in np.linspace(0.12, 0.42, 7)]
    assert np.ptp(ahead) < 0.35 * 0.30 * stride


def test_limbs_swing_against_each_other() -> None:
    body = build_body(outfit_of(Look(carry="none"), 2))
    posed = body.posed(_pose("go", phase=0.0))
    left_foot = posed[body.weights[:, 12] > 0.9, 0].mean()
    right_foot = posed[body.weights[:, 15] > 0.9, 0].mean()
    left_hand = posed[body.weights[:, 6] > 0.9, 0].mean()
    right_hand = posed[body.weights[:, 9] > 0.9, 0].mean()
    assert left_foot > right_foot + 0.3
    assert right_hand > left_hand


@pytest.mark.parametrize("style", ["tshirt", "shirt", "jacket", "hoodie", "coat", "vest", "dress"])
@pytest.mark.parametrize("carry", ["none", "backpack", "handbag", "suitcase", "box"])
def test_every_outfit_can_be_built(style: str, carry: str) -> None:
    mesh = build_body(outfit_of(Look(top_style=style, carry=carry), 9)).mesh
    assert (mesh.faces >= 0).all()
    assert mesh.faces.max() < len(mesh.vertices)
    assert ("bag" in mesh.materials) == (carry != "none")


def test_looks_are_kept_and_gaps_are_drawn_from_the_seed() -> None:
    outfit = outfit_of(Look(top="red"), 4)
    assert outfit.top_color == "red"
    assert outfit.legs_color in CLOTHES
    assert outfit_of(Look(), 4) == outfit_of(Look(), 4)
    assert outfit_of(Look(), 4) != outfit_of(Look(), 5)
