"""``vedette bench``: measures this machine in one run, as ratios, and prints a table or JSON.

In: footage (rendered once, or a folder) and a detector. Out: what was found, and whether it reaches its targets: exit
code 0, or 1 when a target is missed. Next files: ``workers/bench/parts.py``, ``workers/bench/capacity.py``.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.settings import SiteSettings
    from workers.bench.footage import Footage
    from workers.bench.result import Result

__all__ = ["MEASURES", "bench"]

MEASURES = ("decode", "detector", "looks", "words", "stall", "replay", "quiet", "cameras")


def bench(
    only: Annotated[list[str] | None, typer.Option(help=f"Measure only this: {', '.join(MEASURES)}.")] = None,
    footage: Annotated[Path | None, typer.Option(help="A folder of your own videos, instead of rendered ones.")] = None,
    weights: Annotated[str | None, typer.Option(help="Detector to measure with, instead of the bundled one.")] = None,
    seconds: Annotated[float, typer.Option(min=2, help="How long each measurement looks.")] = 15.0,
    minutes: Annotated[float, typer.Option(min=0, help="Then watch memory for so long (30 shows what grows).")] = 0.0,
    cameras: Annotated[int | None, typer.Option(min=1, help="Where the search for the most cameras begins.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the JSON here too.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Measure this machine: decoding, detection, latency, cameras, memory, replay. Quiet it before you do."""
    from rich.console import Console

    from workers.bench.result import print_results

    chosen = only or list(MEASURES)
    for name in chosen:
        if name not in MEASURES:
            raise UsageError(f"There is no measure {name!r}; they are {', '.join(MEASURES)}.")
    site = _site(weights)
    shown = _footage(footage)
    results = _measure(chosen, site, shown, seconds=seconds, minutes=minutes, cameras=cameras)
    machine = _machine(site)
    print_results(results, machine, Console(), is_json=as_json or not sys.stdout.isatty())
    if out is not None:
        with out.open("w", encoding="utf-8") as file:
            print_results(results, machine, Console(file=file), is_json=True)
    raise typer.Exit(0 if all(result.is_met is not False for result in results) else 1)


def _measure(
    chosen: list[str], site: SiteSettings, footage: Footage, *, seconds: float, minutes: float, cameras: int | None
) -> list[Result]:
    from workers.bench.capacity import measure_cameras, measure_quiet, measure_soak, memory_results
    from workers.bench.describing import measure_narrator, measure_stall
    from workers.bench.parts import measure_decode, measure_detector, measure_looks, measure_replay

    results: list[Result] = []
    if "decode" in chosen:
        for name, videos in footage.moving.items():
            _tell(f"decoding {name}")
            results.append(measure_decode(name, videos[0]))
    detections_per_s = 0.0
    if "detector" in chosen or "cameras" in chosen:
        _tell("detector")
        detector = measure_detector(site, footage.first, seconds)
        detections_per_s = float(detector.parts["bare_per_s"])
        results.append(detector)
    if "looks" in chosen:
        _tell("looks")
        results.append(measure_looks(site, footage.first, seconds))
    if "words" in chosen:
        _tell("facts and words")
        results.append(measure_narrator(site, seconds))
    if "stall" in chosen:
        _tell("a describer that stalls")
        results.append(measure_stall(site, seconds))
    if "replay" in chosen:
        _tell("replay")
        results.append(measure_replay(site, next(iter(footage.moving)), footage.first))
    if "quiet" in chosen and footage.quiet is not None:
        _tell("a quiet camera")
        found, seen = measure_quiet(site, footage.quiet, seconds)
        results += found + memory_results(seen, "quiet 1080p25")
    most = 1
    if "cameras" in chosen:
        for name, videos in footage.moving.items():
            found, best = measure_cameras(
                site, name, videos, detections_per_s=detections_per_s, seconds=seconds, first=cameras, tell=_tell
            )
            results += found
            if best is not None:
                most = best.cameras
                results += memory_results(best, name)
    if minutes:
        _tell(f"watching memory for {minutes:g} minutes")
        videos = list(footage.moving.values())[-1]
        results += measure_soak(site, videos, max(1, most // 2), minutes)
    return results


def _site(weights: str | None) -> SiteSettings:
    """One camera that is analysed five times a second whether something moves or not, with the usual rules."""
    from pipeline.config import site_of_urls

    site = site_of_urls(["rtsp://127.0.0.1/bench"])
    camera = replace(site.cameras[0], is_gated=False)
    return replace(site, cameras=(camera,), detector=replace(site.detector, weights=weights))


def _footage(folder: Path | None) -> Footage:
    from pipeline.bus.server import default_directory
    from workers.bench.footage import own_footage, rendered_footage

    if folder is not None:
        return own_footage(folder)
    return rendered_footage(default_directory() / "bench", _progress("rendering footage, once"))


def _progress(what: str) -> Callable[[int, int], None]:
    """One line for every tenth of the work."""
    told = -1

    def show(done: int, total: int) -> None:
        nonlocal told
        if done * 10 // total > told:
            told = done * 10 // total
            _tell(f"{what}: {told * 10} %")

    return show


def _tell(what: str) -> None:
    sys.stderr.write(f"bench: {what}\n")
    sys.stderr.flush()


def _machine(site: SiteSettings) -> dict[str, object]:
    import os

    from pipeline.openvino_runtime import usable_cores
    from workers.wiring import detector_name

    return {
        "cores": usable_cores(),
        "processor": _processor(),
        "python": platform.python_version(),
        "detector": detector_name(site.detector),
        "load": round(os.getloadavg()[0], 1),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())
