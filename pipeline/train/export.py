"""Turns a trained student into files that detectors load: ONNX, OpenVINO FP16, OpenVINO INT8; each checked against
torch.

In: a student and pictures to calibrate with. Out: a folder each, ``NAME.xml``, ``NAME.bin``, ``metadata.yaml`` in the
layout of ultralytics exports (``(B, 4 + classes, N)``, ``xywh`` in input pixels, RGB 0..1 in), plus ``NAME.onnx``. An
export that disagrees with torch is deleted and refused. The only door to ``nncf``; ``openvino`` is opened here to
convert and save, everything else goes through ``pipeline/openvino_runtime.py``.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray

from pipeline.errors import ModelError, StorageError, UsageError
from pipeline.openvino_runtime import Placement, compile_model, kept_signal_stack, read_model
from pipeline.train.decode import Forward, Letterbox, decode, iou_matrix, letterbox
from pipeline.train.evaluation import torch_forward
from pipeline.train.samples import CLASSES, read_manifest, read_rgb
from pipeline.train.storage import write_atomically
from pipeline.train.student import STRIDES, Student, deployable

__all__ = ["Agreement", "ExportConfig", "Exported", "agreement", "export", "openvino_forward"]


@dataclass(frozen=True, slots=True)
class ExportConfig:
    """``calibration``: manifests whose pictures set the INT8 ranges (never held-out ones); ``name`` of the files.

    ``min_matched``: share of torch's sure objects (confidence 0.4) that an export must find again at IoU 0.7, INT8 at
    0.5.
    """

    out: Path
    calibration: tuple[Path, ...]
    name: str = "vedette-n"
    size_wh: tuple[int, int] = (640, 384)
    calibration_pictures: int = 300
    check_pictures: int = 40
    min_matched_exact: float = 0.99
    min_matched_int8: float = 0.85
    seed: int = 7
    description: str = "Vedette bundled detector"

    def __post_init__(self) -> None:
        if not self.calibration:
            raise UsageError("calibration: expected at least one manifest")
        if self.calibration_pictures < 1 or self.check_pictures < 1:
            raise UsageError("calibration_pictures and check_pictures: expected at least 1")


@dataclass(frozen=True, slots=True)
class Agreement:
    """How an export compares with torch.

    Objects torch is sure of, share found again, mean IoU, largest confidence gap.
    """

    objects: int
    matched: float
    mean_iou: float
    worst_confidence_gap: float


@dataclass(frozen=True, slots=True)
class Exported:
    """One exported model: its folder or file, bytes on disk, and its agreement with torch."""

    kind: str
    path: Path
    size_bytes: int
    agreement: Agreement


def agreement(reference: Forward, other: Forward, planes: Sequence[NDArray[np.float32]], min_iou: float) -> Agreement:
    """Compare two forward functions on the same inputs (each (1, 3, H, W)), object by object.

    An object of ``reference`` (after suppression, confidence 0.4) is found again when any cell of ``other`` says its
    class with a confidence of 0.1 and a box of at least ``min_iou``. Suppression is left out of the comparison: it is
    the same code for both, and turns the smallest difference between two neighbours into another choice.
    """
    fitted = Letterbox(1.0, (0.0, 0.0))
    objects = 0
    overlaps: list[float] = []
    gaps: list[float] = []
    for item in planes:
        expected = decode(reference(item)[0], fitted, (item.shape[3], item.shape[2]), 0.4)
        raw = other(item)[0]  # (4 + classes, N)
        corners = np.concatenate((raw[:2] - raw[2:4] / 2, raw[:2] + raw[2:4] / 2)).T
        limit = np.array([item.shape[3], item.shape[2]] * 2, np.float32)
        overlap = iou_matrix(expected.xyxy, np.clip(corners, 0, limit).astype(np.float32))  # (objects, N)
        objects += len(expected.classes)
        for row, label, confidence in zip(overlap, expected.classes, expected.confidence, strict=True):
            near = row * (raw[4 + label] >= 0.1)
            if near.max() >= min_iou:
                overlaps.append(float(near.max()))
                gaps.append(abs(float(confidence) - float(raw[4 + label, near >= min_iou].max())))
    matched = len(overlaps) / objects if objects else 1.0
    return Agreement(objects, matched, float(np.mean(overlaps)) if overlaps else 0.0, max(gaps, default=0.0))


def openvino_forward(path: Path, threads: int = 2) -> Forward:
    """A forward function over an OpenVINO package (its ``.xml``) or an ONNX file, in float32 where it is not INT8.

    Raises :class:`ModelError` when it cannot be read or compiled.
    """
    compiled = compile_model(read_model(path), Placement(threads=threads, streams=1, precision="f32"))

    def forward(planes: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(compiled([planes])[0], np.float32)

    return forward


def _inputs(
    manifests: Sequence[Path], size_wh: tuple[int, int], count: int, seed: int
) -> Iterator[NDArray[np.float32]]:
    """Letterboxed pictures (1, 3, H, W), drawn without repetition, the manifests taking turns."""
    rng = np.random.default_rng(seed)
    shuffled = [[samples[i] for i in rng.permutation(len(samples))] for samples in map(read_manifest, manifests)]
    turns = (sample for row in zip_longest(*shuffled) for sample in row if sample is not None)
    pictures = (rgb for rgb in (read_rgb(sample.path) for sample in turns) if rgb is not None)
    given = 0
    for rgb in islice(pictures, count):
        yield letterbox(rgb, size_wh)[0]
        given += 1
    if not given:
        raise UsageError(f"{', '.join(map(str, manifests))}: no picture decodes: nothing to calibrate with")


def _metadata(config: ExportConfig, kind: str) -> bytes:
    """``metadata.yaml`` with the keys of an ultralytics export."""
    width, height = config.size_wh
    tree = {
        "description": f"{config.description}, {kind}",
        "author": "Vedette",
        "license": "AGPL-3.0",
        "version": "1",
        "task": "detect",
        "stride": max(STRIDES),
        "batch": 1,
        "imgsz": [height, width],
        "names": dict(enumerate(CLASSES)),
        "channels": 3,
        "end2end": False,
        "args": {"dynamic": True, "half": kind == "fp16", "int8": kind == "int8", "nms": False},
    }
    return yaml.safe_dump(tree, sort_keys=False).encode()


def _stamp(model: Any, config: ExportConfig) -> None:
    """Labels inside the model as well, where OpenVINO's own tools look for them."""
    width, height = config.size_wh
    model.set_rt_info("YOLO", ["model_info", "model_type"])
    model.set_rt_info(" ".join(CLASSES), ["model_info", "labels"])
    model.set_rt_info(f"{width} {height}", ["model_info", "input_wh"])


