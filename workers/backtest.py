"""``vedette backtest OLD NEW``: what another configuration would have alerted, from what was recorded.

In: two sites and the ledger. Out: :class:`Report`: every incident added, removed, moved or changed, by camera. Only the
alert stage runs, once per configuration, over the findings and tracks of the ledger: the same stages as live, so the
same incidents as a full replay gives. Left out is what cannot differ: unusual behaviour where both sites look for it
alike, and facts and words where no rule is about them. Cameras are folded side by side in processes; one whose settings
are equal in both is folded once. Next file: ``pipeline/ledger/compare.py``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from pipeline.alert.silence import Silence
from pipeline.embed.text import find_text_encoder
from pipeline.errors import UsageError
from pipeline.ledger.compare import Difference, Outcome, Story, compare
from pipeline.ledger.shelf import cameras as recorded_cameras
from pipeline.settings import SiteSettings
from pipeline.types import Alert
from workers import wiring
from workers.refold import Voice, entries, microseconds, refold

__all__ = ["Report", "Window", "backtest", "print_report"]

LEAD_S = 600.0
"""So much of the ledger before the window is folded too, so that stages know the scene when it begins."""
_MARKS = {"added": "[green]+[/green]", "removed": "[red]−[/red]", "moved": "[yellow]→[/yellow]", "changed": "~"}


@dataclass(frozen=True, slots=True)
class Window:
    """Media time that is looked at; None is open. ``is_retracked``: objects are tracked anew."""

    since: datetime | None = None
    until: datetime | None = None
    is_retracked: bool = False

    @property
    def from_us(self) -> int | None:
        """Where folding begins, lead included."""
        return None if self.since is None else microseconds(self.since) - round(LEAD_S * 1_000_000)

    @property
    def to_us(self) -> int | None:
        """Where it ends."""
        return None if self.until is None else microseconds(self.until)

    def shown(self, alerts: Sequence[Alert]) -> list[Alert]:
        """Those of ``alerts`` whose incident lasts into the window."""
        if self.since is None:
            return list(alerts)
        lasting = {alert.id for alert in alerts if alert.updated_at >= self.since}
        return [alert for alert in alerts if alert.id in lasting]


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a back-test. ``findings`` were folded; ``problems`` are sentences about what could not be used."""

    cameras: tuple[str, ...]
    findings: int
    observed_s: float
    difference: Difference
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Side:
    """One configuration: a site and what people dismissed there."""

    site: SiteSettings
    silences: tuple[Silence, ...]


@dataclass(frozen=True, slots=True)
class _Task:
    """One camera to fold with ``configurations``, each for one of ``sides`` (0 old, 1 new), or one for both.

    ``is_learning``: what is unusual is judged too, since both sides differ in that.
    """

    root: Path
    camera: str
    window: Window
    configurations: tuple[_Side, ...]
    sides: tuple[int, ...]
    is_learning: bool


@dataclass(frozen=True, slots=True)
class _Folded:
    alerts: tuple[list[Alert], ...]
    findings: int
    observed_s: float
    problems: tuple[str, ...]


def backtest(
    old: SiteSettings,
    new: SiteSettings,
    window: Window,
    *,
    root: Path | None = None,
    cameras: Sequence[str] = (),
    silences: tuple[Sequence[Silence], Sequence[Silence]] = ((), ()),
    is_learning: bool = False,
    processes: int | None = None,
    on_done: Callable[[float], None] = lambda _: None,
) -> Report:
    """Fold the ledger with both sites' alert settings and compare.

    ``root`` is the ledger (that of ``old`` when None); ``cameras`` narrows it to some; ``processes`` None uses every
    core. ``silences`` are the dismissals that apply on either side; ``is_learning`` judges what is unusual even where
    both sites look for it alike. ``on_done`` is given the share done. Raises UsageError when there is nothing recorded.
    """
    root = old.ledger_dir if root is None else root
    chosen = _chosen(old, new, root, cameras)
    count = processes or len(os.sched_getaffinity(0))
    both = (_Side(old, tuple(silences[0])), _Side(new, tuple(silences[1])))
    plan = partial(_tasks, both, root, window=window, is_learning=is_learning, is_split=len(chosen) < count)
    tasks = [task for camera in chosen for task in plan(camera=camera)]
    sides: tuple[list[Alert], list[Alert]] = ([], [])
    problems: list[str] = list(_hints(old, new))
    findings, observed_s = 0, 0.0
    seen: set[str] = set()
    with _mapped(min(count, len(tasks))) as run:
        for task, folded in zip(tasks, run(tasks), strict=True):
            for side, alerts in zip(task.sides, folded.alerts, strict=True):
                sides[side].extend(window.shown(alerts))
            if task.camera not in seen:
                seen.add(task.camera)
                findings += folded.findings
                observed_s += folded.observed_s
                problems += folded.problems
            on_done(1 / len(tasks))
    return Report(tuple(chosen), findings, observed_s, compare(*sides), tuple(problems))


