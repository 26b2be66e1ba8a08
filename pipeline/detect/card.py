"""What an exported model says about itself: class names, task, picture size; as ultralytics and others write it down.

In: ``metadata.yaml`` beside the weights, or the key-value pairs inside an ONNX or OpenVINO file. Out: ``ModelCard``.
Everything here comes from a file somebody downloaded, so every field is checked. Next file: ``openvino.py``.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from pipeline.errors import ModelError

__all__ = ["ModelCard", "card_from_fields", "merge_fields", "model_name", "read_card_file", "weights_file"]

_MAX_CARD_BYTES = 1 << 20
_MAX_CLASSES = 10_000
_TASK_WORDS = {
    "pose": "a pose model",
    "segment": "a segmentation model",
    "classify": "a classifier",
    "obb": "a model of rotated boxes",
}


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What is known of a model before it is compiled.

    ``labels`` in class order, empty when nothing names them; ``size_wh`` the picture size it was exported for, None
    when unknown; ``is_end_to_end`` whether it removes doubles itself, None when the export does not say.
    """

    labels: tuple[str, ...]
    size_wh: tuple[int, int] | None
    stride: int
    is_end_to_end: bool | None


def weights_file(path: Path) -> Path:
    """The ``.xml`` or ``.onnx`` file that ``path`` (a file, or a folder holding exactly one) means.

    Raises ModelError when there is none, or more than one.
    """
    if path.is_file():
        if path.suffix not in (".xml", ".onnx"):
            raise ModelError(
                f"{path}: expected an OpenVINO .xml, an .onnx file or a folder with one, got '{path.suffix}'"
            )
        return path
    if not path.is_dir():
        raise ModelError(f"{path}: no such model file or folder")
    for suffix in (".xml", ".onnx"):
        found = sorted(path.glob(f"*{suffix}"))
        if len(found) > 1:
            raise ModelError(
                f"{path}: several models here ({', '.join(file.name for file in found)}); name one of them"
            )
        if found:
            return found[0]
    raise ModelError(f"{path}: no .xml or .onnx model in this folder")


def model_name(path: Path) -> str:
    """A short name for alerts and logs: the folder's or file's name without the exporters' suffixes.

    A file called ``model`` is named after its folder.
    """
    path = path.resolve()
    name = path.name if path.is_dir() else path.parent.name if path.stem == "model" else path.stem
    for suffix in ("_openvino_model", "_int8", "_fp16", "_fp32", "_half"):
        name = name.removesuffix(suffix)
    return name or "detector"


def read_card_file(path: Path) -> dict[str, object]:
    """The pairs of a ``metadata.yaml``; empty when there is no such file.

    Raises ModelError when it is there and is not a YAML map of words.
    """
    if not path.is_file():
        return {}
    try:
        if path.stat().st_size > _MAX_CARD_BYTES:
            raise ModelError(f"{path}: larger than {_MAX_CARD_BYTES} bytes, so not the metadata of a model")
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise ModelError(f"{path}: cannot be read as YAML ({type(error).__name__})") from error
    if not isinstance(fields, dict):
        raise ModelError(f"{path}: expected a map of names to values, got {type(fields).__name__}")
    return {str(key): value for key, value in fields.items()}


def merge_fields(*sources: Mapping[str, object]) -> dict[str, object]:
    """One map of fields; an earlier source wins, so the file beside the weights beats what is inside them."""
    merged: dict[str, object] = {}
    for source in reversed(sources):
        merged.update({key: value for key, value in source.items() if value is not None})
    return merged


def card_from_fields(fields: Mapping[str, object]) -> ModelCard:
    """A checked card.

    Raises ModelError for a task other than detection, and for fields that make no sense.
    """
    task = str(fields.get("task", "detect"))
    if task != "detect":
        raise ModelError(f"this is {_TASK_WORDS.get(task, f'a model for {task!r}')}, and a detector is needed")
    stride = _literal(fields.get("stride", 32))
    if not isinstance(stride, int) or not 1 <= stride <= 256:
        raise ModelError(f"its metadata gives the stride as {str(stride)[:40]!r}")
    return ModelCard(_labels(fields), _size_wh(_literal(fields.get("imgsz"))), stride, _is_end_to_end(fields))


def _literal(value: object) -> object:
    """ONNX and OpenVINO keep every value as text: ``"[384, 640]"`` means the list."""
    if not isinstance(value, str):
        return value
    try:
        parsed: object = ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value
    return parsed


def _labels(fields: Mapping[str, object]) -> tuple[str, ...]:
    names = _literal(fields.get("names"))
    if names is None and "labels" in fields:
        # Intel's model_info keeps words apart by blanks, and blanks within a word as underscores.
        names = [word.replace("_", " ") for word in str(fields["labels"]).split()]
    if names is None:
        return ()
    if isinstance(names, Mapping):
        try:
            by_number = {int(number): name for number, name in names.items()}
        except (TypeError, ValueError) as error:
            raise ModelError("its class names are not numbered") from error
        if sorted(by_number) != list(range(len(by_number))):
            raise ModelError("its class names are not numbered from 0 without gaps")
        names = [by_number[number] for number in range(len(by_number))]
    if not isinstance(names, (list, tuple)) or len(names) > _MAX_CLASSES:
        raise ModelError("its metadata holds no list of class names")
    labels = tuple(str(name).strip() for name in names)
    for label in labels:
        if not label or len(label) > 64 or not label.isprintable():
            raise ModelError(f"its metadata holds an unusable class name, {label[:40]!r}")
    return labels


def _size_wh(imgsz: object) -> tuple[int, int] | None:
    """``imgsz`` is [height, width] or one number for both."""
    sides = [imgsz, imgsz] if isinstance(imgsz, int) else imgsz
    if sides is None:
        return None
    if not isinstance(sides, (list, tuple)) or len(sides) != 2 or not all(isinstance(side, int) for side in sides):
        raise ModelError(f"its metadata gives the picture size as {str(imgsz)[:40]!r}")
    if not all(32 <= side <= 8192 for side in sides):
        raise ModelError(f"its metadata gives the picture size as {str(imgsz)[:40]!r}")
    return int(sides[1]), int(sides[0])


def _is_end_to_end(fields: Mapping[str, object]) -> bool | None:
    arguments = _literal(fields.get("args"))
    has_nms = arguments.get("nms") if isinstance(arguments, Mapping) else None
    says = _literal(fields.get("end2end"))
    if says is True or has_nms is True:
        return True
    return False if says is False else None
