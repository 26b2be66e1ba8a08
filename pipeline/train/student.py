"""The student network: an ImageNet-pretrained MobileNetV2, a small path-aggregation neck and an anchor-free head.

In: float RGB pictures 0..1, ``(B, 3, H, W)``, H and W multiples of 32. Out: per-cell class logits and box distances
while training (:class:`RawOutput`), or the layout every YOLO consumer reads, ``(B, 4 + classes, N)`` with ``xywh`` in
input pixels and sigmoid scores, when exported. What is learned from its output: ``pipeline/train/loss.py``.

Sources: MobileNetV2 (Sandler et al. 2018), frozen normalisation when fine-tuning detectors (He et al. 2017, as in
Detectron2), PANet (Liu et al. 2018), cross-stage partial blocks (Wang et al. 2020), fast pyramid pooling (YOLOv5),
depthwise-separable heads (PP-PicoDet, Yu et al. 2021).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as nf

__all__ = ["STRIDES", "RawOutput", "Student", "StudentConfig", "cell_centres", "deployable"]

STRIDES = (8, 16, 32)
# expansion, channels, repeats, first stride: table 2 of the MobileNetV2 paper, without the classifier
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
_TAPS = (6, 13, 17)  # indices of ``features`` that end strides 8, 16 and 32
_TAP_CHANNELS = (32, 96, 320)


@dataclass(frozen=True, slots=True)
class StudentConfig:
    """Shape of the network. ``frozen_blocks`` backbone blocks are never trained (0..17); ``width`` is the neck's."""

    class_count: int = 9
    width: int = 128
    frozen_blocks: int = 5
    is_pretrained: bool = True

    def __post_init__(self) -> None:
        if self.class_count < 1 or self.width < 16 or self.width % 8:
            raise ValueError(f"student: expected class_count >= 1 and width a multiple of 8 from 16, got {self}")
        if not 0 <= self.frozen_blocks <= 17:
            raise ValueError(f"frozen_blocks: expected 0..17, got {self.frozen_blocks}")


class RawOutput(NamedTuple):
    """``logits`` (B, N, classes) and ``distances`` (B, N, 4): left, top, right, bottom in input pixels, >= 0."""

    logits: Tensor
    distances: Tensor


