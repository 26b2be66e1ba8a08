"""A description inside a saved fold: JSON without its embedding, which is computed anew from the text.

In: a :class:`~pipeline.descriptions.SceneDescription`. Out: JSON values, and the description back.
Next file: ``pipeline/describe/narrator.py``.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from fractions import Fraction

from pipeline.descriptions import Answer, Claim, SceneDescription
from pipeline.protocols import Json
from pipeline.types import FrameKey, FrameRef, utc_from_s

__all__ = ["description_from", "description_state"]


def description_state(description: SceneDescription) -> Json:
    """``description`` as JSON values."""
    ref = description.ref
    state = asdict(replace(description, embedding=None))
    del state["embedding"]
    state["ref"] = {
        "key": asdict(ref.key),
        "pts": ref.pts,
        "time_base": [ref.time_base.numerator, ref.time_base.denominator],
        "at_s": ref.at_s,
        "source_wh": list(ref.source_wh),
    }
    return state


def description_from(state: Json) -> SceneDescription:
    """What :func:`description_state` wrote. Raises KeyError, TypeError or ValueError for a damaged state."""
    ref = state["ref"]
    width, height = ref["source_wh"]
    return SceneDescription(
        **{
            **state,
            "ref": FrameRef(
                FrameKey(**ref["key"]),
                ref["pts"],
                Fraction(*ref["time_base"]),
                utc_from_s(ref["at_s"]),
                (width, height),
            ),
            "claims": tuple(Claim(**claim) for claim in state["claims"]),
            "concerns": tuple(state["concerns"]),
            "answers": tuple(Answer(**answer) for answer in state["answers"]),
        }
    )
