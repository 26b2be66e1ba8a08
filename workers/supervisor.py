"""Runs all roles of a site as child processes: a dead one comes back with back-off, the others never notice.

In: a table of roles. Out: an exit code. On SIGTERM the roles are told to leave in the order in which data flows
(ingest, detect, alert), each within its share of ten seconds; who does not leave is killed. Next file:
``workers/cli.py``.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.telemetry import Telemetry

__all__ = ["Role", "Supervisor"]

POLL_S = 0.2
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
HEALTHY_AFTER_S = 60.0
LEAVE_S = 2.5
EXIT_USAGE = 2


@dataclass(frozen=True, slots=True)
class Role:
    """One child process: what it is called, how it is started, and when it leaves (lower ``order`` first).

    ``pass_fds``: descriptors it inherits (its settings, see ``pipeline/handover.py``). ``is_vital``: when it refuses
    its configuration at its first start (exit 2 within a minute), the whole site stops with that code.
    """

    name: str
    argv: tuple[str, ...]
    order: int
    is_vital: bool = False
    pass_fds: tuple[int, ...] = ()


@dataclass(slots=True)
class _Child:
    role: Role
    process: subprocess.Popen[bytes] | None = None
    started_at_s: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    restart_at_s: float = 0.0
    is_done: bool = False
    deaths: int = 0
    exit_code: int = 0


class Supervisor:
    """Keeps every role running until ``stop`` is set; a role that ends by itself with 0 is done (a recording)."""

    def __init__(
        self, roles: Sequence[Role], telemetry: Telemetry, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._children = [_Child(role) for role in roles]
        self._telemetry = telemetry
        self._clock = clock

    def run(self, stop: threading.Event, is_over: Callable[[], bool] = lambda: False) -> int:
        """Start everything, watch it, and bring it down; ``is_over`` is asked in every round.

        0 when all went well, 2 when a vital role refused its settings.
        """
        code = 0
        try:
            while not stop.is_set():
                for child in self._children:
                    self._tend(child)
                if is_over():
                    break
                if any(c.is_done and c.role.is_vital and c.exit_code == EXIT_USAGE for c in self._children):
                    code = EXIT_USAGE
                    break
                stop.wait(POLL_S)
        finally:
            self._bring_down()
        return code

    def report(self) -> tuple[bool, dict[str, object]]:
        """(is healthy, facts): which roles run, how often each was restarted."""
        facts: dict[str, object] = {
            child.role.name: {
                "running": child.process is not None and child.process.poll() is None,
                "deaths": child.deaths,
            }
            for child in self._children
        }
        return all(c.is_done or (c.process is not None and c.process.poll() is None) for c in self._children), facts

    def _tend(self, child: _Child) -> None:
        now_s = self._clock()
        if child.is_done:
            return
        if child.process is None:
            if now_s >= child.restart_at_s:
                self._start(child, now_s)
            return
        exit_code = child.process.poll()
        if exit_code is None:
            return
        child.exit_code = exit_code
        child.process = None
        is_healthy = now_s - child.started_at_s >= HEALTHY_AFTER_S
        is_refusal = exit_code == EXIT_USAGE and child.deaths == 0 and child.role.is_vital and not is_healthy
        if is_refusal or exit_code == 0:
            child.is_done = True
            self._telemetry.log.info("role_ended", role=child.role.name, exit_code=exit_code)
            return
        child.deaths += 1
        if is_healthy:
            child.pause_s = FIRST_PAUSE_S
        self._telemetry.count("role_restarts", child.role.name, f"exit_{exit_code}")
        self._rest(child, now_s, "role_died", exit_code=exit_code)

    def _start(self, child: _Child, now_s: float) -> None:
        try:
            child.process = subprocess.Popen(child.role.argv, stdin=subprocess.DEVNULL, pass_fds=child.role.pass_fds)
        except OSError as error:  # no memory or no process left: the roles that run go on meanwhile
            self._rest(child, now_s, "role_not_started", error=error.strerror)
            return
        child.started_at_s = now_s
        self._telemetry.log.info("role_started", role=child.role.name, pid=child.process.pid)

    def _rest(self, child: _Child, now_s: float, event: str, **facts: object) -> None:
        """Say what happened, and try again after a pause that doubles."""
        child.restart_at_s = now_s + child.pause_s
        self._telemetry.log.warning(event, role=child.role.name, restart_in_s=round(child.pause_s, 1), **facts)
        child.pause_s = min(child.pause_s * 2, LONGEST_PAUSE_S)

    def _bring_down(self) -> None:
        for order in sorted({child.role.order for child in self._children}):
            leaving = [c.process for c in self._children if c.role.order == order and c.process is not None]
            for process in leaving:
                process.terminate()
            deadline_s = time.monotonic() + LEAVE_S
            for process in leaving:
                try:
                    process.wait(max(0.0, deadline_s - time.monotonic()))
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
