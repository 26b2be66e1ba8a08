"""What the student learns from: soft targets in proportion to the teacher's confidence, assigned to cells by alignment.

In: the raw output of ``pipeline/train/student.py`` and padded targets (:class:`Targets`). Out: one scalar and its
parts. Who calls it: ``pipeline/train/loop.py``.

Sources: task-aligned assignment (TOOD, Feng et al. 2021), quality focal loss (Li et al. 2020), generalised IoU
(Rezatofighi et al. 2019). A teacher's confidence ``c`` becomes the ceiling ``sqrt(c)`` of the class target of its
object,
so that doubtful objects pull less; what the teacher half-believed (ignored objects) is no background either.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as nf

from pipeline.train.student import RawOutput

__all__ = ["DetectionLoss", "LossConfig", "LossParts", "Targets", "generalised_iou"]


@dataclass(frozen=True, slots=True)
class LossConfig:
    """Weights and assignment: ``alignment = score ** alpha * iou ** beta``, ``top_k`` cells per object."""

    box_weight: float = 2.5
    alpha: float = 0.5
    beta: float = 4.0
    top_k: int = 10
    focal_power: float = 2.0

    def __post_init__(self) -> None:
        if self.top_k < 1 or self.box_weight < 0:
            raise ValueError(f"loss: expected top_k >= 1 and box_weight >= 0, got {self}")


@dataclass(frozen=True, slots=True)
class Targets:
    """A batch of objects padded to M: ``xyxy`` (B, M, 4) input pixels, ``class_index`` (B, M), ``confidence`` (B, M).

    ``confidence`` is 0 for padding and negative for objects to ignore: cells inside them learn nothing about that
    class.
    """

    xyxy: Tensor
    class_index: Tensor
    confidence: Tensor


@dataclass(frozen=True, slots=True)
class LossParts:
    """``total`` is differentiable; the others are detached numbers for the log."""

    total: Tensor
    class_part: float
    box_part: float
    positives: int


def generalised_iou(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU of aligned ``xyxy`` boxes; shapes broadcast, (..., 4) -> (...), (...)."""
    x1, y1, x2, y2 = first.unbind(-1)
    u1, v1, u2, v2 = second.unbind(-1)
    overlap = (torch.minimum(x2, u2) - torch.maximum(x1, u1)).clamp(min=0) * (
        torch.minimum(y2, v2) - torch.maximum(y1, v1)
    ).clamp(min=0)
    union = (x2 - x1) * (y2 - y1) + (u2 - u1) * (v2 - v1) - overlap
    hull = (torch.maximum(x2, u2) - torch.minimum(x1, u1)) * (torch.maximum(y2, v2) - torch.minimum(y1, v1))
    iou = overlap / union.clamp(min=1e-6)
    return iou, iou - (hull - union) / hull.clamp(min=1e-6)


def _inside(centres: Tensor, xyxy: Tensor) -> Tensor:
    """(N, 2), (B, M, 4) -> (B, M, N): which cell centres lie inside which boxes."""
    x, y = centres[:, 0], centres[:, 1]
    left, top, right, bottom = (edge.unsqueeze(-1) for edge in xyxy.unbind(-1))
    return (x > left) & (x < right) & (y > top) & (y < bottom)


def _objects_first(targets: Targets) -> Targets:
    """The same targets, the surest objects first, then padding, then what is to ignore."""
    order = targets.confidence.argsort(dim=1, descending=True, stable=True)
    xyxy = targets.xyxy.gather(1, order.unsqueeze(-1).expand(-1, -1, 4))
    return Targets(xyxy, targets.class_index.gather(1, order), targets.confidence.gather(1, order))


def _adopt_orphans(chosen: Tensor, is_near: Tensor, centres: Tensor, middle: Tensor) -> None:
    """An object that no predicted box overlaps yet would never start to learn: give it its nearest cell, in place."""
    orphans = (~chosen.any(-1) & is_near.any(-1)).nonzero()  # (K, 2)
    squared = (centres.unsqueeze(0) - middle[orphans[:, 0], orphans[:, 1]].unsqueeze(1)).pow(2).sum(-1)  # (K, N)
    chosen[orphans[:, 0], orphans[:, 1], squared.argmin(1)] = True


@dataclass(frozen=True, slots=True)
class _Assignment:
    object_index: Tensor  # (B, N), the object a positive cell answers for
    weight: Tensor  # (B, N), 0 for background, else the class target
    neutral: Tensor  # (B, N, C) bool, cells that learn nothing about a class


