"""The world fails around a running site: its Redis is down, dies, is full; its camera goes away. It waits and goes on.

One site serves all tests of this file; it was started while its Redis was down.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.types import Alert
from tests.contract.redis_servers import Server, plain_server, system_program
from tests.e2e import sites
from tests.e2e.sites import RunningSite, assert_none_doubled, until, vedette
from tests.rtsp_server import RtspServer, serving

pytestmark = pytest.mark.e2e

ROLES = ("ingest:gate", "detect:0", "alert:0")
IS_FULL = "1mb"


@dataclass(frozen=True)
class World:
    """The site, and what can be done to it."""

    site: RunningSite
    redis: Server
    rtsp: RtspServer
    video: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, detector: Path, video: Path) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("faults")
    program = system_program("redis-server")
    keeping = ("--appendonly", "yes", "--maxmemory-policy", "noeviction")
    with serving({"gate": video}) as rtsp, plain_server(program, folder / "r", *keeping) as redis:
        redis.kill()
        cameras = {"gate": {"url": rtsp.urls["gate"], "health_alerts": True}}
        site = sites.site_file(folder, cameras, detector=detector, redis={"url": redis.url})
        with sites.running(site, redis_url=redis.url) as run:
            for role in ROLES:
                until(f"{role} to miss its bus", lambda role=role: run.events("bus_away", worker=role))  # type: ignore[misc]
            redis.restart()
            yield World(run, redis, rtsp, video)
            assert run.stop() == 0


def test_redis_down_at_start_is_waited_for(world: World) -> None:
    world.site.wait_for_visit("gate")
    for role in ROLES:
        assert world.site.events("bus_back", worker=role)
    assert not world.site.events("role_died")


def test_live_and_replay_give_the_same_incidents(world: World, tmp_path: Path) -> None:
    replayed = vedette(
        "replay", f"gate={world.video}", "-c", str(world.site.site), "--json", "--out", str(tmp_path / "o")
    )
    assert replayed.returncode == 0, replayed.stderr
    world.site.wait_for_visit("gate")
    live = sites.incidents([alert for _, alert in world.site.alerts() if alert.kind == "zone"])
    whole = next(revisions for revisions in live.values() if revisions[-1].phase == "closed")
    lines = (tmp_path / "o").read_text().splitlines()
    assert len(lines) == len(whole)
    for line, alert in zip(lines, whole, strict=True):
        for word in (f'"phase":"{alert.phase}"', f'"rule":"{alert.rule}"', f'"title":"{title(alert)}"'):
            assert word in line
        assert f'"config_hash":"{alert.config_hash}"' in line


def title(alert: Alert) -> str:
    """A title as it stands in ASCII JSON."""
    return alert.title.encode("ascii", "backslashreplace").decode()


def test_redis_killed_in_the_middle_is_waited_for_and_nothing_written_is_lost(world: World) -> None:
    world.site.wait_for_visit("gate")
    known = world.site.alerts()
    world.redis.kill()
    times = len(world.site.events("bus_away", worker="ingest:gate"))
    until("ingest to miss it", lambda: len(world.site.events("bus_away", worker="ingest:gate")) >= max(times, 2))
    world.redis.restart()
    assert world.site.alerts()[: len(known)] == known
    world.site.wait_for_visit("gate", since=known[-1][0])
    assert_none_doubled([alert for _, alert in world.site.alerts() if alert.kind == "zone"])
    assert not world.site.events("role_died")


def test_a_full_redis_drops_frames_and_goes_on_when_there_is_room(world: World) -> None:
    world.site.wait_for_visit("gate")
    before = world.site.newest()
    with closing(world.redis.client()) as client:
        client.config_set("maxmemory", IS_FULL)
        try:
            missed = len(world.site.events("bus_away", worker="ingest:gate"))
            until(
                "ingest to be refused",
                lambda: len(world.site.events("bus_away", worker="ingest:gate")) >= max(missed, 1),
            )
        finally:
            client.config_set("maxmemory", "0")
    world.site.wait_for_visit("gate", since=before)
    assert_none_doubled([alert for _, alert in world.site.alerts() if alert.kind == "zone"])
    assert not world.site.events("role_died")


def test_a_camera_that_goes_away_is_an_alert_that_closes_when_it_is_back(world: World) -> None:
    world.site.wait_for_visit("gate")
    before = world.site.newest()
    world.rtsp.kill()
    offline = world.site.wait_for_alert(lambda a: (a.kind, a.phase) == ("camera_health", "opened"), since=before)
    assert "offline" in offline.text.lower() or "offline" in offline.title.lower()
    world.rtsp.start()
    world.site.wait_for_alert(lambda a: (a.id, a.phase) == (offline.id, "closed"), since=before)
    world.site.wait_for_visit("gate", since=world.site.newest())
    assert not world.site.events("role_died")
