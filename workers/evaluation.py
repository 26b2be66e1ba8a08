"""``vedette eval``, the work: a data set through the stages of a site, arm by arm. In: names and folders. Out: results.

The parts are those that ``workers/wiring.py`` gives a site; only the words and the fusion differ between arms.
Next file: ``pipeline/evaluate/anomaly.py``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.evaluate.anomaly import ArmRun, Watch, judge_set
from pipeline.evaluate.arms import Arm, ControlNarrator, JudgeOfMoments, TextOnly, arms_of
from pipeline.evaluate.clips import Clip, DataSet
from pipeline.evaluate.findings import Finder, FinderSettings
from pipeline.settings import BUNDLED_WEIGHTS, SiteSettings
from workers import wiring

if TYPE_CHECKING:
    from pipeline.alert.stage import AlertStage
    from pipeline.protocols import Judge, Narrator, TextEncoder
    from pipeline.train.lessons import Log
    from pipeline.unusual.learned import LearnedFusion
    from pipeline.unusual.settings import UnusualSettings

__all__ = ["new_finder", "new_recorder", "new_watch", "run_arms", "text_encoder"]


def new_finder(site: SiteSettings, *, detect_fps: float, cache: Path | None) -> Finder:
    """What finds with the detector and the looker of ``site``; its weights are part of what the cache is keyed by."""
    has_looks = site.detector.has_looks
    settings = FinderSettings(
        models=f"{wiring.detector_name(site.detector)} {_digest(site)} looks={has_looks}",
        detect_fps=detect_fps,
        frame_wh=site.detector.frame_wh,
        is_gated=site.cameras[0].is_gated,
    )

    return Finder(lambda: wiring.new_detector(site), lambda: wiring.new_looker(site), settings, cache)


def _digest(site: SiteSettings) -> str:
    """Of the weights and of what the detector is told to keep."""
    detector = site.detector
    kept = (detector.min_confidence, detector.class_confidence, detector.labels, detector.backend)
    digest = hashlib.blake2b(repr(kept).encode(), digest_size=8)
    weights = BUNDLED_WEIGHTS if detector.weights is None else Path(detector.weights)
    files = sorted(weights.iterdir()) if weights.is_dir() else [weights]
    for file in (file for file in files if file.is_file()):
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "blake2b").digest())
    return digest.hexdigest()


def text_encoder(site: SiteSettings) -> TextEncoder | None:
    """The site's text encoder; None when none is installed or it wants none. Raises ModelError for a broken one."""
    from pipeline.embed.text import find_text_encoder

    return find_text_encoder(site.text_encoder)


def new_watch(
    site: SiteSettings, camera: str, arm: Arm, encoder: TextEncoder | None, learned: LearnedFusion | None = None
) -> Watch:
    """Everything that watches ``camera`` in ``arm``: tracker, narrator, rules, health, the judge of the unusual.

    Raises UsageError for a learned arm without weights, or whose words come from another text encoder than theirs.
    """
    from pipeline.unusual.judge import UnusualJudge
    from pipeline.unusual.learned_judge import LearnedJudge

    wanted = _unusual(site, camera)
    shared: tuple[object, ...] = () if encoder is None else (encoder,)
    narrator = _narrator(camera, arm, encoder)
    if arm.fusion != "learned":
        judge = JudgeOfMoments(UnusualJudge(wanted, fusion=TextOnly() if arm.fusion == "text" else None))
        return Watch(_stage(site, camera, judge, narrator, encoder), judge, shared)
    if learned is None:
        raise UsageError(f"The arm {arm.name} needs the weights of a learned fusion.")
    if encoder is not None and arm.words != "none" and encoder.name != learned.text_encoder:
        raise UsageError(f"The learned fusion knows words of {learned.text_encoder}, and {encoder.name} is installed.")
    weighing = LearnedJudge(wanted, UnusualJudge(wanted), learned)
    return Watch(_stage(site, camera, weighing, narrator, encoder), weighing, (*shared, learned))


def _unusual(site: SiteSettings, camera: str) -> UnusualSettings:
    from pipeline.unusual.settings import UnusualSettings

    first = site.cameras[0].unusual
    return UnusualSettings(camera) if first is None else replace(first, camera=camera)


def _stage(
    site: SiteSettings, camera: str, judge: Judge, narrator: Narrator, encoder: TextEncoder | None
) -> AlertStage:
    from pipeline.alert.stage import AlertStage, standard_judges

    settings = replace(site.cameras[0].alert, camera=camera)
    judges = (*standard_judges(settings, encoder), judge)
    return AlertStage(settings, wiring.new_tracker(), judges, site.config_hash, narrator=narrator)


def new_recorder(site: SiteSettings, encoder: TextEncoder | None, camera: str, log: Log) -> Watch:
    """What watches ``camera`` while lessons for the fusion are gathered into ``log``."""
    from pipeline.train.lessons import MomentRecorder
    from pipeline.unusual.judge import UnusualJudge

    (arm,) = arms_of(["f0" if encoder is not None else "visual"])
    dimensions = 1 if encoder is None else encoder.dimensions
    recorder = MomentRecorder(UnusualJudge(_unusual(site, camera)), dimensions, log)
    stage = _stage(site, camera, recorder, _narrator(camera, arm, encoder), encoder)
    return Watch(stage, recorder, (log,) if encoder is None else (encoder, log))


def _narrator(camera: str, arm: Arm, encoder: TextEncoder | None) -> Narrator:
    """Facts are there in every arm (rules may read them); words carry a vector where the arm has words."""
    from pipeline.describe.facts import FactsFold
    from pipeline.describe.narrator import SceneNarrator

    if arm.words == "none" or encoder is None:
        return SceneNarrator(FactsFold(camera))
    narrator = SceneNarrator(FactsFold(camera), encoder=encoder)
    return ControlNarrator(narrator, arm.words, encoder) if arm.is_control else narrator


def run_arms(
    data_set: DataSet,
    finder: Finder,
    site: SiteSettings,
    arms: Sequence[Arm],
    *,
    encoder: TextEncoder | None,
    learned: LearnedFusion | None,
    on_clip: Callable[[str, Clip], None] = lambda _arm, _clip: None,
) -> list[ArmRun]:
    """Every arm over the whole set. ``on_clip`` is told of each clip done. Raises what ``judge_set`` raises."""
    runs = []
    for arm in arms:
        watch = partial(_watch_of, site, arm, encoder, learned)
        runs.append(judge_set(arm.name, data_set, finder.findings, watch, partial(on_clip, arm.name)))
    return runs


def _watch_of(
    site: SiteSettings, arm: Arm, encoder: TextEncoder | None, learned: LearnedFusion | None, camera: str
) -> Watch:
    return new_watch(site, camera, arm, encoder, learned)
