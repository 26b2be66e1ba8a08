"""The arithmetic of a score in words: which cue added how much, what was seen, and what is normal here.

In: what each cue added, the row it was measured in, and the generation it was held against. Out: evidence whose shares
are the parts of the score, largest first, and a title. Numbers come from the same arrays that made the score.
Next file: ``pipeline/unusual/judge.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pipeline.types import Evidence, Track
from pipeline.unusual.channels import TRACK_CUES, vectors_of
from pipeline.unusual.normality import Normality

__all__ = ["Seen", "described", "evidence_of", "one_in", "title_of"]

_LEAST_SHARE = 0.02  # smaller parts are summed up in one line
_REST = "other"
_MAX_TEXT = 300

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a score was made from: a track's ``row``, the frame's ``scene`` row, the words with their age and weight.

    A ``track`` without a ``row`` is out of sight; what it adds is what is left of when it was last seen.
    """

    at_s: float
    track: Track | None
    row: NDArray[np.float32] | None
    scene: NDArray[np.float32]
    text: str = ""
    nearest_text: str = ""
    text_age_s: float = 0.0
    text_weight: float = 0.0


@dataclass(frozen=True, slots=True)
class _Wording:
    """How a cue reads: ``title`` after the object's name, the comparison for p, and how its number is written."""

    title: str
    rarer: str
    show: Callable[[Floats], str]


def _number(unit: str, digits: int = 1, scale: float = 1.0) -> Callable[[Floats], str]:
    return lambda vector: f"{vector[0] * scale:.{digits}f} {unit}".strip()


_WORDING = MappingProxyType(
    {
        "speed": _Wording("moves unusually fast", "faster than", _number("body heights/s")),
        "agitation": _Wording("moves wildly", "wilder than", _number("body heights/s between its parts", 2)),
        "motion": _Wording(
            "moves in an unusual manner", "motion stranger than", lambda v: f"{v[0]:.2f} body heights/s within the box"
        ),
        "way": _Wording("goes an unusual way", "way stranger than", lambda v: f"heading {_bearing(v[2], v[3])} here"),
        "place": _Wording(
            "is in an unusual place",
            "place stranger than",
            lambda v: f"foot {v[0]:.1f} body heights from the left, {v[1]:.1f} from the top",
        ),
        "shape": _Wording(
            "has an unusual shape",
            "shape stranger than",
            lambda v: f"{math.exp(v[0]):.1f} times as tall as wide, {math.exp(v[1]):.1f} of a standing person",
        ),
        "change": _Wording(
            "changes shape abruptly", "changes faster than", lambda v: f"{100 * math.expm1(v[0]):.0f} % per second"
        ),
        "collapse": _Wording("goes down", "lower than", _number("% of its height lost in a second", 0, 100.0)),
        "posture": _Wording("is not upright", "more tilted than", lambda v: f"{max(0.0, v[0]):.0f}° off the vertical"),
        "company": _Wording(
            "is unusually close to another",
            "nearness stranger than",
            lambda v: f"{math.exp(v[0]):.1f} body heights apart, closing at {v[1]:.1f} per second",
        ),
    }
)
_SCENE_WORDING = MappingProxyType(
    {
        "outside": _Wording(
            "Something unknown moves",
            "more than",
            lambda v: f"{100 * v[0]:.1f} % of the picture moves outside all boxes",
        ),
        "moving": _Wording("Unusually much of the picture moves", "more than", _number("% of the picture", 0, 100.0)),
        "flow": _Wording("There is unusually much motion", "more than", _number("% of the picture height/s", 1, 100.0)),
        "light": _Wording("The light changed abruptly", "more than", _number("of 255 brighter or darker", 0)),
        "crowd": _Wording("There are unusually many objects", "more than", _number("objects in view", 0)),
    }
)


def one_in(surprise: float) -> str:
    """A surprise ``-log p`` in words: ``1 in 4,000 here``, two digits."""
    odds = math.exp(min(surprise, 40.0))
    digits = max(0, math.floor(math.log10(max(1.0, odds))) - 1)
    return f"1 in {round(odds / 10**digits) * 10**digits:,} here"


def evidence_of(
    added: Mapping[str, float], surprise: Mapping[str, float], seen: Seen, normality: Normality
) -> tuple[Evidence, ...]:
    """Evidence for a score that is the sum of ``added``; shares sum to 1. Cues below 2 % are summed up.

    ``surprise`` is each cue's ``-log p`` at this moment, before smoothing and fusion.
    """
    score = sum(added.values())
    if score <= 0:
        return ()
    ranked = sorted(added.items(), key=lambda item: (-item[1], item[0]))
    named = [(cue, value) for cue, value in ranked if value >= _LEAST_SHARE * score]
    evidence = [_line(cue, value, score, surprise.get(cue, math.nan), seen, normality) for cue, value in named]
    rest = score - sum(value for _, value in named)
    if rest > 0:
        evidence.append(Evidence(_REST, rest / score, "", "", f"adds {rest:.1f} of {score:.1f}"))
    return tuple(evidence)


