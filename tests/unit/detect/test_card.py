"""What a model file says about itself, in every form it comes in, and in forms it should not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.detect.card import card_from_fields, merge_fields, model_name, read_card_file, weights_file
from pipeline.errors import ModelError

NAMES = ("person", "traffic light")


@pytest.mark.parametrize(
    "names",
    [
        {0: "person", 1: "traffic light"},
        {"1": "traffic light", "0": "person"},
        ["person", "traffic light"],
        "{0: 'person', 1: 'traffic light'}",
        "['person', 'traffic light']",
    ],
)
def test_class_names_in_every_form(names):
    assert card_from_fields({"names": names}).labels == NAMES


def test_intel_labels_are_words_joined_by_underscores():
    assert card_from_fields({"labels": "person traffic_light"}).labels == NAMES


def test_a_silent_file_gives_an_empty_card():
    card = card_from_fields({})
    assert (card.labels, card.size_wh, card.stride, card.is_end_to_end) == ((), None, 32, None)


@pytest.mark.parametrize(
    ("imgsz", "size_wh"), [([384, 640], (640, 384)), ("[384, 640]", (640, 384)), (512, (512, 512))]
)
def test_picture_size_is_height_first(imgsz, size_wh):
    assert card_from_fields({"imgsz": imgsz}).size_wh == size_wh


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"end2end": True}, True),
        ({"end2end": "True"}, True),
        ({"end2end": False}, False),
        ({"end2end": False, "args": {"nms": True}}, True),
        ({"args": "{'nms': True}"}, True),
        ({"args": {"nms": False}}, None),
        ({"args": "nonsense"}, None),
    ],
)
def test_whether_doubles_are_gone_already(fields, expected):
    assert card_from_fields(fields).is_end_to_end is expected


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"task": "pose"}, "pose model"),
        ({"task": "ocr"}, "'ocr'"),
        ({"names": {0: "a", 2: "b"}}, "without gaps"),
        ({"names": {"zero": "a"}}, "not numbered"),
        ({"names": 5}, "no list"),
        ({"names": "person"}, "no list"),
        ({"names": [""]}, "unusable"),
        ({"names": ["x" * 65]}, "unusable"),
        ({"names": ["bell\a"]}, "unusable"),
        ({"names": ["a"] * 10_001}, "no list"),
        ({"imgsz": [1, 2, 3]}, "picture size"),
        ({"imgsz": [10**9, 640]}, "picture size"),
        ({"imgsz": "big"}, "picture size"),
        ({"stride": 0}, "stride"),
        ({"stride": "no"}, "stride"),
    ],
)
def test_nonsense_is_refused(fields, word):
    with pytest.raises(ModelError, match=word):
        card_from_fields(fields)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("names", "imgsz", "stride", "end2end", "args", "task"), json_like)
    )
)
def test_any_map_gives_a_card_or_a_model_error(fields):
    try:
        card = card_from_fields(fields)
    except ModelError:
        return
    assert all(label.isprintable() for label in card.labels)


def test_an_earlier_source_wins_unless_it_is_silent():
    assert merge_fields({"a": 1, "b": None}, {"a": 2, "b": 3}) == {"a": 1, "b": 3}


@pytest.mark.parametrize(
    ("content", "word"),
    [(b"- a list", "map"), (b"names: [", "YAML"), (b"\xff\xfe\x00", "YAML"), (b"a: " + b"x" * (1 << 20), "larger")],
)
def test_unreadable_card_files_are_refused(tmp_path, content, word):
    file = tmp_path / "metadata.yaml"
    file.write_bytes(content)
    with pytest.raises(ModelError, match=word) as caught:
        read_card_file(file)
    assert str(file) in str(caught.value)


def test_a_card_file_cannot_build_objects(tmp_path):
    file = tmp_path / "metadata.yaml"
    file.write_text("names: !!python/object/apply:os.getcwd []")
    with pytest.raises(ModelError):
        read_card_file(file)
    assert read_card_file(tmp_path / "absent.yaml") == {}


@pytest.mark.parametrize(
    ("path", "name"),
    [("yolo11n_int8_openvino_model/yolo11n.xml", "yolo11n"), ("best.onnx", "best"), ("yolo11n_fp16.xml", "yolo11n")],
)
def test_names_of_files(path, name):
    assert model_name(Path(path)) == name


def test_names_of_folders(tmp_path):
    folder = tmp_path / "yolo11n_int8_openvino_model"
    folder.mkdir()
    assert model_name(folder) == "yolo11n"


def test_an_xml_is_preferred_to_the_onnx_it_was_made_from(tmp_path):
    (tmp_path / "a.onnx").touch()
    assert weights_file(tmp_path) == tmp_path / "a.onnx"
    (tmp_path / "a.xml").touch()
    assert weights_file(tmp_path) == tmp_path / "a.xml"
