"""A folder of weights is looked at before minutes are spent on it; what is wrong with it is one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

safetensors_numpy = pytest.importorskip("safetensors.numpy", reason="the extra `models` is not installed")

from pipeline.describe.checkpoint import Checkpoint, available_memory_bytes, find, require_memory  # noqa: E402
from pipeline.errors import ModelError  # noqa: E402


def save(folder: Path, name: str = "model.safetensors", numbers: int = 1000) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text('{"model_type": "qwen3_5"}', encoding="utf-8")
    safetensors_numpy.save_file({"a": np.zeros((numbers // 10, 10), np.float32)}, folder / name)
    return folder


def index(folder: Path, *shards: str) -> None:
    weights = {f"w{number}": shard for number, shard in enumerate(shards)}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weights}), encoding="utf-8")


def test_a_folder_is_counted(tmp_path: Path) -> None:
    folder = save(tmp_path / "small")
    size = (folder / "model.safetensors").stat().st_size
    assert find(str(folder)) == Checkpoint("small", folder, 1000, size, is_quantized=False)


def test_shards_are_added_up_and_quantised_checkpoints_known(tmp_path: Path) -> None:
    folder = save(tmp_path / "m", "one.safetensors")
    save(folder, "two.safetensors", 500)
    index(folder, "one.safetensors", "two.safetensors", "one.safetensors")
    (folder / "config.json").write_text('{"quantization_config": {"quant_method": "awq"}}', encoding="utf-8")
    found = find(str(folder))
    assert found.parameters == 1500
    assert found.is_quantized


def broken(tmp_path: Path, how: str) -> Path:
    folder = save(tmp_path / "m")
    weights = folder / "model.safetensors"
    if how == "config.json is missing":
        (folder / "config.json").unlink()
    elif how == "model.safetensors is missing":
        weights.rename(folder / "pytorch_model.bin")  # a pickle is never opened
    elif how == "two.safetensors is missing":
        index(folder, "model.safetensors", "two.safetensors")
    elif how == "names no weight files":
        (folder / "model.safetensors.index.json").write_text('{"weight_map": ["a"]}', encoding="utf-8")
    elif how == "cannot be read":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif how == "holds no JSON object":
        (folder / "config.json").write_text("[]", encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "how",
    [
        "config.json is missing",
        "model.safetensors is missing",
        "two.safetensors is missing",
        "names no weight files",
        "cannot be read",
        "holds no JSON object",
    ],
)
def test_a_broken_folder_is_one_sentence(tmp_path: Path, how: str) -> None:
    with pytest.raises(ModelError, match=how) as caught:
        find(str(broken(tmp_path, how)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_config_that_is_no_json_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    folder = save(tmp_path / "m")
    (folder / "config.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"config\.json cannot be read"):
        find(str(folder))


@pytest.mark.parametrize("content", [b"", b"x" * 100, (2**63 - 1).to_bytes(8, "little") + b"{}"])
def test_weights_that_are_none_are_one_sentence(tmp_path: Path, content: bytes) -> None:
    folder = save(tmp_path / "m")
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match="cannot be read"):
        find(str(folder))


def test_shards_outside_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    save(tmp_path, "outside.safetensors")
    folder = save(tmp_path / "m")
    index(folder, "../outside.safetensors")
    with pytest.raises(ModelError, match=r"outside\.safetensors is missing"):
        find(str(folder))


@pytest.mark.parametrize("name", ["nowhere", "/no/such/folder", "a/b/c", "owner/na me", "../x/y", "https://h/m"])
def test_what_is_neither_folder_nor_name_is_not_asked_for(name: str) -> None:
    with pytest.raises(ModelError, match="no folder"):
        find(name)


def test_a_name_that_is_not_in_the_cache_is_one_sentence_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=r"owner/model is not in the local cache .* \(offline\)"):
        find("owner/model", is_offline=True)


def test_weights_have_to_fit_with_room_to_work() -> None:
    gib = 2**30
    require_memory(4 * gib, 6 * gib, "It")
    with pytest.raises(ModelError, match=r"^It needs about 5.1 GiB of memory and 5.0 GiB are free"):
        require_memory(4 * gib, 5 * gib, "It")


def test_a_containers_limit_counts(tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    machine = available_memory_bytes([tmp_path / "none"])
    limit.write_text("max\n", encoding="ascii")
    assert available_memory_bytes([limit]) > machine / 2
    limit.write_text("1000000\n", encoding="ascii")
    assert available_memory_bytes([limit]) == 0
    limit.write_text(f"{2**62}\n", encoding="ascii")
    assert available_memory_bytes([limit]) > machine / 2