class FrozenNormConv(nn.Module):
    """A convolution whose normalisation is a fixed scale per channel, multiplied into the weight at each step.

    Fine-tuning a pretrained backbone on small batches ruins its batch statistics; with the scale fixed, the
    picture-sized normalisation passes disappear as well, a third of the training time on a CPU.
    """

    scale: Tensor

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        if norm.running_var is None or norm.running_mean is None or norm.weight is None or norm.bias is None:
            raise ValueError("norm: expected running statistics and an affine transform, got none")
        scale = norm.weight.detach() * torch.rsqrt(norm.running_var + norm.eps)
        self.register_buffer("scale", scale.reshape(-1, 1, 1, 1).clone())
        self.weight = nn.Parameter(conv.weight.detach().clone())
        self.bias = nn.Parameter(norm.bias.detach() - norm.running_mean * scale)
        self.stride, self.padding, self.groups = conv.stride, conv.padding, conv.groups

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H', W')."""
        return nf.conv2d(x, self.weight * self.scale, self.bias, self.stride, self.padding, (1, 1), self.groups)

    def to_conv(self) -> nn.Conv2d:
        """The same map as a plain convolution."""
        out_channels, per_group, height, width = self.weight.shape
        conv = nn.Conv2d(
            per_group * self.groups,
            out_channels,
            (height, width),
            self.stride,  # type: ignore[arg-type]
            self.padding,  # type: ignore[arg-type]
            groups=self.groups,
        )
        conv.weight.data.copy_(self.weight * self.scale)
        if conv.bias is not None:
            conv.bias.data.copy_(self.bias)
        return conv


class InvertedResidual(nn.Module):
    """Expand 1x1, depthwise 3x3, project 1x1; parameter names are those of the published weights."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.is_residual = stride == 1 and in_channels == out_channels
        expand = (
            []
            if expansion == 1
            else [nn.Conv2d(in_channels, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.ReLU6()]
        )
        self.conv = nn.Sequential(
            *expand,
            nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(),
            nn.Conv2d(hidden, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H / stride, W / stride)."""
        y: Tensor = self.conv(x)
        return x + y if self.is_residual else y


def _backbone() -> nn.Sequential:
    blocks: list[nn.Module] = [nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU6())]
    channels = 32
    for expansion, out_channels, repeats, first_stride in _STAGES:
        for index in range(repeats):
            blocks.append(InvertedResidual(channels, out_channels, first_stride if index == 0 else 1, expansion))
            channels = out_channels
    return nn.Sequential(*blocks)


def _conv(in_channels: int, out_channels: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels, momentum=0.03),
        nn.ReLU(),
    )


def _separable(channels: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(_conv(channels, channels, kernel, stride, channels), _conv(channels, channels))


class PartialBlock(nn.Module):
    """Cross-stage partial block: half of the channels pass a residual pair of 3x3 convolutions, the rest pass by."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        half = width // 2
        self.enter = _conv(in_channels, width)
        self.pair = nn.Sequential(_conv(half, half, 3), _conv(half, half, 3))
        self.leave = _conv(half * 3, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, width, H, W)."""
        aside, through = self.enter(x).chunk(2, 1)
        y: Tensor = self.leave(torch.cat((aside, through, through + self.pair(through)), 1))
        return y


class PyramidPool(nn.Module):
    """Three 5x5 maxima in a row, concatenated: a receptive field that covers the picture at stride 32."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.enter = _conv(in_channels, width // 2)
        self.pool = nn.MaxPool2d(5, 1, 2)
        self.leave = _conv(width * 2, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, width, H, W)."""
        first = self.enter(x)
        second = self.pool(first)
        third = self.pool(second)
        y: Tensor = self.leave(torch.cat((first, second, third, self.pool(third)), 1))
        return y


class Neck(nn.Module):
    """Top-down then bottom-up path aggregation over strides 8, 16, 32."""

    def __init__(self, width: int) -> None:
        super().__init__()
        fine, middle, coarse = _TAP_CHANNELS
        self.lateral_fine, self.lateral_middle = _conv(fine, width), _conv(middle, width)
        self.pool = PyramidPool(coarse, width)
        self.down_middle, self.down_fine = PartialBlock(width * 2, width), PartialBlock(width * 2, width)
        self.stride_fine, self.stride_middle = _separable(width, 3, 2), _separable(width, 3, 2)
        self.up_middle, self.up_coarse = PartialBlock(width * 2, width), PartialBlock(width * 2, width)

    def forward(self, fine: Tensor, middle: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Three backbone maps -> three maps of ``width`` channels at the same strides."""
        c5 = self.pool(coarse)
        p4 = self.down_middle(torch.cat((nf.interpolate(c5, scale_factor=2.0), self.lateral_middle(middle)), 1))
        p3 = self.down_fine(torch.cat((nf.interpolate(p4, scale_factor=2.0), self.lateral_fine(fine)), 1))
        n4 = self.up_middle(torch.cat((self.stride_fine(p3), p4), 1))
        n5 = self.up_coarse(torch.cat((self.stride_middle(n4), c5), 1))
        return p3, n4, n5


class LevelHead(nn.Module):
    """Two depthwise-separable 3x3 layers, then class logits and box distances for one stride."""

    def __init__(self, width: int, class_count: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.tower = nn.Sequential(_separable(width, 3), _separable(width, 3))
        self.logits = nn.Conv2d(width, class_count, 1)
        self.distances = nn.Conv2d(width, 4, 1)
        nn.init.normal_(self.logits.weight, std=0.01)
        nn.init.constant_(self.logits.bias, -4.6)  # type: ignore[arg-type]  # prior 0.01 (Lin et al. 2017)
        nn.init.normal_(self.distances.weight, std=0.01)
        nn.init.constant_(self.distances.bias, 1.0)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> RawOutput:
        """(B, width, h, w) -> logits (B, h * w, classes), distances (B, h * w, 4) in input pixels."""
        tower = self.tower(x)
        logits = self.logits(tower).flatten(2).transpose(1, 2)
        distances = nf.softplus(self.distances(tower).flatten(2).transpose(1, 2).float()) * self.stride
        return RawOutput(logits.float(), distances)


class Student(nn.Module):
    """The whole network; build it with random weights, then :func:`pipeline.train.backbone.load_pretrained`."""

    def __init__(self, config: StudentConfig) -> None:
        super().__init__()
        self.config = config
        self.features = _backbone()
        self.neck = Neck(config.width)
        self.heads = nn.ModuleList(LevelHead(config.width, config.class_count, stride) for stride in STRIDES)
        for index in range(config.frozen_blocks):
            self.features[index].requires_grad_(False)

    def forward(self, rgb: Tensor) -> RawOutput:
        """(B, 3, H, W) float 0..1 -> logits (B, N, classes), distances (B, N, 4); N counts cells of all strides."""
        x = rgb
        taps: list[Tensor] = []
        for index, block in enumerate(self.features):
            with torch.set_grad_enabled(torch.is_grad_enabled() and index >= self.config.frozen_blocks):
                x = block(x)
            if index in _TAPS:
                taps.append(x)
        levels = [head(level) for head, level in zip(self.heads, self.neck(*taps), strict=True)]
        return RawOutput(torch.cat([o.logits for o in levels], 1), torch.cat([o.distances for o in levels], 1))


def cell_centres(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Centres (N, 2) in input pixels and strides (N,) of all cells, in the order of the network's output."""
    centres, strides = [], []
    for stride in STRIDES:
        y, x = torch.meshgrid(torch.arange(height // stride), torch.arange(width // stride), indexing="ij")
        centres.append((torch.stack((x, y), -1).reshape(-1, 2).float() + 0.5) * stride)
        strides.append(torch.full((len(centres[-1]),), float(stride)))
    return torch.cat(centres), torch.cat(strides)


class Deployable(nn.Module):
    """The network with its boxes decoded: ``(B, 4 + classes, N)``, ``xywh`` in input pixels, scores 0..1."""

    centres: Tensor

    def __init__(self, student: Student, size_wh: tuple[int, int]) -> None:
        super().__init__()
        self.student = student
        self.register_buffer("centres", cell_centres(size_wh[1], size_wh[0])[0])

    def forward(self, rgb: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 4 + classes, N)."""
        logits, distances = self.student(rgb)
        left_top, right_bottom = distances[..., :2], distances[..., 2:]
        middle = self.centres + (right_bottom - left_top) / 2
        return torch.cat((middle, left_top + right_bottom, logits.sigmoid()), -1).transpose(1, 2)


def _fold(module: nn.Module) -> None:
    for name, child in list(module.named_children()):
        if isinstance(child, FrozenNormConv):
            setattr(module, name, child.to_conv())
        else:
            _fold(child)
    if isinstance(module, nn.Sequential):
        layers = list(module)
        for index in range(len(layers) - 1):
            conv, norm = layers[index], layers[index + 1]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module[index] = nn.utils.fusion.fuse_conv_bn_eval(conv.eval(), norm.eval())
                module[index + 1] = nn.Identity()


def deployable(student: Student, size_wh: tuple[int, int]) -> nn.Module:
    """An evaluation copy of ``student`` for pictures of ``size_wh``, all normalisation folded into convolutions."""
    import copy

    frozen = copy.deepcopy(student).eval().requires_grad_(False)
    _fold(frozen)
    return Deployable(frozen, size_wh).eval()
