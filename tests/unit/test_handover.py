"""Settings reach another process whole, with their secrets, without pydantic, and not through ``ps``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import load_site
from pipeline.handover import from_descriptor, from_json, to_descriptor, to_json
from pipeline.settings import SiteSettings

EXAMPLE = Path(__file__).resolve().parents[2] / "configs" / "example.yaml"


@pytest.fixture(scope="module")
def site() -> SiteSettings:
    return load_site(EXAMPLE, {})


def test_json_there_and_back_is_equal_in_value_and_type(site: SiteSettings) -> None:
    back = from_json(SiteSettings, to_json(site))
    assert back == site
    assert [type(rule) for rule in back.cameras[0].alert.rules] == [type(rule) for rule in site.cameras[0].alert.rules]
    assert to_json(back) == to_json(site)


def test_a_descriptor_can_be_read_again_and_again(site: SiteSettings) -> None:
    descriptor = to_descriptor(site)
    try:
        assert from_descriptor(SiteSettings, descriptor) == site
        assert from_descriptor(SiteSettings, descriptor) == site
    finally:
        os.close(descriptor)
    with pytest.raises(ValueError, match="cannot be read"):
        from_descriptor(SiteSettings, descriptor)


def test_a_child_reads_its_settings_without_pydantic_and_without_secrets_in_its_arguments(site: SiteSettings) -> None:
    code = """
import sys
from pipeline.handover import from_descriptor
from pipeline.settings import SiteSettings
site = from_descriptor(SiteSettings, int(sys.argv[1]))
heavy = {"pydantic", "yaml", "torch", "openvino", "scipy", "redis"} & set(sys.modules)
print(site.cameras[0].url.reveal(), sorted(heavy))
"""
    descriptor = to_descriptor(site)
    try:
        arguments = [sys.executable, "-c", code, str(descriptor)]
        said = subprocess.run(arguments, pass_fds=[descriptor], capture_output=True, text=True, check=True).stdout
    finally:
        os.close(descriptor)
    assert said.split() == [site.cameras[0].url.reveal(), "[]"]
    assert not any("rtsp" in argument for argument in arguments)


def test_secrets_are_in_no_repr(site: SiteSettings) -> None:
    assert "rtsp://" not in repr(site)
    assert str(site.cameras[0].url) == "Secret('***')"
    assert f"{site.cameras[0].url}" == "Secret('***')"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    )
)
def test_other_json_is_refused_with_a_value_error(value: object) -> None:
    with pytest.raises(ValueError, match="SiteSettings: expected the JSON of to_json"):
        from_json(SiteSettings, json.dumps(value))


@pytest.mark.parametrize("change", ["missing", "extra", "type", "rule", "word"])
def test_damaged_settings_are_refused_and_nothing_of_them_is_shown(site: SiteSettings, change: str) -> None:
    record = json.loads(to_json(site))
    camera = record["cameras"][0]
    if change == "missing":
        del camera["url"]
    elif change == "extra":
        camera["exec"] = "rm"
    elif change == "type":
        camera["detect_fps"] = "5"
    elif change == "rule":
        camera["alert"]["rules"][0]["is"] = "Path"
    else:
        camera["transport"] = "pigeon"
    with pytest.raises(ValueError, match="SiteSettings") as caught:
        from_json(SiteSettings, json.dumps(record))
    assert "rtsp" not in str(caught.value)


def test_a_value_without_json_form_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="no JSON form for object"):
        to_json(object())