def print_report(report: Report, console: Console, *, as_json: bool) -> None:
    """Write ``report``: one JSON object, or lines for people."""
    if as_json:
        console.file.write(json.dumps(_record(report), ensure_ascii=False) + "\n")
        return
    difference, cameras = report.difference, ", ".join(report.cameras)
    for problem in report.problems:
        console.print(f"[yellow]![/yellow] {escape(problem)}", highlight=False, soft_wrap=True)
    for outcome in difference.outcomes:
        if outcome.what != "same":
            console.print(_line(outcome), highlight=False, soft_wrap=True)
    days = max(report.observed_s / 86_400, 1e-9)
    console.print(
        f"{escape(cameras)}: {report.findings} findings over {report.observed_s / 3600:.1f} camera-hours. "
        f"Incidents {difference.old_count} → {difference.new_count} "
        f"({difference.old_count / days:.1f} → {difference.new_count / days:.1f} per camera and day): "
        + ", ".join(f"{len(difference.of(what))} {what}" for what in ("added", "removed", "moved", "changed", "same")),
        highlight=False,
        soft_wrap=True,
    )


def _chosen(old: SiteSettings, new: SiteSettings, root: Path, wanted: Sequence[str]) -> list[str]:
    known = [camera.name for camera in old.cameras]
    known += [camera.name for camera in new.cameras if camera.name not in known]
    for name in wanted:
        if name not in known:
            raise UsageError(f"No site has a camera {name!r}; there are {', '.join(known)}.")
    recorded = set(recorded_cameras(root))
    chosen = [name for name in wanted or known if name in recorded]
    if not chosen:
        raise UsageError(f"The ledger in {root} has nothing of {', '.join(wanted or known)}.")
    return chosen


def _tasks(
    both: tuple[_Side, _Side], root: Path, camera: str, window: Window, *, is_learning: bool, is_split: bool
) -> Iterator[_Task]:
    """The work on one camera: in two parts when there are cores to spare, since decoding is then done twice."""
    has = [side for side, one in enumerate(both) if camera in [known.name for known in one.site.cameras]]
    own = [both[side].site.camera(camera) for side in has]
    is_learning = is_learning or len(own) < 2 or own[0].unusual != own[1].unusual
    task = partial(_Task, root, camera, window, is_learning=is_learning)
    alone = [replace(both[side], site=both[side].site.only(camera)) for side in has]
    is_equal = len(own) == 2 and (own[0].alert, own[0].unusual) == (own[1].alert, own[1].unusual)
    if is_equal and both[0].silences == both[1].silences:
        yield task(configurations=(alone[1],), sides=(0, 1))
    elif is_split:
        for side, one in zip(has, alone, strict=True):
            yield task(configurations=(one,), sides=(side,))
    else:
        yield task(configurations=tuple(alone), sides=tuple(has))


def _has_words(task: _Task) -> bool:
    """Whether some judge of ``task`` asks for facts, words or looks."""
    return task.is_learning or any(wiring.needs_words(each.site, task.camera) for each in task.configurations)


