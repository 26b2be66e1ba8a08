"""What is worth describing: requests to put a moment of one camera into words, most urgent kind first.

In: moments with facts, and the alerts they caused. Out: :class:`~pipeline.descriptions.DescribeRequest` for an alert
that opened, for a scene whose cast changed and stayed so, and now and then for a slow look. Pure fold over media time,
so a replay asks the same. Whether a request is served is the budget's business (``pipeline/describe/budget.py``).
Next file: ``pipeline/alert/stage.py``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.alert.health import KIND as HEALTH_KIND
from pipeline.descriptions import DescribeReason, DescribeRequest, SceneFacts
from pipeline.protocols import Json, Moment
from pipeline.types import Alert

__all__ = ["AskSettings", "Asking", "Write"]

Write = Callable[[SceneFacts], tuple[str, str]]
"""The grounded writer: title and text of facts."""

_Cast = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class AskSettings:
    """What is asked, and how often. ``context`` is what the owner says of the site; ``questions`` are yes/no.

    A scene is described anew when its cast changed for ``settle_s``, at most once per ``scene_gap_s``; whatever
    happens, once per ``every_s`` (0: never). Seconds of media time.
    """

    context: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    settle_s: float = 1.0
    scene_gap_s: float = 20.0
    every_s: float = 600.0

    def __post_init__(self) -> None:
        for name in ("settle_s", "scene_gap_s", "every_s"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}: expected seconds from 0, got {getattr(self, name)}")


class Asking:
    """The requests of one camera."""

    def __init__(self, settings: AskSettings) -> None:
        self._settings = settings
        self._told: _Cast = ()
        self._new: _Cast = ()
        self._new_since_s = 0.0
        self._asked_at_s: float | None = None
        self._scene_at_s: float | None = None

    def ask(self, moment: Moment, alerts: Sequence[Alert], write: Write) -> tuple[DescribeRequest, ...]:
        """The requests due at ``moment``, whose step caused ``alerts``; none while there are no facts."""
        facts, at_s = moment.facts, moment.finding.ref.at_s
        if facts is None:
            return ()
        if self._asked_at_s is None or at_s < self._asked_at_s:
            self._asked_at_s, self._scene_at_s = at_s, None  # a camera that begins, or whose clock was set back
        cast = _cast(facts)
        opened = [alert for alert in alerts if alert.phase == "opened" and alert.kind != HEALTH_KIND]
        change = self._change(cast, at_s)
        asked: list[tuple[DescribeReason, float, str | None]] = [
            ("alert", min(1.0, max(0.0, alert.score)), alert.id) for alert in opened
        ]
        if not asked and change > 0:
            asked, self._scene_at_s = [("scene_change", change, None)], at_s
        if not asked and 0 < self._settings.every_s <= at_s - self._asked_at_s:
            asked = [("periodic", 0.0, None)]
        if not asked:
            return ()
        self._asked_at_s, self._told = at_s, cast
        title, text = write(facts)
        return tuple(
            DescribeRequest(
                ref=moment.finding.ref,
                reason=reason,
                score=score,
                facts=facts,
                title=title,
                text=text,
                alert_id=alert_id,
                context=self._settings.context,
                questions=self._settings.questions,
            )
            for reason, score, alert_id in asked
        )

    def _change(self, cast: _Cast, at_s: float) -> float:
        """The share of the cast that is not as it was told, once that has settled and is due; else 0."""
        if cast != self._new or at_s < self._new_since_s:
            self._new, self._new_since_s = cast, at_s
        if cast == self._told or at_s - self._new_since_s < self._settings.settle_s:
            return 0.0
        if self._scene_at_s is not None and at_s - self._scene_at_s < self._settings.scene_gap_s:
            return 0.0
        now, before = Counter(dict(cast)), Counter(dict(self._told))
        return 1.0 - (now & before).total() / (now | before).total()

    def state(self) -> Json:
        """Everything needed to go on elsewhere."""
        return {
            "told": self._told,
            "new": self._new,
            "new_since_s": self._new_since_s,
            "asked_at_s": self._asked_at_s,
            "scene_at_s": self._scene_at_s,
        }

    def restore(self, state: Json) -> None:
        """Continue from :meth:`state`. Raises KeyError, TypeError or ValueError for a damaged one."""
        self._told = tuple((str(label), int(count)) for label, count in state["told"])
        self._new = tuple((str(label), int(count)) for label, count in state["new"])
        self._new_since_s = float(state["new_since_s"])
        self._asked_at_s, self._scene_at_s = state["asked_at_s"], state["scene_at_s"]


def _cast(facts: SceneFacts) -> _Cast:
    """How many of what are in the scene, by label."""
    return tuple(sorted(Counter(one.label for one in facts.objects).items()))
