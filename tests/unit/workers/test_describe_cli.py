"""``vedette describe``: what may be asked, and one real moment of a rendered street through a server that is told."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
from typer.testing import CliRunner

from pipeline.config import load_site, site_of_urls
from pipeline.describe.settings import DescribeSettings, ServerSettings
from pipeline.errors import UsageError
from tests.clips import write_clip
from tests.unit.describe.chat_server import ChatServer, completion
from workers.cli import app
from workers.describe_cli import _plain, choose_site, moment_s, with_backend

REPLY = json.dumps(
    {
        "title": "A dog in the yard",
        "text": "The picture is calm. A dog barks.",
        "claims": ["A dog barks."],
        "concerns": [],
        "confidence": 0.5,
    }
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "yard.mp4", frames=60, fps=10, gop=10)


def run(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["describe", *words])
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


@pytest.mark.parametrize(("text", "seconds"), [(None, None), ("90", 90), ("1:30", 90), ("0:01:30.5", 90.5), ("0", 0)])
def test_a_moment_is_seconds_from_the_beginning(text: str | None, seconds: float | None) -> None:
    assert moment_s(text) == seconds


@pytest.mark.parametrize("text", ["", "noon", "-1", "1:-2", "1:2:3:4", "nan", "inf", "1e99"])
def test_a_moment_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--at takes seconds"):
        moment_s(text)


def test_the_command_line_changes_the_sites_backend() -> None:
    site = DescribeSettings(server=ServerSettings("http://a/v1", "m", key_env="KEY"), backend="server")
    changed = with_backend(site, "server", "other", "http://b/v1").server
    assert changed == ServerSettings("http://b/v1", "other", key_env="KEY")
    assert with_backend(site, "grounded", None, None).backend == "grounded"
    assert with_backend(DescribeSettings(), "vlm", "a/b", None).model.model == "a/b"
    assert with_backend(DescribeSettings(), None, None, None) == DescribeSettings()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("gpt", None, None), "expected grounded, vlm, server"),
        (("server", None, None), "needs --endpoint and --model"),
        (("server", "m", None), "needs --endpoint and --model"),
        (("vlm", None, "http://a/v1"), "--endpoint is for --backend server"),
    ],
)
def test_what_does_not_go_together_is_one_sentence(
    words: tuple[str | None, str | None, str | None], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        with_backend(DescribeSettings(), *words)


def test_a_camera_of_the_site_or_a_file_for_it(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("cameras: {gate: 'rtsp://h/gate', yard: 'rtsp://h/yard'}\n")
    site = load_site(tmp_path / "site.yaml")
    assert [camera.url.reveal() for camera in choose_site(site, "yard").cameras] == ["rtsp://h/yard"]
    assert [camera.url.reveal() for camera in choose_site(site, "yard=a.mp4").cameras] == ["a.mp4"]
    with pytest.raises(UsageError, match="gate, yard"):
        choose_site(site, "monday.mp4")


def test_what_a_model_says_cannot_move_the_cursor() -> None:
    assert _plain("a\x1b[2Jb\u202ec\nd") == "a\\x1b[2Jb\\u202ec\nd"


def test_the_grounded_writer_needs_nothing(clip: Path) -> None:
    found = json.loads(run(str(clip), "--at", "2", "--json"))
    assert found["source"] == "grounded"
    assert found["text"]
    assert (found["prompt"], found["reply"], found["error"]) == (None, None, "")
    assert found["camera"] == site_of_urls([str(clip)]).cameras[0].name
    assert all(claim["verdict"] != "contradicted" for claim in found["claims"])


def test_every_step_of_a_models_answer_is_laid_open(clip: Path, tmp_path: Path) -> None:
    with ChatServer(completion(REPLY)) as server:
        found = json.loads(
            run(
                str(clip), "--at", "3", "--backend", "server", "--endpoint", server.endpoint, "--model", "told",
                "--save", str(tmp_path), "--json",
            )
        )  # fmt: skip
        assert len(server.bodies) == 1
    assert found["source"] == "server:told"
    assert found["reply"]["text"] == REPLY
    assert (found["reply"]["prompt_tokens"], found["reply"]["reply_tokens"]) == (321, 54)
    assert "JSON" in found["prompt"]["system"]
    assert found["pictures"]
    assert {(claim["text"], claim["verdict"]) for claim in found["claims"]} >= {("A dog", "contradicted")}
    assert found["text"] == "The picture is calm."
    assert "dog" not in found["title"]
    saved = cv2.imread(str(tmp_path / "picture-1.png"))
    assert saved is not None
    assert saved.shape[:2] == (found["pictures"][0]["height"], found["pictures"][0]["width"])


def test_a_server_that_fails_is_exit_1_and_grounded_words(clip: Path) -> None:
    with ChatServer(404) as server:
        output = run(
            str(clip), "--at", "3", "--backend", "server", "--endpoint", server.endpoint, "--model", "m", code=1
        )
    found = json.loads(output)
    assert (found["source"], found["obstacle"]) == ("grounded", "model_failed")
    assert "HTTP 404" in found["error"]


def test_a_moment_after_the_end_is_refused(clip: Path) -> None:
    result = CliRunner().invoke(app, ["describe", str(clip), "--at", "500"])
    assert isinstance(result.exception, UsageError)
    assert "ends after" in str(result.exception)


def test_a_recording_without_a_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").write_bytes(b"")
    result = CliRunner().invoke(app, ["describe", str(tmp_path / "empty.mp4")])
    assert result.exit_code != 0