def _to_openvino(network: torch.nn.Module, config: ExportConfig) -> Any:
    import openvino

    width, height = config.size_wh
    example = torch.rand(2, 3, height, width)
    model = openvino.convert_model(network, example_input=example, input=[-1, 3, height, width])
    model.input(0).get_tensor().set_names({"images"})
    model.output(0).get_tensor().set_names({"output0"})
    _stamp(model, config)
    return model


def _to_int8(model: Any, config: ExportConfig) -> Any:
    """Post-training quantisation.

    Box decoding and scores stay in floating point, INT8 would round box edges to pixels.
    """
    import nncf

    nncf.set_log_level(40)
    pictures = list(_inputs(config.calibration, config.size_wh, config.calibration_pictures, config.seed))
    last = _tail_names(model)
    with kept_signal_stack():
        quantised = nncf.quantize(
            model,
            nncf.Dataset(pictures),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(pictures),
            fast_bias_correction=True,
            ignored_scope=nncf.IgnoredScope(names=last, validate=False),
        )
    _stamp(quantised, config)
    return quantised


def _tail_names(model: Any) -> list[str]:
    """Names of every operation behind the last convolutions: decoding, not the network."""
    heavy = {"Convolution", "GroupConvolution"}
    names: list[str] = []
    seen: set[str] = set()
    queue = [model.get_results()[0]]
    while queue:
        node = queue.pop()
        name = node.get_friendly_name()
        if name in seen or node.get_type_name() in heavy:
            continue
        seen.add(name)
        if node.get_type_name() not in ("Result", "Constant"):
            names.append(name)
        # a bias after the last convolution belongs to it, but nothing in front of the convolution is visited
        queue.extend(node.input_value(i).get_node() for i in range(node.get_input_size()))
    return names


