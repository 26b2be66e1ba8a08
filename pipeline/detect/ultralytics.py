"""Detection with torch and ultralytics' model classes: ``.pt`` checkpoints, on CUDA where there is some.

In: frames as planar I420. Out: the same ``Detections`` as ``openvino.py`` gives for the same weights, because
letterbox and post-processing are shared; of ultralytics only the network is used, so torchvision is not needed.
:func:`download` fetches published weights by name and :func:`export` turns a checkpoint into an OpenVINO folder.

A ``.pt`` file is a pickle, and unpickling can run any code. Checkpoints are therefore read with torch's restricted
unpickler, which knows ultralytics' and torch's layers and nothing else; a person may vouch for a file with
``is_trusted``. Needs the extra ``models``. The only module that imports ``ultralytics`` for detection.
"""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.card import ModelCard, card_from_fields, model_name
from pipeline.detect.heads import Head, head_of
from pipeline.detect.letterbox import Letterbox, input_wh_for
from pipeline.detect.readout import Readout
from pipeline.detect.selection import Selection
from pipeline.errors import ModelError, StorageError, UsageError
from pipeline.types import Detections, Frame

__all__ = ["Precision", "UltralyticsDetector", "download", "export"]

Precision = Literal["fp32", "fp16", "int8"]

_NOMINAL_WH = (640, 640)
_MAX_CUDA_BATCH = 16
_ALIAS = "model.pt"
_DETECT_HEADS = ("Detect", "v10Detect")


class UltralyticsDetector:
    """A detector from an ultralytics ``.pt`` checkpoint, or from the name of a published one, which is downloaded.

    ``device`` is ``auto`` (CUDA when present), ``cpu``, ``cuda`` or ``cuda:1``; on CUDA the network runs in half
    precision and in batches. ``input_wh`` fixes the network's input, into which every frame is letterboxed, as a
    fixed-shape export would; None takes the smallest multiple of the stride that holds the frame. ``threads`` 0
    leaves torch's own choice; the number holds for the whole process. One thread at a time may call a detector.

    Raises ModelError when ultralytics is not installed or the file is missing, unreadable, unsafe or no detector;
    UsageError for a class it cannot say or a device this machine lacks.
    """

    def __init__(
        self,
        weights: Path | str,
        selection: Selection,
        *,
        device: str = "auto",
        input_wh: tuple[int, int] | None = None,
        threads: int = 0,
        is_trusted: bool = False,
    ) -> None:
        import torch

        weights = _located(weights)
        self._model, card = _load(weights, is_trusted=is_trusted)
        self._device = _device_of(device)
        self._dtype = torch.float16 if self._device.type == "cuda" else torch.float32
        self._model = self._model.to(self._device, self._dtype)
        if threads > 0:
            torch.set_num_threads(threads)
        self._fixed_wh = _checked_wh(input_wh, card.stride) if input_wh is not None else None
        self._input_wh = self._fixed_wh or card.size_wh or _NOMINAL_WH
        self._stride = card.stride
        self._is_end_to_end = card.is_end_to_end
        self._readout = Readout.of(card.labels, selection)
        self._name = f"{model_name(weights)}/{'fp16' if self._dtype == torch.float16 else 'fp32'}"

    @property
    def name(self) -> str:
        """Model name with the precision it runs in, e.g. ``yolo26n/fp16``."""
        return self._name

    @property
    def labels(self) -> tuple[str, ...]:
        """Every word this detector can say, in class order."""
        return self._readout.labels

    @property
    def input_wh(self) -> tuple[int, int]:
        """Preferred analysis size (width, height) in pixels."""
        return self._input_wh

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Detections of each frame, in order, boxes in source pixels (of the frame itself when the source is unknown).

        Raises ModelError when torch fails, ValueError for a frame without a picture.
        """
        found: list[Detections] = []
        for frame_wh, group in groupby(frames, key=lambda frame: frame.size_wh):
            alike = list(group)
            letterbox = self._letterbox(frame_wh)
            raws = (raw for batch in self._tensors(alike, letterbox) for raw in self._forward(batch))
            for frame, raw in zip(alike, raws, strict=True):
                head = self._head(raw, letterbox.input_wh)
                found.append(self._readout.detections(raw, head, letterbox, frame.ref.source_wh))
        return found

    def run_bare(self, frames: Sequence[Frame]) -> int:
        """Run the network alone over frames of one size, and count the pictures it took."""
        batches = list(self._tensors(frames, self._letterbox(frames[0].size_wh)))
        return sum(len(self._forward(batch)) for batch in batches)

    def _letterbox(self, frame_wh: tuple[int, int]) -> Letterbox:
        input_wh = self._fixed_wh or input_wh_for(frame_wh, self._input_wh, self._stride)
        return Letterbox.fit(frame_wh, input_wh, may_enlarge=self._fixed_wh is not None)

    def _tensors(self, frames: Sequence[Frame], letterbox: Letterbox) -> Iterator[Any]:
        """Batches for the network, (B, 3, H, W) 0..1 on its device; on a CPU of one picture, as more gain nothing."""
        import torch

        size = _MAX_CUDA_BATCH if self._device.type == "cuda" else 1
        for start in range(0, len(frames), size):
            rgb = np.stack([letterbox.to_input_rgb(_picture(frame)) for frame in frames[start : start + size]])
            batch = torch.from_numpy(rgb).to(self._device).permute(0, 3, 1, 2)  # (B, H, W, 3) -> (B, 3, H, W)
            yield batch.to(self._dtype) / 255

    def _forward(self, batch: Any) -> NDArray[np.float32]:
        """Raw output, (B, rows, columns)."""
        import torch

        try:
            with torch.inference_mode():
                output = self._model(batch)
                first = output[0] if isinstance(output, (tuple, list)) else output
                return np.asarray(first.float().cpu().numpy(), np.float32)
        except RuntimeError as error:
            raise ModelError(f"{self._name}: torch failed while detecting ({str(error).splitlines()[0]})") from error

    def _head(self, raw: NDArray[np.float32], input_wh: tuple[int, int]) -> Head:
        return head_of((1, *raw.shape), len(self.labels), input_wh, is_end_to_end=self._is_end_to_end)


def download(name: str, folder: Path) -> Path:
    """Published weights, such as ``yolo26n.pt``, kept in ``folder``; the file itself when it is there already.

    Raises ModelError when ultralytics publishes no such file, or it cannot be fetched from here.
    """
    tasks = _vendor()
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


def export(
    weights: Path | str,
    out: Path,
    *,
    input_wh: tuple[int, int],
    precision: Precision = "fp16",
    calibration: Path | None = None,
    is_free_shape: bool = False,
    is_trusted: bool = False,
) -> Path:
    """Write a checkpoint as an OpenVINO folder, which ``OpenVinoDetector`` takes, and return it.

    ``input_wh`` should have the shape of the cameras' pictures, 640x384 for 16:9; with ``is_free_shape`` it is only the
    size preferred. ``int8`` needs ``calibration``, an ultralytics data-set YAML whose pictures set the ranges.

    Raises ModelError when the checkpoint is refused or the export fails, UsageError when ``out`` holds something or a
    size or the calibration is unusable, StorageError when ``out`` cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out}: already there; name a folder that does not exist yet")
    if precision == "int8" and (calibration is None or not calibration.is_file()):
        raise UsageError("an int8 export needs a data-set YAML with pictures to calibrate on")
    weights = _located(weights)
    _, card = _load(weights, is_trusted=is_trusted)  # vets the pickle: what follows opens it without restrictions
    width, height = _checked_wh(input_wh, card.stride)
    from ultralytics import YOLO

    arguments: dict[str, Any] = {"quantize": {"fp32": None, "fp16": 16, "int8": 8}[precision]}
    if precision == "int8":
        arguments["data"] = str(calibration)
    try:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(shutil.copyfile(weights, Path(folder) / _ALIAS))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of torch and ultralytics about each other, not for the person
                made = YOLO(str(copy)).export(
                    format="openvino", imgsz=[height, width], dynamic=is_free_shape, verbose=False, **arguments
                )
            out.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(made, out, dirs_exist_ok=True)
    except OSError as error:
        raise StorageError(f"{out}: the export cannot be written ({error.strerror or type(error).__name__})") from error
    except (RuntimeError, AssertionError, TypeError, ValueError, ImportError) as error:
        raise ModelError(f"{weights}: ultralytics cannot export this model ({str(error).splitlines()[0]})") from error
    return out


