"""Detection with OpenVINO, the default on CPUs: any exported YOLO detector of a recent family.

In: frames as planar I420; they go to the runtime as they are: colour conversion, /255 and the network are one compiled
graph. Out: ``Detections`` in source pixels. Next file: ``stage.py``.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino.preprocess import ColorFormat, PrePostProcessor

from pipeline.detect.card import ModelCard, card_from_fields, merge_fields, model_name, read_card_file, weights_file
from pipeline.detect.heads import Head, head_of
from pipeline.detect.letterbox import Letterbox, input_wh_for
from pipeline.detect.readout import Readout
from pipeline.detect.selection import COCO_80, Selection
from pipeline.errors import InferenceError, ModelError
from pipeline.openvino_runtime import Placement, compile_model, is_quantised, read_model, stream_count
from pipeline.types import Detections, Frame

__all__ = ["OpenVinoDetector"]

_NOMINAL_WH = (640, 640)
_MAX_SHAPES = 4
"""Compiled shapes kept of a model of free shape; a site's cameras rarely have more than two aspect ratios."""


class OpenVinoDetector:
    """A detector from an ``.xml`` or ``.onnx`` file, or from a folder holding one with its ``metadata.yaml``.

    A model of fixed picture size gets every frame letterboxed into it. A model of free size is compiled for the
    smallest multiple of its stride that holds the frame. Several inferences run side by side, each on one frame, so a
    frame's detections do not depend on what it is batched with. One thread at a time may call a detector.

    Raises ModelError when the file is missing, unreadable or not such a detector, UsageError for a class it cannot say
    or a device this machine lacks.
    """

    def __init__(self, weights: Path, selection: Selection, placement: Placement | None = None) -> None:
        file = weights_file(weights)
        self._model = read_model(file)
        self._placement = placement or Placement()
        try:
            card = _card_of(file, self._model)
            height, width = _input_dimensions(self._model)
            self._is_free = height.is_dynamic or width.is_dynamic
            if self._is_free:
                self._input_wh = card.size_wh or _NOMINAL_WH
            else:
                self._input_wh = (width.get_length(), height.get_length())
            self._stride = card.stride
            self._is_end_to_end = card.is_end_to_end
            labels = card.labels or _labels_by_shape(self._model)
            self._n_classes = len(labels)
            self._networks: OrderedDict[tuple[int, int], _Network] = OrderedDict()
            self._network_for(_likely_frame_wh(self._input_wh))
        except ModelError as error:
            raise ModelError(f"{file}: {error}") from error
        self._readout = Readout.of(labels, selection)
        self._name = f"{model_name(weights)}/{_precision_of(self._model)}"

    @property
    def name(self) -> str:
        """Model name with the precision of its weights, e.g. ``vedette-n/int8``."""
        return self._name

    @property
    def labels(self) -> tuple[str, ...]:
        """Every word this detector can say, in class order."""
        return self._readout.labels

    @property
    def input_wh(self) -> tuple[int, int]:
        """Preferred analysis size (width, height) in pixels; a frame that fits in it is not scaled again."""
        return self._input_wh

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Detections of each frame, in order, boxes in source pixels (of the frame itself when the source is unknown).

        Raises InferenceError when the runtime fails, ValueError for a frame without a picture.
        """
        found: list[Detections] = []
        for frame_wh, group in groupby(frames, key=_size_of):
            letterbox, network = self._network_for(frame_wh)
            alike = list(group)
            raws = network.run(letterbox.to_input_i420(_picture(frame)) for frame in alike)
            for frame, raw in zip(alike, raws, strict=True):
                found.append(self._readout.detections(raw, network.head, letterbox, frame.ref.source_wh))
        return found

    def run_bare(self, frames: Sequence[Frame]) -> int:
        """Run the network alone over frames of one size, prepared beforehand, and count the pictures it took.

        For measuring what the runtime itself can do; see :func:`pipeline.detect.throughput.bare_throughput`.
        """
        letterbox, network = self._network_for(_size_of(frames[0]))
        inputs = [letterbox.to_input_i420(_picture(frame)) for frame in frames]
        return sum(1 for _ in network.run(inputs))

    def _network_for(self, frame_wh: tuple[int, int]) -> tuple[Letterbox, _Network]:
        """The letterbox and the compiled network for frames of this size; compiles a free model's new shape."""
        input_wh = input_wh_for(frame_wh, self._input_wh, self._stride) if self._is_free else self._input_wh
        if input_wh not in self._networks:
            self._networks[input_wh] = self._compile(input_wh)
        self._networks.move_to_end(input_wh)
        while len(self._networks) > _MAX_SHAPES:
            self._networks.popitem(last=False)
        return Letterbox.fit(frame_wh, input_wh, may_enlarge=not self._is_free), self._networks[input_wh]

    def _compile(self, input_wh: tuple[int, int]) -> _Network:
        model = _with_i420_input(self._model, input_wh)
        head = head_of(tuple(model.outputs[0].shape), self._n_classes, input_wh, is_end_to_end=self._is_end_to_end)
        return _Network(compile_model(model, self._placement), head)


