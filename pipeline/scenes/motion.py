"""How a body moves: joint angles for walking, running, standing, falling, climbing, fighting, bending.

In: what an actor is doing (gait phase, speed, action, progress). Out: a :class:`Pose`.
Gait curves follow the normal sagittal-plane joint angles of Winter, *Biomechanics and Motor Control of Human
Movement* (2009), read off at every tenth of a cycle. Axes: x forward, y left, z up; angles are (roll, pitch, yaw) in
degrees about x, y, z; positive pitch leans forward. Next file: ``body.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pipeline.scenes.arrays import Floats, f32

__all__ = ["JOINTS", "PARENTS", "Pose", "blend", "pose_of", "riding_pose"]


JOINTS: tuple[str, ...] = (
    "pelvis", "spine", "chest", "head",
    "l_shoulder", "l_elbow", "l_wrist", "r_shoulder", "r_elbow", "r_wrist",
    "l_hip", "l_knee", "l_ankle", "r_hip", "r_knee", "r_ankle",
)  # fmt: skip
PARENTS: tuple[int, ...] = (-1, 0, 1, 2, 2, 4, 5, 2, 7, 8, 0, 10, 11, 0, 13, 14)
_AT = {name: i for i, name in enumerate(JOINTS)}

_CYCLE = np.linspace(0.0, 1.0, 11)
_WALK = {
    "hip": (30, 28, 18, 7, -3, -9, -10, 0, 16, 28, 30),
    "knee": (4, 17, 15, 9, 6, 10, 36, 60, 52, 20, 4),
    "ankle": (0, -5, 4, 8, 10, 6, -16, -8, 2, 3, 0),
}
_RUN = {
    "hip": (42, 36, 22, 2, -14, -20, -6, 22, 46, 54, 42),
    "knee": (22, 38, 36, 24, 18, 42, 88, 108, 92, 48, 22),
    "ankle": (8, 14, 20, 12, -12, -24, -14, 0, 8, 8, 8),
}


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """``angles`` (16, 3) degrees per joint (roll, pitch, yaw); ``lift_m`` raises the lowest point above the ground.

    With ``seat_m`` the pelvis is held at that height instead (somebody rides).
    """

    angles: Floats
    lift_m: float = 0.0
    seat_m: float | None = None


def _stand(at_s: float, seed: int) -> Floats:
    """Quiet standing: slow sway, a look around, arms hanging."""
    a = np.zeros((16, 3), np.float32)
    sway = math.sin(at_s * 0.9 + seed)
    look = math.sin(at_s * 0.35 + 1.7 * seed) + 0.5 * math.sin(at_s * 0.83 + seed)
    a[_AT["spine"]] = (1.5 * sway, 2.0, 0.0)
    a[_AT["head"]] = (0.0, 6.0 + 5.0 * math.sin(at_s * 0.5 + seed), 28.0 * look)
    for side, sign in (("l", 1.0), ("r", -1.0)):
        a[_AT[f"{side}_shoulder"]] = (sign * 5.0, -4.0 - 3.0 * sway, 0.0)
        a[_AT[f"{side}_elbow"]] = (0.0, -14.0, 0.0)
        a[_AT[f"{side}_hip"]] = (sign * 3.0 + sway, -1.0, 0.0)
    return a


def _gait(phase: float, speed_m_s: float, seed: int) -> Floats:
    """One instant of walking or running; ``phase`` in cycles, left heel strikes at whole numbers."""
    run = float(np.clip((speed_m_s - 1.9) / 0.8, 0.0, 1.0))
    size = float(np.clip(math.sqrt(max(speed_m_s, 0.0) / (1.35 if run < 0.5 else 3.2)), 0.25, 1.2))
    a = np.zeros((16, 3), np.float32)
    swing = {}
    for side, shift in (("l", 0.0), ("r", 0.5)):
        at = (phase + shift) % 1.0
        hip, knee, ankle = (
            (1 - run) * np.interp(at, _CYCLE, _WALK[j]) + run * np.interp(at, _CYCLE, _RUN[j])
            for j in ("hip", "knee", "ankle")
        )
        swing[side] = float(hip) * size
        a[_AT[f"{side}_hip"], 1] = -hip * size
        a[_AT[f"{side}_knee"], 1] = knee * size
        a[_AT[f"{side}_ankle"], 1] = -ankle * size
    turn = 5.0 * size * math.cos(2 * math.pi * phase)
    a[_AT["pelvis"]] = (2.0 * math.sin(2 * math.pi * phase), 0.0, -turn)
    a[_AT["chest"]] = (0.0, 1.0, 2.0 * turn)
    a[_AT["spine"], 1] = 3.0 + 9.0 * run
    a[_AT["head"]] = (0.0, 2.0 - 8.0 * run, -turn + 9.0 * math.sin(phase * 0.7 + seed))
    for side, other, sign in (("l", "r", 1.0), ("r", "l", -1.0)):
        forward = (swing[other] - 8.0) * (0.75 + 0.25 * run)
        a[_AT[f"{side}_shoulder"]] = (sign * (4.0 + 5.0 * run), -forward, 0.0)
        a[_AT[f"{side}_elbow"], 1] = -(16.0 + 0.35 * max(forward, 0.0)) * (1 - run) - (82.0 + 0.3 * forward) * run
    return a


def _crouch() -> Floats:
    """Bent down over something on the ground."""
    a = np.zeros((16, 3), np.float32)
    a[_AT["pelvis"], 1] = 28.0
    a[_AT["spine"], 1] = 24.0
    a[_AT["chest"], 1] = 22.0
    a[_AT["head"], 1] = -14.0
    for side, sign in (("l", 1.0), ("r", -1.0)):
        a[_AT[f"{side}_hip"]] = (sign * 7.0, -98.0, 0.0)
        a[_AT[f"{side}_knee"], 1] = 92.0
        a[_AT[f"{side}_ankle"], 1] = -22.0
        a[_AT[f"{side}_shoulder"]] = (sign * 6.0, -58.0, 0.0)
        a[_AT[f"{side}_elbow"], 1] = -26.0
    return a


def _phone(at_s: float, seed: int) -> Floats:
    """Standing, one hand with a telephone at the ear."""
    a = _stand(at_s, seed)
    a[_AT["r_shoulder"]] = (-22.0, -48.0, 0.0)
    a[_AT["r_elbow"], 1] = -132.0
    a[_AT["head"], 0] = 8.0
    return a


def _lie(style: str, seed: int) -> Floats:
    """On the ground: face down (``forward``), on the back (``backward``) or on the side (``side``)."""
    rng = np.random.default_rng(seed)
    a = np.zeros((16, 3), np.float32)
    bend = rng.uniform(8.0, 50.0, 4)
    is_side = style == "side"
    a[_AT["pelvis"]] = (88.0, 4.0, 0.0) if is_side else (0.0, -87.0 if style == "backward" else 88.0, 0.0)
    for side, sign, one, two in (("l", 1.0, bend[0], bend[1]), ("r", -1.0, bend[2], bend[3])):
        # on the side, limbs may only swing in the plane of the ground, or they would lift the body off it
        spread = 0.0 if is_side else sign * one
        a[_AT[f"{side}_shoulder"]] = (spread, -30.0 - two if is_side else 0.0, 0.0)
        a[_AT[f"{side}_elbow"]] = (0.0, -two if is_side else 0.0, 0.0 if is_side else sign * two)
        a[_AT[f"{side}_hip"]] = (0.25 * spread, -0.7 * two if is_side else 0.0, 0.0)
        a[_AT[f"{side}_knee"], 1] = 1.1 * two if is_side else 4.0
        a[_AT[f"{side}_ankle"], 1] = 38.0 if style == "forward" else 22.0
    a[_AT["head"]] = (0.0, -8.0 if style == "forward" else 4.0, 0.0 if is_side else rng.uniform(-35.0, 35.0))
    return a


def _fall(progress: float, style: str, seed: int) -> Floats:
    """From standing to lying: knees give way, the trunk tips, arms reach out; the ground is hit at full speed."""
    start, end = _stand(0.0, seed), _lie(style, seed)
    tip = progress**1.7
    a = (1 - tip) * start + tip * end
    give = math.sin(math.pi * min(progress * 1.15, 1.0))
    for side, sign in (("l", 1.0), ("r", -1.0)):
        a[_AT[f"{side}_knee"], 1] += 55.0 * give
        a[_AT[f"{side}_hip"], 1] -= 38.0 * give
        a[_AT[f"{side}_shoulder"], 1] -= 55.0 * give
        a[_AT[f"{side}_shoulder"], 0] += sign * 25.0 * give
    a[_AT["spine"], 1] += 18.0 * give
    return f32(a)


def _climb(progress: float, at_s: float) -> Floats:
    """Hands and feet on a fence, alternating; over the top the trunk leans across."""
    a = np.zeros((16, 3), np.float32)
    beat = math.sin(2 * math.pi * at_s * 0.9)
    over = math.exp(-(((progress - 0.5) / 0.16) ** 2))
    a[_AT["pelvis"], 1] = 6.0 + 48.0 * over
    a[_AT["spine"], 1] = 8.0
    for side, sign in (("l", 1.0), ("r", -1.0)):
        push = sign * beat
        a[_AT[f"{side}_shoulder"]] = (sign * 12.0, -135.0 - 28.0 * push + 45.0 * over, 0.0)
        a[_AT[f"{side}_elbow"], 1] = -42.0 + 24.0 * push
        a[_AT[f"{side}_hip"]] = (sign * 16.0, -52.0 + 34.0 * push, 0.0)
        a[_AT[f"{side}_knee"], 1] = 68.0 - 34.0 * push
        a[_AT[f"{side}_ankle"], 1] = -10.0
    a[_AT["head"], 1] = -18.0
    return a


def _fight(at_s: float, seed: int) -> Floats:
    """Fists up, punches, kicks and recoils at an uneven beat."""
    a = np.zeros((16, 3), np.float32)
    rate = 1.5 + 0.2 * math.sin(seed)
    beat = at_s * rate + 0.37 * seed
    left, right = (
        max(0.0, math.sin(2 * math.pi * beat)) ** 3,
        max(0.0, math.sin(2 * math.pi * (beat * 0.83 + 0.4))) ** 3,
    )
    kick = max(0.0, math.sin(2 * math.pi * beat * 0.27)) ** 9
    sway = math.sin(2 * math.pi * beat * 0.5)
    a[_AT["pelvis"]] = (0.0, 6.0 - 16.0 * kick, 14.0 * sway)
    a[_AT["spine"]] = (7.0 * sway, 14.0 + 10.0 * (left + right) - 8.0 * kick, 0.0)
    a[_AT["chest"], 2] = 26.0 * (right - left)
    for side, sign, reach in (("l", 1.0, left), ("r", -1.0, right)):
        a[_AT[f"{side}_shoulder"]] = (sign * (18.0 - 10.0 * reach), -42.0 - 48.0 * reach, 0.0)
        a[_AT[f"{side}_elbow"], 1] = -108.0 + 92.0 * reach
        a[_AT[f"{side}_hip"]] = (sign * 12.0, -16.0 - sign * 10.0 * sway, 0.0)
        a[_AT[f"{side}_knee"], 1] = 24.0
        a[_AT[f"{side}_ankle"], 1] = -8.0
    a[_AT["r_hip"], 1] -= 66.0 * kick
    return a


def riding_pose(phase: float, is_pedalling: bool, seat_m: float) -> Pose:
    """On a saddle, hands on the bars; the feet turn with ``phase`` when ``is_pedalling``."""
    a = np.zeros((16, 3), np.float32)
    a[_AT["pelvis"], 1] = 18.0 if is_pedalling else 6.0
    a[_AT["spine"], 1] = 14.0 if is_pedalling else 8.0
    a[_AT["chest"], 1] = 8.0
    a[_AT["head"], 1] = -26.0 if is_pedalling else -10.0
    for side, sign, shift in (("l", 1.0, 0.0), ("r", -1.0, 0.5)):
        turn = 2 * math.pi * (phase + shift)
        push = math.sin(turn) if is_pedalling else 0.0
        a[_AT[f"{side}_hip"]] = (
            sign * (2.0 if is_pedalling else 12.0),
            -68.0 - 22.0 * push - (12.0 if not is_pedalling else 0.0),
            0.0,
        )
        a[_AT[f"{side}_knee"], 1] = 72.0 + 34.0 * (math.sin(turn + 0.5) if is_pedalling else 0.35)
        a[_AT[f"{side}_ankle"], 1] = -4.0
        a[_AT[f"{side}_shoulder"]] = (sign * 10.0, -86.0, 0.0)
        a[_AT[f"{side}_elbow"], 1] = -16.0
    return Pose(a, 0.0, seat_m)


def blend(first: Floats, second: Floats, share: float) -> Floats:
    """Angles between two poses, eased; ``share`` 0 gives ``first``, 1 ``second``."""
    s = float(np.clip(share, 0.0, 1.0))
    s = s * s * (3.0 - 2.0 * s)
    return np.asarray((1.0 - s) * first + s * second, np.float32)


def pose_of(
    action: str,
    *,
    phase: float,
    speed_m_s: float,
    progress: float,
    since_s: float,
    left_s: float,
    at_s: float,
    style: str,
    seed: int,
) -> Pose:
    """The pose of a person doing ``action``.

    ``phase`` gait cycles walked so far; ``progress`` 0..1 through the action; ``since_s``/``left_s`` seconds from its
    start and to its end; ``at_s`` media time; ``style`` how a fall goes; ``seed`` makes two people differ.
    """
    if action == "go":
        moving = _gait(phase, speed_m_s, seed)
        share = float(np.clip(speed_m_s / 0.7, 0.0, 1.0))
        run = float(np.clip((speed_m_s - 1.9) / 0.8, 0.0, 1.0))
        return Pose(blend(_stand(at_s, seed), moving, share), 0.035 * run * (1.0 - math.cos(4 * math.pi * phase)))
    if action == "fall":
        return Pose(_fall(progress, style, seed))
    if action == "lie":
        still = _lie(style, seed)
        still[_AT["head"], 2] += 6.0 * math.sin(0.8 * at_s)
        return Pose(still)
    if action == "rise":
        half = blend(_lie(style, seed), _crouch(), progress * 2.0)
        return Pose(blend(half, _stand(at_s, seed), progress * 2.0 - 1.0))
    standing = _stand(at_s, seed)
    bent = {"crouch": _crouch, "drop": _crouch, "pick": _crouch}
    if action in bent:
        target, ramp_s = bent[action](), 0.7
    elif action == "phone":
        target, ramp_s = _phone(at_s, seed), 0.6
    elif action == "climb":
        target, ramp_s = _climb(progress, at_s), 0.5
    elif action == "fight":
        target, ramp_s = _fight(at_s, seed), 0.4
    else:
        return Pose(standing)
    return Pose(blend(standing, target, min(since_s, left_s) / ramp_s))