def _save_openvino(model: Any, folder: Path, config: ExportConfig, kind: str) -> Path:
    """Write a package beside its place and move it there whole."""
    import openvino

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            staged = Path(scratch) / folder.name
            staged.mkdir()
            openvino.save_model(model, str(staged / f"{config.name}.xml"), compress_to_fp16=True)
            write_atomically(staged / "metadata.yaml", _metadata(config, kind))
            if folder.exists():
                shutil.rmtree(folder)
            staged.rename(folder)
    except (OSError, RuntimeError) as error:
        raise StorageError(f"{folder}: the export cannot be written: {error}") from error
    return folder / f"{config.name}.xml"


def _to_onnx(network: torch.nn.Module, path: Path, config: ExportConfig) -> None:
    width, height = config.size_wh
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            staged = Path(scratch) / path.name
            torch.onnx.export(
                network,
                (torch.rand(2, 3, height, width),),
                str(staged),
                input_names=["images"],
                output_names=["output0"],
                dynamic_axes={"images": {0: "batch"}, "output0": {0: "batch"}},
                opset_version=17,
                dynamo=False,  # the newer exporter needs onnxscript, and gained nothing here
            )
            staged.replace(path)
    except OSError as error:
        raise StorageError(f"{path}: the export cannot be written: {error}") from error


def _check(
    kind: str,
    path: Path,
    reference: Forward,
    forward: Forward,
    planes: Sequence[NDArray[np.float32]],
    config: ExportConfig,
) -> Exported:
    """Refuse and delete an export that disagrees with torch."""
    is_int8 = kind == "int8"
    found = agreement(reference, forward, planes, 0.5 if is_int8 else 0.7)
    wanted = config.min_matched_int8 if is_int8 else config.min_matched_exact
    place = path if path.suffix == ".onnx" else path.parent
    if found.matched < wanted:
        place.unlink() if place.is_file() else shutil.rmtree(place)
        raise ModelError(
            f"the {kind} export disagrees with torch: {found.matched:.1%} of {found.objects} objects found again, "
            f"expected {wanted:.0%}; the export was deleted"
        )
    files = [place] if place.is_file() else list(place.iterdir())
    return Exported(kind, place, sum(f.stat().st_size for f in files), found)


def export(
    student: Student, config: ExportConfig, kinds: Sequence[str] = ("onnx", "fp16", "int8")
) -> tuple[Exported, ...]:
    """Write the asked kinds below ``config.out`` and check each; raises :class:`ModelError` when one disagrees."""
    unknown = sorted(set(kinds) - {"onnx", "fp16", "int8"})
    if unknown or not kinds:
        raise UsageError(f"unknown kind of export {', '.join(unknown)}: expected onnx, fp16, int8")
    network = deployable(student, config.size_wh)
    reference = torch_forward(network)
    planes = list(_inputs(config.calibration, config.size_wh, config.check_pictures, config.seed + 1))
    done: list[Exported] = []
    if "onnx" in kinds:
        path = config.out / f"{config.name}.onnx"
        _to_onnx(network, path, config)
        done.append(_check("onnx", path, reference, openvino_forward(path), planes, config))
    if "fp16" in kinds or "int8" in kinds:
        model = _to_openvino(network, config)
        if "fp16" in kinds:
            xml = _save_openvino(model, config.out / "fp16", config, "fp16")
            done.append(_check("fp16", xml, reference, openvino_forward(xml), planes, config))
        if "int8" in kinds:
            xml = _save_openvino(_to_int8(model, config), config.out / "int8", config, "int8")
            done.append(_check("int8", xml, reference, openvino_forward(xml), planes, config))
    return tuple(done)
