"""Trains the learned fusion from footage and labels: moments in, small numpy weights and a card out. Needs torch.

In: :class:`Lesson` values: the moments of one clip as the fusion sees them (gathered by
``pipeline/train/lessons.py``), with a label each. Out: weights for :mod:`pipeline.unusual.learned`, and out-of-fold
scores by held-out camera, from which the level is set and the card is written. The score of a moment is that of its
most unusual candidate; which one that is is learned too (multiple instances, Dietterich 1997). Modality dropout lets
the same weights run without words or without what was learned of a camera; captions of other moments teach that words
alone prove nothing; edited captions and sped-up tracks are made-up positives. Next file:
``pipeline/unusual/learned.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.errors import UsageError
from pipeline.evaluate.metrics import roc_auc
from pipeline.unusual.learned import SURPRISE_CUES, FusionInputs, LearnedFusion
from pipeline.unusual.sight import SCENE_FEATURES, TRACK_FEATURES

__all__ = ["FusionRecipe", "Lesson", "MomentInputs", "Trained", "auc_by_source", "cross_validate", "fit", "level_of"]

_MAX_CANDIDATES = 10
_TRACKS = len(TRACK_FEATURES)
_VISUAL = _TRACKS + len(SCENE_FEATURES)
_SURPRISE = 2 * len(SURPRISE_CUES)
_FAST = tuple(
    TRACK_FEATURES.index(name)
    for name in (
        "speed", "flow", "flow_peak", "flow_spread", "flow_mean", "flow_max", "flow_deviation", "spread_mean",
        "spread_max", "travel_per_s",
    )
)  # fmt: skip
"""What grows when a track is sped up."""
_PERSON = TRACK_FEATURES.index("is_person")
_SPEED = TRACK_FEATURES.index("travel_per_s")


@dataclass(frozen=True, slots=True, eq=False)
class MomentInputs:
    """One moment: ``inputs`` of its candidates, ``label`` 1 unusual, 0 normal, -1 unknown, ``at_s`` of its clip."""

    inputs: FusionInputs
    label: int
    at_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """The moments of one clip. ``camera`` is what folds are held out by; ``source`` is what weight is shared by."""

    name: str
    camera: str
    source: str
    moments: tuple[MomentInputs, ...]


@dataclass(frozen=True, slots=True)
class FusionRecipe:
    """How the fusion is trained. Shares are chances per moment and step."""

    hidden: int = 16
    rank: int = 8
    steps: int = 600
    batch: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 0.1
    drop_words: float = 0.3
    drop_surprise: float = 0.4
    drop_sight: float = 0.1
    other_words: float = 0.15
    sped_up: float = 0.06
    edited_words: float = 0.05
    noise: float = 0.3
    folds: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if not 2 <= self.folds <= 20 or self.steps < 1 or self.batch < 2:
            raise ValueError(f"recipe: expected 2 to 20 folds, steps and a batch, got {self}")


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """Weights as :class:`pipeline.unusual.learned.LearnedFusion` takes them, and the loss they ended with."""

    weights: Mapping[str, NDArray[np.float32]]
    loss: float

    def fusion(self, card: Mapping[str, Any]) -> LearnedFusion:
        """The fusion of these weights."""
        return LearnedFusion(self.weights, card)


class _Network(nn.Module):
    """What ``LearnedFusion.score`` computes, with gradients."""

    def __init__(self, recipe: FusionRecipe, text: int) -> None:
        super().__init__()
        rank, hidden = recipe.rank, recipe.hidden
        self.see = nn.Linear(_VISUAL, hidden)
        self.hear = nn.Linear(text, rank, bias=False)
        self.gate = nn.Linear(_VISUAL + _SURPRISE + 1, rank)
        self.left = nn.Linear(_VISUAL, rank, bias=False)
        self.right = nn.Linear(rank, rank, bias=False)
        self.mix = nn.Linear(hidden + 2 * rank + _SURPRISE, hidden)
        self.out = nn.Linear(hidden, 1)
        self.straight = nn.Parameter(torch.zeros(_SURPRISE))
        with torch.no_grad():
            self.straight[: len(SURPRISE_CUES)] = 0.3

    def forward(self, x: Tensor, text: Tensor, heard: Tensor, s: Tensor) -> Tensor:
        """Logits (B, N) of candidates ``x``, ``s`` (B, N, …), who share their words ``text``, ``heard`` (B, …)."""
        seen = torch.tanh(self.see(x))
        heard = heard[:, None, None].expand(-1, x.shape[1], 1)  # (B,) -> (B, N, 1)
        gate = torch.sigmoid(self.gate(torch.cat([x, s, heard], -1)))
        said = gate * torch.tanh(self.hear(text))[:, None] * heard
        both = torch.tanh(self.left(x)) * self.right(said)
        mixed = torch.relu(self.mix(torch.cat([seen, said, both, s], -1)))
        straight: Tensor = (s * self.straight).sum(-1)
        odds: Tensor = self.out(mixed).squeeze(-1) + straight
        return odds

    def weights(self, mean: NDArray[np.float32], scale: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        def held(tensor: Tensor) -> NDArray[np.float32]:
            return tensor.detach().numpy().astype(np.float32)

        return {
            "mean": mean,
            "scale": scale,
            "see": held(self.see.weight.T),
            "see_bias": held(self.see.bias),
            "hear": held(self.hear.weight.T),
            "gate": held(self.gate.weight.T),
            "gate_bias": held(self.gate.bias),
            "left": held(self.left.weight.T),
            "right": held(self.right.weight.T),
            "mix": held(self.mix.weight.T),
            "mix_bias": held(self.mix.bias),
            "out": held(self.out.weight[0]),
            "out_bias": held(self.out.bias[0]),
            "straight": held(self.straight),
        }


@dataclass(slots=True)
class _Table:
    """All moments as padded tensors: candidates (M, N, …), words (M, D)."""

    visual: Tensor
    surprise: Tensor
    text: Tensor
    heard: Tensor
    is_there: Tensor
    label: Tensor
    weight: Tensor
    mean: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    scale: NDArray[np.float32] = field(default_factory=lambda: np.ones(0, np.float32))


def _table(lessons: Sequence[Lesson]) -> _Table:
    """Moments with a label, weighed so that every source counts alike, and its two kinds alike.

    Raises UsageError when there is nothing unusual, or nothing normal, to learn from.
    """
    kept = [(lesson, moment) for lesson in lessons for moment in lesson.moments if moment.label >= 0]
    labels = np.array([moment.label for _, moment in kept], np.float32)
    if not kept or labels.min() == labels.max():
        raise UsageError("Training the fusion needs both normal and unusual moments.")
    dimensions = kept[0][1].inputs.text.shape[1]
    visual = np.zeros((len(kept), _MAX_CANDIDATES, _VISUAL), np.float32)
    surprise = np.zeros((len(kept), _MAX_CANDIDATES, _SURPRISE), np.float32)
    is_there = np.zeros((len(kept), _MAX_CANDIDATES), np.bool_)
    text, heard = np.zeros((len(kept), dimensions), np.float32), np.zeros(len(kept), np.float32)
    for i, (_, moment) in enumerate(kept):
        rows = _chosen(moment.inputs)
        visual[i, : len(rows)], surprise[i, : len(rows)] = moment.inputs.visual[rows], moment.inputs.surprise[rows]
        is_there[i, : len(rows)] = True
        text[i], heard[i] = moment.inputs.text[0], moment.inputs.text_weight[0]
    every = visual[is_there]
    mean, scale = every.mean(0), np.maximum(every.std(0), 0.05)
    weight = _weights([lesson.source for lesson, _ in kept], labels)
    return _Table(
        torch.from_numpy((visual - mean) / scale),
        torch.from_numpy(surprise),
        torch.from_numpy(text),
        torch.from_numpy(heard),
        torch.from_numpy(is_there),
        torch.from_numpy(labels),
        torch.from_numpy(weight),
        mean.astype(np.float32),
        scale.astype(np.float32),
    )


def _chosen(inputs: FusionInputs) -> NDArray[np.intp]:
    """At most ``_MAX_CANDIDATES`` rows: nobody, and of the tracks those that move most."""
    tracks = len(inputs.visual) - 1
    if tracks < _MAX_CANDIDATES:
        return np.arange(tracks + 1)
    fastest = np.argsort(-inputs.visual[:tracks, TRACK_FEATURES.index("flow_max")], kind="stable")
    return np.append(fastest[: _MAX_CANDIDATES - 1], tracks)


def _weights(sources: Sequence[str], labels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Chance (M,) with which a moment is drawn."""
    names = np.array(sources)
    weight = np.zeros(len(labels), np.float64)
    for value in (0.0, 1.0):
        holders = sorted({name for name, label in zip(sources, labels, strict=True) if label == value})
        for name in holders:
            rows = (names == name) & (labels == value)
            weight[rows] = 0.5 / len(holders) / rows.sum()
    return np.asarray(weight / weight.sum(), np.float32)


