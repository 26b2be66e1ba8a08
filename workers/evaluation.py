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

from pipeline.evaluate.anomaly import ArmRun, Watch, judge_set
from pipeline.evaluate.arms import Arm, ControlNarrator, JudgeOfMoments, TextOnly
from pipeline.evaluate.clips import Clip, DataSet
from pipeline.evaluate.findings import Finder, FinderSettings
from pipeline.settings import BUNDLED_WEIGHTS, SiteSettings
from workers import wiring

if TYPE_CHECKING:
    from pipeline.protocols import Narrator, TextEncoder
    from pipeline.unusual.fusion import Fusion

__all__ = ["new_finder", "new_watch", "run_arms", "text_encoder"]


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
    site: SiteSettings, camera: str, arm: Arm, encoder: TextEncoder | None, learned: Fusion | None = None
) -> Watch:
    """Everything that watches ``camera`` in ``arm``: tracker, narrator, rules, health, the judge of the unusual."""
    from pipeline.alert.stage import AlertStage, standard_judges
    from pipeline.unusual.judge import UnusualJudge, UnusualSettings

    fusion = {"f0": None, "text": TextOnly(), "learned": learned}[arm.fusion]
    first = site.cameras[0]
    wanted = UnusualSettings(camera) if first.unusual is None else replace(first.unusual, camera=camera)
    judge = JudgeOfMoments(UnusualJudge(wanted, fusion=fusion))
    settings = replace(first.alert, camera=camera)
    stage = AlertStage(
        settings,
        wiring.new_tracker(),
        (*standard_judges(settings, encoder), judge),
        site.config_hash,
        narrator=_narrator(camera, arm, encoder),
    )
    return Watch(stage, judge, () if encoder is None else (encoder,))


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
    learned: Fusion | None,
    on_clip: Callable[[str, Clip], None] = lambda _arm, _clip: None,
) -> list[ArmRun]:
    """Every arm over the whole set. ``on_clip`` is told of each clip done. Raises what ``judge_set`` raises."""
    runs = []
    for arm in arms:
        watch = partial(_watch_of, site, arm, encoder, learned)
        runs.append(judge_set(arm.name, data_set, finder.findings, watch, partial(on_clip, arm.name)))
    return runs


def _watch_of(site: SiteSettings, arm: Arm, encoder: TextEncoder | None, learned: Fusion | None, camera: str) -> Watch:
    return new_watch(site, camera, arm, encoder, learned)
