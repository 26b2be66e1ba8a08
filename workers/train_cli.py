"""``vedette train``: the steps of making a detector, from the shell. Mounted by ``workers/cli.py``.

In: a recipe (``configs/train/*.yaml``) and two folders. Out: files below the run's folder, progress on standard error
(a bar on a terminal, JSON lines otherwise), the result on standard output. The work is in
``pipeline/train/course.py``.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from pipeline.errors import ModelError, UsageError

if TYPE_CHECKING:
    from pipeline.train.course import Course
    from pipeline.train.loop import TrainProgress
    from pipeline.train.rendered import RenderedFrame

__all__ = ["app"]

app = typer.Typer(
    name="train",
    help="Train a detector on your own cameras, or the fusion of sight and words.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

RecipeFile = Annotated[Path, typer.Argument(help="The recipe (YAML); see configs/train/vedette-n.yaml.")]
Data = Annotated[Path, typer.Option(help="Folder with the images, footage and teachers that the recipe names.")]
Out = Annotated[Path, typer.Option(help="Folder of this run; a run found in it goes on.")]
Backbone = Annotated[Path | None, typer.Option(help="File with the pretrained backbone, when not installed.")]
Start = Annotated[Path | None, typer.Option(help="Fine-tune this checkpoint (last.pt) instead of the backbone.")]


def _course(recipe: Path, data: Path, out: Path, backbone: Path | None = None, start: Path | None = None) -> Course:
    try:
        from pipeline.train.course import Course
    except ImportError as error:
        raise ModelError(f"training needs the extra 'train' (pip install 'vedette[train]'): {error}") from error
    from pipeline.train.recipe import read_recipe

    return Course(read_recipe(recipe), data, out, backbone, start)


def _until_s(until: str | None) -> float | None:
    """UTC seconds of the next ``HH:MM`` (UTC)."""
    if until is None:
        return None
    try:
        hour, minute = (int(part) for part in until.split(":"))
        now = datetime.now(UTC)
        then = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    except ValueError as error:
        raise UsageError(f"--until: expected HH:MM in UTC, got {until!r}") from error
    return (then if then > now else then + timedelta(days=1)).timestamp()


@contextmanager
def _stop_requests() -> Iterator[Callable[[], bool]]:
    """True once SIGTERM or SIGINT came; the former handlers are put back afterwards."""
    asked: list[int] = []
    former = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in former:
        signal.signal(number, lambda received, _frame: asked.append(received))
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


class _Watch:
    """Shows progress of counted steps and of training."""

    def __init__(self, bar: Progress | None) -> None:
        self._bar = bar
        self._tasks: dict[str, TaskID] = {}

    def count(self, what: str, done: int, total: int) -> None:
        """``done`` of ``total`` of a step called ``what``."""
        self._show(what, done / max(total, 1), "")

    def train(self, progress: TrainProgress) -> None:
        """A training run's own numbers."""
        text = f"step {progress.step} loss {progress.loss:.3f} {progress.pictures_per_s:.1f} pictures/s {progress.note}"
        self._show("train", progress.share, text)

    def _show(self, what: str, share: float, text: str) -> None:
        if self._bar is None:
            row = {"step": what, "share": round(share, 4), "text": text}
            sys.stderr.write(json.dumps(row) + "\n")
            return
        if what not in self._tasks:
            self._tasks[what] = self._bar.add_task(what, total=1.0)
        self._bar.update(self._tasks[what], completed=share, description=f"{what} {text}")


@contextmanager
def _watching() -> Iterator[_Watch]:
    if not sys.stderr.isatty():
        yield _Watch(None)
        return
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=Console(stderr=True)
    ) as bar:
        yield _Watch(bar)


@app.command()
def detector(
    recipe: RecipeFile,
    data: Data,
    out: Out,
    backbone: Backbone = None,
    start: Start = None,
    until: Annotated[str | None, typer.Option(help="UTC time HH:MM at which training ends.")] = None,
) -> None:
    """All steps: prepare, label, train, export, evaluate. Stop it at any moment; the same command goes on."""
    course = _course(recipe, data, out, backbone, start)
    with _watching() as watch, _stop_requests() as should_stop:
        _render(course, watch.count)
        report = course.run(watch.count, watch.train, should_stop, _until_s(until))
    trained = report.trained
    result = {
        "finished": trained.is_finished,
        "steps": trained.step,
        "pictures": trained.pictures,
        "trained_s": round(trained.trained_s, 1),
        "exports": {e.kind: {"path": str(e.path), "bytes": e.size_bytes} for e in report.exports},
        "ap50": {name: round(r.mean_ap50, 4) for name, r in report.reports.items()},
    }
    sys.stdout.write(json.dumps(result) + "\n")
    if not trained.is_finished:
        raise typer.Exit(1)


@app.command()
def prepare(recipe: RecipeFile, data: Data, out: Out) -> None:
    """Gather pictures into manifests; held-out cameras are kept apart."""
    with _watching() as watch:
        done = _course(recipe, data, out).prepare(watch.count)
    sys.stdout.write(f"{done}\n")


@app.command()
def rendered(
    scenes: Annotated[list[str], typer.Argument(help="Scene names or scripts, each with :SEED when not 0.")],
    manifest: Annotated[Path, typer.Option(help="The manifest to write, e.g. runs/x/dataset/rendered.jsonl.")],
    frames: Annotated[int, typer.Option(min=1, help="Frames of each scene, evenly spread.")] = 25,
) -> None:
    """Render frames of scenes, with their truth, as training or test pictures."""
    from pipeline.train.rendered import write_rendered

    with _watching() as watch:
        count = write_rendered(_rendered_frames(scenes, frames, watch.count), manifest)
    sys.stdout.write(f"{count} frames\n")


