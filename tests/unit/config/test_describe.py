"""The section `describe` of a site file, and what cameras add to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config.document import parse_document
from pipeline.config.site import site_of
from pipeline.describe.budget import Caps, Price
from pipeline.describe.settings import PrivacyRegion
from pipeline.errors import ConfigError
from pipeline.handover import from_json, to_json
from pipeline.settings import SiteSettings

CAMERA = "cameras: {gate: {url: rtsp://x/1}}\n"


def site(text: str, folder: Path = Path("/srv")) -> SiteSettings:
    return site_of(parse_document(text.encode(), "site.yaml", folder), {})


def test_without_the_section_the_grounded_writer_describes() -> None:
    describe = site(CAMERA).describe
    assert (describe.backend, describe.language, describe.server) == ("grounded", "en", None)
    assert describe.caps == Caps(calls_per_minute=30, calls_per_hour=600)


def test_all_of_it_reaches_the_settings_and_survives_the_handover(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("x")
    text = """
describe:
  backend: server
  language: zh
  context: [a school]
  hide_people: heads
  scene_gap_s: 5
  server: {endpoint: "http://127.0.0.1:8000/v1", model: m, key_env: KEY, ca_file: ca.pem}
  budget: {calls_per_minute: 2, money_per_hour: 0.5, price_per_million_reply_tokens: 10}
cameras:
  gate:
    url: rtsp://x/1
    notes: [the left door is the staff's]
    private: [[[0, 0], [0.5, 0], [0.5, 0.5]]]
"""
    found = site(text, tmp_path)
    describe = found.describe
    assert describe.server is not None
    assert describe.server.ca_file == tmp_path / "ca.pem"
    assert describe.privacy.people == "heads"
    assert describe.privacy.regions == (PrivacyRegion("gate", ((0, 0), (0.5, 0), (0.5, 0.5))),)
    assert describe.caps == Caps(calls_per_minute=2, calls_per_hour=600, money_per_hour=0.5)
    assert describe.price == Price(0, 10)
    assert found.camera("gate").notes == ("the left door is the staff's",)
    assert from_json(SiteSettings, to_json(found)) == found


def test_who_describes_is_part_of_what_decides_alerts_and_where_is_not() -> None:
    grounded = site(CAMERA).config_hash
    vlm = site(CAMERA + "describe: {backend: vlm, model: {name: a/b}}").config_hash
    here, there = (
        site(CAMERA + f"describe: {{backend: server, server: {{endpoint: 'http://{host}/v1', model: m}}}}").config_hash
        for host in ("a", "b")
    )
    assert here == there
    assert len({grounded, vlm, here}) == 3


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("describe: {backend: gpt}", "describe.backend"),
        ("describe: {backend: server}", "server.endpoint"),
        ("describe: {backend: server, server: {model: m}}", "endpoint"),
        ("describe: {server: {endpoint: x, model: m, ca_file: nowhere.pem}}", "there is no such file"),
        ("describe: {budget: {calls_per_minute: -1}}", "at least 0"),
        ("describe: {budget: {calls_per_minit: 1}}", "calls_per_minute"),
        ("describe: {model: {dtype: float8}}", "describe.model.dtype"),
        ("describe: {model: {nam: x}}", "name"),
        ("describe: {max_pictures: 9}", "at most 4"),
        ("describe: 5", "describe"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        site(CAMERA + text)


@pytest.mark.parametrize("private", ["[[[0, 0], [1, 1]]]", "[[[0, 0], [1, 1], [2, 0]]]"])
def test_a_private_region_that_is_no_polygon_is_refused(private: str) -> None:
    with pytest.raises(ConfigError, match=r"private.*privacy region of 'gate'"):
        site(f"cameras: {{gate: {{url: rtsp://x/1, private: {private}}}}}")
