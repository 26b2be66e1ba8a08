"""The judge of camera health: every condition that ingest found becomes an incident of kind ``camera_health``.

In: moments, also ticks without a picture. Out: a suspicion per condition. A condition says nothing about weaker ones:
while a stronger one holds (offline > covered > black > frozen > defocused > moved), weaker ones neither open nor end,
so that a camera that is covered does not also report that it is black and out of focus, and one that was turned and
then cut off does not report that it was turned back. Next file: ``pipeline/alert/policy.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from pipeline.alert.explain import Cue, evidence_of, named
from pipeline.protocols import Json, Moment, Suspicion
from pipeline.types import HEALTH_CONDITIONS, FrameNote, HealthCondition, Severity

__all__ = ["KIND", "HealthJudge"]

KIND = "camera_health"
_STRONGEST_FIRST: tuple[HealthCondition, ...] = ("offline", "covered", "black", "frozen", "defocused", "moved")
"""``low_frame_rate`` is beside this order: it says nothing about the picture, and only ``offline`` hides it."""


@dataclass(frozen=True, slots=True)
class _Wording:
    severity: Severity
    title: str
    text: str
    observed: str
    normal: str


_WORDING: Mapping[HealthCondition, _Wording] = MappingProxyType(
    {
        "offline": _Wording(
            "critical", "is offline", "sends no picture; nothing is watched there now", "no picture", "a steady picture"
        ),
        "covered": _Wording(
            "critical",
            "is covered",
            "shows a picture without detail, as if something covers the lens",
            "a picture without detail",
            "the scene",
        ),
        "black": _Wording(
            "critical",
            "shows black",
            "shows a black picture",
            "mean brightness {brightness:.0f} of 255",
            "light enough to see",
        ),
        "frozen": _Wording(
            "critical",
            "is frozen",
            "repeats the same picture",
            "a picture without any change",
            "the noise of a live picture",
        ),
        "defocused": _Wording(
            "warning", "is out of focus", "has lost its sharpness", "blurred edges", "the sharpness learned before"
        ),
        "moved": _Wording(
            "warning", "was moved", "looks at another view than before", "another view", "the view learned before"
        ),
        "low_frame_rate": _Wording(
            "info", "has a low frame rate", "sends far fewer pictures than it should", "few pictures", "its usual rate"
        ),
    }
)


class HealthJudge:
    """A :class:`~pipeline.protocols.Judge` over the conditions in the notes of one camera's findings."""

    def __init__(self, camera: str) -> None:
        self._camera = camera
        self._held: tuple[HealthCondition, ...] = ()

    def judge(self, moment: Moment) -> Sequence[Suspicion]:
        """A suspicion for every condition that holds, or that held and cannot be seen to have ended."""
        note = moment.finding.note
        now = set(note.conditions)
        rank = next((i for i, condition in enumerate(_STRONGEST_FIRST) if condition in now), len(_STRONGEST_FIRST))
        hidden = set(_STRONGEST_FIRST[rank + 1 :])
        if "offline" in now:
            hidden.add("low_frame_rate")
        holding = (now - hidden) | (hidden & set(self._held))
        self._held = tuple(condition for condition in HEALTH_CONDITIONS if condition in holding)
        return [self._suspicion(condition, note) for condition in self._held]

    def _suspicion(self, condition: HealthCondition, note: FrameNote) -> Suspicion:
        wording = _WORDING[condition]
        camera = named(self._camera)
        observed = wording.observed.format(brightness=note.brightness)
        return Suspicion(
            kind=KIND,
            key=f"{KIND}:{condition}",
            rule=None,
            severity=wording.severity,
            score=1.0,
            title=f"Camera {camera} {wording.title}",
            text=f"Camera {camera} {wording.text}.",
            tracks=(),
            evidence=evidence_of([Cue(condition, observed, wording.normal)]),
            is_exempt_from_hold=True,
        )

    def state(self) -> Json:
        """Everything needed to go on elsewhere."""
        return {"held": list(self._held)}

    def restore(self, state: Json) -> None:
        """Continue from :meth:`state`. Raises ValueError for a damaged state."""
        held = state.get("held")
        if not isinstance(held, list) or not set(held) <= set(HEALTH_CONDITIONS):
            raise ValueError(f"health state: expected conditions of {HEALTH_CONDITIONS}, got {held!r}")
        self._held = tuple(held)
