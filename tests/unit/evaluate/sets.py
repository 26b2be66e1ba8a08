"""Small data sets in their official layouts, made on the spot: what is in them is known to the frame."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Draw = Callable[[int, np.random.Generator], NDArray[np.uint8]]
SIZE_WH = (360, 240)


def walkway(number: int, random: np.random.Generator, *, person_px_per_frame: float = 2.0) -> NDArray[np.uint8]:
    """A grey walkway with noise, and a dark figure 20 by 50 pixels that walks to the right."""
    width, height = SIZE_WH
    x = int(40 + number * person_px_per_frame) % (width - 40)
    picture = np.full((height, width), 150, np.uint8)
    picture[: height // 3] = 110
    cv2.rectangle(picture, (x, 120), (x + 18, 168), 40, -1)
    cv2.circle(picture, (x + 9, 112), 8, 60, -1)
    noise = random.integers(-4, 5, picture.shape)
    return np.clip(picture.astype(np.int16) + noise, 0, 255).astype(np.uint8)


def with_cart(number: int, random: np.random.Generator, *, from_frame: int) -> NDArray[np.uint8]:
    """:func:`walkway`, and from ``from_frame`` on a wide bright cart that crosses it four times as fast."""
    picture = walkway(number, random)
    if number >= from_frame:
        x = (number - from_frame) * 9 % (SIZE_WH[0] - 90)
        cv2.rectangle(picture, (x, 150), (x + 80, 190), 240, -1)
        cv2.rectangle(picture, (x + 10, 120), (x + 30, 150), 20, -1)
    return picture


def write_stills(folder: Path, count: int, draw: Draw, *, suffix: str = ".tif", seed: int = 0) -> None:
    """``count`` stills called 001, 002, …"""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    for number in range(count):
        assert cv2.imwrite(str(folder / f"{number + 1:03d}{suffix}"), draw(number, random))


def write_masks(folder: Path, labels: list[int]) -> None:
    """A BMP mask per frame, some pixels marked where its label is 1."""
    folder.mkdir(parents=True)
    for number, label in enumerate(labels):
        mask = np.zeros((SIZE_WH[1], SIZE_WH[0]), np.uint8)
        mask[150:190, 30:110] = 255 * label
        assert cv2.imwrite(str(folder / f"frame{number + 1:03d}.bmp"), mask)


def write_ped2(root: Path, *, frames: int = 40, train: int = 2, event_at: tuple[int, int] = (20, 26)) -> Path:
    """UCSD Ped2 as published: two test clips, the first labelled by masks, the second by the ``.m`` file alone."""
    ped2 = root / "UCSDped2"
    for clip in range(train):
        write_stills(ped2 / "Train" / f"Train{clip + 1:03d}", frames, walkway, seed=10 + clip)
    for clip, start in enumerate(event_at):
        name = f"Test{clip + 1:03d}"
        write_stills(ped2 / "Test" / name, frames, lambda n, r, s=start: with_cart(n, r, from_frame=s), seed=20 + clip)
        (ped2 / "Test" / name / "._001.tif").write_bytes(b"left by a file manager")
    (ped2 / "Test" / ".DS_Store").write_bytes(b"\0")
    write_masks(ped2 / "Test" / "Test001_gt", [int(n >= event_at[0]) for n in range(frames)])
    (ped2 / "Test" / "UCSDped2.m").write_text(
        "TestVideoFile = {};\n"
        + "".join(f"TestVideoFile{{end+1}}.gt_frame = [{start + 1}:{frames}]; % clip\n" for start in event_at)
    )
    return root