def _voice(task: _Task, one: _Side) -> Voice:
    """``one`` at work on the camera of ``task``, without what cannot make a difference."""
    has_words = _has_words(task)
    encoder = find_text_encoder(one.site.text_encoder) if has_words else None
    return Voice.of(
        lambda tape: wiring.new_stage(
            one.site,
            task.camera,
            tape,
            encoder=encoder,
            silences=one.silences,
            has_words=has_words,
            is_learning=task.is_learning,
        )
    )


def _fold(task: _Task) -> _Folded:
    """Runs in a process of its own."""
    problems: list[str] = []
    voices = [_voice(task, one) for one in task.configurations]
    times: list[float] = []

    def watched() -> Iterator[Any]:
        found = entries(
            task.root,
            task.camera,
            problems.append,
            from_us=task.window.from_us,
            to_us=task.window.to_us,
            has_looks=_has_words(task),
        )
        for entry in found:
            at_s = entry.message.ref.at_s
            times[:] = [times[0], at_s] if times else [at_s, at_s]
            yield entry

    count = refold(voices, watched(), wiring.new_tracker() if task.window.is_retracked else None)
    observed_s = times[1] - times[0] if times else 0.0
    alerts = tuple(voice.alerts for voice in voices)
    return _Folded(alerts * (len(task.sides) // len(alerts)), count, observed_s, tuple(problems))


@contextmanager
def _mapped(count: int) -> Iterator[Callable[[Sequence[_Task]], Iterator[_Folded]]]:
    """Runs tasks in order of their list, in this process when one is enough."""
    if count < 2:
        yield lambda tasks: map(_fold, tasks)
        return
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        yield lambda tasks: pool.map(_fold, tasks)


def _hints(old: SiteSettings, new: SiteSettings) -> Iterator[str]:
    if replace(old.detector, device="", streams=0, threads=0) != replace(new.detector, device="", streams=0, threads=0):
        yield "The detector's settings differ; findings are used as they were recorded, so that shows in nothing below."
    both = {camera.name: camera for camera in old.cameras}
    if all(camera.unusual == both[camera.name].unusual for camera in new.cameras if camera.name in both):
        yield "Unusual behaviour is looked for alike in both, so its alerts are the same and not counted."


def _line(outcome: Outcome) -> str:
    story = outcome.shown
    when = f"{story.opened_at:%Y-%m-%d %H:%M:%S}"
    text = f"{_MARKS[outcome.what]} {outcome.what:<7} [dim]{when}[/dim] [bold]{escape(story.camera)}[/bold] "
    text += f"{story.severity:<8} {escape(story.title)} [dim]{escape(story.rule or story.kind)} {story.id}[/dim]"
    if outcome.what == "moved":
        later = "later" if outcome.moved_s > 0 else "earlier"
        text += f" {abs(outcome.moved_s):.1f} s {later}"
    if outcome.what == "changed" and outcome.old is not None and outcome.old.severity != story.severity:
        text += f" was {outcome.old.severity}"
    elif outcome.what == "changed" and outcome.old is not None:
        text += f" ends {_clock(story.closed_at)}, was {_clock(outcome.old.closed_at)}"
    return text


def _clock(at: datetime | None) -> str:
    return "not" if at is None else f"{at:%H:%M:%S}"


def _record(report: Report) -> dict[str, Any]:
    outcomes = [
        {"what": o.what, "moved_s": o.moved_s, "old": _plain(o.old), "new": _plain(o.new)}
        for o in report.difference.outcomes
    ]
    counts = {what: len(report.difference.of(what)) for what in ("added", "removed", "moved", "changed", "same")}
    return {
        "cameras": list(report.cameras),
        "findings": report.findings,
        "camera_hours": report.observed_s / 3600,
        **counts,
        "incidents": outcomes,
        "problems": list(report.problems),
    }


def _plain(story: Story | None) -> dict[str, Any] | None:
    if story is None:
        return None
    closed_at = None if story.closed_at is None else story.closed_at.isoformat()
    return {
        **asdict(story),
        "opened_at": story.opened_at.isoformat(),
        "closed_at": closed_at,
        "tracks": sorted(story.tracks),
    }
