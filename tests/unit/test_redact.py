"""Secrets leave no trace, and what is not secret stays readable."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.redact import redact


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        ("rtsp://admin:geheim@10.0.0.7:554/live", ["admin", "geheim"]),
        ("Cannot open rtsp://admin:p@ss/w?rd#1@10.0.0.7/live: refused", ["p@ss", "w?rd", "rd#1"]),
        ("http://cam/img.cgi?user=admin&pwd=geheim&res=hd", ["admin", "geheim"]),
        ("http://cam/x?access_token=abc.def&x=1", ["abc.def"]),
        ("http://cam/x?apiKey=abc&signature=xyz", ["abc", "xyz"]),
        ("rtsp%3A%2F%2Fadmin%3Ageheim%40cam%2Fx%3Ftoken%3Dabc%26b%3D1", ["admin", "geheim", "abc"]),
        ('{"password": "geheim", "port": 554}', ["geheim"]),
        ("Authorization: Basic YWRtaW46Z2VoZWlt", ["YWRtaW46Z2VoZWlt"]),
        ('Digest username="admin", response="0a1b2c"', ["0a1b2c", '"admin"']),
        ("two: rtsp://a:b1@h/1 rtsp://c:d2@h/2", ["b1", "d2"]),
        ("RTSP://ADMIN:GEHEIM@CAM/", ["GEHEIM"]),
        ("rtsps://cam/x?auth=geheim", ["geheim"]),
    ],
)
def test_secrets_are_masked(text: str, secrets: list[str]) -> None:
    shown = redact(text)
    assert [secret for secret in secrets if secret in shown] == []
    assert "***" in shown


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://10.0.0.7:554/live?channel=1",
        "camera gate lost at 12:30",
        "monkey=3 keyboard=4",
        "mail me@example.org",
        "",
    ],
)
def test_what_is_not_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_host_port_and_path_stay() -> None:
    assert redact("rtsp://admin:geheim@10.0.0.7:554/live/1") == "rtsp://***@10.0.0.7:554/live/1"


@given(st.text(alphabet=st.characters(blacklist_categories=["Z", "C"], blacklist_characters="\"'<>*"), min_size=4))
def test_any_password_is_masked_raw_and_encoded(password: str) -> None:
    secret = "Q" + password + "Q"  # long enough not to stand in the address by chance
    for form in (secret, quote(secret, safe="")):
        assert form not in redact(f"open rtsp://admin:{form}@10.0.0.7/live failed")
    assert quote(secret, safe="") not in redact(f"http://10.0.0.7/live?password={quote(secret, safe='')}&x=1")


@given(st.text())
def test_redacting_twice_changes_nothing_and_never_fails(text: str) -> None:
    assert redact(redact(text)) == redact(text)
