"""Sentences into vectors whose inner product says how alike they mean: all-MiniLM-L6-v2 under OpenVINO, without torch.

In: texts of any origin and length. Out: float32 unit vectors (N, D). The network is built from the published weights
(``pipeline/embed/bert.py``), so the light install needs only the ``tokenizers`` and ``safetensors`` wheels (4 MB; an
own WordPiece would save them and would have to be proven equal for every script there is). Considered and left:
``openvino-tokenizers`` (tied to OpenVINO's exact version), optimum's and transformers' exports (need torch), a
committed IR (90 MB).

Texts are encoded one at a time, each at its own length, side by side on the processor's streams: a text's vector then
depends on the text alone and not on what stands beside it in a padded batch, so that a restarted worker whose cache is
empty decides as one whose cache is full. Against transformers in float32: cos ≥ 0.99999 in float32, ≥ 0.999 (seen:
0.99998) in bfloat16, which is taken where the processor has it. Measured on a shared machine, processor time of one
core for 26 tokens: 2 to 4 ms in bfloat16, 5 to 8 ms in float32. 8-bit weights were left out: they are not needed for 10
ms. Next file: ``pipeline/store/descriptions.py``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.embed.bert import build
from pipeline.embed.checkpoint import HOW_TO_INSTALL, Checkpoint, find_folder, read_checkpoint
from pipeline.errors import ModelError
from pipeline.openvino_runtime import Placement, compile_model, stream_count

__all__ = ["NO_ENCODER", "SentenceEncoder", "find_text_encoder"]

NO_ENCODER = f"No text encoder is installed: {HOW_TO_INSTALL}, or name one with `text_encoder` in the site file."
"""What to tell a person where an encoder was needed and :func:`find_text_encoder` found none."""
MAX_CACHED = 4096
"""Vectors remembered per encoder: 6 MB at 384 numbers each."""
_MAX_CHARACTERS = 16_000  # more than 256 tokens of any language; a megabyte of text is not tokenised for nothing
_ONE_THREAD = Placement(threads=1)


def find_text_encoder(setting: str | None = None, placement: Placement = _ONE_THREAD) -> SentenceEncoder | None:
    """The encoder that ``setting`` names (a folder or a hub id), else the installed one, else None.

    ``setting`` ``"none"`` means None too. Raises ModelError when what was named, or found, cannot be used.
    """
    if setting == "none":
        return None
    folder = find_folder(setting)
    return None if folder is None else SentenceEncoder(read_checkpoint(folder), placement)


class SentenceEncoder:
    """A :class:`~pipeline.protocols.TextEncoder`; belongs to one thread.

    Texts longer than the model's limit (256 tokens) are cut. What looks like a special token (``[SEP]``) in a text is
    read as plain characters.
    """

    def __init__(self, checkpoint: Checkpoint, placement: Placement = _ONE_THREAD) -> None:
        self._name = checkpoint.name
        self._dimensions = checkpoint.shape.hidden
        self._tokenizer = _load_tokenizer(checkpoint)
        compiled = compile_model(build(checkpoint.shape, checkpoint.tensors), placement)
        self._requests = [compiled.create_infer_request() for _ in range(stream_count(compiled))]
        self._cache: OrderedDict[str, NDArray[np.float32]] = OrderedDict()

    @property
    def name(self) -> str:
        """Model name, e.g. ``all-MiniLM-L6-v2``."""
        return self._name

    @property
    def dimensions(self) -> int:
        """Length D of a vector."""
        return self._dimensions

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors (N, D) of ``texts``, in order. Raises ModelError when the runtime fails."""
        vectors = np.empty((len(texts), self._dimensions), np.float32)
        missing: dict[str, list[int]] = {}
        for index, text in enumerate(texts):
            known = self._cache.get(text)
            if known is None:
                missing.setdefault(text, []).append(index)
            else:
                self._cache.move_to_end(text)
                vectors[index] = known
        for text, vector in zip(missing, self._run([self._ids(text) for text in missing]), strict=True):
            vectors[missing[text]] = vector
            self._remember(text, vector)
        return vectors

    def _ids(self, text: str) -> NDArray[np.int64]:
        """Token ids (1, L) with L ≤ the model's limit."""
        clean = text[:_MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8")  # halves of characters become "?"
        return np.asarray([self._tokenizer.encode(clean).ids or [0]], np.int64)  # a network cannot take no token

    def _run(self, ids: Sequence[NDArray[np.int64]]) -> list[NDArray[np.float32]]:
        """A unit vector (D,) for each, as many at a time as there are streams."""
        vectors = []
        try:
            for begin in range(0, len(ids), len(self._requests)):
                busy = list(zip(self._requests, ids[begin : begin + len(self._requests)], strict=False))
                for request, one in busy:
                    request.start_async([one])
                for request, _ in busy:
                    request.wait()
                    vectors.append(np.array(request.get_output_tensor().data[0], np.float32))
        except RuntimeError as error:
            raise ModelError(f"Text encoder {self._name}: OpenVINO failed ({str(error)[-200:].strip()}).") from error
        if not all(np.isfinite(vector).all() for vector in vectors):
            raise ModelError(f"Text encoder {self._name}: its weights give vectors that are not finite.")
        return vectors

    def _remember(self, text: str, vector: NDArray[np.float32]) -> None:
        if len(text) <= _MAX_CHARACTERS:
            self._cache[text] = vector
            while len(self._cache) > MAX_CACHED:
                self._cache.popitem(last=False)


def _load_tokenizer(checkpoint: Checkpoint) -> Any:
    from tokenizers import Tokenizer

    path = Path(checkpoint.tokenizer)
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises a plain Exception for every kind of bad file
        raise ModelError(f"{path}: cannot be read ({str(error)[:200]}).") from error
    if tokenizer.get_vocab_size() > checkpoint.shape.vocabulary:
        raise ModelError(f"{path}: has {tokenizer.get_vocab_size()} words and the model {checkpoint.shape.vocabulary}.")
    tokenizer.no_padding()
    tokenizer.enable_truncation(checkpoint.max_tokens)
    tokenizer.encode_special_tokens = True
    return tokenizer
