"""``vedette eval``: how well unusual behaviour is told from normal life, on public sets and on your own clips.

In: a data set as its authors publish it, or your own folder. Out: a table (or JSON) on standard output, and with
``--out`` a report to look at. Mounted by ``workers/cli.py``. Next file: ``workers/evaluation.py``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.errors import UsageError
from workers.facts_cli import facts

if TYPE_CHECKING:
    from pipeline.evaluate.arms import Arm
    from pipeline.protocols import TextEncoder
    from pipeline.unusual.learned import LearnedFusion

__all__ = ["app"]

app = typer.Typer(
    name="eval",
    help="Measure detection of the unusual on labelled clips.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

DEFAULT_ARMS = ("visual", "text", "f0", "learned")

Path_ = Annotated[Path, typer.Argument(help="The folder the set was unpacked into.", show_default=False)]
Arms = Annotated[
    str | None,
    typer.Option(
        help="Comma-separated: visual, text, f0, learned, learned-visual; the controls shuffled, stale, class, noise."
    ),
]
Out = Annotated[Path | None, typer.Option(help="Write report.html and report.json into this folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")]
Cache = Annotated[
    Path | None, typer.Option(help="Keep what was found in the clips here, to judge it again in seconds.")
]
Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="A site; its detector and its first camera's rules.")
]
Fps = Annotated[float, typer.Option(min=0.2, max=60, help="Frames analysed per second, as detect_fps of a camera.")]
Fusion = Annotated[Path | None, typer.Option(help="Weights of `vedette train fusion`, instead of the bundled ones.")]
Leaks = Annotated[bool, typer.Option(help="Refuse a set whose test part holds frames of its training part.")]


def _command(name: str, layout: str) -> None:
    """Register the command of one data set."""

    def measure(
        path: Path_,
        arms: Arms = None,
        out: Out = None,
        cache: Cache = None,
        config: Config = None,
        fps: Fps = 5.0,
        fusion: Fusion = None,
        check_leaks: Leaks = True,
        as_json: AsJson = False,
    ) -> None:
        _measure(name, path, arms, out, cache, config, fps, fusion, check_leaks=check_leaks, as_json=as_json)

    app.command(name, help=layout)(measure)


for _name, _layout in (
    ("ped2", "UCSD Ped2: UCSDped2/Train/Train001/*.tif, Test/Test001/*.tif, Test001_gt/*.bmp or the .m file."),
    ("ped1", "UCSD Ped1: as Ped2."),
    ("avenue", "CUHK Avenue: training_videos, testing_videos, ground_truth_demo/testing_label_mask."),
    ("shanghaitech", "ShanghaiTech: training/videos, testing/frames, testing/test_frame_mask."),
    ("ubnormal", "UBnormal: SceneN/*.mp4, *_annotations, and the lists of its split."),
    ("ucf-crime", "UCF-Crime: the videos and Temporal_Anomaly_Annotation_for_Testing_Videos.txt."),
    ("rendered", "Videos of `vedette scenes render` with the truth (NAME.json) of each beside it."),
    ("own", "Your own clips: train/ and test/, videos/, or folders of clips, with gt_frame/*.txt or intervals.json."),
):
    _command(_name, _layout)
app.command()(facts)


def _measure(
    name: str,
    path: Path,
    arms: str | None,
    out: Path | None,
    cache: Path | None,
    config: Path | None,
    fps: float,
    fusion: Path | None,
    *,
    check_leaks: bool,
    as_json: bool,
) -> None:
    from pipeline.config import load_site, site_of_urls
    from pipeline.evaluate.datasets import load
    from pipeline.evaluate.leaks import refuse_leaks
    from pipeline.evaluate.report import text_table, write_report
    from pipeline.evaluate.results import json_of, result_of
    from workers import wiring
    from workers.evaluation import new_finder, run_arms, text_encoder

    if out is not None and out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is no folder.")
    site = site_of_urls(["clips.mp4"]) if config is None else load_site(config)
    encoder = text_encoder(site)
    chosen = _arms(arms, encoder, fusion)
    weights = _weights(chosen, fusion)
    data_set = load(name, path)
    steps = len(data_set.clips) * (len(chosen) + check_leaks)
    with _progress(steps) as advance:
        if check_leaks:
            refuse_leaks(data_set, lambda clip: advance(f"leaks {clip.name}"))
        finder = new_finder(site, detect_fps=fps, cache=cache)
        runs = run_arms(
            data_set,
            finder,
            site,
            chosen,
            encoder=encoder,
            learned=weights,
            on_clip=lambda arm, clip: advance(f"{arm} {clip.name}"),
        )
    made = {"detector": wiring.detector_name(site.detector), "detect_fps": f"{fps:g}", "config": site.config_hash}
    if encoder is not None:
        made["text encoder"] = encoder.name
    result = result_of(data_set, runs, made)
    sys.stdout.write(json.dumps(json_of(result)) + "\n" if as_json else text_table(result))
    if out is not None:
        sys.stderr.write(f"{write_report(result, data_set, runs, out)}\n")


def _arms(asked: str | None, encoder: TextEncoder | None, fusion: Path | None) -> tuple[Arm, ...]:
    """The arms asked for, else all that can run here. Raises UsageError for one that cannot."""
    from pipeline.embed.text import NO_ENCODER
    from pipeline.evaluate.arms import arms_of
    from pipeline.unusual.learned import BUNDLED_FUSION

    names = DEFAULT_ARMS if asked is None else tuple(word.strip() for word in asked.split(",") if word.strip())
    chosen = arms_of(names)
    if asked is None and fusion is None and not BUNDLED_FUSION.is_file():
        chosen = tuple(arm for arm in chosen if arm.fusion != "learned")
    needy = [arm.name for arm in chosen if arm.words != "none"]
    if encoder is None and needy:
        if asked is not None:
            raise UsageError(f"The arms {', '.join(needy)} need words as vectors. {NO_ENCODER}")
        sys.stderr.write(f"vedette: left out {', '.join(needy)}. {NO_ENCODER}\n")
        chosen = tuple(arm for arm in chosen if arm.words == "none")
    if not chosen:
        raise UsageError("--arms names no arm.")
    return chosen


def _weights(arms: tuple[Arm, ...], path: Path | None) -> LearnedFusion | None:
    """The weights for learned arms: those of ``path``, else the bundled ones. Raises ModelError for bad ones."""
    from pipeline.unusual.learned import BUNDLED_FUSION, load_fusion

    if not any(arm.fusion == "learned" for arm in arms):
        return None
    return load_fusion(BUNDLED_FUSION if path is None else path)


@contextmanager
def _progress(steps: int) -> Iterator[Callable[[str], None]]:
    """A bar on a terminal; otherwise nothing."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    columns = (TextColumn("{task.description:<32.32}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=steps)
        yield lambda what: bar.update(task, advance=1, description=what)
