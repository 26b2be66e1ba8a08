"""Batches for training, each a pure function of (seed, step): stop anywhere, resume, and the same pictures come.

In: manifests with their share of the draws, an augmentation. Out: an endless iterator of :class:`Batch` from one
background process that keeps decoded pictures in a bounded cache. Next: ``pipeline/train/loop.py``.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pipeline.errors import UsageError
from pipeline.train.augment import AugmentConfig, Labelled, compose
from pipeline.train.loss import Targets
from pipeline.train.samples import CLASSES, Sample, read_rgb

__all__ = ["Batch", "BatchSource", "Mixture", "endless_batches"]


@dataclass(frozen=True, slots=True)
class Mixture:
    """One manifest and its share of all draws (shares need not sum to 1)."""

    manifest: Path
    share: float = 1.0

    def __post_init__(self) -> None:
        if not self.share > 0:
            raise UsageError(f"{self.manifest}: expected a share above 0, got {self.share}")


@dataclass(frozen=True, slots=True)
class Batch:
    """``rgb`` (B, H, W, 3) uint8 and its targets, boxes in input pixels."""

    rgb: Tensor
    targets: Targets


def _rarity(samples: Sequence[Sample]) -> NDArray[np.float64]:
    """Draw weights (N,): the root of how rare a picture's rarest class is, at most 4; half for an empty picture."""
    per_class = np.zeros(len(CLASSES))
    for sample in samples:
        per_class[np.unique(sample.index[sample.confidence >= 0.3])] += 1
    share = np.maximum(per_class, 1) / max(len(samples), 1)
    lift = np.clip(np.sqrt(0.15 / share), 1.0, 4.0)
    sure = [sample.index[sample.confidence >= 0.3] for sample in samples]
    return np.array([lift[index].max() if len(index) else 0.5 for index in sure])


class BatchSource(Dataset[Batch]):
    """Item ``k`` is the whole batch of step ``k``. Decoded pictures are kept up to ``cache_bytes``."""

    def __init__(
        self,
        parts: Sequence[tuple[Sequence[Sample], float]],
        size_wh: tuple[int, int],
        batch_size: int,
        augment: AugmentConfig,
        seed: int,
        cache_bytes: int,
    ) -> None:
        self._samples = [sample for samples, _ in parts for sample in samples]
        if not self._samples:
            raise UsageError("the training split is empty: no picture to learn from")
        total = sum(share for _, share in parts)
        weights = np.concatenate([_rarity(s) / _rarity(s).sum() * share / total for s, share in parts])
        self._cumulative = np.cumsum(weights / weights.sum())
        self._size_wh, self._batch_size, self._augment, self._seed = size_wh, batch_size, augment, seed
        self._cache: dict[int, Labelled] = {}
        self._cache_room = cache_bytes

    def __len__(self) -> int:
        return 2**31

    def _draw(self, rng: np.random.Generator) -> int:
        return min(int(np.searchsorted(self._cumulative, rng.random())), len(self._samples) - 1)

    def _fetch(self, number: int) -> Labelled:
        known = self._cache.get(number)
        if known is not None:
            return known
        sample = self._samples[number]
        rgb = read_rgb(sample.path)
        if rgb is None:
            raise UsageError(f"{sample.path}: the picture does not decode any more: run prepare again")
        scale = np.array([rgb.shape[1], rgb.shape[0]] * 2, np.float32)
        labelled = Labelled(rgb, sample.xyxy_norm * scale, sample.index, sample.confidence)
        if rgb.nbytes <= self._cache_room:
            self._cache_room -= rgb.nbytes
            self._cache[number] = labelled
        return labelled

    def __getitem__(self, step: int) -> Batch:
        pictures = [
            compose(
                self._fetch, self._draw, self._size_wh, self._augment, np.random.default_rng((self._seed, step, place))
            )
            for place in range(self._batch_size)
        ]
        most = max(len(p.classes) for p in pictures)
        xyxy = np.zeros((len(pictures), most, 4), np.float32)
        index = np.zeros((len(pictures), most), np.int64)
        confidence = np.zeros((len(pictures), most), np.float32)
        for place, picture in enumerate(pictures):
            n = len(picture.classes)
            xyxy[place, :n], index[place, :n], confidence[place, :n] = picture.xyxy, picture.classes, picture.confidence
        targets = Targets(torch.from_numpy(xyxy), torch.from_numpy(index), torch.from_numpy(confidence))
        return Batch(torch.from_numpy(np.stack([p.rgb for p in pictures])), targets)


class _Steps(torch.utils.data.Sampler[int]):
    def __init__(self, first: int) -> None:
        self._first = first

    def __iter__(self) -> Iterator[int]:
        return iter(range(self._first, 2**31))


def _one_thread(_worker: int) -> None:
    # a signal to the process group must not kill the worker under a run that wants to stop in good order
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def endless_batches(source: BatchSource, first_step: int, has_worker: bool) -> Iterator[Batch]:
    """Batches of steps ``first_step``, ``first_step`` + 1, …; close the iterator to end its worker."""
    loader = DataLoader(
        source,
        batch_size=None,
        sampler=_Steps(first_step),
        num_workers=1 if has_worker else 0,
        prefetch_factor=4 if has_worker else None,
        worker_init_fn=_one_thread,
        # a forked child inherits the locks of thread pools whose threads it has not, and waits for them for ever
        multiprocessing_context="spawn" if has_worker else None,
    )
    yield from loader
