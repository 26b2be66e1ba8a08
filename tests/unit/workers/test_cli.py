"""The command line itself: exit codes, sentences instead of tracebacks, and secrets that show nowhere."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from pipeline.types import Alert, Evidence
from workers.alerts import show
from workers.cli import main

VEDETTE = Path(sys.executable).with_name("vedette")
PATIENCE_S = 30.0


def an_alert() -> Alert:
    at = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
    return Alert(
        id="a_1",
        revision=1,
        phase="opened",
        camera="gate",
        kind="zone",
        severity="critical",
        score=0.9,
        opened_at=at,
        updated_at=at,
        closed_at=None,
        title="A person in ‘yard’",
        text="A person is inside ‘yard’, where no person is allowed.",
        text_source="grounded",
        tracks=(),
        evidence=(Evidence("zone", 1.0, "a person inside ‘yard’", "no person inside ‘yard’"),),
        rule="night",
        config_hash="0",
        models={},
    )


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["alerts", "--since", "banana", "--redis", "redis://127.0.0.1:9"], 2, "--since"),
        (["alerts", "--redis", "redis://bus:hunter2@127.0.0.1:9"], 1, "cannot be reached"),
        (["alerts", "--redis", "redis://bus:hunter2@127.0.0.1:port"], 2, "redis://***@127.0.0.1:port"),
        (["alerts", "--redis", "redis://h", "--config", "site.yaml"], 2, "not both"),
        (["watch", "rtsp://viewer:hunter2@[camera/stream"], 2, "***"),
        (["worker", "cook", "site.yaml"], 2, "ingest, detect, describe, alert"),
        (["worker", "detect", "site.yaml", "--index", "2", "--count", "2"], 2, "--index"),
        (["replay", "a.mp4", "--speed", "0"], 2, "--speed"),
        (["replay", "a.mp4", "--start", "yesterday"], 2, "--start"),
        (["replay", "rtsp://viewer:hunter2@camera/stream"], 2, "live"),
        (["run", "nowhere.yaml"], 2, "nowhere.yaml"),
        (["replay", "-", "--workers", "2"], 2, "standard input"),
        (["cook"], 2, "--help"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    said = capsys.readouterr()
    assert words in said.err
    assert said.err.count("\n") == 1
    assert "hunter2" not in said.err
    assert not said.out


def test_output_that_nobody_can_take_is_one_sentence() -> None:
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run([VEDETTE, "--version"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.stderr == "vedette: The output cannot be used: No space left on device.\n"
    assert ended.returncode == 1


def test_a_password_that_was_typed_leaves_the_list_of_processes(tmp_path: Path) -> None:
    """The server accepts and says nothing, so the command line waits and can be looked at."""
    silent = tmp_path / "redis.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(silent))
        server.listen()
        command = [VEDETTE, "alerts", "--follow", "--redis", f"unix://bus:hunter2@{silent}"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            listed = Path(f"/proc/{process.pid}/cmdline")
            until = time.monotonic() + PATIENCE_S
            while b"***" not in listed.read_bytes():
                assert time.monotonic() < until, listed.read_bytes()
                assert process.poll() is None
                time.sleep(0.02)
            assert b"hunter2" not in listed.read_bytes()
        finally:
            process.kill()
            process.wait()


def test_an_alert_reads_as_what_was_seen_against_what_is_allowed() -> None:
    text = io.StringIO()
    show(Console(file=text, width=200), "", an_alert(), as_json=False)
    assert text.getvalue().splitlines() == [
        "2026-11-24 03:00:00 critical opened  gate  A person in ‘yard’  a_1 r1",
        "    A person is inside ‘yard’, where no person is allowed.",
        "    zone: a person inside ‘yard’ (allowed: no person inside ‘yard’)",
    ]


def test_json_lines_carry_their_place_in_the_stream() -> None:
    text = io.StringIO()
    show(Console(file=text), "17-0", an_alert(), as_json=True)
    assert text.getvalue().startswith('{"stream_id":"17-0",')
    assert text.getvalue().count("\n") == 1


def test_a_reader_that_left_is_no_failure() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        ended = subprocess.run(
            [VEDETTE, "check", "--schema"], stdout=write_end, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(write_end)
    assert (ended.returncode, ended.stderr) == (0, "")
