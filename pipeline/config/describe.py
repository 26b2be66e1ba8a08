"""What a site file may say about descriptions: who writes them, what they may cost, what nobody may see.

In: the section ``describe`` and the cameras' private regions. Out: ``DescribeSettings`` of
:mod:`pipeline.describe.settings`, or faults. Defaults live here. Next file: ``pipeline/config/models.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from pipeline.config.faults import Fault
from pipeline.config.rules import Part
from pipeline.describe.budget import Caps, Price
from pipeline.describe.settings import (
    BackendName,
    DescribeSettings,
    Dtype,
    HiddenPeople,
    ModelSettings,
    PictureSettings,
    PrivacyRegion,
    PrivacySettings,
    Quantization,
    ServerSettings,
)
from pipeline.descriptions import Language

__all__ = ["BudgetModel", "DescribeModel", "ServerModel", "VlmModel", "describe_settings"]

Amount = Annotated[float, Field(ge=0)]
Note = Annotated[str, Field(min_length=1, max_length=500)]


class VlmModel(Part):
    """The vision-language model of `backend: vlm` (needs the extra `models`)."""

    name: Annotated[str, Field(min_length=1)] = "auto"
    """auto takes what fits this machine; else a folder, or a name on the hub."""
    revision: str | None = None
    """Pins the hub's version of it."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:1."""
    dtype: Dtype = "auto"
    """auto takes what the device computes in."""
    quantization: Quantization = "none"
    """int8 or int4 weights take less memory."""
    attention: str = "auto"
    """auto, or a word of transformers: sdpa, eager, flash_attention_2."""
    max_batch: Annotated[int, Field(ge=1, le=64)] = 4
    """Most moments described at once."""
    threads: Annotated[int, Field(ge=0, le=1024)] = 0
    """Processor threads; 0 leaves the choice to torch."""
    offline: bool = False
    """Never ask the hub."""


class ServerModel(Part):
    """The OpenAI-compatible server of `backend: server` (vLLM, Ollama, llama.cpp, transformers serve, a paid one)."""

    endpoint: Annotated[str, Field(min_length=1)]
    """Its address up to /chat/completions, e.g. http://127.0.0.1:8000/v1. Pictures go there and nowhere else."""
    model: Annotated[str, Field(min_length=1)]
    """The name by which the server knows the model."""
    key_env: str | None = None
    """The environment variable that holds the key; it is never written into a file."""
    ca_file: str | None = None
    """Certificates that the server's is checked against; certifi's authorities if absent."""
    concurrency: Annotated[int, Field(ge=1, le=64)] = 2
    """Most requests under way at once."""
    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """How often one request is tried."""
    breaker_failures: Annotated[int, Field(ge=1, le=1000)] = 3
    """After so many failures in a row the server is left alone for a while, ..."""
    breaker_s: Annotated[float, Field(gt=0, le=600)] = 120.0
    """... first for so long, then for twice as long each time."""


class BudgetModel(Part):
    """Hard caps in any minute and any hour, half of each kept for alerts. The grounded writer costs nothing."""

    calls_per_minute: Amount | None = 30.0
    """Questions to the model."""
    calls_per_hour: Amount | None = 600.0
    tokens_per_minute: Amount | None = None
    """Tokens of prompts and replies; a picture has several hundred."""
    tokens_per_hour: Amount | None = None
    seconds_per_minute: Amount | None = None
    """Seconds in which the model is at work."""
    seconds_per_hour: Amount | None = None
    money_per_minute: Amount | None = None
    """In the currency of the prices below."""
    money_per_hour: Amount | None = None
    price_per_million_prompt_tokens: Amount = 0.0
    price_per_million_reply_tokens: Amount = 0.0


