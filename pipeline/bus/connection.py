"""One Redis, standalone or Cluster, behind one door: finds it, speaks to it, and says in one sentence what is wrong.

In: a URL, and commands for the server that holds a key. Out: its answers, or a BusError for the person who runs it (the
Redis client's own errors stop here). Connects at the first command, not before; after a loss the next command connects
again. Nothing is sent twice behind the caller's back, since appending is not repeatable. Only this file and
``pipeline/bus/server.py`` know the Redis client. Next file: ``pipeline/bus/server.py``.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.connection import ConnectionPool, PythonRespSerializer
from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MovedError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.retry import Retry

from pipeline.bus.scripts import Script
from pipeline.errors import BusError, UsageError
from pipeline.redact import redact

__all__ = ["Link", "OutOfMemory", "Tls"]

T = TypeVar("T")
_MAX_REDIRECTS = 3
_PACK_CUTOFF_BYTES = 6_000


class OutOfMemory(BusError):
    """The server has reached its ``maxmemory``; a writer of perishable messages can make room itself."""


@dataclass(frozen=True, slots=True)
class Tls:
    """Files for ``rediss://``: the authority that signed the server's certificate, and our own certificate and key."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


class Link:
    """A connection to one Redis that lasts: thread-safe, reconnecting, never retrying by itself.

    ``url`` is ``redis://``, ``rediss://`` or ``unix://``; ``is_cluster`` False asks the server whether it is one.
    Raises UsageError for a URL that cannot be used.
    """

    def __init__(self, url: str, *, is_cluster: bool = False, tls: Tls | None = None, timeout_s: float = 5.0) -> None:
        self.name = _name(url)
        self._url = url
        self.timeout_s = timeout_s
        self._options = {**_tls_options(url, tls or Tls()), "socket_timeout": timeout_s, "protocol": 2}
        self._options |= {"socket_connect_timeout": timeout_s}
        self._lock = Lock()
        self._must_be_cluster = is_cluster
        self._cluster: RedisCluster | None = None
        self._is_probed = False  # False: look (again) at what is behind the URL before the next command
        try:
            pool = ConnectionPool.from_url(url, **self._options, **_own_options())
            pool.connection_class(**pool.connection_kwargs)
        except (ValueError, TypeError, RedisError):  # the client's own words may quote the password
            raise UsageError(f"Redis URL {self.name} cannot be used: a part of it is not understood") from None
        self._single = redis.Redis(connection_pool=pool)

    def call(self, key: str, *words: Any) -> Any:
        """The answer of the server that holds ``key`` to one command. Raises BusError."""
        return self._ask(key, lambda server: _execute(server, *words))

    def batch(self, key: str, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """The answers to several commands sent in one write to the server that holds ``key``. Raises BusError."""

        def question(server: redis.Redis) -> list[Any]:
            pipe = server.pipeline(transaction=False)
            for words in commands:
                _execute(pipe, *words)
            return pipe.execute()

        return self._ask(key, question)

    def run(self, script: Script, keys: Sequence[str], args: Sequence[Any]) -> int:
        """The number that ``script`` returns. Raises BusError."""
        return int(self.evaluate(script, keys, args))

    def evaluate(self, script: Script, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """The result of ``script``, also on a server that has lost its scripts. Raises BusError."""

        def question(server: redis.Redis) -> Any:
            try:
                return _execute(server, "EVALSHA", script.sha1, len(keys), *keys, *args)
            except NoScriptError:
                return _execute(server, "EVAL", script.text, len(keys), *keys, *args)

        return self._ask(keys[0], question)

    def slot_of(self, key: str) -> int:
        """Keys of one slot may be named in one command; always 0 on a standalone server. Raises BusError."""
        with self._translated():
            self._probe()
            return 0 if self._cluster is None else key_slot(key.encode())

    def node_of(self, key: str) -> str:
        """Name of the server that holds ``key``. Raises BusError."""
        with self._translated():
            self._probe()
            return "" if self._cluster is None else str(_node(self._cluster, key).name)

    def close(self) -> None:
        """Close every connection; the next question opens new ones."""
        with self._lock:
            self._single.close()
            self._single.connection_pool.disconnect()
            if self._cluster is not None:
                self._cluster.close()
            self._cluster, self._is_probed = None, False

    def _ask(self, key: str, question: Callable[[redis.Redis], T]) -> T:
        with self._translated():
            for _ in range(_MAX_REDIRECTS):
                try:
                    return question(self._server_of(key))
                except MovedError:
                    self._must_be_cluster, self._is_probed = True, False
        raise BusError(f"Redis at {self.name} keeps moving {key} between nodes")

    def _server_of(self, key: str) -> redis.Redis:
        self._probe()
        if self._cluster is None:
            return self._single
        return self._cluster.get_redis_connection(_node(self._cluster, key))

    def _probe(self) -> None:
        """Find out what is behind the URL; after trouble learn a Cluster's layout again, from any node known so far."""
        with self._lock:
            if self._is_probed:
                return
            if self._cluster is not None:
                self._cluster.nodes_manager.initialize()
            elif self._must_be_cluster or self._mode() == "cluster":
                self._cluster = RedisCluster.from_url(
                    self._url, connection_pool_class=_pool, retry=Retry(NoBackoff(), 0), **self._options
                )
            self._is_probed = True

    def _mode(self) -> str:
        """``standalone`` or ``cluster``, as the server says; a server that will not tell is taken as standalone."""
        try:
            reply = _execute(self._single, "HELLO")
        except (NoPermissionError, ResponseError) as error:
            if isinstance(error, OutOfMemoryError | ReadOnlyError):
                raise
            return "standalone"
        pairs = list(reply.items()) if isinstance(reply, dict) else list(zip(reply[::2], reply[1::2], strict=False))
        mode = str(dict(pairs).get(b"mode", b"standalone"), "ascii", "replace")
        if mode == "sentinel":
            raise BusError(f"Redis at {self.name} is a Sentinel: use the URL of the Redis that it watches")
        return mode

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (RedisError, RedisClusterException, OSError) as error:
            if not isinstance(error, ResponseError) or isinstance(error, ClusterDownError):
                self._is_probed = False
            kind = OutOfMemory if _code(error) == "OOM" else BusError
            raise kind(f"Redis at {self.name} {_complaint(error, self.timeout_s)}") from error


def _execute(target: redis.Redis, *words: Any) -> Any:
    return target.execute_command(*words)  # type: ignore[no-untyped-call]


def _node(cluster: RedisCluster, key: str) -> ClusterNode:
    return cluster.get_node_from_key(key)  # type: ignore[no-untyped-call, no-any-return]


_CODES = {OutOfMemoryError: "OOM", ReadOnlyError: "READONLY", NoPermissionError: "NOPERM"}
_BY_CODE = {
    "OOM": "is out of memory: raise its maxmemory or let readers catch up",
    "READONLY": "is a read-only replica: use the URL of the primary",
    "NOPERM": "does not let this user do that: grant ~vedette:* &vedette:* +@all -@admin -@dangerous",
}


def _code(error: Exception) -> str:
    """Redis' word for what is wrong; before version 7 an error inside a script hides it in the text."""
    for kind, code in _CODES.items():
        if isinstance(error, kind):
            return code
    text = str(error)
    if "script can't run this command" in text or "script can't access at least one of the keys" in text:
        return "NOPERM"
    found = re.search(r"(?:^|[\s-])(OOM|READONLY|NOPERM|MISCONF)\b", text)
    return found[1] if isinstance(error, ResponseError) and found else ""


def _complaint(error: Exception, timeout_s: float) -> str:
    """What is wrong and what helps, to follow "Redis at …"."""
    code = _code(error)
    if code in _BY_CODE:
        return _BY_CODE[code]
    known: list[tuple[type[Exception], str]] = [
        (BusyLoadingError, "is still loading its data"),
        (AuthenticationError, "refused the user name or password"),
        (AskError, "is moving keys between nodes"),
        (TryAgainError, "is moving keys between nodes"),
        (ClusterDownError, "is a Cluster that does not serve all of its slots"),
        (redis.TimeoutError, f"did not answer within {timeout_s:g} s"),
    ]
    for kind, sentence in known:
        if isinstance(error, kind):
            return sentence
    text = redact(str(error)).strip().splitlines()
    detail = text[0][:200] if text else type(error).__name__
    if code == "MISCONF":
        return f"cannot write its file to disk: make room there ({detail})"
    return f"refused the command ({detail})" if isinstance(error, ResponseError) else f"cannot be reached ({detail})"


def _name(url: str) -> str:
    """The URL without user, password and options, fit for a log."""
    try:
        parts = urlsplit(url)
        place = parts.path if parts.scheme == "unix" else f"{parts.hostname or 'localhost'}:{parts.port or 6379}"
    except ValueError:
        return redact(url)
    return f"{parts.scheme}://{place}"


def _tls_options(url: str, tls: Tls) -> dict[str, Any]:
    files = {"ssl_ca_certs": tls.ca_file, "ssl_certfile": tls.cert_file, "ssl_keyfile": tls.key_file}
    named = {option: str(path) for option, path in files.items() if path is not None}
    if named and not url.startswith("rediss://"):
        raise UsageError(
            f"Redis URL {_name(url)} does not use TLS: write rediss://, or leave out the certificate files"
        )
    return named


def _own_options() -> dict[str, Any]:
    """What every connection gets: the packer that does not copy large values (hiredis' does), no retries."""
    return {
        "command_packer": PythonRespSerializer(_PACK_CUTOFF_BYTES, _encoded),
        "retry": Retry(NoBackoff(), 0),
        "health_check_interval": 30,
    }


def _encoded(word: bytes | memoryview | str | int) -> bytes | memoryview:
    return word if isinstance(word, bytes | memoryview) else str(word).encode()


def _pool(**options: Any) -> ConnectionPool:
    """The pool of one Cluster node."""
    return ConnectionPool(**{**options, **_own_options()})