def fit(
    lessons: Sequence[Lesson],
    recipe: FusionRecipe,
    edited: NDArray[np.float32],
    on_step: Callable[[int, float], None] = lambda _step, _loss: None,
) -> Trained:
    """Train on ``lessons``. ``edited`` (E, D): vectors of captions that say something unusual, (0, D) for none.

    The same lessons, recipe and machine give the same weights. Raises UsageError without both kinds of moments.
    """
    with _one_thread():
        return _fit(lessons, recipe, edited, on_step)


@contextmanager
def _one_thread() -> Iterator[None]:
    """So small a network is slower on several threads, and its sums would depend on how many there are."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _fit(
    lessons: Sequence[Lesson],
    recipe: FusionRecipe,
    edited: NDArray[np.float32],
    on_step: Callable[[int, float], None],
) -> Trained:
    table = _table(lessons)
    torch.manual_seed(recipe.seed)
    draw = torch.Generator().manual_seed(recipe.seed)
    network = _Network(recipe, table.text.shape[1])
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, foreach=False
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.steps)
    extra = torch.from_numpy(edited)
    loss_value = 0.0
    for step in range(recipe.steps):
        rows = torch.multinomial(table.weight, recipe.batch, replacement=True, generator=draw)
        x, text, heard, s, label = _batch(table, rows, recipe, extra, draw)
        logits = network(x, text, heard, s).masked_fill(~table.is_there[rows], -1e4)
        # A soft maximum over candidates: every one of a normal moment is pushed down, the likeliest one up.
        moment = torch.logsumexp(2.0 * logits, -1) / 2.0
        loss = nn.functional.binary_cross_entropy_with_logits(moment, label)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        with torch.no_grad():  # a larger surprise is never less unusual
            network.straight[: len(SURPRISE_CUES)].clamp_(min=0.0)
        loss_value += 0.02 * (float(loss.detach()) - loss_value)
        on_step(step + 1, loss_value)
    return Trained(network.weights(table.mean, table.scale), loss_value)


def _batch(
    table: _Table, rows: Tensor, recipe: FusionRecipe, edited: Tensor, draw: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """One batch with what is made up and what is left out: x (B, N, …), text (B, D), heard (B,), s, label (B,)."""
    count = len(rows)

    def happens(share: float) -> Tensor:
        return torch.rand(count, generator=draw) < share

    x, s, label = table.visual[rows].clone(), table.surprise[rows].clone(), table.label[rows].clone()
    text, heard = table.text[rows].clone(), table.heard[rows].clone()
    x += recipe.noise * torch.randn(x.shape, generator=draw)
    other = happens(recipe.other_words)
    swapped = torch.multinomial(table.weight, count, replacement=True, generator=draw)
    # Words of another moment decide nothing: neither do calm ones excuse what is seen, nor alarming ones prove it.
    text[other] = table.text[swapped][other]
    made = happens(recipe.edited_words) & (label == 0) & (heard > 0)
    if len(edited):
        chosen = torch.randint(len(edited), (count,), generator=draw)
        text[made], heard[made], label[made] = edited[chosen][made], 1.0, 1.0
    fast = happens(recipe.sped_up) & (label == 0) & ~made
    _speed_up(table, x, fast, 2.5 + 2.0 * float(torch.rand(1, generator=draw)))
    label[fast & _is_fast(table, x)] = 1.0
    heard[happens(recipe.drop_words) & ~made] = 0.0
    blind = happens(recipe.drop_sight) & (heard > 0) & (label == 0)
    x[blind] = 0.0
    forgetful = happens(recipe.drop_surprise)
    s[forgetful] = 0.0
    return x, text, heard, s, label


def _speed_up(table: _Table, x: Tensor, chosen: Tensor, factor: float) -> None:
    """Multiply what grows with speed, in place; ``x`` is standardised."""
    columns = torch.tensor(_FAST)
    mean, scale = torch.from_numpy(table.mean)[columns], torch.from_numpy(table.scale)[columns]
    part = x[chosen]
    part[:, :, columns] = ((part[:, :, columns] * scale + mean) * factor - mean) / scale
    x[chosen] = part


def _is_fast(table: _Table, x: Tensor) -> Tensor:
    """Whether a person now travels more than one and a half body sizes a second: faster than anybody walks."""
    travel = x[:, :, _SPEED] * float(table.scale[_SPEED]) + float(table.mean[_SPEED])
    person = x[:, :, _PERSON] * float(table.scale[_PERSON]) + float(table.mean[_PERSON])
    return ((travel > 1.5) & (person > 0.5)).any(-1)


def cross_validate(
    lessons: Sequence[Lesson], recipe: FusionRecipe, edited: NDArray[np.float32]
) -> dict[str, list[tuple[Lesson, NDArray[np.float64]]]]:
    """Scores of every moment by weights that have seen no moment of its camera, by source.

    Raises UsageError when there are fewer cameras than folds.
    """
    cameras = sorted({lesson.camera for lesson in lessons})
    if len(cameras) < recipe.folds:
        raise UsageError(f"{len(cameras)} cameras cannot be held out in {recipe.folds} folds.")
    order = np.random.default_rng(recipe.seed).permutation(len(cameras))
    fold_of = {cameras[place]: index % recipe.folds for index, place in enumerate(order.tolist())}
    found: dict[str, list[tuple[Lesson, NDArray[np.float64]]]] = {}
    for fold in range(recipe.folds):
        taught = [lesson for lesson in lessons if fold_of[lesson.camera] != fold]
        fusion = fit(taught, recipe, edited).fusion({})
        for lesson in (lesson for lesson in lessons if fold_of[lesson.camera] == fold):
            scores = np.array([fusion.score(moment.inputs).max() for moment in lesson.moments])
            found.setdefault(lesson.source, []).append((lesson, scores))
    return found


def level_of(
    held_out: Mapping[str, Sequence[tuple[Lesson, NDArray[np.float64]]]], false_alerts_per_hour: float, hold_s: float
) -> float:
    """The score that normal moments of held-out cameras keep above for ``hold_s`` so many times an hour.

    A false alert is a stretch of normal moments at least ``hold_s`` long above the level; levels are tried from the
    highest down.
    """
    clips = [pair for pairs in held_out.values() for pair in pairs]
    hours = sum(_normal_s(lesson) for lesson, _ in clips) / 3600
    if hours <= 0:
        raise UsageError("There is no normal footage to set the level by.")
    normal = [np.array([m.label == 0 for m in lesson.moments], bool) for lesson, _ in clips]
    pooled = np.concatenate([scores[is_normal] for (_, scores), is_normal in zip(clips, normal, strict=True)])
    level = float(pooled.max()) if len(pooled) else 0.0
    for candidate in np.quantile(pooled, np.linspace(1.0, 0.8, 81)):
        false = sum(_stretches(lesson, scores, float(candidate), hold_s) for lesson, scores in clips)
        if false / hours > false_alerts_per_hour:
            break
        level = float(candidate)
    return level


def _normal_s(lesson: Lesson) -> float:
    times = [moment.at_s for moment in lesson.moments if moment.label == 0]
    return len(times) * _step_s(lesson)


def _step_s(lesson: Lesson) -> float:
    times = np.array([moment.at_s for moment in lesson.moments])
    return float(np.median(np.diff(times))) if len(times) > 1 else 0.2


def _stretches(lesson: Lesson, scores: NDArray[np.float64], level: float, hold_s: float) -> int:
    """Stretches of normal moments above ``level``, at least ``hold_s`` long."""
    count, began_s = 0, None
    for moment, score in zip(lesson.moments, scores, strict=True):
        if moment.label != 0 or score <= level:
            began_s = None
        elif began_s is None:
            began_s = moment.at_s
        if began_s is not None and began_s >= 0 and moment.at_s - began_s >= hold_s:
            count, began_s = count + 1, -1.0
    return count


def auc_by_source(held_out: Mapping[str, Sequence[tuple[Lesson, NDArray[np.float64]]]]) -> dict[str, float]:
    """ROC AUC over the moments of each source, by weights that have not seen the camera."""
    found = {}
    for source, pairs in sorted(held_out.items()):
        labels = np.array([moment.label for lesson, _ in pairs for moment in lesson.moments], np.int8)
        found[source] = roc_auc(labels, np.concatenate([scores for _, scores in pairs]))
    return found
