from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.errors import StorageError, UsageError
from pipeline.scenes import FrameTruth, Truth, TruthEvent, TruthObject, TruthZone, load_truth


def _truth() -> Truth:
    person = TruthObject(
        id=3, name="a", label="person", xyxy=(1.0, 2.0, 3.5, 9.0), full_xyxy=(1.0, 2.0, 3.5, 12.25), visible=0.5,
        at_m=(0.0, 4.0), speed_m_s=1.2, heading_deg=90.0, direction="away", action="walk", posture="upright",
        zones=("yard",), colors={"top": "red"},
    )  # fmt: skip
    return Truth(
        scene="s", family="f", seed=1, fps=15, size_wh=(640, 360), is_usual=False, seconds=2.0,
        zones=(TruthZone("yard", "restricted", ((0.1, 0.2), (0.5, 0.5), (0.1, 0.9))),),
        events=(TruthEvent("intrusion", 0.5, 1.5, (3,), "yard"),),
        frames=(FrameTruth(0, 0.0, (person,)), FrameTruth(1, 1 / 15, (), "covered")),
    )  # fmt: skip


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    _truth().save(path)
    assert load_truth(path) == _truth()
    assert list(tmp_path.iterdir()) == [path]


def test_the_json_has_a_version_and_plain_names() -> None:
    head = json.loads(_truth().to_json())
    assert head["v"] == 1
    assert head["frames"][0]["objects"][0]["xyxy"] == [1.0, 2.0, 3.5, 9.0]
    assert head["events"][0]["kind"] == "intrusion"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"v": 2}', '{"v": 1, "frames": 3}', "nonsense", "null"])
def test_a_file_that_is_no_truth_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"t\.json"):
        load_truth(path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot write the truth"):
        _truth().save(tmp_path / "no" / "t.json")


def test_visibility_outside_its_range_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="visible"):
        TruthObject(
            1, "a", "person", (0, 0, 1, 1), (0, 0, 1, 1), 1.2, (0, 0), 0, 0, "still", "stand", "upright", (), {}
        )
