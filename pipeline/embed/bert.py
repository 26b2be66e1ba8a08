"""BERT sentence encoders as an OpenVINO network, built from their published weights without torch.

In: the shape and tensors of a :class:`~pipeline.embed.checkpoint.Checkpoint`. Out: ``ov.Model``: token ids (1, L) in,
one unit vector (1, D) out; pooling and normalising happen inside. The network is that of Devlin et al., "BERT" (2019):
post-norm encoder layers, learned positions, erf GELU; pooling as in Reimers and Gurevych, "Sentence-BERT" (2019).
Next file: ``pipeline/embed/text.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as ops
from numpy.typing import NDArray

from pipeline.embed.checkpoint import BertShape
from pipeline.errors import ModelError

__all__ = ["build"]

Tensors = Mapping[str, NDArray[Any]]


def build(shape: BertShape, tensors: Tensors) -> ov.Model:
    """The network of ``shape`` with the weights of ``tensors``, named as transformers names them.

    One text at a time, without padding: its vector then depends on nothing else that is encoded beside it.
    Raises ModelError for a tensor that is missing or of another shape.
    """
    prefix = "bert." if "bert.embeddings.word_embeddings.weight" in tensors else ""
    graph = _Graph(shape, tensors, prefix)
    ids = ops.parameter([1, -1], np.int64, name="ids")
    states = graph.embed(ids)  # (1, L, D)
    for number in range(shape.layers):
        states = graph.layer(states, f"encoder.layer.{number}")
    axis = ops.constant(np.array([1], np.int64))
    if shape.is_mean:
        pooled = ops.reduce_mean(states, axis, keep_dims=False)  # (1, L, D) -> (1, D)
    else:
        pooled = ops.gather(states, ops.constant(np.int64(0)), ops.constant(np.int64(1)))
    unit = ops.normalize_l2(pooled, axis, eps=1e-12, eps_mode="max")
    return ov.Model([unit], [ids], "sentence-encoder")


class _Graph:
    """The parts of the network, each fetching its own weights."""

    def __init__(self, shape: BertShape, tensors: Tensors, prefix: str) -> None:
        self._shape = shape
        self._tensors = tensors
        self._prefix = prefix

    def embed(self, ids: Any) -> Any:
        """Token ids (1, L) to the sum of word, position and type embeddings, normalised (1, L, D)."""
        d = self._shape.hidden
        zero, one = ops.constant(np.int64(0)), ops.constant(np.int64(1))
        words = ops.gather(self._weight("embeddings.word_embeddings.weight", self._shape.vocabulary, d), ids, zero)
        length = ops.gather(ops.shape_of(ids), one, zero)
        places = ops.range(zero, length, one, "i64")  # (L,)
        table = self._weight("embeddings.position_embeddings.weight", self._shape.positions, d)
        first_type = self._tensor("embeddings.token_type_embeddings.weight", -1, d)[:1]
        summed = ops.add(ops.add(words, ops.gather(table, places, zero)), ops.constant(first_type))
        return self._norm(summed, "embeddings.LayerNorm")

    def layer(self, states: Any, name: str) -> Any:
        """One encoder layer, (1, L, D) -> (1, L, D)."""
        d = self._shape.hidden
        attended = self._dense(self._attend(states, f"{name}.attention.self"), f"{name}.attention.output.dense", d, d)
        states = self._norm(ops.add(states, attended), f"{name}.attention.output.LayerNorm")
        wide = self._tensor(f"{name}.intermediate.dense.bias", -1).shape[0]
        inner = ops.gelu(self._dense(states, f"{name}.intermediate.dense", wide, d), "erf")
        return self._norm(
            ops.add(states, self._dense(inner, f"{name}.output.dense", d, wide)), f"{name}.output.LayerNorm"
        )

    def _attend(self, states: Any, name: str) -> Any:
        d, heads = self._shape.hidden, self._shape.heads
        split = ops.constant(np.array([0, 0, heads, d // heads], np.int64))
        swap = ops.constant(np.array([0, 2, 1, 3], np.int64))
        query, key, value = (
            ops.transpose(ops.reshape(self._dense(states, f"{name}.{part}", d, d), split, special_zero=True), swap)
            for part in ("query", "key", "value")
        )  # each (1, heads, L, D / heads)
        scale = ops.constant(np.float32(1 / math.sqrt(d // heads)))
        weights = ops.softmax(ops.multiply(ops.matmul(query, key, False, True), scale), -1)
        mixed = ops.transpose(ops.matmul(weights, value, False, False), swap)
        return ops.reshape(mixed, ops.constant(np.array([0, 0, d], np.int64)), special_zero=True)

    def _dense(self, states: Any, name: str, outputs: int, inputs: int) -> Any:
        weight = self._weight(f"{name}.weight", outputs, inputs)
        return ops.add(ops.matmul(states, weight, False, True), self._weight(f"{name}.bias", outputs))

    def _norm(self, states: Any, name: str) -> Any:
        d = self._shape.hidden
        axes = ops.constant(np.array([-1], np.int64))
        centred = ops.mvn(states, axes, True, self._shape.norm_epsilon, "INSIDE_SQRT")
        scaled = ops.multiply(centred, self._weight(f"{name}.weight", d))
        return ops.add(scaled, self._weight(f"{name}.bias", d))

    def _weight(self, name: str, *shape: int) -> Any:
        return ops.constant(self._tensor(name, *shape))

    def _tensor(self, name: str, *shape: int) -> NDArray[np.float32]:
        """A tensor as float32 of ``shape``, -1 for any size."""
        if self._prefix + name not in self._tensors:
            raise ModelError(f"model.safetensors: the tensor {name} is missing.")
        tensor = np.asarray(self._tensors[self._prefix + name], np.float32)
        if tensor.ndim != len(shape) or any(
            want not in (-1, got) for want, got in zip(shape, tensor.shape, strict=True)
        ):
            raise ModelError(f"model.safetensors: expected {name} of shape {shape}, got {tensor.shape}.")
        return np.ascontiguousarray(tensor)