def _vendor() -> Any:
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


def _located(weights: Path | str) -> Path:
    """The file itself, or, for a bare name that is no file here, the published weights of that name."""
    path = Path(weights)
    if path.exists() or len(path.parts) > 1 or path.suffix != ".pt":
        return path
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return download(path.name, cache / "vedette" / "weights")


def _load(weights: Path, *, is_trusted: bool) -> tuple[Any, ModelCard]:
    """The network of a checkpoint, fused and ready to run, and what it says about itself."""
    if not weights.is_file():
        raise ModelError(f"{weights}: no such model file")
    if weights.suffix != ".pt":
        raise ModelError(f"{weights}: expected an ultralytics .pt checkpoint, got '{weights.suffix}'")
    tasks = _vendor()
    import torch

    try:
        with tempfile.TemporaryDirectory() as folder:
            # By its own name ultralytics would replace some files (yolov5n.pt) with a download, and strip quotes.
            alias = Path(folder) / _ALIAS
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
    trained = checkpoint.get("train_args") or {}
    fields = {"names": model.names, "stride": int(max(model.stride)), "imgsz": trained.get("imgsz")}
    try:
        card = card_from_fields({**fields, "end2end": bool(getattr(head, "end2end", False))})
    except ModelError as error:
        raise ModelError(f"{weights}: {error}") from error
    for module in model.modules():
        if isinstance(module, torch.nn.Upsample) and not hasattr(module, "recompute_scale_factor"):
            module.recompute_scale_factor = None  # checkpoints older than torch 1.11 lack it
    return model.float().eval().fuse(verbose=False), card


def _device_of(word: str) -> Any:
    """The torch device for ``auto``, ``cpu``, ``cuda``, ``gpu`` or ``cuda:N``.

    Raises UsageError when this machine has no such device.
    """
    import torch

    word = word.lower().replace("gpu", "cuda")
    has_cuda = torch.cuda.is_available()
    if word == "auto":
        word = "cuda" if has_cuda else "cpu"
    try:
        device = torch.device(word)
    except RuntimeError as error:
        raise UsageError(f"device '{word}': expected auto, cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"device '{word}': expected auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (not has_cuda or (device.index or 0) >= torch.cuda.device_count()):
        raise UsageError(f"device '{word}': torch finds no such GPU here")
    return device


def _checked_wh(input_wh: tuple[int, int], stride: int) -> tuple[int, int]:
    if any(side < stride or side % stride for side in input_wh):
        raise UsageError(f"input size: expected multiples of {stride}, got {input_wh[0]}x{input_wh[1]}")
    return input_wh


def _picture(frame: Frame) -> NDArray[np.uint8]:
    if frame.i420 is None:
        raise ValueError(f"{frame.ref.key}: a tick has no picture to look at")
    return frame.i420
