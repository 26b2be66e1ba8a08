"""Everything is killed in turn, and no alert is lost or doubled.

Live: each role and each Redis of a running site. In replay, where nothing may be lost, the outcome is compared byte by
byte with a run that nobody disturbed.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e import sites
from tests.e2e.sites import RunningSite, assert_none_doubled, incidents, until
from tests.rtsp_server import serving

pytestmark = pytest.mark.e2e

BETWEEN_S = 60.0


@pytest.fixture(scope="module")
def killed_site(tmp_path_factory: pytest.TempPathFactory, detector: Path, video: Path) -> Iterator[RunningSite]:
    folder = tmp_path_factory.mktemp("deaths")
    with (
        serving({"gate": video, "yard": video}) as server,
        sites.running(sites.site_file(folder, server.urls, detector=detector)) as run,
    ):
        until("first alerts", lambda: len({alert.camera for _, alert in run.alerts()}) == 2)
        yield run


@pytest.mark.parametrize("role", ["ingest:gate", "detect:0", "alert:0", "describe:0", "durable", "frames"])
def test_a_killed_role_comes_back_and_no_alert_is_lost_or_doubled(killed_site: RunningSite, role: str) -> None:
    before = killed_site.newest()
    known = [alert for _, alert in killed_site.alerts()]
    victim = redis_of(killed_site, role) if role in {"durable", "frames"} else killed_site.role(role)
    victim.kill()
    until("its end", lambda: not victim.is_running() or victim.status() == psutil.STATUS_ZOMBIE)
    until("the bus", lambda: reachable(killed_site))
    for camera in ("gate", "yard"):
        killed_site.wait_for_visit(camera, since=before)
    after = [alert for _, alert in killed_site.alerts()]
    assert after[: len(known)] == known
    assert_none_doubled([alert for alert in after if alert.kind == "zone"])
    by_camera: dict[str, list[str]] = {}
    for revisions in incidents(after).values():
        by_camera.setdefault(revisions[0].camera, []).append(revisions[-1].phase)
    for phases in by_camera.values():
        assert set(phases[:-1]) <= {"closed"}  # what was open when something died was closed all the same


def redis_of(site: RunningSite, name: str) -> psutil.Process:
    """The embedded server that keeps (``durable``) or forgets (``frames``)."""
    socket_path = site.embedded.directory / name
    return next(p for p in site.family() if p.name() == "redis-server" and Path(p.cwd()) == socket_path)


def reachable(site: RunningSite) -> bool:
    """Whether the alert stream can be read."""
    try:
        site.newest()
    except Exception:  # whatever the client says of a server that is just coming back
        return False
    return True


def replay_argv(site: Path, videos: dict[str, Path], out: Path, *more: str) -> list[str]:
    words = [f"{camera}={video}" for camera, video in videos.items()]
    return [str(sites.VEDETTE), "replay", *words, "-c", str(site), "--out", str(out), "--json", *more]


@pytest.fixture(scope="module")
def recordings(
    tmp_path_factory: pytest.TempPathFactory, detector: Path, long_video: Path
) -> tuple[Path, dict[str, Path]]:
    """A site with three cameras, and a minute of each."""
    folder = tmp_path_factory.mktemp("recordings")
    videos = dict.fromkeys(("gate", "yard", "door"), long_video)
    return sites.site_file(folder, dict.fromkeys(videos, "unused.mp4"), detector=detector), videos


@pytest.fixture(scope="module")
def undisturbed(recordings: tuple[Path, dict[str, Path]], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The alerts of a replay in one process, twice the same bytes."""
    site, videos = recordings
    outs = [tmp_path_factory.mktemp("out") / name for name in ("a.jsonl", "b.jsonl")]
    for out in outs:
        subprocess.run(replay_argv(site, videos, out), check=True, capture_output=True, timeout=60)
    first, second = (out.read_bytes() for out in outs)
    assert first == second
    return first


def test_a_replay_says_each_visit_once(undisturbed: bytes) -> None:
    lines = undisturbed.decode().splitlines()
    assert sum('"phase":"opened"' in line for line in lines) == 3 * 10
    assert sum('"phase":"closed"' in line for line in lines) == 3 * 10


def test_replay_over_redis_gives_the_same_bytes(
    recordings: tuple[Path, dict[str, Path]], undisturbed: bytes, tmp_path: Path
) -> None:
    site, videos = recordings
    out = tmp_path / "out.jsonl"
    subprocess.run(replay_argv(site, videos, out, "--workers", "2"), check=True, capture_output=True, timeout=90)
    assert out.read_bytes() == undisturbed


def test_a_replay_whose_workers_are_killed_gives_the_same_bytes(
    recordings: tuple[Path, dict[str, Path]], undisturbed: bytes, tmp_path: Path
) -> None:
    site, videos = recordings
    out = tmp_path / "out.jsonl"
    process = subprocess.Popen(
        replay_argv(site, videos, out, "--workers", "2"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        said = b""

        def has_said(alerts: int) -> bool:
            nonlocal said
            said += process.stdout.read() or b""  # type: ignore[union-attr]
            return said.count(b"\n") >= alerts or process.poll() is not None

        killed = []
        for alerts, role in ((4, "ingest"), (10, "detect"), (16, "alert"), (22, "durable")):
            until(f"{alerts} alerts", lambda alerts=alerts: has_said(alerts), timeout_s=BETWEEN_S)  # type: ignore[misc]
            killed.append(kill_one(process.pid, role))
        until("the end", lambda: has_said(10_000), timeout_s=BETWEEN_S)
        code = process.wait(30)
    finally:
        process.kill()
        _, err = process.communicate()
    assert code == 0, err.decode()
    assert all(killed)
    assert out.read_bytes() == undisturbed


def kill_one(parent: int, role: str) -> bool:
    """``kill -9`` the first living child that does ``role``; False when there is none (the replay was over)."""
    for process in psutil.Process(parent).children(recursive=True):
        words = process.cmdline()
        is_redis = role == "durable" and process.name() == "redis-server" and process.cwd().endswith(role)
        if is_redis or (role in words and "workers.child" in words):
            process.kill()
            return True
    return False