def _rendered_frames(
    scenes: Sequence[str], count: int, progress: Callable[[str, int, int], None]
) -> Iterator[RenderedFrame]:
    from pipeline.scenes import Renderer, load_scene
    from pipeline.train.rendered import RenderedFrame, RenderedObject
    from pipeline.train.samples import ALIASES, CLASSES

    for done, name in enumerate(scenes):
        progress("render", done, len(scenes))
        word, _, seed = name.partition(":")
        if seed and not seed.isdecimal():
            raise UsageError(f"{name}: expected SCENE or SCENE:SEED with a number for the seed")
        renderer = Renderer(load_scene(word), int(seed or 0))
        step = max(1, renderer.frame_count // count)
        for index in range(step // 2, renderer.frame_count, step):
            rgb, truth = renderer.frame(index)
            if truth.camera != "clear":
                continue
            known = [o for o in truth.objects if ALIASES.get(o.label, o.label) in CLASSES]
            objects = tuple(RenderedObject(o.label, o.xyxy, o.visible) for o in known)
            yield RenderedFrame(f"{Path(word).stem}_{seed or 0}_{index:05d}", Path(word).stem, rgb, objects)


def _render(course: Course, progress: Callable[[str, int, int], None]) -> None:
    """Render what the recipe asks for and is not there yet."""
    from pipeline.train.course import RENDERED, RENDERED_TEST
    from pipeline.train.rendered import write_rendered

    step = course.recipe.render
    for scenes, frames, file in (
        (step.scenes, step.frames, RENDERED),
        (step.test_scenes, step.test_frames, RENDERED_TEST),
    ):
        if scenes and not (course.out / file).exists():
            write_rendered(_rendered_frames(scenes, frames, progress), course.out / file)


@app.command()
def label(recipe: RecipeFile, data: Data, out: Out) -> None:
    """Label the gathered frames with the recipe's teachers."""
    with _watching() as watch:
        done = _course(recipe, data, out).label(watch.count)
    sys.stdout.write(f"{done}\n")


@app.command()
def evaluate(
    recipe: RecipeFile,
    data: Data,
    out: Out,
    against: Annotated[list[Path] | None, typer.Option(help="More models to judge: .pt of ours, .xml, .onnx.")] = None,
) -> None:
    """Judge the student, its exports and the teachers on held-out cameras.

    Table, sheet and plot go to the run's folder.
    """
    from pipeline.train.evaluation import table

    course = _course(recipe, data, out)
    models = {str(path): path for path in against or ()}
    with _watching() as watch:
        reports = course.evaluate(watch.count, models)
    sys.stdout.write(table(reports))


@app.command()
def export(recipe: RecipeFile, data: Data, out: Out) -> None:
    """Write ONNX, OpenVINO FP16 and INT8, each checked against torch."""
    for done in _course(recipe, data, out).export():
        sys.stdout.write(f"{done}\n")


@app.command()
def fusion(
    sets: Annotated[
        list[str], typer.Argument(help="NAME=FOLDER: a set as `vedette eval` reads it, its training part.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for fusion.npz and MODEL_CARD.md.")],
    cache: Annotated[Path | None, typer.Option(help="Keep what was found in the clips here.")] = None,
    all_parts: Annotated[list[str] | None, typer.Option(help="FOLDER of a set whose test part is taken too.")] = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps of training.")] = 600,
    seed: Annotated[int, typer.Option(min=0, help="Draws weights, batches and folds.")] = 0,
    false_per_hour: Annotated[float, typer.Option(min=0.0, help="False alerts on cameras that were held out.")] = 4.0,
) -> None:
    """Train the learned fusion of sight, words and surprise from footage and labels; judge it by held-out cameras."""
    try:
        from pipeline.train.fusion import FusionRecipe
        from pipeline.train.fusion_course import EDITED_CAPTIONS, train_fusion
    except ImportError as error:
        raise ModelError(f"training needs the extra 'train' (pip install 'vedette[train]'): {error}") from error
    from workers.fusion import edited_vectors, gather_lessons

    with _watching() as watch:
        lessons, encoder = gather_lessons(sets, all_parts or [], cache, watch.count)
    report = train_fusion(
        lessons,
        FusionRecipe(steps=steps, seed=seed),
        edited_vectors(encoder, EDITED_CAPTIONS),
        out,
        text_encoder="" if encoder is None else encoder.name,
        false_alerts_per_hour=false_per_hour,
        command=" ".join(["vedette train fusion", *(_without_folders(word) for word in sets)]),
    )
    result = {
        "path": str(report.path),
        "parameters": report.parameters,
        "level": round(report.level, 4),
        "moments": report.moments,
        "cameras": report.cameras,
        "held_out_auc": {name: _rounded(value) for name, value in report.held_out_auc.items()},
        "f0_auc": {name: _rounded(value) for name, value in report.sum_auc.items()},
    }
    sys.stdout.write(json.dumps(result) + "\n")


def _without_folders(word: str) -> str:
    """``own=/data/falls`` as ``own=falls``: where it lay is nobody's business."""
    name, _, folder = word.partition("=")
    return f"{name}={Path(folder).name}"


def _rounded(value: float) -> float | None:
    return None if value != value else round(value, 4)  # noqa: PLR0124  # NaN differs from itself
