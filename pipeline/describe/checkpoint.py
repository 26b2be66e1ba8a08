"""Finds a vision-language checkpoint and says what it would need. In: a name or a folder; out: a :class:`Checkpoint`.

A folder is taken as it is; a name is fetched from the Hugging Face hub once and found in its cache after that. Weights
are read as safetensors only, code that comes with a checkpoint is never run. What is missing, cut short or too large
for the memory at hand is said in one sentence, before minutes are spent on loading. Next: ``pipeline/describe/vlm.py``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from pipeline.errors import ModelError
from pipeline.redact import redact

__all__ = ["Checkpoint", "available_memory_bytes", "find", "require_memory"]

_FETCHED = ("*.json", "*.safetensors", "*.jinja", "*.txt", "*.model")
_HUB_NAME = re.compile(r"[\w.\-]{1,96}/[\w.\-]{1,96}")
_INDEX = "model.safetensors.index.json"
_HUB_TIMEOUT_S = 10.0
_MAX_JSON_BYTES = 64 * 1024 * 1024
_RESERVE_BYTES = 512 * 1024 * 1024  # for activations and what else the machine does
_GROWTH = 1.15  # of the weights, for the cache of keys and values
_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder that holds all a model needs: how many numbers its weights are, and their size as they are stored."""

    name: str
    folder: Path
    parameters: int
    stored_bytes: int
    is_quantized: bool


def find(model: str, *, revision: str | None = None, is_offline: bool = False) -> Checkpoint:
    """The checkpoint called ``model``: a folder, or ``owner/name`` on the hub. Fetches what is not there yet.

    Raises ModelError when it is nowhere, incomplete or damaged.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        return _inspect(path.resolve().name, path.resolve())
    if not _HUB_NAME.fullmatch(model):
        raise ModelError(f"There is no folder {model!r}, and it is no name on the hub (owner/name) either.")
    return _inspect(model.rpartition("/")[2], _fetch(model, revision, is_offline))


def require_memory(needed_bytes: int, available_bytes: int, what: str) -> None:
    """Raise ModelError unless weights of ``needed_bytes``, with room to work, fit into ``available_bytes``."""
    total = int(needed_bytes * _GROWTH) + _RESERVE_BYTES
    if total > available_bytes:
        raise ModelError(
            f"{what} needs about {total / 2**30:.1f} GiB of memory and {available_bytes / 2**30:.1f} GiB are free: "
            "choose a smaller model, a smaller dtype or a quantization."
        )


def available_memory_bytes(limits: Sequence[Path] = _CGROUP_LIMITS) -> int:
    """Memory this process may still take: what the machine has free, or less where a container is limited."""
    available = int(psutil.virtual_memory().available)
    for path in limits:
        try:
            limit = int(path.read_text(encoding="ascii"))
        except (OSError, ValueError):  # not this version of cgroups, or "max": no limit
            continue
        available = min(available, max(0, limit - int(psutil.Process().memory_info().rss)))
    return available


def _fetch(model: str, revision: str | None, is_offline: bool) -> Path:
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        return Path(
            huggingface_hub.snapshot_download(
                model,
                revision=revision,
                allow_patterns=list(_FETCHED),
                local_files_only=is_offline,
                etag_timeout=_HUB_TIMEOUT_S,
            )
        )
    except LocalEntryNotFoundError as error:
        where = "the hub was not asked (offline)" if is_offline else "the hub cannot be reached"
        raise ModelError(
            f"The model {model} is not in the local cache and {where}; "
            "copy its folder here and name that, or choose another backend."
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(f"The hub has no model {model}, or it is not open to everybody.") from error
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise ModelError(f"The model {model} could not be fetched from the hub ({_first_line(error)}).") from error


def _inspect(name: str, folder: Path) -> Checkpoint:
    config = _json(folder, "config.json")
    files = _weight_files(folder)
    parameters = stored = 0
    for file in files:
        counted = _count(file)
        parameters, stored = parameters + counted[0], stored + counted[1]
    return Checkpoint(name, folder, parameters, stored, isinstance(config.get("quantization_config"), dict))


def _weight_files(folder: Path) -> list[Path]:
    if (folder / _INDEX).is_file():
        shards = _json(folder, _INDEX).get("weight_map")
        if not isinstance(shards, dict) or not all(isinstance(name, str) for name in shards.values()):
            raise ModelError(f"{folder / _INDEX} names no weight files.")
        files = [folder / Path(name).name for name in sorted(set(shards.values()))]
    else:
        files = [folder / "model.safetensors"]
    for file in files:
        if not file.is_file():
            raise ModelError(f"The checkpoint {folder} is incomplete: {file.name} is missing.")
    return files


def _count(file: Path) -> tuple[int, int]:
    """Numbers and bytes in one weight file, from its header. Raises ModelError for a damaged or shortened file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="np") as weights:
            parameters = sum(math.prod(weights.get_slice(key).get_shape()) for key in weights.keys())  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelError(f"The weights {file} cannot be read ({_first_line(error)}).") from error
    return parameters, file.stat().st_size


def _json(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise ModelError(f"{path} is too large to be what its name says.")
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"The checkpoint {folder} is incomplete: {name} is missing.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read ({_first_line(error)}).") from error
    if not isinstance(found, dict):
        raise ModelError(f"{path} holds no JSON object.")
    return found


def _first_line(error: BaseException) -> str:
    """What a library says, short and without secrets."""
    lines = str(error).strip().splitlines()
    return redact(lines[0][:200]) if lines else type(error).__name__
