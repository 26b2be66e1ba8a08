"""Lets a model write nothing but JSON of one schema, token by token. The door to llguidance.

In: a tokenizer's JSON and, per row of a batch, a schema; out: a callable that sets the logits of every token that
cannot continue a valid reply to minus infinity. Used by ``pipeline/describe/vlm.py``.

Why llguidance (1.9, MIT): it depends on nothing, keeps ``maxLength`` and ``maxItems`` (a reply that cannot outgrow its
token limit is never cut), needs no automaton built per schema, and vLLM, SGLang and llama.cpp offer it as their own
backend, so that the same schema means the same here and there. The native way of transformers
(``prefix_allowed_tokens_fn``) would need a JSON Schema parser of ours and, for every token, a list of the allowed
ids of a vocabulary of 250,000. Of llguidance the matcher is used, not its torch kernel, which wants a C++
compiler at run time. xgrammar, outlines and lm-format-enforcer were not measured.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import llguidance
import numpy as np
import torch

from pipeline.errors import ModelError

__all__ = ["Mask", "SchemaGuide"]

Mask = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""``mask(token_ids (B, L), logits (B, V)) -> logits``: what transformers calls a logits processor."""

_COMPACT: Any = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


class SchemaGuide:
    """Knows a tokenizer; makes a :data:`Mask` for each batch. Building one reads the whole vocabulary (about 0.5 s)."""

    def __init__(self, tokenizer_json: str, vocabulary_size: int, end_tokens: Sequence[int]) -> None:
        """``tokenizer_json``: a fast tokenizer as JSON; ``vocabulary_size``: width of the logits.

        Raises ModelError for a tokenizer that llguidance cannot read.
        """
        try:
            self._tokenizer = llguidance.LLTokenizer(
                tokenizer_json, n_vocab=vocabulary_size, eos_token=list(end_tokens)
            )
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"The tokenizer cannot be constrained to a schema ({error}).") from error
        self._vocabulary_size = vocabulary_size
        self._end_tokens = list(end_tokens)

    def mask(self, schemas: Sequence[dict[str, Any] | None], prompt_length: int) -> Mask:
        """A mask for rows whose replies begin after ``prompt_length`` tokens; rows with schema None are free.

        Raises ModelError for a schema outside of what can be enforced.
        """
        matchers = [None if schema is None else self._matcher(schema) for schema in schemas]

        def constrain(token_ids: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
            is_first = token_ids.shape[1] == prompt_length
            for row, matcher in enumerate(matchers):
                if matcher is None:
                    continue
                if not is_first and not matcher.is_stopped() and not matcher.consume_token(int(token_ids[row, -1])):
                    raise ModelError(f"The reply left its schema ({matcher.get_error()}).")
                self._forbid(matcher, logits[row])
            return logits

        return constrain

    def _matcher(self, schema: dict[str, Any]) -> llguidance.LLMatcher:
        grammar = llguidance.LLMatcher.grammar_from_json_schema(json.dumps(schema), defaults=_COMPACT)
        matcher = llguidance.LLMatcher(self._tokenizer, grammar, log_level=0)
        if matcher.is_error():
            raise ModelError(f"The schema of the reply cannot be enforced ({matcher.get_error()}).")
        return matcher

    def _forbid(self, matcher: llguidance.LLMatcher, logits: torch.Tensor) -> None:
        is_allowed = np.zeros(logits.shape[0], bool)
        if matcher.is_stopped():
            is_allowed[self._end_tokens] = True
        else:
            bits = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), np.uint8), bitorder="little")
            is_allowed[: self._vocabulary_size] = bits[: self._vocabulary_size]
        logits[torch.from_numpy(~is_allowed).to(logits.device)] = float("-inf")