class _Network:
    """One compiled shape with a ring of requests, so that every stream has the next picture waiting."""

    def __init__(self, compiled: ov.CompiledModel, head: Head) -> None:
        self.head = head
        self._shape = tuple(compiled.inputs[0].shape)  # (B, H * 3 / 2, W, 1)
        self._requests = [compiled.create_infer_request() for _ in range(2 * stream_count(compiled))]

    def run(self, pictures: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        """Raw output (rows, columns) of each I420 picture, in order; valid until the next one is asked for.

        Raises InferenceError when the runtime fails.
        """
        idle, running = deque(self._requests), deque[tuple[ov.InferRequest, int]]()
        try:
            for batch, count in _batches(pictures, self._shape):
                if not idle:
                    request, n_pictures = running.popleft()
                    yield from _outputs(request, n_pictures)
                    idle.append(request)
                request = idle.popleft()
                request.start_async([batch])
                running.append((request, count))
            while running:
                yield from _outputs(*running.popleft())
        except RuntimeError as error:
            raise InferenceError(f"OpenVINO failed while detecting ({error})") from error
        finally:
            for request, _ in running:
                with suppress(RuntimeError):  # only reached while another error is on its way to the caller
                    request.wait()


def _outputs(request: ov.InferRequest, n_pictures: int) -> Iterator[NDArray[np.float32]]:
    """Wait for a request, then its raw outputs as views, one per real picture, (B, r, c) -> (r, c)."""
    request.wait()
    raw = request.output_tensors[0].data
    yield from raw[:n_pictures]


def _batches(pictures: Iterable[NDArray[np.uint8]], shape: tuple[int, ...]) -> Iterator[tuple[NDArray[np.uint8], int]]:
    """Pictures in the batches a model of fixed batch size asks for; the last is filled up by repeating its last one."""
    batch: list[NDArray[np.uint8]] = []
    for picture in pictures:
        batch.append(picture)
        if len(batch) == shape[0]:
            yield np.stack(batch).reshape(shape), len(batch)
            batch = []
    if batch:
        filled = [*batch, *[batch[-1]] * (shape[0] - len(batch))]
        yield np.stack(filled).reshape(shape), len(batch)


def _likely_frame_wh(input_wh: tuple[int, int]) -> tuple[int, int]:
    """The 16:9 picture that most cameras give, so that a free model is compiled for it before the first frame."""
    width, height = input_wh
    return width, min(height, width * 9 // 16 // 2 * 2)


def _size_of(frame: Frame) -> tuple[int, int]:
    return frame.size_wh


def _picture(frame: Frame) -> NDArray[np.uint8]:
    if frame.i420 is None:
        raise ValueError(f"{frame.ref.key}: a tick has no picture to look at")
    return frame.i420


def _card_of(file: Path, model: ov.Model) -> ModelCard:
    """The file beside the weights first, then what ONNX (``framework``) or OpenVINO (``model_info``) carry inside."""
    inside = [_plain(model.get_rt_info()[key]) for key in ("framework", "model_info") if model.has_rt_info(key)]
    return card_from_fields(merge_fields(read_card_file(file.with_name("metadata.yaml")), *inside))


def _plain(section: object) -> Mapping[str, object]:
    """A section of OpenVINO's run-time information as a map of plain values."""
    value = getattr(section, "value", section)
    if not isinstance(value, Mapping):
        return {}
    return {str(key): getattr(entry, "value", entry) for key, entry in value.items()}


def _input_dimensions(model: ov.Model) -> tuple[ov.Dimension, ov.Dimension]:
    """Height and width of the model's one picture input.

    Raises ModelError when the model is of another kind, naming what was found.
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ModelError(
            f"it has {len(model.inputs)} inputs and {len(model.outputs)} outputs; a YOLO detector has one each"
        )
    shape = model.inputs[0].partial_shape
    if shape.rank.is_dynamic or len(shape) != 4 or shape[1] != 3:
        raise ModelError(f"its input has shape {shape}, and a YOLO detector takes (batch, 3, height, width)")
    height, width = shape[2], shape[3]
    for side in (height, width):
        if side.is_static and (side.get_length() % 2 or side.get_length() < 32):
            raise ModelError(f"its input has shape {shape}; height and width have to be even and at least 32")
    return height, width


def _labels_by_shape(model: ov.Model) -> tuple[str, ...]:
    """COCO's words for a nameless model with 80 classes.

    Raises ModelError for any other nameless model: a number is not a word an alert can use.
    """
    shape = model.outputs[0].partial_shape
    if shape.rank.is_static and len(shape) == 3 and (shape[1] == 84 or shape[2] == 85):
        return COCO_80
    raise ModelError("nothing names its classes; put the metadata.yaml of its export beside it")


def _with_i420_input(model: ov.Model, input_wh: tuple[int, int]) -> ov.Model:
    """The model for one picture size, taking (B, H * 3 / 2, W, 1) uint8 I420 instead of (B, 3, H, W) float RGB 0..1.

    Raises ModelError when the model refuses the shape.
    """
    width, height = input_wh
    model = model.clone()
    batch = model.inputs[0].partial_shape[0]
    try:
        if model.is_dynamic():
            model.reshape([1 if batch.is_dynamic else batch.get_length(), 3, height, width])
        steps = PrePostProcessor(model)
        steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
        steps.input().tensor().set_color_format(ColorFormat.I420_SINGLE_PLANE)
        steps.input().preprocess().convert_color(ColorFormat.RGB).convert_element_type(ov.Type.f32).scale(255.0)
        steps.input().model().set_layout(ov.Layout("NCHW"))
        steps.output().tensor().set_element_type(ov.Type.f32)
        model = steps.build()
    except RuntimeError as error:
        raise ModelError(f"it cannot take pictures of {width}x{height}") from error
    if model.outputs[0].partial_shape.is_dynamic:
        raise ModelError(
            f"its output {model.outputs[0].partial_shape} has no fixed shape for pictures of {width}x{height}"
        )
    return model


def _precision_of(model: ov.Model) -> str:
    """``int8``, ``fp16`` or ``fp32``: how the weights are stored."""
    if is_quantised(model):
        return "int8"
    types = {node.get_element_type() for node in model.get_ops() if node.get_type_name() == "Constant"}
    return "fp16" if ov.Type.f16 in types else "fp32"
