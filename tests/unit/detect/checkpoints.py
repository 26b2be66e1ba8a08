"""Untrained ultralytics checkpoints made on the spot: the true loading and export code, without downloading weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

LABELS = ("person", "car", "bag")
SIZE_WH = (128, 96)


def pictures(n: int, *, seed: int = 0, size_wh: tuple[int, int] = SIZE_WH) -> list[NDArray[np.uint8]]:
    """Smooth random I420 pictures."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (n, 6, 8, 3), dtype=np.uint8)
    rgb = [cv2.resize(each, size_wh, interpolation=cv2.INTER_CUBIC) for each in coarse]
    return [np.asarray(cv2.cvtColor(each, cv2.COLOR_RGB2YUV_I420), np.uint8) for each in rgb]


def checkpoint(file: Path, family: str = "yolo11n", *, seed: int = 0) -> Path:
    """Write a ``.pt`` of a detector ``family`` (``yolo11n``, ``yolo26n`` …) with random weights and three classes.

    Its normalisation is fitted to random pictures and its class scores are spread, so that it has something to say.
    """
    import torch
    from ultralytics.nn.tasks import DetectionModel

    torch.manual_seed(seed)
    model: Any = DetectionModel(f"{family}.yaml", nc=len(LABELS), verbose=False)
    model.names = dict(enumerate(LABELS))
    model.args = {"imgsz": 128}
    head = model.model[-1]
    branches = [head.cv3, *([head.one2one_cv3] if head.end2end else [])]
    for level in (level for branch in branches for level in branch):
        torch.nn.init.normal_(level[-1].weight, std=0.3)
        torch.nn.init.constant_(level[-1].bias, -2.0)
    _fit_normalisation(model)
    torch.save({"model": model.eval(), "train_args": {"imgsz": 128}}, file)
    return file


def _fit_normalisation(model: Any) -> None:
    import torch

    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    rgb = np.stack([cv2.cvtColor(each, cv2.COLOR_YUV2RGB_I420) for each in pictures(8, seed=99)])
    with torch.no_grad():
        model.train()(torch.from_numpy(rgb).permute(0, 3, 1, 2).float() / 255)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum


def other_task(file: Path) -> Path:
    """A pose checkpoint."""
    import torch
    from ultralytics.nn.tasks import PoseModel

    torch.save({"model": PoseModel("yolo11n-pose.yaml", nc=1, verbose=False), "train_args": {}}, file)
    return file
