"""Detection with torch and ultralytics' model classes: ``.pt`` checkpoints, on CUDA where there is some.

In: frames as planar I420. Out: the same ``Detections`` as ``openvino.py`` gives for the same weights, because
letterbox and post-processing are shared; of ultralytics only the network is used, so torchvision is not needed.
Needs the extra ``models``. Next file: ``checkpoint.py``, which reads the weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.card import model_name
from pipeline.detect.checkpoint import checked_wh, load_checkpoint, located
from pipeline.detect.heads import Head, head_of
from pipeline.detect.letterbox import Letterbox, input_wh_for
from pipeline.detect.readout import Readout
from pipeline.detect.selection import Selection
from pipeline.errors import InferenceError, UsageError
from pipeline.types import Detections, Frame

__all__ = ["UltralyticsDetector"]

_NOMINAL_WH = (640, 640)
_MAX_CUDA_BATCH = 16


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

        weights = located(weights)
        self._model, card = load_checkpoint(weights, is_trusted=is_trusted)
        self._device = _device_of(device)
        self._dtype = torch.float16 if self._device.type == "cuda" else torch.float32
        self._model = self._model.to(self._device, self._dtype)
        if threads > 0:
            torch.set_num_threads(threads)
        self._fixed_wh = checked_wh(input_wh, card.stride) if input_wh is not None else None
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

        Raises InferenceError when torch fails, ValueError for a frame without a picture.
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
            reason = str(error).splitlines()[0]
            raise InferenceError(f"{self._name}: torch failed while detecting ({reason})") from error

    def _head(self, raw: NDArray[np.float32], input_wh: tuple[int, int]) -> Head:
        return head_of((1, *raw.shape), len(self.labels), input_wh, is_end_to_end=self._is_end_to_end)


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


def _picture(frame: Frame) -> NDArray[np.uint8]:
    if frame.i420 is None:
        raise ValueError(f"{frame.ref.key}: a tick has no picture to look at")
    return frame.i420
