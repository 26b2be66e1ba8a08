"""The torch detector: safe loading, export, and agreement with OpenVINO on the same weights."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.detect.openvino import OpenVinoDetector
from pipeline.detect.selection import Selection
from pipeline.errors import ModelError, UsageError
from pipeline.openvino_runtime import Placement
from pipeline.types import Detections, Frame
from tests.unit.detect import checkpoints, toys

torch = pytest.importorskip("torch", reason="needs the extra 'models'")
pytest.importorskip("ultralytics", reason="needs the extra 'models'")

from pipeline.detect import ultralytics as ours  # noqa: E402
from pipeline.detect.checkpoint import download  # noqa: E402
from pipeline.detect.export import export  # noqa: E402
from pipeline.detect.ultralytics import UltralyticsDetector  # noqa: E402

pytestmark = pytest.mark.models

CONFIDENT = Selection(min_confidence=0.6)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A YOLO11 checkpoint: anchor-free head, needs suppression."""
    return checkpoints.checkpoint(tmp_path_factory.mktemp("plain") / "toy11.pt")


@pytest.fixture(scope="module")
def nms_free(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A YOLO26 checkpoint: end-to-end head."""
    return checkpoints.checkpoint(tmp_path_factory.mktemp("free") / "toy26.pt", "yolo26n")


def frames(n: int = 3, size_wh: tuple[int, int] = checkpoints.SIZE_WH) -> list[Frame]:
    return [toys.frame(each, seq=i) for i, each in enumerate(checkpoints.pictures(n, size_wh=size_wh))]


def matched(one: Detections, other: Detections) -> float:
    """Share of the boxes of ``one`` that ``other`` has too: same label, overlapping by more than 0.8."""
    low = np.maximum(one.xyxy[:, None, :2], other.xyxy[None, :, :2])
    high = np.minimum(one.xyxy[:, None, 2:], other.xyxy[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(axis=2)
    areas = [(each.xyxy[:, 2:] - each.xyxy[:, :2]).prod(axis=1) for each in (one, other)]
    is_same = np.array(one.label)[:, None] == np.array(other.label)[None]
    overlap = np.where(is_same, common / (areas[0][:, None] + areas[1][None] - common), 0)
    return float((overlap.max(axis=1) > 0.8).mean())


@pytest.mark.parametrize(("kind", "is_free_shape"), [("plain", False), ("nms_free", True)])
def test_both_runtimes_see_the_same_with_exported_weights(kind, is_free_shape, request, tmp_path):
    weights, size_wh = request.getfixturevalue(kind), checkpoints.SIZE_WH
    folder = export(weights, tmp_path / "toy", input_wh=size_wh, precision="fp32", is_free_shape=is_free_shape)
    torch_sees = UltralyticsDetector(weights, CONFIDENT, device="cpu", input_wh=None if is_free_shape else size_wh)
    openvino_sees = OpenVinoDetector(folder, CONFIDENT, Placement(threads=1, precision="f32"))
    assert openvino_sees.labels == torch_sees.labels == checkpoints.LABELS
    assert openvino_sees.input_wh == checkpoints.SIZE_WH
    assert openvino_sees.name == "toy/fp32"
    for ours_, theirs in zip(torch_sees.detect(frames()), openvino_sees.detect(frames()), strict=True):
        assert len(ours_) > 5
        # Random weights magnify the last bit of the colour conversion; trained ones agree to a fraction of a pixel
        # (tests/contract/test_detector.py).
        assert min(matched(ours_, theirs), matched(theirs, ours_)) > 0.8


def test_single_equals_batched(plain):
    detector = UltralyticsDetector(plain, CONFIDENT, device="cpu")
    for frame, batched in zip(frames(), detector.detect(frames()), strict=True):
        (single,) = detector.detect([frame])
        assert single.label == batched.label
        np.testing.assert_allclose(single.xyxy, batched.xyxy, atol=1e-3)


def test_each_picture_at_its_own_size(plain):
    detector = UltralyticsDetector(plain, CONFIDENT, device="cpu")
    assert (detector.name, detector.input_wh) == ("toy11/fp32", (128, 128))
    mixed = [*frames(1), *frames(1, (96, 128)), *frames(1, (64, 64))]
    assert [len(found) > 0 for found in detector.detect(mixed)] == [True] * 3
    assert detector.run_bare(frames(2)) == 2


class _Payload:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.marker),)


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    marker = tmp_path / "ran"
    torch.save({"model": _Payload(marker)}, tmp_path / "evil.pt")
    with pytest.raises(ModelError, match=r"evil\.pt: not a checkpoint that can be read safely"):
        UltralyticsDetector(tmp_path / "evil.pt", CONFIDENT)
    with pytest.raises(ModelError):
        export(tmp_path / "evil.pt", tmp_path / "out", input_wh=(64, 64))
    assert not marker.exists()


@pytest.mark.filterwarnings("ignore")
def test_damaged_and_foreign_files_are_refused(tmp_path, plain):
    (tmp_path / "zero.pt").touch()
    (tmp_path / "noise.pt").write_bytes(np.random.default_rng(0).bytes(4000))
    (tmp_path / "cut.pt").write_bytes(plain.read_bytes()[:100_000])
    (tmp_path / "pickle.pt").write_bytes(pickle.dumps({"model": 1}))
    torch.save({"weights": torch.zeros(3)}, tmp_path / "other.pt")
    torch.save(torch.zeros(3), tmp_path / "tensor.pt")
    torch.jit.save(torch.jit.script(torch.nn.ReLU()), str(tmp_path / "script.pt"))
    for name in ("zero", "noise", "cut", "pickle", "other", "tensor", "script"):
        with pytest.raises(ModelError, match=rf"{name}\.pt: ") as caught:
            UltralyticsDetector(tmp_path / f"{name}.pt", CONFIDENT)
        assert "\n" not in str(caught.value)


def test_other_tasks_and_missing_files_are_named(tmp_path):
    with pytest.raises(ModelError, match="ends in 'Pose'"):
        UltralyticsDetector(checkpoints.other_task(tmp_path / "pose.pt"), CONFIDENT)
    with pytest.raises(ModelError, match="no such model file"):
        UltralyticsDetector(tmp_path / "absent.pt", CONFIDENT)
    (tmp_path / "model.h5").touch()
    with pytest.raises(ModelError, match=r"'\.h5'"):
        UltralyticsDetector(tmp_path / "model.h5", CONFIDENT)


def test_a_file_named_like_a_published_one_is_used_as_it_is(tmp_path, plain):
    # ultralytics itself would look for yolov5nu.pt on the net, and drop the quote from the path.
    folder = tmp_path / "it's here"
    folder.mkdir()
    detector = UltralyticsDetector(Path(shutil.copyfile(plain, folder / "yolov5n.pt")), CONFIDENT, device="cpu")
    assert detector.labels == checkpoints.LABELS


def test_weights_by_name_are_fetched_once_and_kept(tmp_path, plain, monkeypatch):
    from ultralytics.utils import downloads

    asked = []

    def fetch(file: str) -> str:
        if not Path(file).exists():
            asked.append(Path(file).name)
            shutil.copyfile(plain, file)
        return file

    monkeypatch.setattr(downloads, "attempt_download_asset", fetch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for _ in range(2):
        assert UltralyticsDetector("yolo26n.pt", CONFIDENT, device="cpu").name == "yolo26n/fp32"
    assert asked == ["yolo26n.pt"]
    assert [file.name for file in (tmp_path / "vedette" / "weights").iterdir()] == ["yolo26n.pt"]


def test_weights_that_cannot_be_fetched_leave_nothing_behind(tmp_path, monkeypatch):
    from ultralytics.utils import downloads

    def fail(*_: object, **__: object) -> str:
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(downloads, "attempt_download_asset", fail)
    with pytest.raises(ModelError, match=r"yolo26n\.pt: the weights cannot be downloaded from here") as caught:
        download("yolo26n.pt", tmp_path)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ModelError, match="no weights of that name"):
        download("yolo99z.pt", tmp_path)


def test_unusable_requests_are_usage_errors(tmp_path, plain):
    with pytest.raises(UsageError, match="expected auto, cpu, cuda"):
        UltralyticsDetector(plain, CONFIDENT, device="abacus")
    with pytest.raises(UsageError, match="no such GPU"):
        UltralyticsDetector(plain, CONFIDENT, device="cuda:99")
    with pytest.raises(UsageError, match="multiples of 32, got 100x96"):
        UltralyticsDetector(plain, CONFIDENT, input_wh=(100, 96))
    with pytest.raises(UsageError, match="calibrate"):
        export(plain, tmp_path / "out", input_wh=(128, 96), precision="int8")
    with pytest.raises(UsageError, match="multiples of 32"):
        export(plain, tmp_path / "out", input_wh=(128, 100))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(UsageError, match="already there"):
        export(plain, tmp_path / "full", input_wh=(128, 96))
    assert not (tmp_path / "out").exists()


def test_a_missing_extra_is_one_sentence(plain, monkeypatch):
    monkeypatch.setitem(sys.modules, "ultralytics.nn", None)
    with pytest.raises(ModelError, match=r"vedette\[models\]"):
        UltralyticsDetector(plain, CONFIDENT)


def test_loading_is_quiet_and_needs_no_torchvision(plain, tmp_path):
    code = f"""
import sys
from pathlib import Path
from pipeline.detect.selection import Selection
from pipeline.detect.ultralytics import UltralyticsDetector
assert "torch" not in sys.modules and "ultralytics" not in sys.modules
UltralyticsDetector(Path({str(plain)!r}), Selection(0.5), device="cpu")
assert "torchvision" not in sys.modules
"""
    root = Path(ours.__file__).parents[2]
    made = {name: value for name, value in os.environ.items() if not name.startswith("YOLO")}
    environment = {**made, "HOME": str(tmp_path), "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
