"""Made-up worlds with known identities: people and cars that walk, stand, cross, hide and are sometimes not seen."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from pipeline.boxes import iou_matrix
from pipeline.protocols import Tracker
from pipeline.types import Detections, Finding, FrameKey, FrameNote, FrameRef, Gate, utc_from_s

START_S = 1_790_000_000.0
WH = (640, 360)
Truth = list[tuple[int, NDArray[np.float64]]]


@dataclass(frozen=True)
class Look:
    """What a detector says at ``t`` seconds, and what was there."""

    t: float
    truth: Truth
    seen: list[tuple[str, float, NDArray[np.float64]]]


def finding(look: Look, seq: int, *, session: int = 1, gate: Gate = "open") -> Finding:
    """``look`` as a finding of the camera ``gate``."""
    return finding_of(look.t, look.seen, seq, session=session, gate=gate)


def finding_of(
    t: float,
    seen: list[tuple[str, float, NDArray[np.float64]]],
    seq: int,
    *,
    session: int = 1,
    gate: Gate = "open",
    is_tick: bool = False,
) -> Finding:
    """A finding at ``t`` with boxes ``seen`` (label, confidence, xyxy)."""
    detections = Detections(
        np.array([box for _, _, box in seen], np.float32).reshape(-1, 4),
        np.array([confidence for _, confidence, _ in seen], np.float32),
        tuple(label for label, _, _ in seen),
    )
    ref = FrameRef(FrameKey("gate", session, seq), round(t * 90_000), Fraction(1, 90_000), utc_from_s(START_S + t), WH)
    return Finding(ref, FrameNote(gate="absent" if is_tick else gate), None if is_tick else detections)


def street(seed: int, people: int = 8, seconds: float = 20.0, fps: int = 30) -> list[tuple[float, Truth]]:
    """Every 1/``fps`` s: who is where. Some stand, most walk, a few run, all turn round now and then."""
    rng = np.random.default_rng(seed)
    walkers = []
    for i in range(people):
        depth = rng.uniform(0.25, 1)
        height = 160 * depth
        begin = rng.uniform(0, seconds / 2)
        speed = rng.choice([-1, 1]) * height * rng.choice([0, 0.5, 0.8, 0.9, 2.0], p=[0.2, 0.2, 0.3, 0.2, 0.1])
        walkers.append(
            (
                i,
                begin,
                begin + rng.uniform(6, seconds),
                height,
                rng.uniform(0, 640),
                60 + depth * 270,
                speed,
                rng.uniform(3, 12),
            )
        )
    frames = []
    for k in range(int(seconds * fps)):
        t = k / fps
        truth: Truth = []
        for i, begin, end, height, x0, foot_y, speed, turn in walkers:
            phase = (t - begin) % (2 * turn)
            x = x0 + speed * min(phase, 2 * turn - phase)
            if begin <= t < end and 10 < x < 630:
                half = 0.19 * height
                truth.append((i, np.array([x - half, foot_y - height, x + half, foot_y])))
        frames.append((t, truth))
    return frames


def looks_at(
    frames: list[tuple[float, Truth]], seed: int, *, every: int = 6, drop: float = 0.0, hole_s: float = 0.0
) -> list[Look]:
    """What a detector makes of every ``every``-th frame: noise, misses, occlusion, rare ghosts, dropped frames."""
    rng = np.random.default_rng(seed)
    looks = []
    for t, truth in frames[::every]:
        if rng.random() < drop or (hole_s and t % 7 > 7 - hole_s):
            continue
        visible, seen = [], []
        for i, box in truth:
            cover = max((_covered(box, other) for j, other in truth if j != i and other[3] > box[3]), default=0.0)
            confidence = float(np.clip(0.85 - 0.9 * cover + rng.normal(0, 0.08), 0.05, 0.95))
            if cover < 0.7:
                visible.append((i, box))
            if cover < 0.8 and rng.random() > 0.04 and confidence > 0.1:
                seen.append(("person", confidence, box + rng.normal(0, 0.03, 4) * (box[3] - box[1])))
        if rng.random() < 0.05:
            x, y = rng.uniform(0, 600), rng.uniform(0, 300)
            seen.append(("person", float(rng.uniform(0.15, 0.5)), np.array([x, y, x + 20, y + 50])))
        looks.append(Look(t, visible, seen))
    return looks


def _covered(box: NDArray[np.float64], by: NDArray[np.float64]) -> float:
    wide = max(0.0, min(box[2], by[2]) - max(box[0], by[0]))
    high = max(0.0, min(box[3], by[3]) - max(box[1], by[1]))
    return float(wide * high / ((box[2] - box[0]) * (box[3] - box[1])))


@dataclass(frozen=True)
class Score:
    """``idf1`` and ``recall`` 0..1 (Ristani et al. 2016), and how often a person's id changed."""

    idf1: float
    recall: float
    switches: int


def score(tracker: Tracker, looks: list[Look]) -> Score:
    """How well ``tracker`` keeps identities over ``looks`` (a match needs an IoU of 0.4)."""
    pairs: dict[tuple[int, int], int] = {}
    last: dict[int, int] = {}
    truths = shown = hits = switches = 0
    for seq, look in enumerate(looks):
        each = finding(look, seq)
        tracks = [track for track in tracker.update(each) if track.last_at_s >= each.ref.at_s]
        truths, shown = truths + len(look.truth), shown + len(tracks)
        if not tracks or not look.truth:
            continue
        overlap = iou_matrix(np.array([box for _, box in look.truth]), np.array([track.xyxy for track in tracks]))
        for row, column in zip(*linear_sum_assignment(-overlap), strict=True):
            if overlap[row, column] >= 0.4:
                who, track_id = look.truth[row][0], tracks[column].id
                hits += 1
                switches += last.get(who, track_id) != track_id
                last[who] = track_id
                pairs[who, track_id] = pairs.get((who, track_id), 0) + 1
    people, ids = sorted({who for who, _ in pairs}), sorted({i for _, i in pairs})
    table = np.array([[pairs.get((who, i), 0) for i in ids] for who in people])
    rows, columns = linear_sum_assignment(-table)
    return Score(2 * float(table[rows, columns].sum()) / (truths + shown), hits / truths, switches)
