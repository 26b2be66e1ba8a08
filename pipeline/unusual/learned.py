"""The learned fusion y = D(f(h_x, h_y)): gated, low-rank bilinear, a small network that runs in numpy.

In: a :class:`~pipeline.unusual.sight.Sight` (h_x, what is seen; h_y, the vector of the words) and the cues' ``-log p``
where the camera has been learned. Out: how unusual each track is, as the logarithm of odds, and what each group of
inputs adds to it. The weights come from ``pipeline/train/fusion.py`` (torch); inputs that are missing (no words,
nothing learned yet) are masked, as they were in training, so that the same weights run on sight alone. The bilinear
term follows MLB (Kim et al., ICLR 2017): a product of two low-rank projections. Next file:
``pipeline/unusual/sight.py``.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ModelError
from pipeline.unusual.channels import CUES, SCENE_CUES, TEXT_CUE
from pipeline.unusual.sight import SCENE_FEATURES, TRACK_FEATURES, Sight

__all__ = [
    "BUNDLED_FUSION",
    "GROUPS",
    "SURPRISE_CUES",
    "SURPRISE_SCALE",
    "VERSION",
    "FusionInputs",
    "LearnedFusion",
    "inputs_of",
    "load_fusion",
    "save_fusion",
]

VERSION = 1
BUNDLED_FUSION = Path(__file__).resolve().parent / "weights" / "fusion.npz"
"""The weights that come with Vedette; the card is beside them."""

SURPRISE_CUES: tuple[str, ...] = (*CUES, *SCENE_CUES, TEXT_CUE)
"""The ``-log p`` that are fed straight in, in this order; weights name those they were trained with."""

GROUPS: tuple[str, ...] = ("sight", "scene", "words", "surprise")
"""Groups of inputs whose share in a score is told."""

SURPRISE_SCALE = 5.0
"""``-log p`` are divided by this before they are fed in."""
_MAX_SURPRISE = 4.0
_MAX_BYTES = 2**20
_WEIGHTS: Mapping[str, tuple[str, ...]] = {
    "see": ("visual", "a"),
    "see_bias": ("a",),
    "hear": ("text", "r"),
    "gate": ("gated", "r"),
    "gate_bias": ("r",),
    "left": ("visual", "r"),
    "right": ("r", "r"),
    "mix": ("mixed", "m"),
    "mix_bias": ("m",),
    "out": ("m",),
    "straight": ("surprise",),
    "out_bias": (),
}
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class FusionInputs:
    """n candidates: ``visual`` (n, tracks + scene), ``text`` (n, D), ``surprise`` (n, 2 * cues: values, then masks).

    ``text_weight`` (n,) is 0 where there are no words. The last candidate is nobody: the scene by itself.
    """

    visual: Floats
    text: Floats
    text_weight: Floats
    surprise: Floats


def inputs_of(
    sight: Sight,
    surprise: Sequence[Mapping[str, float]],
    scene_surprise: Mapping[str, float],
    text_dimensions: int,
    cue_names: Sequence[str] = SURPRISE_CUES,
) -> FusionInputs:
    """The inputs of the n tracks of ``sight`` and of nobody: n + 1 candidates.

    ``surprise`` holds ``-log p`` by cue for each track ({} where nothing is known), ``scene_surprise`` the frame's.
    """
    n = len(sight.seen)
    tracks = np.vstack([sight.tracks, np.zeros((1, len(TRACK_FEATURES)), np.float32)])
    visual = np.hstack([tracks, np.tile(sight.scene, (n + 1, 1))])  # (n + 1, visual)
    is_heard = sight.text is not None and len(sight.text) == text_dimensions
    vector = sight.text if is_heard and sight.text is not None else np.zeros(text_dimensions, np.float32)
    weight = sight.text_weight if is_heard else 0.0
    cues = len(cue_names)
    values = np.zeros((n + 1, 2 * cues), np.float32)
    for row, known in zip(values, [*surprise, {}], strict=True):
        for place, name in enumerate(cue_names):
            value = known.get(name, scene_surprise.get(name))
            if value is not None and np.isfinite(value):
                row[place] = min(value / SURPRISE_SCALE, _MAX_SURPRISE)
                row[cues + place] = 1.0
    return FusionInputs(visual, np.tile(vector, (n + 1, 1)), np.full(n + 1, weight, np.float32), values)


class LearnedFusion:
    """Weights at work. Deterministic: one thread of numpy, no state."""

    def __init__(self, weights: Mapping[str, NDArray[Any]], card: Mapping[str, Any]) -> None:
        """Raises ModelError when the weights do not fit together or were made for other inputs."""
        self.cue_names: tuple[str, ...] = tuple(card.get("cues", SURPRISE_CUES))
        sizes = {"visual": len(TRACK_FEATURES) + len(SCENE_FEATURES), "surprise": 2 * len(self.cue_names)}
        missing = [name for name in (*_WEIGHTS, "mean", "scale") if name not in weights]
        if missing:
            raise ModelError(f"The fusion weights lack {missing[0]!r}.")
        self._w = {name: np.asarray(value, np.float32) for name, value in weights.items()}
        sizes["text"], sizes["r"] = (
            (int(side) for side in self._w["hear"].shape) if self._w["hear"].ndim == 2 else (0, 0)
        )
        sizes["a"], sizes["m"] = len(self._w["see_bias"]), len(np.atleast_1d(self._w["mix_bias"]))
        sizes["gated"] = sizes["visual"] + sizes["surprise"] + 1
        sizes["mixed"] = sizes["a"] + 2 * sizes["r"] + sizes["surprise"]
        shapes = {**_WEIGHTS, "mean": ("visual",), "scale": ("visual",)}
        for name, axes in shapes.items():
            expected = tuple(sizes[axis] for axis in axes)
            if self._w[name].shape != expected or not np.isfinite(self._w[name]).all():
                raise ModelError(
                    f"The fusion weights {name!r} are {self._w[name].shape}, this version needs {expected}, all finite."
                )
        self.card = dict(card)
        self.text_dimensions = sizes["text"]
        self.parameters = sum(self._w[name].size for name in _WEIGHTS)

    @property
    def name(self) -> str:
        """As alerts and model cards name it."""
        return f"learned/{self.card.get('digest', 'unnamed')}"

    @property
    def text_encoder(self) -> str:
        """The encoder whose vectors it was trained on; those of another mean nothing to it."""
        return str(self.card.get("text_encoder", ""))

    @property
    def level(self) -> float:
        """The score from which on a moment is suspected where nothing is known of the camera."""
        return float(self.card.get("level", 0.0))

    def score(self, inputs: FusionInputs) -> NDArray[np.float64]:
        """Logarithm of the odds that each candidate is unusual, (n,)."""
        w = self._w
        x = (inputs.visual - w["mean"]) / w["scale"]  # (n, visual)
        heard = inputs.text_weight[:, None]
        s = inputs.surprise  # (n, 2 * cues)
        seen = np.tanh(x @ w["see"] + w["see_bias"])  # (n, a)
        gate = _sigmoid(np.hstack([x, s, heard]) @ w["gate"] + w["gate_bias"])  # (n, r)
        said = gate * np.tanh(inputs.text @ w["hear"]) * heard  # (n, r)
        both = np.tanh(x @ w["left"]) * (said @ w["right"])  # (n, r)
        mixed = np.maximum(0.0, np.hstack([seen, said, both, s]) @ w["mix"] + w["mix_bias"])  # (n, m)
        y = mixed @ w["out"] + s @ w["straight"] + w["out_bias"]
        return np.asarray(y, np.float64)

    def shares(self, inputs: FusionInputs, candidate: int) -> dict[str, float]:
        """How much the score of one candidate falls when a group of inputs says what is usual; 0 when it does not."""
        one = FusionInputs(*(getattr(inputs, name)[[candidate]] for name in FusionInputs.__dataclass_fields__))
        whole = float(self.score(one)[0])
        tracks = len(TRACK_FEATURES)
        usual = np.tile(self._w["mean"], (1, 1))
        without = {
            "sight": FusionInputs(
                np.hstack([usual[:, :tracks], one.visual[:, tracks:]]), one.text, one.text_weight, one.surprise
            ),
            "scene": FusionInputs(
                np.hstack([one.visual[:, :tracks], usual[:, tracks:]]), one.text, one.text_weight, one.surprise
            ),
            "words": FusionInputs(one.visual, one.text, np.zeros_like(one.text_weight), one.surprise),
            "surprise": FusionInputs(one.visual, one.text, one.text_weight, np.zeros_like(one.surprise)),
        }
        return {name: max(0.0, whole - float(self.score(other)[0])) for name, other in without.items()}


def _sigmoid(values: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * values)))


def save_fusion(path: Path, weights: Mapping[str, NDArray[Any]], card: Mapping[str, Any]) -> None:
    """Write weights and card as one npz without pickles; the digest of the weights goes into the card.

    Raises ModelError for weights that do not fit, OSError when the disk will not take it.
    """
    LearnedFusion(weights, card)
    plain = {name: np.asarray(value, np.float32) for name, value in sorted(weights.items())}
    digest = hashlib.blake2b(b"".join(value.tobytes() for value in plain.values()), digest_size=6).hexdigest()
    features = [*TRACK_FEATURES, *SCENE_FEATURES]
    text = json.dumps(
        {"cues": SURPRISE_CUES, **card, "features": features, "version": VERSION, "digest": digest}, sort_keys=True
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.savez_compressed(file, card=np.frombuffer(text.encode(), np.uint8), **plain)  # type: ignore[arg-type]


def load_fusion(path: Path = BUNDLED_FUSION) -> LearnedFusion:
    """The fusion in ``path``. Raises ModelError, one sentence, for a file that is missing, damaged or too new."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"The fusion weights {path} cannot be read: {error.strerror}.") from error
    if len(content) > _MAX_BYTES:
        raise ModelError(f"{path} has {len(content)} bytes; fusion weights have at most {_MAX_BYTES}.")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files}
        card = json.loads(arrays.pop("card").tobytes())
        version = card["version"]
    except Exception as error:  # zipfile, zlib and numpy raise many kinds for a damaged archive
        raise ModelError(f"{path} holds no fusion weights: {error}") from error
    if version != VERSION:
        raise ModelError(f"{path} is of version {version!r}; this program reads version {VERSION}.")
    if card.get("features") != [*TRACK_FEATURES, *SCENE_FEATURES]:
        raise ModelError(f"{path} was trained on other features of sight than this program measures; train it anew.")
    return LearnedFusion(arrays, card)