class DetectionLoss:
    """Callable: raw output, cell centres (N, 2), strides (N,), targets -> :class:`LossParts`."""

    def __init__(self, config: LossConfig) -> None:
        self._config = config

    @torch.no_grad()
    def _assign(self, scores: Tensor, boxes: Tensor, centres: Tensor, strides: Tensor, targets: Targets) -> _Assignment:
        """Targets with the objects to learn first (see :func:`_objects_first`)."""
        config = self._config
        learnt = int((targets.confidence > 0).sum(1).max())
        xyxy, confidence = targets.xyxy[:, :learnt], targets.confidence[:, :learnt]  # (B, L, 4), (B, L)
        # tiny objects may contain no cell centre: let them claim the cells within one finest stride of their middle
        middle = (xyxy[..., :2] + xyxy[..., 2:]) / 2
        reach = torch.maximum((xyxy[..., 2:] - xyxy[..., :2]) / 2, strides.min().expand_as(middle))
        is_near = _inside(centres, torch.cat((middle - reach, middle + reach), -1)) & (confidence > 0).unsqueeze(-1)
        index = targets.class_index[:, :learnt].unsqueeze(1).expand(-1, scores.shape[1], -1)
        score = scores.gather(2, index).transpose(1, 2)  # (B, L, N)
        iou, _ = generalised_iou(boxes.unsqueeze(1), xyxy.unsqueeze(2))  # (B, L, N)
        alignment = score.pow(config.alpha) * iou.pow(config.beta) * is_near
        best, best_cell = alignment.topk(min(config.top_k, alignment.shape[-1]), -1)
        chosen = torch.zeros_like(is_near).scatter_(2, best_cell, best > 1e-9)
        _adopt_orphans(chosen, is_near, centres, middle)
        object_index = torch.where(chosen, iou + 1e-6, iou.new_zeros(())).argmax(1)  # (B, N)
        is_mine = chosen & (torch.arange(learnt).view(1, -1, 1) == object_index.unsqueeze(1))
        peak = (alignment * is_mine).amax(-1, keepdim=True)
        peak_iou = (iou * is_mine).amax(-1, keepdim=True)
        relative = (alignment / peak.clamp(min=1e-9) * peak_iou).clamp(min=0.05)
        weight = (relative * confidence.clamp(min=0).sqrt().unsqueeze(-1) * is_mine).sum(1)
        return _Assignment(object_index, weight, self._neutral(centres, targets, scores.shape[2]))

    def _neutral(self, centres: Tensor, targets: Targets, classes: int) -> Tensor:
        """(B, N, C): cells inside an object to ignore learn nothing about its class."""
        neutral = torch.zeros(len(targets.xyxy), len(centres), classes, dtype=torch.bool)
        for place, item in (targets.confidence < 0).nonzero().tolist():
            inside = _inside(centres, targets.xyxy[place, item].view(1, 1, 4))[0, 0]  # (N,)
            neutral[place, :, int(targets.class_index[place, item])] |= inside
        return neutral

    def __call__(self, output: RawOutput, centres: Tensor, strides: Tensor, targets: Targets) -> LossParts:
        """Sum over the batch, normalised by the sum of class targets."""
        logits, distances = output
        boxes = torch.cat((centres - distances[..., :2], centres + distances[..., 2:]), -1)  # (B, N, 4)
        scores = logits.sigmoid()
        targets = _objects_first(targets)
        if not bool((targets.confidence > 0).any()):
            focal = scores.detach().pow(self._config.focal_power)
            focal = focal * ~self._neutral(centres, targets, scores.shape[2])
            loss = (focal * nf.softplus(logits)).sum()
            return LossParts(loss + distances.sum() * 0, float(loss.detach()), 0.0, 0)
        found = self._assign(scores.detach(), boxes.detach(), centres, strides, targets)
        positive = found.weight > 0
        normaliser = found.weight.sum().clamp(min=1.0)
        target = torch.zeros_like(scores)
        where = positive.nonzero(as_tuple=True)  # (P,), (P,)
        owner = found.object_index[where]
        target[where[0], where[1], targets.class_index[where[0], owner]] = found.weight[where]
        focal = (target - scores.detach()).abs().pow(self._config.focal_power)
        focal = focal * (~found.neutral | (target > 0))
        class_loss = (focal * nf.binary_cross_entropy_with_logits(logits, target, reduction="none")).sum() / normaliser
        _, quality = generalised_iou(boxes[where], targets.xyxy[where[0], owner])
        box_loss = ((1 - quality) * found.weight[where]).sum() / normaliser
        total = class_loss + self._config.box_weight * box_loss
        return LossParts(total, float(class_loss.detach()), float(box_loss.detach()), len(owner))
