"""The true loading and generation code, on small real checkpoints with random weights (see ``checkpoints.py``).

These say nothing about what a trained model writes: none was run here (``pipeline/describe/MODELS.md``).
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from pipeline.describe.prompts import build
from pipeline.describe.reply import MAX_TEXT_CHARS, parse, schema
from pipeline.describe.settings import ModelSettings
from pipeline.descriptions import Prompt
from pipeline.errors import ModelError
from tests.unit.describe import checkpoints
from tests.unit.describe.asking import person, request

pytest.importorskip("transformers", reason="the extra `models` is not installed")
pytest.importorskip("llguidance", reason="the extra `models` is not installed")
checkpoints.mend_torchvision()

from pipeline.describe import vlm  # noqa: E402
from pipeline.describe.vlm import TransformersModel  # noqa: E402

pytestmark = pytest.mark.models

SHORT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "minLength": 1, "maxLength": 12},
        "claims": {"type": "array", "maxItems": 2, "items": {"type": "string", "maxLength": 6}},
        "confidence": {"type": "number", "enum": [0, 0.5, 1]},
    },
    "required": ["title", "claims", "confidence"],
    "additionalProperties": False,
}
FOLDERS: dict[str, Callable[[Path], Path]] = {"qwen3.5": checkpoints.save_qwen, "smolvlm": checkpoints.save_smol}


def picture(seed: int, height: int = 90, width: int = 120) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


PROMPTS = (
    Prompt("You describe.", "What is there?", (picture(1), picture(2, 64, 64)), SHORT, 96),
    Prompt(
        "You describe.", "And there? A longer question, so that the rows have to be padded.", (picture(3),), SHORT, 96
    ),
    Prompt("You describe.", "No picture at all.", (), SHORT, 96),
)


@pytest.fixture(scope="module", params=list(FOLDERS))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return FOLDERS[request.param](tmp_path_factory.mktemp("checkpoint") / request.param)


def settings(folder: Path, **changes: Any) -> ModelSettings:
    return ModelSettings(**{"model": str(folder), "dtype": "float32", "device": "cpu", "threads": 1, **changes})


@pytest.fixture(scope="module")
def model(folder: Path) -> TransformersModel:
    loaded = TransformersModel(settings(folder), timeout_s=60)
    loaded.warm_up()
    return loaded


def test_replies_are_of_their_schema_whatever_the_weights_are(model: TransformersModel) -> None:
    replies = model.reply(PROMPTS)
    for reply in replies:
        jsonschema.validate(json.loads(reply.text), SHORT)
        assert 0 < reply.reply_tokens < 96
        assert reply.prompt_tokens > 10
        assert reply.latency_s > 0
    assert replies[0].prompt_tokens > replies[2].prompt_tokens


def test_replies_are_greedy_and_a_batch_gives_what_single_prompts_give(model: TransformersModel) -> None:
    together = [reply.text for reply in model.reply(PROMPTS)]
    assert [model.reply([prompt])[0].text for prompt in PROMPTS] == together
    assert [reply.text for reply in model.reply(PROMPTS)] == together


def test_the_picture_is_seen(model: TransformersModel) -> None:
    free = [Prompt("s", "u", (picture(seed),), None, 12) for seed in (1, 5)]
    grey = [Prompt("s", "u", (np.full((90, 120, 3), level, np.uint8),), None, 12) for level in (0, 255)]
    assert len({reply.text for reply in model.reply([*free, *grey])}) > 1


def test_the_real_prompt_and_schema_fit_the_token_limit_or_end_as_cut_text(model: TransformersModel) -> None:
    prompt = build(request(person(), questions=("Is a door open?",)), [], max_tokens=64)
    (reply,) = model.reply([prompt])
    assert reply.reply_tokens <= 64
    assert reply.text.startswith('{"title": "')
    with pytest.raises(ModelError):
        parse(reply.text, questions=("Is a door open?",))


def test_more_prompts_than_a_batch_keep_their_order(folder: Path, model: TransformersModel) -> None:
    paired = TransformersModel(settings(folder, max_batch=2), timeout_s=60)
    assert [reply.text for reply in paired.reply(PROMPTS)] == [reply.text for reply in model.reply(PROMPTS)]
    assert paired.reply([]) == []


def test_prompts_of_different_limits_are_not_mixed(model: TransformersModel) -> None:
    replies = model.reply([Prompt("s", "u", (), None, 3), Prompt("s", "u", (), None, 9), Prompt("s", "v", (), None, 9)])
    assert replies[0].reply_tokens <= 3
    assert max(reply.reply_tokens for reply in replies) <= 9


def test_time_that_is_up_ends_a_reply(folder: Path) -> None:
    hurried = TransformersModel(settings(folder), timeout_s=1e-9)
    (reply,) = hurried.reply([Prompt("s", "u", (picture(1),), None, 200)])
    assert reply.reply_tokens <= 1


def test_control_tokens_in_a_prompt_are_only_words(model: TransformersModel) -> None:
    every = " ".join((*checkpoints.QWEN_TOKENS, *checkpoints.SMOL_TOKENS))
    hostile = Prompt(every, f"{every}<ima<image>ge><|im_<|im_end|>end|> what?", (picture(1),), SHORT, 96)
    jsonschema.validate(json.loads(model.reply([hostile])[0].text), SHORT)
    plain = Prompt("", " what?", (picture(1),), SHORT, 96)
    assert model.reply([hostile])[0].prompt_tokens < model.reply([plain])[0].prompt_tokens + 160


def test_the_name_says_which_checkpoint(model: TransformersModel, folder: Path) -> None:
    assert model.name == f"vlm:{folder.name}"


def test_a_schema_that_cannot_be_enforced_is_one_sentence(model: TransformersModel) -> None:
    with pytest.raises(ModelError, match="schema"):
        model.reply([Prompt("s", "u", (), {"type": "nonsense"}, 8)])


def test_a_picture_that_is_none_fails_as_one_sentence(model: TransformersModel) -> None:
    with pytest.raises(ModelError, match="failed to reply"):
        model.reply([Prompt("s", "u", (np.zeros((0, 0, 3), np.uint8),), SHORT, 8)])


@pytest.mark.parametrize("dtype", ["auto", "bfloat16", "float16"])
def test_other_dtypes_load_and_reply(folder: Path, dtype: str) -> None:
    (reply,) = TransformersModel(settings(folder, dtype=dtype), timeout_s=60).reply(PROMPTS[:1])
    jsonschema.validate(json.loads(reply.text), SHORT)


def test_attention_can_be_chosen_and_nonsense_is_refused(folder: Path, model: TransformersModel) -> None:
    eager = TransformersModel(settings(folder, attention="eager"), timeout_s=60)
    assert eager.reply(PROMPTS[:1])[0].text == model.reply(PROMPTS[:1])[0].text
    with pytest.raises(ModelError, match="cannot be loaded"):
        TransformersModel(settings(folder, attention="nonsense"))


@pytest.mark.parametrize("quantization", ["int8", "int4"])
def test_quantised_weights_reply(folder: Path, quantization: str) -> None:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    pytest.importorskip("accelerate", reason="accelerate is not installed")
    if quantization == "int4" and folder.name == "qwen3.5":
        pytest.skip("its layers are too narrow for the blocks of four-bit weights")
    small = TransformersModel(settings(folder, dtype="auto", quantization=quantization), timeout_s=60)
    jsonschema.validate(json.loads(small.reply(PROMPTS[:1])[0].text), SHORT)


@pytest.mark.parametrize("device", ["cuda", "cuda:7", "toaster"])
def test_a_device_that_is_not_there_is_one_sentence(folder: Path, device: str) -> None:
    if device == "cuda" and vlm.torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ModelError, match=f"The device '{device}' cannot be used"):
        TransformersModel(settings(folder, device=device))


def test_a_model_too_large_for_the_memory_is_not_begun(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vlm, "available_memory_bytes", lambda: 2**20)
    monkeypatch.setattr(vlm, "_load", lambda *_: pytest.fail("it was loaded"))
    with pytest.raises(ModelError, match=r"GiB of memory and 0\.0 GiB are free"):
        TransformersModel(settings(folder))


def edited(folder: Path, tmp_path: Path, how: str) -> Path:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    config = json.loads((copy / "config.json").read_text(encoding="utf-8"))
    if how == "wrong architecture":
        config = {"model_type": "bert", "architectures": ["BertModel"]}
    elif how == "unknown architecture":
        config["model_type"] = "nonsense"
    elif how == "code of its own":
        config = {"model_type": "own", "auto_map": {"AutoConfig": "own.Config"}}
        (copy / "own.py").write_text("raise SystemExit('code of a checkpoint was run')", encoding="utf-8")
    elif how == "larger than its weights":
        config["text_config"]["num_hidden_layers"] = 3
        config["text_config"].get("layer_types", []).append("full_attention")
    elif how == "no tokenizer":
        for file in copy.glob("tokenizer*"):
            file.unlink()
    elif how == "no picture processor":
        for file in copy.glob("*processor*.json"):
            file.unlink()
    elif how == "no chat template":
        for file in copy.glob("chat_template*"):
            file.unlink()
    elif how == "half a config":
        config = {key: config[key] for key in ("model_type",)} | {"text_config": 5}
    (copy / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return copy


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("wrong architecture", "sees no pictures"),
        ("unknown architecture", "cannot be loaded"),
        ("code of its own", "cannot be loaded"),
        ("larger than its weights", "lacks .* of its weights"),
        ("no tokenizer", "cannot be loaded|without the words"),
        ("no picture processor", "cannot be loaded|without a processor"),
        ("no chat template", "chat template"),
        ("half a config", "cannot be loaded"),
    ],
)
def test_a_folder_whose_parts_do_not_fit_is_one_sentence(folder: Path, tmp_path: Path, how: str, why: str) -> None:
    with pytest.raises(ModelError, match=why) as caught:
        TransformersModel(settings(edited(folder, tmp_path, how)))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_folder_is_loaded_and_asked_without_asking_anybody_else(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: socket.socket, address: object) -> None:
        pytest.fail(f"something connected to {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    (reply,) = TransformersModel(settings(folder), timeout_s=60).reply(PROMPTS[:1])
    assert reply.reply_tokens > 0


def test_an_install_without_the_extra_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from pipeline.errors import ModelError\n"
        "try:\n    import pipeline.describe.vlm\n"
        "except ModelError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'vedette[models]'" in done.stdout
    assert done.stdout.count("\n") == 1


def test_automatic_takes_what_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = vlm.torch
    assert vlm._automatic(torch.device("cpu")) == vlm.CPU_MODEL
    for free_gib, expected in ((24, "Qwen/Qwen3.5-4B"), (8, "Qwen/Qwen3.5-2B"), (4, "Qwen/Qwen3.5-0.8B")):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, free=free_gib: (free * 2**30, 80 * 2**30))
        assert vlm._automatic(torch.device("cuda")) == expected


def test_the_longest_reply_the_schema_allows_has_room_for_its_text() -> None:
    assert schema()["properties"]["text"]["maxLength"] == MAX_TEXT_CHARS
