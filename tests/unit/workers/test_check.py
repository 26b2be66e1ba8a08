"""``vedette check`` says what is wrong in sentences, what a site will do in a table, and never a secret."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from workers.check import check, print_checkup

SITE = """
cameras:
  gate:
    url: rtsp://admin:${PW}@10.0.0.5/stream?token=${PW}
    detect_url: rtsp://admin:${PW}@10.0.0.5/small
    zones: {yard: [[0, 0], [1, 0], [1, 1]], spare: [[0, 0], [1, 0], [1, 1]]}
    rules: [{kind: zone, zone: yard, schedule: 22:00-06:00}]
  "lobby": {url: nowhere.mp4, rules: []}
redis: {url: 'redis://bus:${PW}@r:6379/0'}
detector: {weights: models/none.xml}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "site.yaml"
    file.write_text(SITE)
    return file


def shown(path: Path, *, is_json: bool, **env: str) -> tuple[int, str]:
    text = io.StringIO()
    code = print_checkup(check(path, env), Console(file=text, width=120), is_json=is_json)
    return code, text.getvalue()


def test_a_valid_site_is_summed_up_without_its_secrets(path: Path) -> None:
    code, text = shown(path, is_json=False, PW="hush-hush")
    assert code == 0
    for word in ("gate", "lobby", "zone-yard", "10.0.0.5", "sub-stream", "is valid"):
        assert word in text
    assert "hush" not in text


def test_json_is_one_line_with_everything(path: Path) -> None:
    code, text = shown(path, is_json=True, PW="hush-hush")
    record = json.loads(text)
    assert code == 0
    assert text.count("\n") == 1
    assert record["ok"] is True
    assert [camera["rules"] for camera in record["cameras"]] == [["zone-yard"], []]
    assert len(record["config_hash"]) == 16
    assert "hush" not in text


def test_hints_name_what_is_seldom_meant(path: Path) -> None:
    hints = " ".join(check(path, {"PW": "x"}).hints)
    for hint in ("schedules are in UTC", "no rule uses spare", "has no rules", "nothing is there", "no weights at"):
        assert hint in hints


def test_a_site_with_faults_exits_2_and_lists_them(path: Path) -> None:
    path.write_text(SITE.replace("zones:", "zonez:"))
    code, text = shown(path, is_json=False, PW="x")
    assert code == 2
    assert f"{path}:6: cameras.gate.zonez: unknown key; did you mean 'zones'?" in text.replace("\n", "")
    code, text = shown(path, is_json=True)
    record = json.loads(text)
    assert (code, record["ok"]) == (2, False)
    assert any("environment variable PW is not set" in problem for problem in record["problems"])


def test_names_cannot_draw_on_the_terminal(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text("cameras: {a: {url: 'x.mp4', zones: {'[red]z[/red]': [[0,0],[1,0],[1,1]]}}}")
    _, text = shown(file, is_json=False)
    assert "[red]z[/red]" in text


def test_a_file_that_is_not_there() -> None:
    checkup = check(Path("/nowhere/site.yaml"), {})
    assert checkup.exit_code == 2
    assert checkup.problems == ("/nowhere/site.yaml: no such file",)


def test_sentences_are_shown_as_the_rules_they_became(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    zones = "zones: {yard: [[0, 0], [1, 0], [1, 1]]}"
    path.write_text(f"cameras: {{a: {{url: x, {zones}, watch_for: [a man runs in the yard, two people fight]}}}}")
    checkup = check(path, {})
    first, second = checkup.cameras[0].watch_for
    assert first.sentence == "a man runs in the yard"
    assert yaml.safe_load(first.rule) == {
        "kind": "watch",
        "name": "a man runs in the yard",
        "says": "a man runs in the yard",
        "labels": ["person"],
        "zone": "yard",
        "speed": ["running"],
    }
    assert first.notes == ("‘man’: any person is meant, because who somebody is, is not measured",)
    assert "question" in second.rule
    assert any("two people fight" in hint and "no model describes" in hint for hint in checkup.hints)
    console = Console(file=io.StringIO(), width=200)
    assert print_checkup(checkup, console) == 0
    assert isinstance(console.file, io.StringIO)
    assert f"- {first.rule}" in console.file.getvalue()


def test_an_unclear_sentence_is_a_question_at_its_place(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("defaults:\n  watch_for:\n    - someone runs\n    - someone suspicious\ncameras: {a: x}\n")
    checkup = check(path, {})
    assert checkup.exit_code == 2
    (problem,) = checkup.problems
    assert problem.startswith(f"{path}:4: defaults.watch_for[1]: for camera 'a': What would ‘suspicious’ look like?")


def test_two_sentences_that_begin_alike_are_told_apart_by_the_person(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("cameras: {a: {url: x, watch_for: [someone runs, someone  runs]}}\n")
    assert "another rule begins with the same words" in check(path, {}).problems[0]


def test_who_describes_and_where_pictures_go_is_said(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(
        "describe: {backend: server, server: {endpoint: 'https://api.example/v1', model: big, key_env: MODEL_KEY}}\n"
        "cameras: {gate: 'rtsp://h/gate'}\n"
    )
    checkup = check(tmp_path / "site.yaml", {})
    assert checkup.describer == "big at https://api.example/v1"
    assert any("MODEL_KEY" in hint for hint in checkup.hints)
    assert any("api.example" in hint and "hide_people" in hint for hint in checkup.hints)
    (tmp_path / "near.yaml").write_text(
        "describe: {backend: server, server: {endpoint: 'http://127.0.0.1:8000/v1', model: m}}\n"
        "cameras: {gate: 'rtsp://h/gate'}\n"
    )
    assert not any(hint.startswith("describe") for hint in check(tmp_path / "near.yaml", {}).hints)
    (tmp_path / "none.yaml").write_text("cameras: {gate: 'rtsp://h/gate'}\n")
    assert check(tmp_path / "none.yaml", {}).describer == "the grounded writer"