class DescribeModel(Part):
    """Who puts scenes into words: the grounded writer always does, from measurements; a model adds what it sees."""

    backend: BackendName = "grounded"
    """grounded: no model. vlm: a vision-language model on this machine. server: the one named below."""
    language: Language = "en"
    """en or zh."""
    context: tuple[Note, ...] = ()
    """What a model should know of the site, e.g. "deliveries come in the morning"."""
    max_tokens: Annotated[int, Field(ge=32, le=4096)] = 400
    """Longest reply of a model."""
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 120.0
    """How long one description may take."""
    max_pictures: Annotated[int, Field(ge=1, le=4)] = 2
    """How many pictures of a moment a model sees."""
    max_edge: Annotated[int, Field(ge=64, le=4096)] = 768
    """No picture has an edge of more pixels."""
    hide_people: HiddenPeople = "none"
    """heads or bodies of everybody tracked are made unrecognisable before any model sees them."""
    scene_gap_s: Annotated[float, Field(ge=0, le=86_400)] = 20.0
    """A scene that keeps changing is described once per this many seconds; alerts always are."""
    every_s: Annotated[float, Field(ge=0, le=86_400)] = 600.0
    """A slow look at every camera; 0 switches it off."""
    reuse_s: Annotated[float, Field(ge=0, le=86_400)] = 900.0
    """The model's words of a scene that has not changed stand for so long."""
    model: VlmModel = VlmModel()
    server: ServerModel | None = None
    budget: BudgetModel = BudgetModel()


def describe_settings(
    model: DescribeModel,
    regions: Mapping[tuple[int, str], Sequence[Sequence[tuple[float, float]]]],
    folder: Path,
    faults: list[Fault],
) -> DescribeSettings | None:
    """The settings of ``model``; ``regions`` are the private polygons of each camera by its place in the file and its
    name. None where ``faults`` say why."""
    server = None if model.server is None else _server(model.server, folder, faults)
    hidden: list[PrivacyRegion] = []
    for (place, camera), polygons in regions.items():
        for index, polygon in enumerate(polygons):
            try:
                hidden.append(PrivacyRegion(camera, tuple(polygon)))
            except ValueError as error:
                faults.append(Fault(("cameras", place, "private", index), str(error)))
    caps = {name: getattr(model.budget, name) for name in Caps.__dataclass_fields__}
    prices = (model.budget.price_per_million_prompt_tokens, model.budget.price_per_million_reply_tokens)
    try:
        return DescribeSettings(
            backend=model.backend,
            language=model.language,
            max_tokens=model.max_tokens,
            timeout_s=model.timeout_s,
            pictures=PictureSettings(model.max_pictures, model.max_edge),
            privacy=PrivacySettings(tuple(hidden), model.hide_people),
            model=_model(model.model, folder),
            server=server,
            context=model.context,
            scene_gap_s=model.scene_gap_s,
            every_s=model.every_s,
            reuse_s=model.reuse_s,
            caps=Caps(**caps),
            price=Price(*prices),
        )
    except ValueError as error:
        faults.append(Fault(("describe",), str(error).rstrip(".")))
        return None


def _model(model: VlmModel, folder: Path) -> ModelSettings:
    """A folder as a path counted from ``folder``; a name of the hub as it is."""
    path = folder / Path(model.name).expanduser()
    return ModelSettings(
        model=str(path) if path.is_dir() else model.name,
        revision=model.revision,
        device=model.device,
        dtype=model.dtype,
        quantization=model.quantization,
        attention=model.attention,
        max_batch=model.max_batch,
        threads=model.threads,
        is_offline=model.offline,
    )


def _server(model: ServerModel, folder: Path, faults: list[Fault]) -> ServerSettings | None:
    ca_file = None if model.ca_file is None else folder / Path(model.ca_file).expanduser()
    if ca_file is not None and not ca_file.is_file():
        faults.append(Fault(("describe", "server", "ca_file"), "there is no such file"))
        return None
    return ServerSettings(
        endpoint=model.endpoint,
        model=model.model,
        key_env=model.key_env,
        ca_file=ca_file,
        concurrency=model.concurrency,
        attempts=model.attempts,
        breaker_failures=model.breaker_failures,
        breaker_s=model.breaker_s,
    )
