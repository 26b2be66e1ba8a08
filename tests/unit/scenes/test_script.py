from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.scenes import Scene, list_scenes, load_scene, parse_scene

_CAMERA = {"position_m": [0, -4, 3], "look_at_m": [0, 5, 0]}
_LEAST = {"name": "a", "title": "b", "family": "c", "camera": _CAMERA}


def test_the_library_has_usual_and_unusual_days_of_the_same_cameras() -> None:
    rows = list_scenes()
    assert len(rows) >= 12
    families = {row.family for row in rows}
    for family in families:
        assert {row.is_usual for row in rows if row.family == family} == {True, False}
    assert {row.mode for row in rows} == {"day", "overcast", "dusk", "night", "ir", "indoor"}


def test_least_scene_gets_defaults() -> None:
    scene = parse_scene(_LEAST, "x.yaml")
    assert scene.size_wh == (640, 360)
    assert scene.fps == 15
    assert scene.camera.position_m == (0.0, -4.0, 3.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"camra": 1}, ("'camra'", "'camera'")),
        ({"camera": {**_CAMERA, "fov": 80}}, ("camera", "'fov'", "'fov_deg'")),
        ({"camera": {**_CAMERA, "fov_deg": 300}}, ("fov_deg", "15..120")),
        ({"camera": {**_CAMERA, "fov_deg": "wide"}}, ("fov_deg", "number")),
        ({"camera": {**_CAMERA, "position_m": [0, 1]}}, ("position_m", "3 values")),
        ({"light": {"mode": "dsuk"}}, ("'dsuk'", "'dusk'")),
        ({"seconds": -3}, ("seconds",)),
        ({"fps": 2.5}, ("fps", "whole number")),
        ({"size_wh": [641, 360]}, ("size_wh", "even")),
        ({"props": [{"kind": "bulding"}]}, ("props[0].kind", "'building'")),
        ({"props": [{"kind": "wall", "material": "brik"}]}, ("material", "'brick'")),
        ({"props": [{"kind": "car", "color": "ultraviolet"}]}, ("color", "'ultraviolet'")),
        ({"props": [{"kind": "area", "points_m": [[0, 0], [1, 1]]}]}, ("points_m", "3 points")),
        ({"props": [{"kind": "wall", "at_m": [1, 1], "to_m": [1, 1]}]}, ("to_m", "no length")),
        ({"props": [{"kind": "block", "size_m": [1e5, 1, 1]}]}, ("size_m",)),
        ({"ground": "lava"}, ("ground", "'lava'")),
        ({"start_at": "yesterday"}, ("yesterday",)),
        ({"actors": [{"name": "p", "kind": "person", "steps": [{"stand": 3}]}]}, ("first step", "go")),
        ({"actors": [{"name": "p", "kind": "persn", "steps": [{"go": [[0, 0]]}]}]}, ("'persn'", "'person'")),
        ({"actors": [{"name": "p", "kind": "person", "steps": [{"go": [[0, 0]], "stand": 1}]}]}, ("exactly one",)),
        ({"actors": [{"name": "p", "kind": "person", "steps": [{"goo": [[0, 0]]}]}]}, ("'goo'", "'go'")),
        ({"actors": [{"name": "p", "kind": "person", "steps": [{"go": []}]}]}, ("at least one point",)),
        (
            {"actors": [{"name": "p", "kind": "person", "steps": [{"go": [[0, 0]]}, {"fall": "up"}]}]},
            ("fall", "'up'"),
        ),
        (
            {"actors": [{"name": "p", "kind": "person", "steps": [{"go": [[0, 0]]}], "look": {"top": "rde"}}]},
            ("look.top", "'red'"),
        ),
        ({"traffic": [{"kind": "car", "per_minute": 1, "routes_m": [[[0, 0]]]}]}, ("routes_m", "2+ points")),
        ({"zones": [{"name": "z", "points_m": [[0, 0], [1, 0]]}]}, ("zone z", "3 points")),
        ({"camera_events": [{"kind": "stolen", "at_s": 1, "seconds": 1}]}, ("'stolen'",)),
    ],
)
def test_a_bad_value_is_named_with_what_would_be_right(change: dict[str, object], words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_scene({**_LEAST, **change}, "bad.yaml")
    sentence = str(caught.value)
    assert sentence.startswith("bad.yaml")
    for word in words:
        assert word in sentence
    assert "\n" not in sentence


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ConfigError, match="missing key 'title'"):
        parse_scene({k: v for k, v in _LEAST.items() if k != "title"}, "x")


def test_unknown_scene_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="'gate_day'"):
        load_scene("gate_dya")


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "a: [", "name: !!python/object/apply:os.system ['true']", "\x00"])
def test_a_file_that_is_no_scene_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_scene(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_text_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ConfigError, match="UTF-8"):
        load_scene(path)


def test_base_is_merged_and_lists_are_added(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "base: gate_day\nname: mine\ncamera: {fov_deg: 50}\n"
        "add_actors: [{name: extra, kind: dog, steps: [{go: [[0, 0], [3, 3]]}]}]\n"
    )
    mine, theirs = load_scene(path), load_scene("gate_day")
    assert mine.camera.fov_deg == 50.0
    assert mine.camera.position_m == theirs.camera.position_m
    assert [a.name for a in mine.actors] == [*(a.name for a in theirs.actors), "extra"]


def test_a_base_that_leads_back_to_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "loop.yaml"
    path.write_text("base: loop.yaml\nname: loop\n")
    with pytest.raises(ConfigError, match="base"):
        load_scene(path)


def test_python_scripts_are_scenes_too(tmp_path: Path) -> None:
    path = tmp_path / "made.py"
    path.write_text(
        "from pipeline.scenes.model import Camera, Scene\n"
        "def scene():\n    return Scene('made', 't', 'f', Camera((0, -4, 3), (0, 5, 0)))\n"
    )
    assert isinstance(load_scene(path), Scene)


@pytest.mark.parametrize("text", ["1/0", "def scene(): return 5", "x = 1", "def scene(:"])
def test_a_broken_python_script_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_scene(path)
    assert "\n" not in str(caught.value).strip()
