"""Bad files and bad settings through the real command line: one sentence, the right exit code, no traceback."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.clips import write_audio
from tests.e2e import sites

pytestmark = pytest.mark.e2e

ALL = "cameras: [{name: a, url: 'rtsp://h/a', zones: {all: [[0,0],[1,0],[1,1],[0,1]]}, rules: "
BAD_SITES: Mapping[str, tuple[str, str]] = {
    "unknown key": ("cameras: [{name: a, url: 'rtsp://h/a', detect_fsp: 3}]", "detect_fps"),
    "wrong type": ("cameras: [{name: a, url: 'rtsp://h/a', detect_fps: fast}]", "detect_fps"),
    "no cameras": ("cameras: []", "camera"),
    "same name twice": ("cameras: [{name: a, url: 'rtsp://h/a'}, {name: a, url: 'rtsp://h/b'}]", "a"),
    "self-crossing zone": (
        "cameras: [{name: a, url: 'rtsp://h/a', zones: {z: [[0,0],[1,1],[1,0],[0,1]]}}]",
        "z",
    ),
    "unknown zone": (
        ALL + "[{kind: zone, zone: al}]}]",
        "all",
    ),
    "unknown class": (
        ALL + "[{kind: zone, zone: all, labels: [persn]}]}]",
        "person",
    ),
    "no such weights": (
        "detector: {weights: nowhere.xml}\ncameras: [{name: a, url: 'rtsp://127.0.0.1:9/a'}]",
        "nowhere",
    ),
    "not a model": ("detector: {weights: site.yaml}\ncameras: [{name: a, url: 'rtsp://127.0.0.1:9/a'}]", "site.yaml"),
    "not YAML": ("cameras: [", "YAML"),
}
EXPECTED_FILES: Mapping[str, tuple[int, str]] = {
    "missing.mp4": (2, "missing.mp4"),
    "zero.mp4": (2, "zero.mp4"),
    "garbage.mp4": (2, "garbage.mp4"),
    "sound.wav": (2, "video"),
    "text.mp4": (2, "text.mp4"),
}


def start(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    """A command line at work; all of a file's cases are started together, since starting is what takes long."""
    return subprocess.Popen(
        [sites.VEDETTE, *arguments], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory, detector: Path) -> dict[str, tuple[int, str, str]]:
    started = {}
    for name, (text, _) in BAD_SITES.items():
        folder = tmp_path_factory.mktemp("bad")
        toy = "" if "detector:" in text else f"detector: {{weights: {detector}}}\n"
        (folder / "site.yaml").write_text(f"data_dir: {folder}/state\n{toy}{text}\n")
        started[name] = start("run", "site.yaml", cwd=folder)
    return {name: finish(process) for name, process in started.items()}


@pytest.mark.parametrize("name", BAD_SITES)
def test_a_bad_site_is_refused_in_words(refusals: dict[str, tuple[int, str, str]], name: str) -> None:
    code, _, err = refusals[name]
    assert code == 2, err
    assert BAD_SITES[name][1] in err
    assert "Traceback" not in err


@pytest.fixture(scope="module")
def replays(tmp_path_factory: pytest.TempPathFactory, detector: Path) -> dict[str, tuple[int, str, str]]:
    folder = tmp_path_factory.mktemp("files")
    (folder / "zero.mp4").touch()
    (folder / "garbage.mp4").write_bytes(bytes(range(256)) * 400)
    (folder / "text.mp4").write_text("this is no video\n" * 100)
    write_audio(folder / "sound.wav")
    site = sites.site_file(folder, {"any": "unused.mp4"}, detector=detector)
    names = [*EXPECTED_FILES]
    started = {name: start("replay", name, "-c", str(site), cwd=folder) for name in names}
    return {name: finish(process) for name, process in started.items()}


@pytest.mark.parametrize("name", EXPECTED_FILES)
def test_a_file_that_is_no_video_is_refused_in_words(replays: dict[str, tuple[int, str, str]], name: str) -> None:
    code, out, err = replays[name]
    expected, word = EXPECTED_FILES[name]
    assert code == expected, err
    assert word in err
    assert not out
    assert "Traceback" not in err
    assert len([line for line in err.splitlines() if line.startswith("vedette: ")]) == 1


def test_what_is_left_of_a_truncated_file_is_read(tmp_path: Path, detector: Path, long_video: Path) -> None:
    transport_stream = tmp_path / "cut.ts"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", long_video, "-c", "copy", transport_stream], check=True, capture_output=True
    )
    whole = transport_stream.read_bytes()
    transport_stream.write_bytes(whole[: len(whole) // 2])
    site = sites.site_file(tmp_path, {"any": "unused.mp4"}, detector=detector)
    code, out, err = finish(start("replay", "cut.ts", "-c", str(site), cwd=tmp_path))
    assert code == 0, err
    assert 4 <= len([line for line in out.splitlines() if '"opened"' in line]) <= 6


def test_a_mistyped_command_is_answered_with_help(tmp_path: Path) -> None:
    for arguments in (["rum", "site.yaml"], ["run"], ["replay"], ["worker", "cook", "site.yaml"]):
        code, _, err = finish(start(*arguments, cwd=tmp_path))
        assert code == 2
        assert "Traceback" not in err
        assert err.strip()
