"""One role in a process of its own: ``python -m workers.child ROLE --settings-fd N``, started by the supervisor.

In: the site's settings through an inherited descriptor (so no secret is in ``ps``). Imports only what its role needs: a
camera's ingest process stays small. Exit 0 told to stop or done, 1 failed, 2 cannot use its settings.
Next files: ``workers/ingest.py``, ``workers/detect.py``, ``workers/alert.py``, ``workers/describe.py``.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.errors import VedetteError
from pipeline.handover import from_descriptor
from pipeline.settings import SiteSettings
from pipeline.telemetry import Telemetry
from workers.runtime import Liveness, stop_on_signals
from workers.supervisor import Role

__all__ = ["Job", "child_role", "main", "run_role"]

ORDERS = {"ingest": 0, "detect": 1, "describe": 1, "alert": 2}
DESCRIBE_STALL_S = 600.0
"""A model may take so long to load, or for a batch."""
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Job:
    """Which part of a role's work a process does.

    ``camera``: for ingest, the camera it reads. ``index`` of ``count``: for detect and alert, which share of the
    cameras it prefers; for describe, which of the workers it is that share the budget. ``is_lossless``: recordings,
    where a full queue makes the producer wait. ``port``: where metrics are served, 0 for nowhere. ``start_at``: when
    the recordings began, None to ask them.
    ``is_quiet``: log warnings only, because somebody watches the terminal.
    """

    role: str
    camera: str | None = None
    index: int = 0
    count: int = 1
    is_lossless: bool = False
    port: int = 0
    start_at: datetime | None = None
    is_quiet: bool = False

    @property
    def name(self) -> str:
        """Name for logs and health, unique within a site."""
        return f"{self.role}:{self.camera or self.index}"


def child_role(job: Job, settings_fd: int) -> Role:
    """How the supervisor starts ``job`` as a child process."""
    argv = [sys.executable, "-m", "workers.child", job.role, "--settings-fd", str(settings_fd)]
    if job.camera is not None:
        argv += ["--camera", job.camera]
    argv += ["--index", str(job.index), "--count", str(job.count), "--port", str(job.port)]
    if job.is_lossless:
        argv.append("--lossless")
    if job.is_quiet:
        argv.append("--quiet")
    if job.start_at is not None:
        argv += ["--start", job.start_at.isoformat()]
    is_vital = job.role != "ingest" or job.is_lossless
    return Role(job.name, tuple(argv), ORDERS[job.role], is_vital=is_vital, pass_fds=(settings_fd,))


def run_role(job: Job, site: SiteSettings, telemetry: Telemetry) -> int:
    """Do ``job`` until told to stop; its exit code. Raises VedetteError for settings that cannot be used."""
    from workers import wiring

    liveness = Liveness(time.monotonic, DESCRIBE_STALL_S) if job.role == "describe" else Liveness(time.monotonic)
    with telemetry.serving(site.telemetry.host, job.port, liveness.report), stop_on_signals() as stop:
        telemetry.log.info("role_ready", role=job.name)
        if job.role == "ingest":
            return wiring.ingest(site, job, telemetry, liveness, stop)
        if job.role == "detect":
            return wiring.detect(site, job, telemetry, liveness, stop)
        if job.role == "describe":
            return wiring.describe(site, job, telemetry, liveness, stop)
        return wiring.alert(site, job, telemetry, liveness, stop)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of a child process."""
    _leave_with_parent()
    parser = argparse.ArgumentParser(prog="workers.child")
    parser.add_argument("role", choices=sorted(ORDERS))
    parser.add_argument("--settings-fd", type=int, required=True)
    parser.add_argument("--camera")
    parser.add_argument("--index", type=int, default=0)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--lossless", action="store_true")
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--start", type=datetime.fromisoformat)
    given = parser.parse_args(arguments)
    job = Job(given.role, given.camera, given.index, given.count, given.lossless, given.port, given.start, given.quiet)
    telemetry = Telemetry(role=job.name, is_quiet=job.is_quiet)
    try:
        site = from_descriptor(SiteSettings, given.settings_fd)
    except ValueError as error:
        telemetry.log.error("settings_refused", role=job.name, error=str(error))
        return 2
    try:
        return run_role(job, site, telemetry)
    except VedetteError as error:
        telemetry.log.error("role_failed", role=job.name, error=str(error))
        return error.exit_code


def _leave_with_parent() -> None:
    """Ask the kernel to end this process when its supervisor dies, however it dies (Linux; prctl(2))."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
