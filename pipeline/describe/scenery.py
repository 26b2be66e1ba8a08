"""What is true of the whole picture: camera health, light and weather.

In: one moment. Out: facts about the scene (their subject is None). Light and weather come from the pixels (looks) or
the note of the frame; without either they stay unsaid. Next file: ``pipeline/describe/facts.py``.
"""

from __future__ import annotations

import math

from pipeline.descriptions import Fact
from pipeline.protocols import Moment
from pipeline.types import HealthCondition

__all__ = ["BLINDING", "scenery"]

BLINDING: frozenset[HealthCondition] = frozenset({"offline", "black", "frozen", "covered"})
"""Conditions under which the picture says nothing about what is in front of the camera."""

_DARK_LUMA, _DIM_LUMA = 38.0, 70.0  # mean luma 0..255 below which a scene is dark, or dim
_CERTAIN_LUMA = 12.0
_BRIGHT_RANGE = 60.0  # a lit street at night is as bright as a dull day: brightness alone never makes sure of day
_GREY_SHARE = 0.003  # of pixels that carry colour: fewer than that, and the picture is grey
_RAIN_SHARE = 0.5


def scenery(moment: Moment) -> tuple[Fact, ...]:
    """Health, and light and weather where they were measured."""
    finding = moment.finding
    frames = (finding.ref.key,)
    facts = [Fact("health", condition, 1.0, frames=frames) for condition in finding.note.conditions]
    if finding.detections is None or BLINDING.intersection(finding.note.conditions):
        return tuple(facts)
    looks = finding.looks
    luma = math.nan if looks is None else looks.scene("brightness_luma")
    luma = finding.note.brightness if math.isnan(luma) else luma
    saturation = math.nan if looks is None else looks.scene("saturation_share")
    if luma > 0:
        facts.append(_light(luma, saturation, moment))
    rain = math.nan if looks is None else looks.scene("rain_share")
    if rain >= _RAIN_SHARE:
        facts.append(Fact("weather", "rain", min(1.0, rain), frames=frames))
    return tuple(facts)


def _light(luma: float, saturation: float, moment: Moment) -> Fact:
    frames = (moment.finding.ref.key,)
    if saturation <= _GREY_SHARE:
        return Fact("light", "infrared", 0.9, frames=frames)
    if luma >= _DIM_LUMA:
        return Fact("light", "day", round(0.4 + 0.2 * min(1.0, (luma - _DIM_LUMA) / _BRIGHT_RANGE), 3), frames=frames)
    word = "dark" if luma < _DARK_LUMA else "dim"
    margin = min(abs(luma - border) for border in (_DARK_LUMA, _DIM_LUMA))
    return Fact("light", word, round(0.5 + 0.5 * min(1.0, margin / _CERTAIN_LUMA), 3), frames=frames)
