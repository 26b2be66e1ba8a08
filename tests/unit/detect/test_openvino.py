"""The OpenVINO detector over every layout, shape and precision, on true networks made on the spot."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from pipeline.detect.openvino import OpenVinoDetector
from pipeline.detect.selection import COCO_80, Selection
from pipeline.detect.throughput import bare_throughput
from pipeline.errors import ModelError, UsageError
from pipeline.openvino_runtime import Placement
from tests.unit.detect import toys

HEADS = ("anchor_free", "objectness", "end_to_end")
SURE = Selection(min_confidence=0.8)
EXACT = Placement(threads=1, precision="f32")


def load(folder: Path, model: ov.Model, selection: Selection = SURE, **fields: object) -> OpenVinoDetector:
    return OpenVinoDetector(toys.save(model, folder, card=toys.card(**fields)), selection, EXACT)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("size_wh", [(128, 96), (-1, -1)], ids=["fixed", "free"])
@pytest.mark.parametrize("batch", [1, 3, -1])
def test_every_layout_finds_the_same_squares(tmp_path, head, size_wh, batch):
    detector = load(tmp_path, toys.network(head, batch=batch, size_wh=size_wh), imgsz=[96, 128])
    cells = [{(0, 0): "red", (3, 2): "blue"}, {(1, 1): "green"}, {}, {(2, 0): "blue"}]
    found = detector.detect([toys.frame(toys.picture((128, 96), each), seq=i) for i, each in enumerate(cells)])
    seen = [
        {(round(x / 32), round(y / 32)): label for (x, y, *_), label in zip(one.xyxy, one.label, strict=True)}
        for one in found
    ]
    assert seen == cells
    np.testing.assert_allclose(found[3].xyxy, [[64, 0, 96, 32]], atol=1e-3)
    assert detector.input_wh == (128, 96)


@pytest.mark.parametrize(
    ("is_fp16", "is_quantised", "word"), [(False, False, "fp32"), (True, False, "fp16"), (False, True, "int8")]
)
def test_precisions_agree_and_are_named(tmp_path, is_fp16, is_quantised, word):
    folder = toys.save(
        toys.network(is_quantised=is_quantised), tmp_path / "toy_int8_openvino_model", card=toys.card(), is_fp16=is_fp16
    )
    detector = OpenVinoDetector(folder, SURE, EXACT)
    assert detector.name == f"toy/{word}"
    (found,) = detector.detect([toys.frame(toys.picture((128, 96), {(1, 2): "green"}))])
    assert found.label == ("green",)
    np.testing.assert_allclose(found.xyxy, [[32, 64, 64, 96]], atol=0.1)


def test_single_equals_batched_to_the_bit(tmp_path):
    detector = load(tmp_path, toys.network(), Selection(min_confidence=0.05))
    rng = np.random.default_rng(7)
    frames = [toys.frame(rng.integers(16, 236, (144, 128), dtype=np.uint8), seq=i) for i in range(9)]
    for frame, batched in zip(frames, detector.detect(frames), strict=True):
        (single,) = detector.detect([frame])
        assert single.label == batched.label
        assert len(single) > 0
        np.testing.assert_array_equal(single.xyxy, batched.xyxy)
        np.testing.assert_array_equal(single.confidence, batched.confidence)


def test_streams_and_threads_do_not_change_detections(tmp_path):
    folder = toys.save(toys.network(), tmp_path, card=toys.card())
    frames = [toys.frame(toys.picture((128, 96), {(i % 4, i % 3): "red"}), seq=i) for i in range(12)]
    one, two = (
        OpenVinoDetector(folder, SURE, Placement(threads=n, streams=n, precision="f32")).detect(frames) for n in (1, 2)
    )
    for left, right in zip(one, two, strict=True):
        np.testing.assert_array_equal(left.xyxy, right.xyxy)


def test_boxes_are_in_source_pixels(tmp_path):
    detector = load(tmp_path, toys.network())
    frame = toys.frame(toys.picture((128, 96), {(3, 2): "red"}), source_wh=(1280, 960))
    np.testing.assert_allclose(detector.detect([frame])[0].xyxy, [[960, 640, 1280, 960]], atol=0.05)


def test_a_wide_picture_is_letterboxed_into_a_square_model(tmp_path):
    detector = load(tmp_path, toys.network(size_wh=(128, 128)))
    # 128 x 64 lies 32 pixels down in the square: cell (2, 0) of the picture is cell (2, 1) of the input.
    frame = toys.frame(toys.picture((128, 64), {(2, 0): "blue"}))
    (found,) = detector.detect([frame])
    assert found.label == ("blue",)
    np.testing.assert_allclose(found.xyxy, [[64, 0, 96, 32]], atol=1e-3)


def test_a_free_model_takes_each_picture_at_its_own_size(tmp_path):
    detector = load(tmp_path, toys.network(size_wh=(-1, -1)), imgsz=[128, 128])
    sizes = [(128, 64), (64, 128), (96, 96), (128, 64), (32, 32), (128, 96), (64, 64)]
    frames = [toys.frame(toys.picture(size, {(0, 0): "red"}), seq=i) for i, size in enumerate(sizes)]
    for found in detector.detect(frames):
        assert found.label == ("red",)
        np.testing.assert_allclose(found.xyxy, [[0, 0, 32, 32]], atol=1e-3)


def test_a_free_model_shrinks_what_exceeds_its_size(tmp_path):
    detector = load(tmp_path, toys.network(size_wh=(-1, -1)), imgsz=[96, 128])
    frame = toys.frame(np.kron(toys.picture((128, 96), {})[:96], np.ones((3, 2), np.uint8)))  # 256 x 192, grey
    assert detector.detect([frame])[0].label == ()


def test_class_filter_and_thresholds_apply(tmp_path):
    cells = {(0, 0): "red", (1, 0): "dim green", (2, 0): "blue"}
    frame = toys.frame(toys.picture((128, 96), cells))
    only_blue = load(tmp_path / "a", toys.network(), Selection(0.5, labels=("blue",)))
    assert only_blue.detect([frame])[0].label == ("blue",)
    strict = load(tmp_path / "b", toys.network(), Selection(0.5, class_confidence=(("green", 0.7),)))
    assert sorted(strict.detect([frame])[0].label) == ["blue", "red"]
    lenient = load(tmp_path / "c", toys.network(), Selection(0.9, class_confidence=(("green", 0.5),)))
    assert sorted(lenient.detect([frame])[0].label) == ["blue", "green", "red"]


def test_nothing_in_nothing_out(tmp_path):
    assert load(tmp_path, toys.network()).detect([]) == []


def test_a_tick_is_refused_and_the_detector_lives_on(tmp_path):
    detector = load(tmp_path, toys.network())
    good = toys.frame(toys.picture((128, 96), {(0, 0): "red"}))
    with pytest.raises(ValueError, match="tick"):
        detector.detect([good, toys.frame(None, seq=1)])
    assert detector.detect([good])[0].label == ("red",)


def test_names_come_from_inside_an_openvino_file(tmp_path):
    model = toys.network()
    model.set_rt_info(["dark_red", "green", "blue"], ["model_info", "labels"])
    detector = OpenVinoDetector(toys.save(model, tmp_path), SURE, EXACT)
    assert detector.labels == ("dark red", "green", "blue")


def test_a_nameless_model_of_eighty_classes_speaks_coco(tmp_path):
    cells = ops.parameter([1, 3, 64, 64], np.float32)
    pooled = ops.reshape(ops.avg_pool(cells, [32, 32], [0, 0], [0, 0], [32, 32], False), [1, 3, 4], False)
    model = ov.Model([ops.concat([pooled] * 28, 1)], [cells], "nameless")  # (1, 84, 4)
    assert OpenVinoDetector(toys.save(model, tmp_path), SURE, EXACT).labels == COCO_80


def test_onnx_with_its_names_inside(tmp_path):
    onnx = pytest.importorskip("onnx", reason="writes the file under test")
    helper, kind = onnx.helper, onnx.TensorProto
    nodes = [
        helper.make_node("AveragePool", ["x"], ["p"], kernel_shape=[32, 32], strides=[32, 32]),
        helper.make_node("Reshape", ["p", "shape"], ["s"]),
        helper.make_node("Concat", ["boxes", "s"], ["y"], axis=1),
    ]
    boxes = np.array([[[16, 48, 16, 48], [16, 16, 48, 48], [32] * 4, [32] * 4]], np.float32)
    values = [
        helper.make_tensor("shape", kind.INT64, [3], [1, 3, 4]),
        helper.make_tensor("boxes", kind.FLOAT, [1, 4, 4], boxes.ravel()),
    ]
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("x", kind.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("y", kind.FLOAT, [1, 7, 4])],
        values,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    for key, value in {"names": "{0: 'red', 1: 'green', 2: 'blue'}", "task": "detect", "imgsz": "[64, 64]"}.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(model, str(tmp_path / "toy.onnx"))
    detector = OpenVinoDetector(tmp_path / "toy.onnx", SURE, EXACT)
    (found,) = detector.detect([toys.frame(toys.picture((64, 64), {(1, 0): "green"}))])
    assert (detector.name, found.label) == ("toy/fp32", ("green",))
    np.testing.assert_allclose(found.xyxy, [[32, 0, 64, 32]], atol=1e-3)


def test_bare_throughput_counts_pictures_per_second(tmp_path):
    detector = load(tmp_path, toys.network())
    frames = [toys.frame(toys.picture((128, 96), {}), seq=i) for i in range(4)]
    times = iter([0.0, 1.0, 2.0])
    assert bare_throughput(detector, frames, 1.5, clock=lambda: next(times)) == 4.0
    with pytest.raises(ValueError, match="at least one"):
        bare_throughput(detector, [], 1.0)


def test_half_precision_inputs_and_outputs_are_converted(tmp_path):
    toy = toys.network()
    half = ops.parameter([1, 3, 96, 128], np.float16)
    for target in toy.get_parameters()[0].output(0).get_target_inputs():
        target.replace_source_output(ops.convert(half, np.float32).output(0))
    result = ops.convert(toy.get_results()[0].input_value(0), np.float16)
    detector = load(tmp_path, ov.Model([result], [half], "half"))
    (found,) = detector.detect([toys.frame(toys.picture((128, 96), {(1, 1): "green"}))])
    np.testing.assert_allclose(found.xyxy, [[32, 32, 64, 64]])


def test_a_free_model_is_ready_for_wide_pictures(tmp_path, monkeypatch):
    detector = load(tmp_path, toys.network(size_wh=(-1, -1)), imgsz=[640, 640])
    monkeypatch.setattr("pipeline.detect.openvino.compile_model", None)
    assert len(detector.detect([toys.frame(toys.picture((640, 360), {}))])) == 1


def refused(folder: Path, **arguments: object) -> str:
    with pytest.raises(ModelError) as caught:
        OpenVinoDetector(folder, SURE, EXACT)
    message = str(caught.value)
    assert str(folder) in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("task", "word"),
    [("pose", "pose model"), ("segment", "segmentation"), ("classify", "classifier"), ("obb", "rotated")],
)
def test_other_tasks_are_named(tmp_path, task, word):
    assert word in refused(toys.save(toys.network(), tmp_path, card=toys.card(task=task)))


def test_a_layout_that_fits_no_head_is_named(tmp_path):
    message = refused(toys.save(toys.network(), tmp_path, card=toys.card(("one", "two"))))
    assert "(1, 7, 12)" in message
    assert "2 classes" in message


def test_a_nameless_model_says_what_is_missing(tmp_path):
    assert "metadata.yaml" in refused(toys.save(toys.network(), tmp_path))


def _other_network(outputs: int = 1, shape: tuple[int, ...] = (1, 3, 64, 64)) -> ov.Model:
    node = ops.parameter(list(shape), np.float32)
    return ov.Model([ops.relu(node) for _ in range(outputs)], [node], "other")


def test_other_networks_are_refused(tmp_path):
    assert "2 outputs" in refused(toys.save(_other_network(2), tmp_path / "a", card=toys.card()))
    assert "[1,4,64,64]" in refused(toys.save(_other_network(shape=(1, 4, 64, 64)), tmp_path / "b", card=toys.card()))
    assert "three dimensions" in refused(toys.save(_other_network(), tmp_path / "c", card=toys.card()))
    assert "[1,3]" in refused(toys.save(_other_network(shape=(1, 3)), tmp_path / "d", card=toys.card()))
    assert "even" in refused(toys.save(_other_network(shape=(1, 3, 63, 64)), tmp_path / "e", card=toys.card()))


def test_unreadable_files_are_refused(tmp_path):
    assert "no such" in refused(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    assert "no .xml or .onnx" in refused(tmp_path / "empty")
    (tmp_path / "notes.txt").write_text("hello")
    assert "'.txt'" in refused(tmp_path / "notes.txt")
    (tmp_path / "zero.onnx").touch()
    assert "cannot read" in refused(tmp_path / "zero.onnx")
    (tmp_path / "zero.xml").touch()
    assert "not an OpenVINO model" in refused(tmp_path / "zero.xml")
    (tmp_path / "noise.onnx").write_bytes(np.random.default_rng(0).bytes(5000))
    assert "cannot read" in refused(tmp_path / "noise.onnx")


def test_damaged_model_folders_are_refused(tmp_path):
    whole = toys.save(toys.network(), tmp_path / "whole", card=toys.card())
    no_bin = Path(shutil.copytree(whole, tmp_path / "no_bin"))
    (no_bin / "toy.bin").unlink()
    assert "toy.bin" in refused(no_bin)
    cut_bin = Path(shutil.copytree(whole, tmp_path / "cut_bin"))
    (cut_bin / "toy.bin").write_bytes(b"")
    assert "cannot read" in refused(cut_bin)
    cut_xml = Path(shutil.copytree(whole, tmp_path / "cut_xml"))
    (cut_xml / "toy.xml").write_bytes((whole / "toy.xml").read_bytes()[:900])
    assert "cannot read" in refused(cut_xml)
    twice = Path(shutil.copytree(whole, tmp_path / "twice"))
    shutil.copyfile(whole / "toy.xml", twice / "other.xml")
    assert "other.xml, toy.xml" in refused(twice)
    bad_card = Path(shutil.copytree(whole, tmp_path / "bad_card"))
    (bad_card / "metadata.yaml").write_text("names: [unclosed")
    assert "YAML" in refused(bad_card)


def test_unknown_class_and_device_are_usage_errors(tmp_path):
    folder = toys.save(toys.network(), tmp_path, card=toys.card())
    with pytest.raises(UsageError, match="unknown class 'gren'; did you mean 'green'"):
        OpenVinoDetector(folder, Selection(0.5, labels=("gren",)), EXACT)
    with pytest.raises(UsageError, match="'tpu'"):
        OpenVinoDetector(folder, SURE, Placement(device="tpu"))
    with pytest.raises(UsageError, match="threads"):
        Placement(threads=-1)


def test_compiled_models_are_cached_on_disk(tmp_path):
    folder = toys.save(toys.network(), tmp_path / "toy", card=toys.card())
    for _ in range(2):
        detector = OpenVinoDetector(folder, SURE, Placement(threads=1, cache_dir=tmp_path / "cache"))
        assert detector.detect([toys.frame(toys.picture((128, 96), {(0, 0): "red"}))])[0].label == ("red",)
    assert list((tmp_path / "cache").glob("*.blob"))
