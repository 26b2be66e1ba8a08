"""``vedette scenes``: list the ready scenes and render any scene to a video with its truth.

In: arguments. Out: files, and progress on standard error. The lead mounts :data:`app` in ``workers/cli.py``.
Next file: ``pipeline/scenes/renderer.py``.
"""

from __future__ import annotations

import json
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from pipeline.errors import UsageError, VedetteError

if TYPE_CHECKING:
    from pipeline.scenes import FrameTruth, Renderer, Scene

__all__ = ["app", "shared_pictures"]

app = typer.Typer(help="Rendered surveillance scenes with exact truth.", no_args_is_help=True, rich_markup_mode=None)

_CHUNK = 15
_ALONE_BELOW = 300  # frames; fewer do not repay starting processes

Pictures = list[tuple[NDArray[np.uint8], "FrameTruth"]]
_renderer: Renderer | None = None  # one per worker process, set by its initializer


@app.command("list")
def list_command(as_json: Annotated[bool, typer.Option("--json", help="JSON lines.")] = False) -> None:
    """The ready scenes, by camera; usual days first."""
    from pipeline.scenes import list_scenes

    rows = list_scenes()
    if as_json or not sys.stdout.isatty():
        for row in rows:
            sys.stdout.write(json.dumps(asdict(row)) + "\n")
        return
    table = Table("name", "day", "light", "seconds", "what", box=None)
    for row in rows:
        table.add_row(row.name, "usual" if row.is_usual else "unusual", row.mode, f"{row.seconds:g}", row.title)
    Console().print(table)


@app.command("render")
def render_command(
    scene: Annotated[str, typer.Argument(help="A ready scene's name, or a .yaml or .py script.")],
    out: Annotated[Path, typer.Option("--out", help="Video file: .mp4, .mkv or .avi.")],
    seed: Annotated[int, typer.Option(help="Draws people, clothes and traffic.")] = 0,
    seconds: Annotated[float | None, typer.Option(help="Length, instead of the scene's own.")] = None,
    truth: Annotated[Path | None, typer.Option(help="Where to write the truth as JSON.")] = None,
    is_varied: Annotated[bool, typer.Option("--vary", help="Shake camera, light and parked cars by the seed.")] = False,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Processes that render.")] = min(os.cpu_count() or 1, 2),
) -> None:
    """Render a scene to a video file, with its exact truth."""
    try:
        _render(scene, out, seed, seconds, truth, is_varied=is_varied, jobs=jobs)
    except VedetteError as error:
        typer.echo(f"vedette scenes: {error}", err=True)
        raise typer.Exit(error.exit_code) from error


def _render(
    name: str, out: Path, seed: int, seconds: float | None, truth: Path | None, *, is_varied: bool, jobs: int
) -> None:
    from pipeline.scenes import load_scene, render
    from pipeline.scenes.variety import vary

    scene = load_scene(name)
    if is_varied:
        scene = vary(scene, seed)
    if seconds is not None:
        if not 0.1 <= seconds <= 86400:
            raise UsageError(f"--seconds: expected 0.1 to 86400, got {seconds:g}")
        scene = replace(scene, seconds=seconds)
    with ExitStack() as stack:
        progress = _progress(stack, scene.name)
        pictures = shared_pictures(scene, seed, jobs) if jobs > 1 else None
        whole = render(scene, out, seed=seed, truth=truth, progress=progress, pictures=pictures)
    summary = {"scene": whole.scene, "out": str(out), "frames": len(whole.frames), "events": len(whole.events)}
    sys.stdout.write(json.dumps(summary) + "\n")


def _progress(stack: ExitStack, name: str) -> Callable[[int, int], None]:
    """A bar on a terminal; one JSON line every hundred frames otherwise."""
    if not sys.stderr.isatty():

        def tell(done: int, total: int) -> None:
            if done % 100 == 0 or done == total:
                sys.stderr.write(json.dumps({"event": "rendering", "scene": name, "frames": done, "of": total}) + "\n")

        return tell
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = stack.enter_context(Progress(*columns, console=Console(stderr=True)))
    task = bar.add_task(name, total=None)

    def show(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total)

    return show


def shared_pictures(scene: Scene, seed: int, jobs: int) -> Iterator[tuple[NDArray[np.uint8], FrameTruth]]:
    """The frames of a scene in order, rendered by ``jobs`` processes; the same bytes as by one.

    Short scenes are rendered in this process. Processes are spawned, not forked: the ray tracer keeps threads.
    """
    from pipeline.scenes import Renderer

    count = round(scene.seconds * scene.fps)
    if jobs < 2 or count < _ALONE_BELOW:
        yield from Renderer(scene, seed)
        return
    try:
        yield from _pooled(scene, seed, jobs, count)
    except BrokenProcessPool as error:
        raise VedetteError("a rendering process was killed, perhaps for memory: try --jobs 1") from error


def _pooled(scene: Scene, seed: int, jobs: int, count: int) -> Iterator[tuple[NDArray[np.uint8], FrameTruth]]:
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_start, initargs=(scene, seed)) as pool:
        waiting: deque[Future[Pictures]] = deque()
        for start in range(0, count, _CHUNK):
            waiting.append(pool.submit(_chunk, start, min(start + _CHUNK, count)))
            if len(waiting) > 2 * jobs:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def _start(scene: Scene, seed: int) -> None:
    import cv2

    from pipeline.scenes import Renderer

    cv2.setNumThreads(1)
    global _renderer  # noqa: PLW0603  a pool's initializer has no other place to leave what its tasks need
    _renderer = Renderer(scene, seed)


def _chunk(start: int, stop: int) -> Pictures:
    if _renderer is None:
        raise RuntimeError("the process was not initialised")
    return [_renderer.frame(index) for index in range(start, stop)]
