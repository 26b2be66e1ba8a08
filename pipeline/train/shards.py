"""Gradients of a batch on several cores: each core takes a shard of the batch through its own copy of the student.

In: a student and batches. Out: gradients on the student's parameters, the mean over shards. One thread per shard
meets the others once a step; letting every small operation run on all cores instead makes them wait for each other
thousands of times a step, which costs twice the time on a machine that has other work. The result depends on the
number of shards (batch statistics are per shard), not on timing.
"""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.train.loader import Batch
from pipeline.train.loss import DetectionLoss, LossConfig, LossParts, Targets
from pipeline.train.student import Student, cell_centres

__all__ = ["Shards"]


@dataclass(frozen=True, slots=True)
class _Outcome:
    parts: LossParts
    gradients: tuple[Tensor | None, ...]


class Shards:
    """Holds one replica of the student per further shard; the first shard runs on the student itself."""

    def __init__(self, student: Student, loss: LossConfig, count: int, is_bfloat16: bool) -> None:
        if count < 1:
            raise ValueError(f"count: expected at least 1 shard, got {count}")
        torch.set_num_threads(1)
        self._students = [student, *(copy.deepcopy(student) for _ in range(count - 1))]
        self._loss = DetectionLoss(loss)
        self._is_bfloat16 = is_bfloat16
        self._pool = ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,))

    def gradients(self, batch: Batch) -> LossParts:
        """Set ``grad`` of the student's trained parameters; the loss returned is detached, the mean over shards."""
        count = min(len(self._students), len(batch.rgb))
        self._align()
        jobs = [self._pool.submit(self._one, self._students[i], _shard(batch, i, count)) for i in range(count)]
        done = [job.result() for job in jobs]
        trained = [p for p in self._students[0].parameters() if p.requires_grad]
        for parameter, gradients in zip(trained, zip(*(d.gradients for d in done), strict=True), strict=True):
            present = [g for g in gradients if g is not None]
            parameter.grad = torch.stack(present).sum(0) / count if present else None
        parts = [d.parts for d in done]
        return LossParts(
            torch.stack([p.total for p in parts]).mean(),
            sum(p.class_part for p in parts) / count,
            sum(p.box_part for p in parts) / count,
            sum(p.positives for p in parts),
        )

    @torch.no_grad()
    def _align(self) -> None:
        """Replicas take over the student's parameters and running statistics."""
        first = self._students[0].state_dict()
        for replica in self._students[1:]:
            for name, value in replica.state_dict().items():
                value.copy_(first[name])

    def _one(self, student: Student, batch: Batch) -> _Outcome:
        rgb = batch.rgb.permute(0, 3, 1, 2).float().div_(255)  # (B, H, W, 3) -> (B, 3, H, W), channels last in memory
        centres, strides = cell_centres(rgb.shape[2], rgb.shape[3])
        with torch.autocast("cpu", torch.bfloat16, enabled=self._is_bfloat16):
            output = student(rgb)
        parts = self._loss(output, centres, strides, batch.targets)
        trained = [p for p in student.parameters() if p.requires_grad]
        gradients = torch.autograd.grad(parts.total, trained, allow_unused=True)
        return _Outcome(LossParts(parts.total.detach(), parts.class_part, parts.box_part, parts.positives), gradients)


def _shard(batch: Batch, number: int, count: int) -> Batch:
    """Every ``count``-th picture, beginning with ``number``."""
    rows = slice(number, None, count)
    t = batch.targets
    return Batch(batch.rgb[rows], Targets(t.xyxy[rows], t.class_index[rows], t.confidence[rows]))
