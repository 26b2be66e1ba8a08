"""How a language model is asked several things: in one batch in this process, or side by side over the network.

In: prompts. Out: per prompt a reply, or the ModelError that came instead: one that fails takes no other with it.
Next file: ``pipeline/describe/stage.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pipeline.descriptions import Prompt, Reply
from pipeline.errors import ModelError
from pipeline.protocols import LanguageModel

__all__ = ["Ask", "NotAsked", "Spread", "in_batches", "side_by_side"]

Ask = Callable[[Sequence[Prompt]], Sequence[Reply | ModelError]]
"""Replies of a model, or what went wrong instead, in the order of the prompts."""

Spread = Callable[[Callable[[Prompt], Reply | ModelError], Iterable[Prompt]], Iterable[Reply | ModelError]]
"""``map``, or that of an executor."""


class NotAsked(ModelError):
    """The model was not even asked, since it keeps failing: nothing was spent."""


def in_batches(model: LanguageModel) -> Ask:
    """All prompts at once; should that fail, each alone, so that one too large for the memory is alone in failing."""

    def ask(prompts: Sequence[Prompt]) -> list[Reply | ModelError]:
        try:
            return list(model.reply(prompts))
        except ModelError as error:
            return [error] if len(prompts) == 1 else [_alone(model, prompt) for prompt in prompts]

    return ask


def side_by_side(model: LanguageModel, spread: Spread = map) -> Ask:
    """Each prompt alone, as many at a time as ``spread`` (an executor's ``map``) allows."""
    return lambda prompts: list(spread(lambda prompt: _alone(model, prompt), prompts))


def _alone(model: LanguageModel, prompt: Prompt) -> Reply | ModelError:
    try:
        (reply,) = model.reply([prompt])
    except ModelError as error:
        return error
    return reply
