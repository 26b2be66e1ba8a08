"""``vedette eval facts``: how right the facts, the words and the verifier are on rendered scenes nobody tuned them on.

In: arguments. Out: a table (or JSON lines) on standard output, progress on standard error; exit 1 when a target is
missed. The lead mounts :func:`facts`. Next file: ``pipeline/evaluate/facts.py``.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.evaluate.facts import Arm
    from pipeline.evaluate.facts_scores import Tally
    from pipeline.protocols import Detector

__all__ = ["facts"]

_DEFAULT_SEED = 4001


def facts(
    scenes: Annotated[list[str] | None, typer.Argument(help="Ready scenes; all of them unless named.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Seeds to vary each scene by; may be repeated.")] = None,
    seconds: Annotated[float, typer.Option(min=5, max=600, help="Length of each scene, at most.")] = 75.0,
    is_detected: Annotated[bool, typer.Option("--detector", help="Also with the bundled detector.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines.")] = False,
) -> None:
    """Hold facts, grounded texts and the verifier against the truth of rendered scenes."""
    from pipeline.embed.visual import VisualLooker
    from pipeline.evaluate.facts import measure_scene
    from pipeline.evaluate.facts_scores import Tally
    from pipeline.scenes import list_scenes, load_scene, vary

    arms: tuple[Arm, ...] = ("truth", "tracked", "detected") if is_detected else ("truth", "tracked")
    detector = _bundled() if is_detected else None
    totals = {arm: Tally() for arm in arms}
    known = [summary.name for summary in list_scenes()]
    names = scenes or known
    if set(names) - set(known):
        raise UsageError(f"no such scene: {', '.join(sorted(set(names) - set(known)))}; see `vedette scenes list`")
    for one_seed in seed or [_DEFAULT_SEED]:
        for name in names:
            scene = vary(load_scene(name), one_seed)
            scene = replace(scene, seconds=min(scene.seconds, seconds))
            for arm, tally in measure_scene(scene, one_seed, arms, VisualLooker, detector).items():
                totals[arm].add(tally)
            sys.stderr.write(json.dumps({"event": "measured", "scene": name, "seed": one_seed}) + "\n")
    _show(totals, as_json=as_json or not sys.stdout.isatty())
    if _missed(totals["truth"]):
        raise typer.Exit(1)


def _bundled() -> Detector:
    """The detector that a site without settings of its own gets."""
    from pipeline.config import site_of_urls
    from workers.wiring import new_detector

    return new_detector(site_of_urls(["rtsp://127.0.0.1/measured"]))


def _missed(tally: Tally) -> list[str]:
    from pipeline.evaluate.facts_scores import MEASURES

    shares = {name: tally.share(name) for name in MEASURES}
    return [
        name
        for name, measure in MEASURES.items()
        if measure.target is not None and (share := shares[name]) is not None and share < measure.target
    ]


def _show(totals: dict[Arm, Tally], *, as_json: bool) -> None:
    from pipeline.evaluate.facts_scores import MEASURES

    table = Table("measure", "target", *totals, "what", box=None)
    for name, measure in MEASURES.items():
        cells = []
        for arm, tally in totals.items():
            share, asked = tally.share(name), tally.right[name] + tally.wrong[name]
            cells.append("" if share is None else f"{share:.1%} of {asked}")
            if as_json:
                row = {
                    "arm": arm,
                    "measure": name,
                    "right": tally.right[name],
                    "asked": asked,
                    "target": measure.target,
                }
                sys.stdout.write(json.dumps(row) + "\n")
        table.add_row(name, "" if measure.target is None else f"{measure.target:.0%}", *cells, measure.what)
    for arm, tally in totals.items():
        if as_json:
            for (kind, is_true, is_struck), number in sorted(tally.lies.items()):
                row = {"arm": arm, "planted": kind, "is_true": is_true, "is_struck": is_struck, "number": number}
                sys.stdout.write(json.dumps(row) + "\n")
            cost_ms = 1000 * float(np.median(tally.seconds)) if tally.seconds else None
            sys.stdout.write(json.dumps({"arm": arm, "facts_ms_per_frame_median": cost_ms}) + "\n")
    if not as_json:
        Console().print(table)
