"""The buses that the contract is checked on: memory, and Redis in every way it can be met."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.bus.connection import Tls
from pipeline.bus.memory import MemoryBus
from pipeline.bus.redis import RedisBus
from pipeline.bus.server import EmbeddedRedis
from pipeline.protocols import Bus, Count
from tests.contract import redis_servers

NewBus = Callable[..., Bus]
"""``new_bus(count=…)``: one more client of the same bus."""
REDIS_KINDS = ("embedded", "redis6", "redis7", "tls_acl", "cluster")


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis.start(tmp_path_factory.mktemp("embedded")) as server:
        yield server


@pytest.fixture(scope="session")
def redis6(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis_servers.Server]:
    with redis_servers.plain_server(redis_servers.bundled_server(), tmp_path_factory.mktemp("redis6")) as server:
        yield server


@pytest.fixture(scope="session")
def redis7(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis_servers.Server]:
    program = redis_servers.system_program("redis-server")
    with redis_servers.plain_server(program, tmp_path_factory.mktemp("redis7")) as server:
        yield server


@pytest.fixture(scope="session")
def tls_acl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis_servers.TlsServer]:
    program = redis_servers.system_program("redis-server")
    with redis_servers.tls_server(program, tmp_path_factory.mktemp("tls")) as server:
        yield server


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis_servers.Cluster]:
    with redis_servers.cluster(tmp_path_factory.mktemp("cluster")) as nodes:
        yield nodes


def _options(kind: str, server: object) -> dict[str, object]:
    if isinstance(server, EmbeddedRedis):
        return {"url": server.url, "frames_url": server.frames_url}
    if isinstance(server, redis_servers.TlsServer):
        return {"url": server.url, "tls": Tls(ca_file=server.ca_file)}
    assert isinstance(server, redis_servers.Server | redis_servers.Cluster), kind
    return {"url": server.url}


def _flush(server: object) -> None:
    servers: list[redis_servers.Server] = []
    if isinstance(server, EmbeddedRedis):
        servers = [redis_servers.Server([], url, Path()) for url in (server.url, server.frames_url)]
    elif isinstance(server, redis_servers.TlsServer):
        servers = [server.server]
    elif isinstance(server, redis_servers.Cluster):
        servers = list(server.nodes)
    elif isinstance(server, redis_servers.Server):
        servers = [server]
    for one in servers:
        with contextlib.closing(one.client()) as client:
            client.flushall()


@pytest.fixture(params=("memory", *REDIS_KINDS))
def new_bus(request: pytest.FixtureRequest) -> Iterator[NewBus]:
    """Makes clients of one empty bus of each kind."""
    if request.param == "memory":
        yield _memory_clients()
        return
    yield from _redis_clients(request)


@pytest.fixture(params=REDIS_KINDS)
def new_redis_bus(request: pytest.FixtureRequest) -> Iterator[NewBus]:
    """Makes clients of one empty Redis bus of each kind."""
    yield from _redis_clients(request)


def _memory_clients() -> NewBus:
    buses: list[MemoryBus] = []

    def make(count: Count | None = None) -> Bus:
        if not buses:
            buses.append(MemoryBus() if count is None else MemoryBus(count=count))
        return buses[0]

    return make


def _redis_clients(request: pytest.FixtureRequest) -> Iterator[NewBus]:
    server = request.getfixturevalue(request.param)
    _flush(server)
    with contextlib.ExitStack() as stack:

        def make(count: Count | None = None) -> Bus:
            more = {} if count is None else {"count": count}
            return stack.enter_context(contextlib.closing(RedisBus(**_options(request.param, server), **more)))

        yield make
