"""The alert message: exact bytes, the schema, and every way a text can fail to be one."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.alert.message import MAX_MESSAGE_BYTES, from_json, to_json
from pipeline.alert.settings import AlertSettings, CrowdRule, LineRule, LoiteringRule, Zone, ZoneRule
from pipeline.alert.settings import Line as GroundLine
from pipeline.errors import MessageError
from pipeline.types import Alert, AlertTrack, Evidence
from tests.unit.alert.acting import finding, person, play, stage_of

SCHEMA = json.loads((Path(__file__).resolve().parents[3] / "configs/alert.schema.json").read_text())
ALERT = Alert(
    id="a_0123456789abcdef",
    revision=2,
    phase="updated",
    camera="gate",
    kind="zone",
    severity="warning",
    score=0.9712345678,
    opened_at=datetime(2026, 1, 2, 3, 4, 5, 6, UTC),
    updated_at=datetime(2026, 1, 2, 3, 4, 6, 0, UTC),
    closed_at=None,
    title="A person in ‘yard’",
    text="A person is inside.",
    text_source="grounded",
    tracks=(AlertTrack(7, "person", (0.1, 0.2, 1 / 3, 1.0)),),
    evidence=(
        Evidence("zone", 1 / 3, "x", "y"),
        Evidence("dwell", 1 / 3, "x", "y"),
        Evidence("schedule", 1 / 3, "", ""),
    ),
    rule="night",
    config_hash="cafe",
    models={"text_encoder": "b", "detector": "a"},
)


def test_the_bytes_are_exactly_these() -> None:
    assert to_json(ALERT) == (
        '{"v":1,"id":"a_0123456789abcdef","revision":2,"phase":"updated","camera":"gate","kind":"zone","rule":"night",'
        '"severity":"warning","score":0.971235,"opened_at":"2026-01-02T03:04:05.000006Z",'
        '"updated_at":"2026-01-02T03:04:06.000000Z","closed_at":null,"title":"A person in \\u2018yard\\u2019",'
        '"text":"A person is inside.","text_source":"grounded",'
        '"tracks":[{"id":7,"label":"person","xyxy_norm":[0.1,0.2,0.33333,1.0]}],'
        '"evidence":[{"cue":"zone","share":0.333333333,"observed":"x","normal":"y","note":""},'
        '{"cue":"dwell","share":0.333333333,"observed":"x","normal":"y","note":""},'
        '{"cue":"schedule","share":0.333333333,"observed":"","normal":"","note":""}],'
        '"clip":null,"snapshot":null,"config_hash":"cafe","models":{"detector":"a","text_encoder":"b"}}'
    )


def test_reading_and_writing_again_changes_no_byte() -> None:
    text = to_json(ALERT)
    assert to_json(from_json(text)) == text
    assert to_json(from_json(text.encode())) == text


def test_shares_still_sum_to_one() -> None:
    assert abs(sum(e["share"] for e in json.loads(to_json(ALERT))["evidence"]) - 1) < 1e-6


def test_another_time_zone_gives_the_same_bytes() -> None:
    east = ALERT.opened_at.astimezone(timezone(timedelta(hours=8)))
    assert to_json(replace(ALERT, opened_at=east)) == to_json(ALERT)


def test_fields_of_a_later_writer_are_ignored() -> None:
    later = {**json.loads(to_json(ALERT)), "mood": "calm"}
    assert to_json(from_json(json.dumps(later))) == to_json(ALERT)


def test_real_output_fits_the_schema_and_uses_every_field_of_it() -> None:
    settings = AlertSettings(
        "gate",
        zones=(Zone("yard", ((0.3, 0.0), (1.0, 0.0), (1.0, 1.0), (0.3, 1.0))),),
        lines=(GroundLine("sill", (0.5, 0.0), (0.5, 1.0)),),
        rules=(
            ZoneRule(name="z", zone="yard"),
            LineRule(name="l", line="sill"),
            LoiteringRule(name="o", min_stay_s=2),
            CrowdRule(name="c", min_count=2, min_duration_s=0.5),
        ),
    )
    walk = [finding(k / 5, [person(1, 20 + 8 * k), person(2, 600 - 8 * k)]) for k in range(70)]
    blind = [finding(14 + k, None, conditions=("offline",)) for k in range(9)]
    alerts = play(stage_of(settings), [*walk, *blind, finding(30, None, ended=True)])
    assert {a.kind for a in alerts} == {"zone", "line", "loitering", "crowd", "camera_health"}
    for alert in alerts:
        body = json.loads(to_json(alert))
        jsonschema.validate(body, SCHEMA, cls=jsonschema.Draft202012Validator)
        assert set(body) == set(SCHEMA["properties"]) == set(SCHEMA["required"])


def test_the_schema_is_one_and_refuses_what_is_not_an_alert() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    body = json.loads(to_json(ALERT))
    for name, value in {"v": 2, "id": "a_1", "phase": "begun", "closed_at": body["opened_at"], "score": 1.5}.items():
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**body, name: value}, SCHEMA, cls=jsonschema.Draft202012Validator)


def _with(**changes: Any) -> str:
    return json.dumps({**json.loads(to_json(ALERT)), **changes})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        ("[1]", "expected an object"),
        ('{"v": 1}', "alert.id: missing"),
        ('{"v": NaN}', "NaN is not JSON"),
        ("[" * 100_000, "not JSON"),
        ("9" * 5000, "not JSON"),
        (_with(v=2), "version 2"),
        (_with(v=True), "alert.v"),
        (_with(id=""), "alert.id: is empty"),
        (_with(revision=0), "revision"),
        (_with(revision=1.5), "alert.revision"),
        (_with(phase="begun"), "opened|updated|closed"),
        (_with(phase=["opened"]), "opened|updated|closed"),
        (_with(phase="closed"), "closed_at"),
        (_with(severity="mild"), "info|warning|critical"),
        (_with(score="high"), "alert.score"),
        ('{"v":1e999}', "alert.v"),
        (_with(opened_at="2026-01-02"), "alert.opened_at"),
        (_with(opened_at="2026-13-02T03:04:05.000006Z"), "is no date"),
        (_with(tracks={}), "alert.tracks"),
        (_with(tracks=[{"id": 1, "label": "x", "xyxy_norm": [1, 2]}]), "alert.tracks[0].xyxy_norm"),
        (_with(tracks=[7]), "alert.tracks[0]"),
        (_with(evidence=[{}] * 300), "alert.evidence"),
        (_with(evidence=[{}]), "alert.evidence[0].cue: missing"),
        (_with(models=[]), "alert.models"),
        (_with(title="\ud800"), "surrogate"),
        (_with(text="x" * 9000), "at most"),
        ("x" * (MAX_MESSAGE_BYTES + 1), "at most"),
    ],
)
def test_what_is_not_an_alert_is_refused_in_one_sentence(text: str | bytes, says: str) -> None:
    with pytest.raises(MessageError, match=re.escape(says)) as caught:
        from_json(text)
    assert len(str(caught.value)) < 400


def test_a_number_that_is_not_finite_is_not_written() -> None:
    with pytest.raises(MessageError, match="not finite"):
        to_json(replace(ALERT, score=float("nan")))


@given(st.one_of(st.text(), st.binary(), st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps)))
def test_random_input_raises_nothing_but_message_error(text: str | bytes) -> None:
    with pytest.raises(MessageError):
        from_json(text)


@given(
    st.sampled_from(sorted(SCHEMA["properties"])),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=8,
    ),
)
def test_a_random_field_is_refused_or_read_stably(name: str, value: object) -> None:
    try:
        alert = from_json(_with(**{name: value}))
    except MessageError:
        return
    assert to_json(from_json(to_json(alert))) == to_json(alert)
