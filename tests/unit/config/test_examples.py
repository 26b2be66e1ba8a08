"""The examples in configs/ are valid, show every knob with its true default, and the schema for editors is current."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel

from pipeline.config import load_site
from pipeline.config.describe import BudgetModel, DescribeModel, ServerModel, VlmModel
from pipeline.config.document import parse_document, read_document
from pipeline.config.models import (
    CameraKnobs,
    CameraModel,
    DetectorModel,
    LedgerModel,
    RedisModel,
    SearchModel,
    SiteModel,
    TelemetryModel,
)
from pipeline.config.rules import PolicyModel, RuleModels
from pipeline.config.schema import schema_text, site_schema

CONFIGS = Path(__file__).resolve().parents[3] / "configs"
EXAMPLES = ("minimal.yaml", "example.yaml", "two-cameras.yaml")


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_valid_and_so_says_the_schema(name: str) -> None:
    site = load_site(CONFIGS / name, {"GATE_PASSWORD": "x"})
    assert site.cameras
    tree = read_document(CONFIGS / name).tree
    assert list(jsonschema.Draft202012Validator(site_schema()).iter_errors(tree)) == []


def test_the_minimal_site_has_three_lines() -> None:
    assert len((CONFIGS / "minimal.yaml").read_text().splitlines()) == 3


def test_the_schema_file_is_current() -> None:
    jsonschema.Draft202012Validator.check_schema(site_schema())
    written = (CONFIGS / "site.schema.json").read_text()
    assert written == schema_text(), "run: vedette check --schema > configs/site.schema.json"


@pytest.mark.parametrize(
    "text",
    [
        "cameras: {a: {url: x, zonez: {}}}",
        "cameras: {a: {url: x, detect_fps: fast}}",
        "cameras: {a b: x}",
        "cameras: []",
        "cameras: [{url: x}]",
        "cameras: {a: {url: x, rules: [{kind: zonne}]}}",
        "{}",
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(text: str) -> None:
    tree = parse_document(text.encode(), "site.yaml", CONFIGS).tree
    assert list(jsonschema.Draft202012Validator(site_schema()).iter_errors(tree))


def test_the_example_shows_every_knob() -> None:
    text = (CONFIGS / "example.yaml").read_text()
    shown = set(re.findall(r"([a-z_]+):", text))
    in_prose = set(re.findall(r"[a-z_]+", text.split("# What every rule may have:")[1].split("rules:")[0])) | {"name"}
    models: list[Any] = [
        SiteModel,
        CameraModel,
        DetectorModel,
        RedisModel,
        TelemetryModel,
        LedgerModel,
        SearchModel,
        DescribeModel,
        VlmModel,
        ServerModel,
        BudgetModel,
        PolicyModel,
        *RuleModels,
    ]
    knobs = {name for model in models for name in model.model_fields}
    assert knobs - shown - in_prose == set()


@pytest.mark.parametrize(
    ("section", "model"),
    [
        ("detector", DetectorModel),
        ("telemetry", TelemetryModel),
        ("redis", RedisModel),
        ("ledger", LedgerModel),
        ("search", SearchModel),
        ("describe", DescribeModel),
        ("defaults", CameraKnobs),
    ],
)
def test_the_example_shows_the_true_defaults(section: str, model: type[BaseModel]) -> None:
    tree = read_document(CONFIGS / "example.yaml").tree
    assert isinstance(tree, dict)
    written = tree[section]
    assert isinstance(written, dict)
    defaults = model().model_dump(mode="json")
    assert written == _alike(defaults, written)


def _alike(defaults: Any, written: Any) -> Any:
    """What ``defaults`` say where ``written`` says something, however deep."""
    if not isinstance(written, dict) or not isinstance(defaults, dict):
        return defaults
    return {key: _alike(defaults[key], value) for key, value in written.items()}


def test_the_rules_of_the_example_show_the_true_defaults() -> None:
    tree: Any = read_document(CONFIGS / "example.yaml").tree
    chosen = {"kind", "name", "zone", "line", "labels", "severity", "schedule", "direction", "allowed_norm"}
    models = {model.model_fields["kind"].annotation.__args__[0]: model for model in RuleModels}
    rules = tree["cameras"]["gate"]["rules"]
    assert {rule["kind"] for rule in rules} == set(models)
    for rule in rules:
        fields = models[rule["kind"]].model_fields
        assert {key: value for key, value in rule.items() if key not in chosen} == {
            key: _listed(fields[key].default) for key in rule if key not in chosen
        }


def _listed(default: Any) -> Any:
    """A default as YAML writes it."""
    return list(default) if isinstance(default, tuple) else default


def test_no_knob_names_a_command() -> None:
    names = str(site_schema()).lower()
    assert not re.search(r"'(command|cmd|exec|shell|script|hook|run|args?|argv)'", names)
