"""Who puts scenes into words: what is picked, what is missing, and replays that a model describes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.alert.message import to_json
from pipeline.config import load_site
from pipeline.describe.budget import Caps
from pipeline.describe.settings import DescribeSettings, ModelSettings, ServerSettings
from pipeline.errors import ModelError, UsageError
from pipeline.settings import SiteSettings
from tests.clips import write_clip
from tests.contract.bus_messages import request
from tests.unit.describe.chat_server import ChatServer, completion
from tests.unit.workers.describing import Said, pictures
from workers.describers import asking, describer, new_narrator
from workers.replay import over_bus, single

WORDS = "The picture is calm."
REPLY = json.dumps({"title": "Calm", "text": WORDS, "claims": [], "concerns": [], "confidence": 0.5})
SITE = """
data_dir: {folder}/data
text_encoder: none
describe:
  backend: server
  scene_gap_s: 1
  every_s: 2
  context: [a school]
  server: {{endpoint: '{endpoint}', model: told}}
cameras:
  yard:
    url: {folder}/yard.mp4
    notes: [the door on the left is the staff's]
    motion_gate: false
    zones: {{all: [[0, 0], [1, 0], [1, 1], [0, 1]]}}
    rules: [{{kind: absence, zone: all, labels: [person], min_absence_s: 1}}]
"""


def site_at(folder: Path, endpoint: str) -> SiteSettings:
    (folder / "site.yaml").write_text(SITE.format(folder=folder, endpoint=endpoint))
    return load_site(folder / "site.yaml")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("replayed")
    write_clip(path / "yard.mp4", frames=60, fps=10, gop=10)
    return path


def replayed(site: SiteSettings) -> list[str]:
    alerts = single(
        site, Said().telemetry, speed=None, start_at=None, on_alert=lambda _: None, on_progress=lambda _: None
    )
    return [to_json(alert) for alert in alerts]


def test_a_replay_that_a_model_describes_is_the_same_twice(folder: Path) -> None:
    runs = []
    for _ in range(2):
        with ChatServer(completion(REPLY)) as server:
            runs.append(replayed(site_at(folder, server.endpoint)))
            prompts = [json.dumps(body, ensure_ascii=False) for body in server.bodies]
    assert runs[0] == runs[1]
    texts = [json.loads(line) for line in runs[0]]
    described = [alert for alert in texts if alert["text_source"] == "server:told"]
    assert described
    assert all(alert["text"].endswith(WORDS) for alert in described)
    assert all(alert["models"]["describer"] == "server:told" for alert in described)
    assert any("a school" in prompt and "the staff" in prompt for prompt in prompts)


def test_how_many_frames_are_looked_at_at_once_changes_nothing(folder: Path) -> None:
    runs = []
    for most in (1, 8):
        with ChatServer(completion(REPLY)) as server:
            site = site_at(folder, server.endpoint)
            runs.append(replayed(replace(site, detector=replace(site.detector, max_batch=most))))
    assert runs[0] == runs[1]


def test_a_server_that_is_down_leaves_every_alert_with_grounded_words(folder: Path) -> None:
    with ChatServer(404) as server:
        down = [json.loads(line) for line in replayed(site_at(folder, server.endpoint))]
    site = site_at(folder, "http://127.0.0.1:9/v1")
    grounded = replace(site, describe=replace(site.describe, backend="grounded"))
    plain = [json.loads(line) for line in replayed(grounded)]
    assert down
    assert [alert["text"] for alert in down] == [alert["text"] for alert in plain]


def test_a_replay_over_a_bus_is_not_described_by_a_model(folder: Path) -> None:
    site = site_at(folder, "http://127.0.0.1:9/v1")
    with pytest.raises(UsageError, match="one process"):
        over_bus(site, Said().telemetry, workers=1, start_at=None, on_alert=lambda _: None)


def test_each_camera_is_asked_about_with_the_sites_notes_and_its_own(folder: Path) -> None:
    asked = asking(site_at(folder, "http://127.0.0.1:9/v1"), "yard")
    assert asked.context == ("a school", "the door on the left is the staff's")
    assert (asked.scene_gap_s, asked.every_s) == (1, 2)


def test_the_narrator_knows_the_cameras_zones(folder: Path) -> None:
    narrator = new_narrator(site_at(folder, "http://127.0.0.1:9/v1"), "yard")
    assert narrator.write(request(1).facts)[1]


def test_a_model_that_cannot_be_loaded_is_one_event_and_the_grounded_writer(tmp_path: Path) -> None:
    settings = DescribeSettings(backend="vlm", model=ModelSettings(model=str(tmp_path), is_offline=True))
    said = Said()
    with describer(settings, pictures, said.telemetry) as (stage, _):
        (outcome,) = stage.describe([request(1)], 0.0)
    assert outcome.description.source == "grounded"
    assert said.events == ["describer_missing"]
    with pytest.raises(ModelError), describer(settings, pictures, said.telemetry, is_strict=True):
        pass


def test_a_key_that_is_missing_is_refused_at_once() -> None:
    server = ServerSettings("http://127.0.0.1:9/v1", "m", key_env="VEDETTE_NO_SUCH_KEY")
    settings = DescribeSettings(backend="server", server=server)
    with (
        pytest.raises(UsageError, match="VEDETTE_NO_SUCH_KEY"),
        describer(settings, pictures, Said().telemetry, environ={}),
    ):
        pass


def test_what_is_kept_before_a_call_is_kept_before_every_call_and_the_caps_are_shared() -> None:
    kept = []
    with ChatServer(completion(json.dumps({**json.loads(REPLY), "answers": [0.5]}))) as server:
        settings = DescribeSettings(
            backend="server", server=ServerSettings(server.endpoint, "m"), caps=Caps(calls_per_hour=4)
        )
        said = Said()
        with describer(
            settings, pictures, said.telemetry, share=2, before_asking=lambda budget: kept.append(budget.state())
        ) as (stage, budget):
            outcomes = [stage.describe([request(seq)], 10.0)[0] for seq in range(4)]
            assert budget.spent(10.0)["hour"].calls == 2
    assert [outcome.obstacle for outcome in outcomes] == ["", "", "budget", "budget"]
    assert len(kept) == 2
    assert len(server.bodies) == 2
