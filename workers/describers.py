"""Picks who puts scenes into words: the narrator of each camera, the text encoder, and the model that describes.

In: ``SiteSettings``. Out: what the alert role, the describe role, replay and ``vedette describe`` are built from; part
of ``workers/wiring.py`` in a file of its own. Next: ``pipeline/describe/narrator.py``, ``pipeline/describe/stage.py``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.alert.asking import AskSettings
from pipeline.alert.settings import WatchRule
from pipeline.describe.budget import Budget
from pipeline.descriptions import DescribeRequest, Prompt, Reply, SceneDescription
from pipeline.errors import ModelError
from pipeline.protocols import Bus, Count, TextEncoder
from pipeline.settings import SiteSettings
from pipeline.telemetry import Telemetry
from workers.runtime import Liveness, bus_patience

if TYPE_CHECKING:
    from pipeline.describe.narrator import SceneNarrator
    from pipeline.describe.pictures import ModelPicture
    from pipeline.describe.settings import DescribeSettings
    from pipeline.describe.stage import DescribeStage, Model, Pictures
    from pipeline.tape import Tape
    from workers.child import Job

__all__ = ["asking", "describer", "ignore", "new_encoder", "new_narrator", "replayed", "serve"]

SLACK_S = 30.0
"""Beside the model's own time: reading packets, decoding pictures, keeping what was said."""


def ignore(name: str, camera: str, reason: str) -> None:
    """Count nothing."""


def asking(site: SiteSettings, camera: str) -> AskSettings:
    """What the alert stage of ``camera`` asks to have described, with the questions of its rules."""
    describe = site.describe
    context = (*describe.context, *site.camera(camera).notes)
    rules = site.camera(camera).alert.rules
    questions = tuple(rule.question for rule in rules if isinstance(rule, WatchRule) and rule.question is not None)
    return AskSettings(context, questions, scene_gap_s=describe.scene_gap_s, every_s=describe.every_s)


def new_encoder(site: SiteSettings, telemetry: Telemetry) -> TextEncoder | None:
    """The text encoder of this process; None, and one line in the log, where there is none.

    Raises ModelError when the one that the site names cannot be used.
    """
    from pipeline.embed.text import NO_ENCODER, find_text_encoder

    encoder = find_text_encoder(site.text_encoder)
    if encoder is None and site.text_encoder != "none":
        telemetry.log.info("text_encoder_missing", remedy=NO_ENCODER)
    return encoder


def new_narrator(
    site: SiteSettings, camera: str, encoder: TextEncoder | None = None, count: Count = ignore
) -> SceneNarrator:
    """Facts and words of one camera."""
    from pipeline.describe.facts import FactsFold
    from pipeline.describe.narrator import SceneNarrator

    zones = {zone.name: zone.polygon_norm for zone in site.camera(camera).alert.zones}
    return SceneNarrator(FactsFold(camera, zones), language=site.describe.language, encoder=encoder, count=count)


def serve(
    site: SiteSettings, job: Job, bus: Bus, telemetry: Telemetry, liveness: Liveness, stop: threading.Event
) -> int:
    """The describe role: describe what is asked for on ``bus`` until told to stop; the exit code."""
    from pipeline.store.descriptions import DescriptionStore
    from workers.describe import Notebook, load_budget, packet_pictures, save_budget, work

    settings, kept = site.describe, site.search
    encoder = new_encoder(site, telemetry)
    with (
        DescriptionStore(site.descriptions_file, encoder, max_descriptions=kept.max_descriptions) as store,
        describer(
            settings,
            packet_pictures(bus, settings),
            telemetry,
            share=job.count,
            before_asking=lambda budget: save_budget(bus, budget, job.index),
        ) as (stage, budget),
    ):
        if bus_patience(lambda: load_budget(bus, budget, job.index, telemetry), stop, telemetry, liveness) is None:
            return 0
        batch = settings.server.concurrency if settings.server is not None else settings.model.max_batch
        notebook = Notebook(store.add, store.forget_before, kept.keep_days * 86_400.0, telemetry)
        telemetry.log.info("describer_ready", backend=settings.backend, batch=batch)
        hold_s = settings.timeout_s * (batch + 1) + SLACK_S
        work(bus, stage, notebook, telemetry, liveness, stop, batch=batch, hold_s=hold_s)
    return 0


