"""The loss: what it rewards, what it ignores, and that hostile targets stay finite."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="training needs the extra 'models' (torch)")

import torch

from pipeline.train.loss import DetectionLoss, LossConfig, Targets, generalised_iou
from pipeline.train.student import RawOutput, cell_centres

_CENTRES, _STRIDES = cell_centres(64, 96)
_LOSS = DetectionLoss(LossConfig())


def _targets(*rows: tuple[float, float, float, float, int, float]) -> Targets:
    table = torch.tensor([list(row) for row in rows]).reshape(1, -1, 6).float()
    return Targets(table[..., :4], table[..., 4].long(), table[..., 5])


def _output(box: tuple[float, float, float, float], label: int, sureness: float) -> RawOutput:
    """A network that says ``box`` of class ``label`` at every cell inside it, and background elsewhere."""
    x1, y1, x2, y2 = box
    inside = (_CENTRES[:, 0] > x1) & (_CENTRES[:, 0] < x2) & (_CENTRES[:, 1] > y1) & (_CENTRES[:, 1] < y2)
    logits = torch.full((1, len(_CENTRES), 9), -8.0)
    logits[0, inside, label] = sureness
    corners = torch.tensor(box)
    distances = torch.cat((_CENTRES - corners[:2], corners[2:] - _CENTRES), -1).clamp(min=0.1)
    return RawOutput(logits.requires_grad_(), distances.unsqueeze(0).requires_grad_())


def _total(output: RawOutput, targets: Targets) -> float:
    return float(_LOSS(output, _CENTRES, _STRIDES, targets).total.detach())


def test_iou_of_known_boxes() -> None:
    first, second = torch.tensor([0.0, 0, 2, 2]), torch.tensor([1.0, 0, 3, 2])
    iou, generalised = generalised_iou(first, second)
    assert abs(float(iou) - 1 / 3) < 1e-6
    assert abs(float(generalised) - 1 / 3) < 1e-6
    apart = generalised_iou(first, torch.tensor([4.0, 0, 6, 2]))[1]
    assert abs(float(apart) + 1 / 3) < 1e-6


def test_the_right_answer_costs_least() -> None:
    box, targets = (16.0, 8.0, 56.0, 56.0), _targets((16, 8, 56, 56, 2, 1.0))
    right = _total(_output(box, 2, 3.0), targets)
    assert right < _total(_output(box, 5, 3.0), targets)
    assert right < _total(_output((0.0, 8.0, 40.0, 56.0), 2, 3.0), targets)
    assert right < _total(_output(box, 2, -8.0), targets)


def test_what_is_ignored_costs_nothing_but_an_invention_does() -> None:
    output = _output((16.0, 8.0, 56.0, 56.0), 2, 2.0)
    ignored = _total(output, _targets((16, 8, 56, 56, 2, -0.1)))
    background = _total(output, _targets((16, 8, 56, 56, 2, 0.0)))
    other_class = _total(output, _targets((16, 8, 56, 56, 3, -0.1)))
    assert ignored < 0.05 * background
    assert other_class > 0.9 * background


def test_a_doubtful_label_pulls_less_than_a_sure_one() -> None:
    gradients = []
    for confidence in (0.25, 1.0):
        output = _output((16.0, 8.0, 56.0, 56.0), 2, -4.0)
        _LOSS(
            output, _CENTRES, _STRIDES, _targets((16, 8, 56, 56, 2, confidence), (70, 8, 90, 40, 0, 1.0))
        ).total.backward()
        gradients.append(float(output.logits.grad[..., 2].abs().sum()))  # type: ignore[union-attr]
    assert gradients[0] < gradients[1]


def test_objects_smaller_than_a_cell_and_objects_nobody_overlaps_get_a_cell() -> None:
    output = _output((0.0, 0.0, 8.0, 8.0), 0, 1.0)
    parts = _LOSS(output, _CENTRES, _STRIDES, _targets((40, 40, 43, 43, 0, 1.0), (60, 4, 92, 30, 1, 1.0)))
    assert parts.positives >= 2


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(-10, 90),
            st.floats(-10, 60),
            st.floats(0.01, 200),
            st.floats(0.01, 200),
            st.integers(0, 8),
            st.floats(-1, 1),
        ),
        max_size=8,
    )
)
def test_any_targets_give_finite_loss_and_gradients(rows: list[tuple[float, float, float, float, int, float]]) -> None:
    targets = _targets(*((x, y, x + w, y + h, label, c) for x, y, w, h, label, c in rows))
    output = _output((16.0, 8.0, 56.0, 56.0), 2, 1.0)
    total = _LOSS(output, _CENTRES, _STRIDES, targets).total
    total.backward()
    assert torch.isfinite(total)
    assert all(torch.isfinite(part.grad).all() for part in output if part.grad is not None)


def test_order_of_objects_does_not_matter() -> None:
    rows = [(16.0, 8.0, 56.0, 56.0, 2, 0.9), (60.0, 4.0, 92.0, 30.0, 0, -0.1), (2.0, 2.0, 20.0, 20.0, 1, 0.5)]
    output = _output((16.0, 8.0, 56.0, 56.0), 2, 1.0)
    assert abs(_total(output, _targets(*rows)) - _total(output, _targets(*reversed(rows)))) < 1e-5
