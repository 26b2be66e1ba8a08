"""``vedette run``: every role of a site on this machine, supervised, with a Redis of its own if the site names none.

In: ``SiteSettings``. Out: an exit code; alerts go to the channel, and to the terminal with ``watch``.
Next files: ``workers/supervisor.py``, ``workers/child.py``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from pipeline.bus.server import EmbeddedRedis
from pipeline.errors import UsageError
from pipeline.handover import to_descriptor
from pipeline.settings import Secret, SiteSettings
from pipeline.telemetry import Telemetry
from workers.child import Job, child_role
from workers.runtime import stop_on_signals
from workers.supervisor import Role, Supervisor

__all__ = ["roles_of", "run_site", "with_redis"]


@contextmanager
def with_redis(site: SiteSettings, telemetry: Telemetry) -> Iterator[SiteSettings]:
    """The site with a Redis URL in it: its own, or that of an embedded Redis that lives as long as this block."""
    if site.redis.url is not None:
        yield site
        return
    with EmbeddedRedis.start(site.data_dir, takes_over=True) as server:
        telemetry.log.info("redis_embedded", folder=str(server.directory), is_owner=server.is_owner)
        redis = replace(site.redis, url=Secret(server.url), frames_url=Secret(server.frames_url))
        yield replace(site, redis=redis)


def jobs_of(
    site: SiteSettings,
    *,
    detectors: int = 1,
    alerters: int = 1,
    describers: int = 1,
    is_lossless: bool = False,
    is_quiet: bool = False,
) -> list[Job]:
    """What has to be done: one ingest per camera, and so many workers of the other roles, each with its metrics port.

    A replay without loss has nobody describe: when a model's words arrive is not the same twice.
    """
    jobs = [Job("alert", index=index, count=alerters) for index in range(alerters)]
    jobs += [Job("detect", index=index, count=detectors) for index in range(detectors)]
    jobs += [Job("ingest", camera=camera.name) for camera in site.cameras]
    if not is_lossless:
        jobs += [Job("describe", index=index, count=describers) for index in range(describers)]
    first = site.telemetry.port
    return [
        replace(job, is_lossless=is_lossless, is_quiet=is_quiet, port=first + 1 + place if first else 0)
        for place, job in enumerate(jobs)
    ]


@contextmanager
def roles_of(site: SiteSettings, jobs: Sequence[Job]) -> Iterator[list[Role]]:
    """Child processes for ``jobs``; each inherits its settings, ingest those of its own camera alone."""
    descriptors: dict[str | None, int] = {None: to_descriptor(site)}
    try:
        for job in jobs:
            if job.camera is not None:
                descriptors[job.camera] = to_descriptor(site.only(job.camera))
        yield [child_role(job, descriptors[job.camera]) for job in jobs]
    finally:
        for descriptor in descriptors.values():
            os.close(descriptor)


def run_site(
    site: SiteSettings,
    telemetry: Telemetry,
    *,
    jobs: Sequence[Job] | None = None,
    beside: Callable[[SiteSettings], Callable[[], bool]] | None = None,
) -> int:
    """Run ``jobs`` (every role when None) until SIGTERM or SIGINT; the exit code.

    ``beside`` is given the site with its Redis and returns what is asked in every round of supervision: is it over?
    Raises UsageError for a camera that reads standard input, which child processes do not have.
    """
    for camera in site.cameras:
        if "-" in (camera.url.reveal(), camera.detect_url and camera.detect_url.reveal()):
            raise UsageError(f"Camera {camera.name} is standard input, which only `vedette replay -` reads.")
    with with_redis(site, telemetry) as ready, roles_of(ready, jobs or jobs_of(ready)) as roles:
        supervisor = Supervisor(roles, telemetry)
        is_over = beside(ready) if beside is not None else _never
        with telemetry.serving(site.telemetry.host, site.telemetry.port, supervisor.report), stop_on_signals() as stop:
            return supervisor.run(stop, is_over)


def _never() -> bool:
    """A site runs until it is told to stop."""
    return False
