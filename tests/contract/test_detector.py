"""What every Detector promises, over every implementation; and, with real weights at hand, that they agree."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from pipeline.detect.openvino import OpenVinoDetector
from pipeline.detect.selection import COCO_80, Selection
from pipeline.openvino_runtime import Placement
from pipeline.protocols import Detector
from pipeline.types import Detections, Frame
from tests.unit.detect import checkpoints, toys

SHARED = Path(__file__).resolve().parents[2] / "../shared/data"
SELECTION = Selection(min_confidence=0.6)
EXACT = Placement(threads=1, precision="f32")


def _openvino_fixed(folder: Path) -> Detector:
    return OpenVinoDetector(toys.save(toys.network(), folder, card=toys.card()), SELECTION, EXACT)


def _openvino_free(folder: Path) -> Detector:
    model = toys.network("end_to_end", batch=-1, size_wh=(-1, -1))
    return OpenVinoDetector(toys.save(model, folder, card=toys.card(imgsz=[96, 128])), SELECTION, EXACT)


def _openvino_square_batch_of_two(folder: Path) -> Detector:
    model = toys.network("objectness", batch=2, size_wh=(128, 128))
    return OpenVinoDetector(toys.save(model, folder, card=toys.card()), SELECTION, EXACT)


def _ultralytics(folder: Path) -> Detector:
    pytest.importorskip("torch", reason="needs the extra 'models'")
    pytest.importorskip("ultralytics", reason="needs the extra 'models'")
    from pipeline.detect.ultralytics import UltralyticsDetector

    return UltralyticsDetector(checkpoints.checkpoint(folder / "toy.pt"), SELECTION, device="cpu")


@pytest.fixture(scope="module", params=[_openvino_fixed, _openvino_free, _openvino_square_batch_of_two, _ultralytics])
def detector(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Detector:
    make: Callable[[Path], Detector] = request.param
    return make(tmp_path_factory.mktemp(make.__name__))


def frames(source_wh: tuple[int, int] = (0, 0)) -> list[Frame]:
    rng = np.random.default_rng(3)
    cells = [{(0, 0): "red", (2, 1): "blue"}, {(3, 2): "green"}, {(1, 1): "blue"}]
    loud = [toys.picture((128, 96), each) for each in cells]
    noisy = [*loud, *checkpoints.pictures(2), rng.integers(16, 236, (144, 128), dtype=np.uint8)]
    return [toys.frame(each, seq=i, source_wh=source_wh) for i, each in enumerate(noisy)]


def same(one: Detections, other: Detections, atol: float = 0.0) -> None:
    assert one.label == other.label
    np.testing.assert_allclose(one.xyxy, other.xyxy, rtol=0, atol=atol)
    np.testing.assert_allclose(one.confidence, other.confidence, rtol=0, atol=atol)


def test_it_says_what_it_is(detector):
    model, precision = detector.name.rsplit("/", 1)
    assert model
    assert precision in ("fp32", "fp16", "int8")
    assert len(set(detector.labels)) == len(detector.labels) > 0
    assert all(side > 0 and side % 2 == 0 for side in detector.input_wh)


def test_detections_are_well_formed(detector):
    found = detector.detect(frames((640, 480)))
    assert len(found) == len(frames())
    assert sum(map(len, found)) > 3
    for each in found:
        assert set(each.label) <= set(detector.labels)
        assert ((each.confidence >= 0.6) & (each.confidence <= 1.0)).all()
        assert (np.diff(each.confidence) <= 0).all()
        assert (each.xyxy[:, :2] >= 0).all()
        assert (each.xyxy[:, 2:] <= [640, 480]).all()
        assert (each.xyxy[:, 2:] > each.xyxy[:, :2]).all()


def test_single_equals_batched_in_any_order(detector):
    batched = detector.detect(frames())
    for frame, expected in zip(frames(), batched, strict=True):
        same(detector.detect([frame])[0], expected, atol=1e-3)
    for found, expected in zip(detector.detect(frames()[::-1]), batched[::-1], strict=True):
        same(found, expected, atol=1e-3)


def test_source_size_only_scales_the_boxes(detector):
    for plain, scaled in zip(detector.detect(frames()), detector.detect(frames((1280, 960))), strict=True):
        assert plain.label == scaled.label
        np.testing.assert_allclose(plain.xyxy * 10, scaled.xyxy, atol=0.02)


def test_nothing_in_nothing_out(detector):
    assert detector.detect([]) == []


def test_a_tick_is_refused_and_the_detector_lives_on(detector):
    before = detector.detect(frames()[:1])
    with pytest.raises(ValueError, match="tick"):
        detector.detect([*frames()[:1], toys.frame(None)])
    same(detector.detect(frames()[:1])[0], before[0], atol=1e-3)


def test_frames_are_left_as_they_were(detector):
    given = frames()
    before = [frame.i420.copy() for frame in given if frame.i420 is not None]
    detector.detect(given)
    for frame, kept in zip(given, before, strict=True):
        np.testing.assert_array_equal(frame.i420, kept)


# With real weights and footage, which are never part of the repository.

real = pytest.mark.skipif(
    not (SHARED / "weights/yolo11n_recovered.pt").is_file() or not (SHARED / "footage").is_dir(),
    reason="needs ../shared/data with weights and footage",
)


def footage(clip: str, size_wh: tuple[int, int], n: int = 3, step: int = 40) -> list[Frame]:
    """Every ``step``-th picture of a clip, scaled."""
    taken: list[Frame] = []
    with av.open(str(SHARED / "footage" / clip)) as container:
        for index, picture in enumerate(container.decode(video=0)):
            if index % step == 0:
                rgb = cv2.resize(picture.to_ndarray(format="rgb24"), size_wh, interpolation=cv2.INTER_AREA)
                i420 = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420), np.uint8)
                taken.append(toys.frame(i420, seq=len(taken), source_wh=(picture.width, picture.height)))
            if len(taken) == n:
                break
    return taken


@real
@pytest.mark.models
def test_trained_weights_agree_across_runtimes_to_a_fraction_of_a_pixel(tmp_path):
    pytest.importorskip("ultralytics", reason="needs the extra 'models'")
    from pipeline.detect.export import export
    from pipeline.detect.ultralytics import UltralyticsDetector

    weights = SHARED / "weights/yolo11n_recovered.pt"
    folder = export(weights, tmp_path / "y", input_wh=(640, 640), precision="fp32")
    selection = Selection(min_confidence=0.3)
    one = OpenVinoDetector(folder, selection, Placement(precision="f32"))
    other = UltralyticsDetector(weights, selection, device="cpu", input_wh=(640, 640))
    shown = footage("street_night_group.mp4", (640, 360)) + footage("intel_person_bicycle_car.mp4", (480, 270))
    pairs = list(zip(one.detect(shown), other.detect(shown), strict=True))
    assert sum(len(found) for found, _ in pairs) > 15
    for found, expected in pairs:
        assert sorted(found.label) == sorted(expected.label)
        np.testing.assert_allclose(np.sort(found.xyxy, axis=0), np.sort(expected.xyxy, axis=0), atol=1.0)
        np.testing.assert_allclose(found.confidence, expected.confidence, atol=0.02)


@real
def test_a_published_int8_export_sees_people_on_real_footage():
    folder = SHARED / "weights/yolo11n_int8_openvino_model"
    detector = OpenVinoDetector(folder, Selection(0.4, labels=("person", "vehicle")))
    assert (detector.name, detector.labels, detector.input_wh) == ("yolo11n/int8", COCO_80, (640, 640))
    shown = footage("street_night_group.mp4", (640, 360))
    for found in detector.detect(shown):
        assert found.label.count("person") >= 2


@real
def test_real_pose_weights_and_other_networks_are_refused():
    from pipeline.errors import ModelError

    with pytest.raises(ModelError, match="pose model"):
        OpenVinoDetector(SHARED / "weights/yolov8n-pose_int8_openvino_model", SELECTION)
    with pytest.raises(ModelError, match=r"output has shape|output \[|metadata.yaml"):
        OpenVinoDetector(SHARED / "weights/osnet_x0_25_msmt17", SELECTION)