def described(evidence: Sequence[Evidence]) -> str:
    """The two strongest things that were measured, in a few words; the words of the scene follow by themselves."""
    measured = [one for one in evidence if one.cue in _WORDING or one.cue in _SCENE_WORDING]
    told = [f"{one.observed} ({one.note.split(';')[0]})" for one in measured[:2]]
    return "; ".join(told) or "more unusual than what was seen here before"


def title_of(added: Mapping[str, float], seen: Seen) -> str:
    """What stands out, after the cue that added most."""
    top = max(added, key=lambda cue: (added[cue], cue), default="")
    if top in _SCENE_WORDING:
        return _SCENE_WORDING[top].title
    who = "Something" if seen.track is None else _one(seen.track.label)
    if top in _WORDING:
        since = ", and is out of sight" if seen.track is not None and seen.row is None else ""
        return f"{who} {_WORDING[top].title}{since}"
    return {
        "appearance": f"{who} looks unlike those seen here before",
        "class": f"{who} is rarely seen here",
        "text": "The scene reads unlike others here",
    }.get(top, f"{who} behaves unusually")


def _one(label: str) -> str:
    return f"{'An' if label[:1].lower() in 'aeiou' else 'A'} {_plain(label)}"


def _plain(text: str) -> str:
    """``text`` on one line of bounded length."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[:_MAX_TEXT]).split())


def _line(cue: str, added: float, score: float, surprise: float, seen: Seen, normality: Normality) -> Evidence:
    note = f"adds {added:.1f} of {score:.1f}"
    if cue in _WORDING and seen.track is not None and seen.row is not None:
        observed, normal, example = _track_words(cue, seen, normality)
        rare = f"{_WORDING[cue].rarer} {_all_but(surprise)}; " if math.isfinite(surprise) else ""
        return Evidence(cue, added / score, observed, normal, f"{rare}{note}{example}")
    if cue in _SCENE_WORDING:
        value = np.asarray(seen.scene[list(_SCENE_WORDING).index(cue)], np.float64).reshape(1)
        tail = normality.scene_tail(cue, seen.at_s)
        normal = "" if tail is None else f"up to {_SCENE_WORDING[cue].show(np.quantile(tail.normal, [0.95]))}"
        rare = f"more than {_all_but(surprise)}; " if math.isfinite(surprise) else ""
        return Evidence(cue, added / score, _SCENE_WORDING[cue].show(value), normal, rare + note)
    if cue == "text":
        note += f"; text {seen.text_age_s:.1f} s old, counted {100 * seen.text_weight:.0f} %"
        return Evidence(cue, added / score, _plain(seen.text), _plain(seen.nearest_text), note)
    if cue == "class" and seen.track is not None:
        total = sum(normality.track_counts.values())
        count = normality.track_counts.get(seen.track.label, 0)
        return Evidence(cue, added / score, _plain(seen.track.label), f"{count} of {total} objects seen here", note)
    rare = f"stranger than {_all_but(surprise)}; " if math.isfinite(surprise) else ""
    observed = "when last seen" if seen.track is not None and seen.row is None else cue
    return Evidence(cue, added / score, observed, "", rare + note)


def _all_but(surprise: float) -> str:
    return f"all but {one_in(surprise)}"


def _track_words(cue: str, seen: Seen, normality: Normality) -> tuple[str, str, str]:
    """Observed, normal and the nearest normal example of one cue of a track, in words."""
    spec = next(spec for spec in TRACK_CUES if spec.name == cue)
    if seen.track is None or seen.row is None:
        return "", "", ""
    vector = vectors_of(spec, seen.row[None], normality.ground)
    show = _WORDING[cue].show
    pool = normality.pool(seen.track.label, seen.at_s)
    if pool is None or cue not in pool.models or not np.isfinite(vector).all():
        return "not measured at this moment", "", ""
    model = pool.models[cue]
    known = vectors_of(spec, pool.samples.rows, normality.ground)
    if spec.method == "upper":
        low, high = (np.atleast_1d(np.nanquantile(known[:, 0], share)) for share in (0.05, 0.95))
        return show(vector[0]), f"{show(low).split()[0]} to {show(high)}", ""
    if spec.method == "mixture":
        return show(vector[0]), show(np.nanmedian(known, 0)), ""
    distance, nearest = model.nearest(vector)
    return show(vector[0]), show(known[nearest]), f"; nearest normal example at distance {distance:.2f}"


def _bearing(right: float, down: float) -> str:
    if math.hypot(right, down) < 0.05:
        return "nowhere"
    words = ("right", "down right", "down", "down left", "left", "up left", "up", "up right")
    return words[round(math.degrees(math.atan2(down, right)) / 45.0) % 8]
