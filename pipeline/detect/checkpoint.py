"""Reading ultralytics' ``.pt`` checkpoints without running what is in them, and fetching published ones by name.

In: a file or a name such as ``yolo26n.pt``. Out: the network with its card. A ``.pt`` file is a pickle, and unpickling
can run any code; it is therefore read with torch's restricted unpickler, which knows ultralytics' and torch's layers
and nothing else. A person may vouch for a file with ``is_trusted``. Next file: ``ultralytics.py``.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from pathlib import Path
from typing import Any

from pipeline.detect.card import ModelCard, card_from_fields
from pipeline.errors import ModelError, UsageError

__all__ = ["ALIAS", "checked_wh", "download", "load_checkpoint", "located", "ultralytics_tasks"]

ALIAS = "model.pt"
"""The name under which files are shown to ultralytics, which would replace some names by others."""

_DETECT_HEADS = ("Detect", "v10Detect")


def ultralytics_tasks() -> Any:
    """``ultralytics.nn.tasks``, imported so that it stays quiet, offline and installs nothing.

    Raises ModelError when the extra is not installed.
    """
    quiet = {"YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"}
    for name, value in quiet.items():  # ultralytics reads its settings from the environment, once, at import
        os.environ.setdefault(name, value)
    try:
        from ultralytics.nn import tasks
    except ImportError as error:
        raise ModelError(
            f"the ultralytics detector needs the extra 'models' (pip install 'vedette[models]'): {error}"
        ) from error
    return tasks


def located(weights: Path | str) -> Path:
    """The file itself, or, for a bare name that is no file here, the published weights of that name.

    Raises ModelError when these cannot be fetched.
    """
    path = Path(weights)
    if path.exists() or len(path.parts) > 1 or path.suffix != ".pt":
        return path
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return download(path.name, cache / "vedette" / "weights")


def download(name: str, folder: Path) -> Path:
    """Published weights, such as ``yolo26n.pt``, kept in ``folder``; the file itself when it is there already.

    Raises ModelError when ultralytics publishes no such file, or it cannot be fetched from here.
    """
    tasks = ultralytics_tasks()
    from ultralytics.utils.downloads import GITHUB_ASSETS_NAMES, attempt_download_asset

    target = folder / name
    if target.is_file():
        return target
    if name not in GITHUB_ASSETS_NAMES or not name.endswith(".pt"):
        raise ModelError(f"{name}: no such file, and no weights of that name are published by ultralytics")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as part:
            fetched = Path(attempt_download_asset(str(Path(part) / name)))
            tasks.torch_safe_load(str(fetched), safe_only=True)
            fetched.replace(target)
    except (OSError, TypeError, RuntimeError, pickle.UnpicklingError) as error:
        raise ModelError(f"{name}: the weights cannot be downloaded from here ({type(error).__name__})") from error
    return target


def load_checkpoint(weights: Path, *, is_trusted: bool = False) -> tuple[Any, ModelCard]:
    """The network of a detector's checkpoint, fused and ready to run, and what it says about itself.

    Raises ModelError when ultralytics is not installed, or the file is missing, unreadable, unsafe or no detector.
    """
    if not weights.is_file():
        raise ModelError(f"{weights}: no such model file")
    if weights.suffix != ".pt":
        raise ModelError(f"{weights}: expected an ultralytics .pt checkpoint, got '{weights.suffix}'")
    tasks = ultralytics_tasks()
    import torch

    try:
        with tempfile.TemporaryDirectory() as folder:
            # By its own name ultralytics would replace some files (yolov5n.pt) with a download, and strip quotes.
            alias = Path(folder) / ALIAS
            alias.symlink_to(weights.resolve())
            checkpoint, _ = tasks.torch_safe_load(str(alias), safe_only=not is_trusted)
    except (TypeError, RuntimeError, OSError, EOFError, ImportError, AttributeError, pickle.UnpicklingError) as error:
        raise ModelError(
            f"{weights}: not a checkpoint that can be read safely; it is damaged, of another program,"
            f" or holds code besides known layers ({type(error).__name__})"
        ) from error
    held = checkpoint.get("ema") or checkpoint.get("model")
    if not isinstance(held, torch.nn.Module) or not hasattr(held, "model"):
        raise ModelError(f"{weights}: holds no ultralytics model")
    model: Any = held
    head = model.model[-1]
    if type(head).__name__ not in _DETECT_HEADS:
        raise ModelError(f"{weights}: this model ends in '{type(head).__name__}', and a detector in 'Detect' is needed")
    try:
        card = _card_of(model, checkpoint)
    except (ModelError, AttributeError, TypeError, ValueError) as error:
        raise ModelError(f"{weights}: {error}") from error
    for module in model.modules():
        if isinstance(module, torch.nn.Upsample) and not hasattr(module, "recompute_scale_factor"):
            module.recompute_scale_factor = None  # checkpoints older than torch 1.11 lack it
    return model.float().eval().fuse(verbose=False), card


def _card_of(model: Any, checkpoint: dict[str, Any]) -> ModelCard:
    trained = checkpoint.get("train_args") or {}
    return card_from_fields(
        {
            "names": model.names,
            "stride": int(max(model.stride)),
            "imgsz": trained.get("imgsz"),
            "end2end": bool(getattr(model.model[-1], "end2end", False)),
        }
    )


def checked_wh(input_wh: tuple[int, int], stride: int) -> tuple[int, int]:
    """A size that the network can take. Raises UsageError when it cannot."""
    if any(side < stride or side % stride for side in input_wh):
        raise UsageError(f"input size: expected multiples of {stride}, got {input_wh[0]}x{input_wh[1]}")
    return input_wh
