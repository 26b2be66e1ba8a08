"""What an owner can set about descriptions: who writes them, what it may cost in time, what it must not see.

In: values from the site file (:mod:`pipeline.config` builds exactly these and owns the defaults that people see). Out:
frozen dataclasses that check themselves (ValueError, one sentence). A key is named, never held: ``key_env`` is the
environment variable it is read from. Next file: ``pipeline/describe/prompts.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from pipeline.describe.budget import Caps, Price
from pipeline.descriptions import Language

__all__ = [
    "BackendName",
    "DescribeSettings",
    "Dtype",
    "HiddenPeople",
    "ModelSettings",
    "PictureSettings",
    "PrivacyRegion",
    "PrivacySettings",
    "Quantization",
    "ServerSettings",
]

BackendName = Literal["grounded", "vlm", "server"]
HiddenPeople = Literal["none", "heads", "bodies"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Quantization = Literal["none", "int8", "int4"]


def _require(is_ok: bool, what: str, expected: str, got: object) -> None:
    if not is_ok:
        raise ValueError(f"{what}: expected {expected}, got {got!r}")


def _require_word(what: str, words: tuple[str, ...], got: str) -> None:
    _require(got in words, what, "|".join(words), got)


@dataclass(frozen=True, slots=True)
class PrivacyRegion:
    """A part of one camera's picture that no model may see: a polygon of 3 to 100 points, 0..1 of the source frame."""

    camera: str
    polygon_norm: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        what = f"privacy region of {self.camera!r}"
        _require(3 <= len(self.polygon_norm) <= 100, what, "3 to 100 points", len(self.polygon_norm))
        for point in self.polygon_norm:
            _require(len(point) == 2 and all(0 <= v <= 1 for v in point), what, "points (x, y) of 0..1", point)


@dataclass(frozen=True, slots=True)
class PrivacySettings:
    """What is made unrecognisable before a picture reaches any model.

    ``people``: ``none``, ``heads`` or ``bodies`` of everybody who is tracked. Somebody the detector does not see is
    not hidden: draw a region where that must not happen.
    """

    regions: tuple[PrivacyRegion, ...] = ()
    people: HiddenPeople = "none"

    def __post_init__(self) -> None:
        _require_word("privacy people", get_args(HiddenPeople), self.people)


@dataclass(frozen=True, slots=True)
class PictureSettings:
    """How much a model is shown: at most ``max_pictures`` (1 to 4), no edge longer than ``max_edge`` pixels."""

    max_pictures: int = 2
    max_edge: int = 768

    def __post_init__(self) -> None:
        _require(1 <= self.max_pictures <= 4, "max_pictures", "1 to 4", self.max_pictures)
        _require(64 <= self.max_edge <= 4096, "max_edge", "64 to 4096 pixels", self.max_edge)


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """A vision-language model in this process. ``model``: ``auto``, a folder, or a hub's name (``revision`` pins it).

    ``device``: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``. ``attention``: ``auto`` or a word of transformers (``sdpa``,
    ``eager``, ``flash_attention_2``). ``quantization`` of the weights while loading; a checkpoint that comes quantised
    is loaded as it is. ``threads`` 0 leaves the choice to torch. ``is_offline`` never asks the hub.
    """

    model: str = "auto"
    revision: str | None = None
    device: str = "auto"
    dtype: Dtype = "auto"
    quantization: Quantization = "none"
    attention: str = "auto"
    max_batch: int = 4
    threads: int = 0
    is_offline: bool = False

    def __post_init__(self) -> None:
        _require(bool(self.model.strip()), "model", "a name or a folder", self.model)
        _require_word("dtype", get_args(Dtype), self.dtype)
        _require_word("quantization", get_args(Quantization), self.quantization)
        _require(1 <= self.max_batch <= 64, "max_batch", "1 to 64", self.max_batch)
        _require(self.threads >= 0, "threads", "0 or more", self.threads)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """An OpenAI-compatible server: nothing is ever sent to one that is not named here.

    ``endpoint`` ends before ``/chat/completions`` (``http://127.0.0.1:8000/v1``). ``key_env`` names the environment
    variable that holds the key. ``ca_file`` trusts a certificate authority of one's own. After ``breaker_failures``
    requests failed in a row, none is tried for ``breaker_s``, then twice that, up to ten minutes.
    """

    endpoint: str
    model: str
    key_env: str | None = None
    ca_file: Path | None = None
    concurrency: int = 2
    attempts: int = 3
    breaker_failures: int = 3
    breaker_s: float = 30.0

    def __post_init__(self) -> None:
        _require(bool(self.model.strip()), "server model", "the name the server knows it by", self.model)
        _require(1 <= self.concurrency <= 64, "concurrency", "1 to 64", self.concurrency)
        _require(1 <= self.attempts <= 10, "attempts", "1 to 10", self.attempts)
        _require(self.breaker_failures >= 1, "breaker_failures", "1 or more", self.breaker_failures)
        _require(0 < self.breaker_s <= 600, "breaker_s", "more than 0, at most 600 seconds", self.breaker_s)


@dataclass(frozen=True, slots=True)
class DescribeSettings:
    """Who writes, in which language, within which bounds. ``server`` is needed by, and only by, the backend ``server``.

    ``max_tokens`` bounds one reply, ``timeout_s`` one description from the first byte sent to the last received.
    ``context`` is what the owner says of the site. A changing scene is described once per ``scene_gap_s``, any once per
    ``every_s`` (0: never), and words of one that has not changed stand for ``reuse_s``: seconds of media time. ``caps``
    bound what a model may cost in any minute and hour, ``price`` is what its tokens cost.
    """

    backend: BackendName = "grounded"
    language: Language = "en"
    max_tokens: int = 400
    timeout_s: float = 120.0
    pictures: PictureSettings = PictureSettings()
    privacy: PrivacySettings = PrivacySettings()
    model: ModelSettings = ModelSettings()
    server: ServerSettings | None = None
    context: tuple[str, ...] = ()
    scene_gap_s: float = 20.0
    every_s: float = 600.0
    reuse_s: float = 900.0
    caps: Caps = Caps()  # noqa: RUF009 - frozen
    price: Price = Price()  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        _require_word("describe backend", get_args(BackendName), self.backend)
        _require_word("describe language", get_args(Language), self.language)
        _require(32 <= self.max_tokens <= 4096, "max_tokens", "32 to 4096", self.max_tokens)
        _require(0 < self.timeout_s <= 600, "timeout_s", "more than 0, at most 600 seconds", self.timeout_s)
        if self.backend == "server" and self.server is None:
            raise ValueError("describe backend 'server': expected server.endpoint and server.model, got neither.")
