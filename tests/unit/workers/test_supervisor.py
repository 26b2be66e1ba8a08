"""The supervisor with children that die, refuse, end and will not leave."""

from __future__ import annotations

import io
import itertools
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.telemetry import Telemetry
from workers.supervisor import Role, Supervisor


def role(name: str, code: str, *, order: int = 0, is_vital: bool = False) -> Role:
    return Role(name, (sys.executable, "-c", code), order, is_vital)


def supervisor(*roles: Role, clock: Callable[[], float] = time.monotonic) -> Supervisor:
    return Supervisor(roles, Telemetry("run", stream=io.StringIO()), clock=clock)


def wait_for(path: Path, lines: int) -> bool:
    return path.exists() and len(path.read_text().splitlines()) >= lines


def test_a_dead_role_comes_back_and_the_other_lives_on(tmp_path: Path) -> None:
    deaths, births = tmp_path / "deaths", tmp_path / "births"
    dying = role("dying", f"open({str(deaths)!r}, 'a').write('x\\n'); raise SystemExit(3)")
    living = role("living", f"open({str(births)!r}, 'a').write('x\\n'); import time; time.sleep(60)")
    watched = supervisor(dying, living)
    until = time.monotonic() + 20.0

    code = watched.run(threading.Event(), lambda: wait_for(deaths, 3) or time.monotonic() > until)

    assert code == 0
    assert len(deaths.read_text().splitlines()) >= 3
    assert births.read_text().splitlines() == ["x"]


def test_a_vital_role_that_refuses_its_settings_stops_the_site_with_2() -> None:
    refusing = role("detect", "raise SystemExit(2)", is_vital=True)
    living = role("ingest", "import time; time.sleep(60)")

    assert supervisor(refusing, living).run(threading.Event()) == 2


def test_a_vital_role_that_fails_after_a_healthy_minute_comes_back(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    failing = role("detect", f"open({str(runs)!r}, 'a').write('x\\n'); raise SystemExit(2)", is_vital=True)
    minutes = itertools.count(step=61)
    watched = supervisor(failing, clock=lambda: float(next(minutes)))
    until = time.monotonic() + 20.0

    code = watched.run(threading.Event(), lambda: wait_for(runs, 2) or time.monotonic() > until)

    assert code == 0
    assert len(runs.read_text().splitlines()) >= 2


def test_a_process_that_cannot_be_started_is_tried_again_and_the_others_live_on(tmp_path: Path) -> None:
    program, runs = tmp_path / "program", tmp_path / "runs"
    absent = Role("ingest", (str(program), str(runs)), 0)
    living = role("detect", "import time; time.sleep(60)")
    watched = supervisor(absent, living)
    until = time.monotonic() + 20.0

    def is_over() -> bool:
        _, facts = watched.report()
        if not program.exists() and facts["detect"]["running"]:  # type: ignore[index]
            program.write_text("#!/bin/sh\necho x >$1\n")
            program.chmod(0o755)
        return wait_for(runs, 1) or time.monotonic() > until

    assert watched.run(threading.Event(), is_over) == 0
    assert runs.read_text().splitlines() == ["x"]


def test_a_camera_that_refuses_does_not_stop_the_site(tmp_path: Path) -> None:
    tries = tmp_path / "tries"
    refusing = role("ingest", f"open({str(tries)!r}, 'a').write('x\\n'); raise SystemExit(2)")
    until = time.monotonic() + 20.0

    code = supervisor(refusing).run(threading.Event(), lambda: wait_for(tries, 2) or time.monotonic() > until)

    assert code == 0
    assert len(tries.read_text().splitlines()) >= 2


def test_a_role_that_ends_by_itself_is_done(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    ending = role("ingest", f"open({str(runs)!r}, 'a').write('x\\n')")
    watched = supervisor(ending)
    until = time.monotonic() + 2.0

    watched.run(threading.Event(), lambda: time.monotonic() > until)

    assert runs.read_text().splitlines() == ["x"]
    assert watched.report()[0]


def test_roles_leave_in_the_order_in_which_data_flows_and_stragglers_are_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    leave = (
        "import signal, sys, time\n"
        "def bye(*_):\n"
        f"    open({str(log)!r}, 'a').write(NAME + '\\n'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, bye)\n"
        f"open({str(tmp_path)!r} + '/' + NAME, 'w').write('up\\n'); time.sleep(60)\n"
    )
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"open({str(tmp_path / 'deaf')!r}, 'w').write('up\\n'); time.sleep(60)"
    )
    names = {"ingest": 0, "detect": 1, "alert": 2}
    roles = [role(name, f"NAME = {name!r}\n{leave}", order=order) for name, order in reversed(names.items())]
    watched = supervisor(*roles, role("deaf", deaf, order=0))
    until = time.monotonic() + 20.0

    code = watched.run(
        threading.Event(),
        lambda: all((tmp_path / name).exists() for name in (*names, "deaf")) or time.monotonic() > until,
    )

    assert code == 0
    assert log.read_text().split() == ["ingest", "detect", "alert"]
    assert not any(facts["running"] for facts in watched.report()[1].values())
