"""Secrets come from the environment or files, reach the settings whole, and appear nowhere else."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.config.secrets import expand, read_secret, with_password


def test_names_are_replaced_and_escapes_kept() -> None:
    tree, touched, faults = expand(
        {"url": "x${ONE}y${TWO}", "b": ["$${ONE}", "$ONE", "plain"], "c": 3}, {"ONE": "1", "TWO": "2"}
    )
    assert tree == {"url": "x1y2", "b": ["${ONE}", "$ONE", "plain"], "c": 3}
    assert touched == {("url",), ("b", 0)}
    assert faults == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${NOT_THERE}", "the environment variable NOT_THERE is not set"),
        ("${EMPTY}", "the environment variable EMPTY is not set"),
        ("${}", "write '$${'"),
        ("${two words}", "write '$${'"),
        ("${HOME", "write '$${'"),
        ("${A:-default}", "write '$${'"),
    ],
)
def test_what_cannot_be_replaced_is_named(text: str, message: str) -> None:
    _, _, faults = expand({"url": text}, {"EMPTY": "", "HOME": "/root"})
    assert [fault.place for fault in faults] == [("url",)]
    assert message in faults[0].message


@given(password=st.text(min_size=1, max_size=30))
def test_any_password_survives_the_user_part_of_a_url(password: str) -> None:
    assume(password.encode(errors="ignore").decode() == password)
    tree, _, _ = expand({"url": "rtsp://admin:${PW}@10.0.0.5:554/h264?x=1"}, {"PW": password})
    assert isinstance(tree, dict)
    parts = urlsplit(str(tree["url"]))
    assert unquote(parts.password or "") == password
    assert (parts.username, parts.hostname, parts.port, parts.path) == ("admin", "10.0.0.5", 554, "/h264")


def test_a_whole_url_and_a_host_are_not_encoded() -> None:
    env = {"URL": "rtsp://u:p@h/x", "HOST": "10.0.0.5:8554"}
    written = {
        "${URL}": "rtsp://u:p@h/x",
        "rtsp://${HOST}/x": "rtsp://10.0.0.5:8554/x",
        "rtsp://u@${HOST}": "rtsp://u@10.0.0.5:8554",
    }
    for text, meant in written.items():
        assert expand({"url": text}, env)[0] == {"url": meant}


def test_other_keys_take_no_variable() -> None:
    _, _, faults = expand({"name": "${PW}", "zones": {"url": {"x": "${PW}"}}}, {"PW": "hush"})
    assert [fault.place for fault in faults] == [("name",), ("zones", "url", "x")]
    assert all("addresses and paths only" in fault.message for fault in faults)


def test_password_goes_beside_the_user() -> None:
    assert with_password("rtsp://admin@h:1/p", "a@b/c") == "rtsp://admin:a%40b%2Fc@h:1/p"
    assert with_password("redis://h", "x") == "redis://:x@h"
    assert with_password("unix:///run/redis.sock", "x") == "unix://:x@/run/redis.sock"
    for url in ("rtsp://admin:old@h/p", "file.mp4", "rtsp:///p"):
        with pytest.raises(ValueError, match="password"):
            with_password(url, "x")


def test_secret_files(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hush\nsecond line\n")
    assert read_secret(file) == "hush"
    for content, message in [(b"", "is empty"), (b"\n", "is empty"), (b"x" * 5000, "longer than"), (b"\xff", "UTF-8")]:
        file.write_bytes(content)
        with pytest.raises(ValueError, match=message):
            read_secret(file)
    with pytest.raises(ValueError, match="cannot be read"):
        read_secret(tmp_path)