@contextmanager
def replayed(
    site: SiteSettings, tapes: Mapping[str, Tape], telemetry: Telemetry
) -> Iterator[Callable[[DescribeRequest], SceneDescription] | None]:
    """Who describes in a replay of ``tapes``, at the moment that asks and on a budget of media time.

    None where no model is asked for. Raises ModelError, UsageError as :func:`describer` does when it is strict.
    """
    settings = site.describe
    if settings.backend == "grounded":
        yield None
        return
    from pipeline.describe.pictures import take

    def pictures(request: DescribeRequest) -> Sequence[ModelPicture]:
        batches = tapes[request.facts.camera].around(request.ref.at_s)
        return take(batches, request, settings.pictures, settings.privacy)

    def describe(request: DescribeRequest) -> SceneDescription:
        (outcome,) = stage.describe([request], request.ref.at_s)
        if outcome.sentence:
            telemetry.log.warning("describe_failed", camera=request.facts.camera, error=outcome.sentence)
        return outcome.description

    with describer(settings, pictures, telemetry, is_strict=True) as (stage, _):
        yield describe


@contextmanager
def describer(
    settings: DescribeSettings,
    pictures: Pictures,
    telemetry: Telemetry,
    *,
    share: int = 1,
    is_strict: bool = False,
    before_asking: Callable[[Budget], None] = lambda _: None,
    environ: Mapping[str, str] = os.environ,
) -> Iterator[tuple[DescribeStage, Budget]]:
    """The describe stage that ``settings`` ask for, with its budget (one ``share``-th of the caps).

    A model that cannot be loaded is one line in the log, and the grounded writer describes; with ``is_strict`` it is
    the ModelError. ``before_asking`` is called before anything that costs. Raises UsageError for a server that is named
    wrongly or whose key is missing.
    """
    from pipeline.describe.stage import DescribeStage
    from pipeline.describe.verify import check, struck

    budget = Budget(settings.caps.shared(share))
    with _model(settings, telemetry, lambda: before_asking(budget), environ, is_strict=is_strict) as model:
        yield (
            DescribeStage(
                model,
                budget,
                pictures=pictures,
                check=check,
                strike=struck,
                count=telemetry.count,
                language=settings.language,
                reuse_s=settings.reuse_s,
            ),
            budget,
        )


@contextmanager
def _model(
    settings: DescribeSettings,
    telemetry: Telemetry,
    before_asking: Callable[[], None],
    environ: Mapping[str, str],
    *,
    is_strict: bool,
) -> Iterator[Model | None]:
    from pipeline.describe.calls import Ask, in_batches, side_by_side
    from pipeline.describe.stage import Model

    def guarded(ask: Ask) -> Ask:
        def ask_after(prompts: Sequence[Prompt]) -> Sequence[Reply | ModelError]:
            before_asking()
            return ask(prompts)

        return ask_after

    bounds = (settings.price, settings.max_tokens, settings.timeout_s)
    if settings.backend == "vlm":
        try:
            from pipeline.describe.vlm import TransformersModel

            vlm = TransformersModel(settings.model, timeout_s=settings.timeout_s)
            vlm.warm_up()
        except ModelError as error:
            if is_strict:
                raise
            telemetry.log.error("describer_missing", error=str(error), instead="grounded")
            yield None
            return
        yield Model(vlm.name, guarded(in_batches(vlm)), *bounds)
    elif settings.backend == "server" and settings.server is not None:
        from concurrent.futures import ThreadPoolExecutor

        from pipeline.describe.server import ServerModel

        server = ServerModel(settings.server, environ=environ, timeout_s=settings.timeout_s)
        with ThreadPoolExecutor(settings.server.concurrency, thread_name_prefix="describe") as threads:
            try:
                yield Model(server.name, guarded(side_by_side(server, threads.map)), *bounds)
            finally:
                server.close()
    else:
        yield None
