"""From an ultralytics checkpoint to an OpenVINO folder: what a person does once, for speed on a CPU.

In: a ``.pt`` file, or the name of a published one. Out: a folder that ``OpenVinoDetector`` takes. ultralytics' own
exporter does the work, on a copy, so that nothing is written beside the weights. Needs the extra ``models``.
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any, Literal

from pipeline.detect.checkpoint import ALIAS, checked_wh, load_checkpoint, located
from pipeline.errors import ModelError, StorageError, UsageError

__all__ = ["Precision", "export"]

Precision = Literal["fp32", "fp16", "int8"]


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
    weights = located(weights)
    _, card = load_checkpoint(weights, is_trusted=is_trusted)  # vets the pickle, which is opened freely below
    width, height = checked_wh(input_wh, card.stride)
    from ultralytics import YOLO

    arguments: dict[str, Any] = {"quantize": {"fp32": None, "fp16": 16, "int8": 8}[precision]}
    if precision == "int8":
        arguments["data"] = str(calibration)
    try:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(shutil.copyfile(weights, Path(folder) / ALIAS))
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
