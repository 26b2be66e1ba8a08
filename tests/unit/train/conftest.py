"""A toy data set made on the spot: red persons and blue cars on grey ground, stills with labels and two short clips."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Toy:
    """Folders and files of the toy data."""

    root: Path
    images: Path
    footage: Path
    split: Path


def picture(seed: int, size_wh: tuple[int, int] = (160, 96)) -> tuple[NDArray[np.uint8], list[list[object]]]:
    """BGR pixels and its objects as ``[class, confidence, x1, y1, x2, y2]``, normalised."""
    rng = np.random.default_rng(seed)
    width, height = size_wh
    pixels = rng.integers(90, 130, (height, width, 3)).astype(np.uint8)
    objects: list[list[object]] = []
    for label, colour, (w, h) in (("person", (30, 30, 220), (16, 40)), ("car", (220, 60, 30), (50, 24))):
        x, y = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
        cv2.rectangle(pixels, (x, y), (x + w - 1, y + h - 1), colour, -1)
        objects.append([label, 0.9, x / width, y / height, (x + w) / width, (y + h) / height])
    return pixels, objects


def _clip(path: Path, seed: int, frames: int = 30) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (160, 96))
    for number in range(frames):
        writer.write(picture(seed + number)[0])
    writer.release()


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """24 stills (two of them of the held-out camera by name), a training clip and a held-out clip."""
    root = tmp_path_factory.mktemp("toy")
    images, footage = root / "images", root / "footage"
    (images / "yard").mkdir(parents=True)
    footage.mkdir()
    rows = []
    for seed in range(24):
        pixels, objects = picture(seed)
        name = f"yard/{'gate_' if seed < 2 else 'still_'}{seed:03d}.png"
        cv2.imwrite(str(images / name), pixels)
        rows.append(json.dumps({"file": name, "source": "yard", "teacher": objects, "boxes": []}))
    (images / "labels.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    _clip(footage / "gate.mp4", 1000)
    _clip(footage / "road.mp4", 2000)
    split = root / "split.yaml"
    split.write_text("held_out:\n  - clip: gate.mp4\n    image_prefixes: [gate_]\n", encoding="utf-8")
    return Toy(root, images, footage, split)


@pytest.fixture(scope="session")
def stills(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of the toy stills, held-out ones left out."""
    from pipeline.train.prepare import PrepareConfig, prepare

    out = tmp_path_factory.mktemp("dataset")
    prepare(PrepareConfig(out, toy.split, images=toy.images), lambda *_: None)
    return out / "stills.jsonl"
