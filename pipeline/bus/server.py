"""The Redis that Vedette starts by itself when it is given no URL: real servers, private to the user, gone with us.

In: a data directory. Out: two URLs on Unix sockets. One server keeps (findings, alerts, leases, folds: append-only
file), one forgets (frames, packets: memory only); ``pipeline/bus/redis.py`` says why. Whoever starts first owns both;
a second process with the same directory finds them, and may take over when that owner ends. A server that dies is
started again. Both end with their owner however it ends: by ``stop``, or by the kernel's parent-death signal after a
crash, so that no orphan stays behind. The directory is 0700, sockets and files 0600, no TCP port is opened. Next files:
``pipeline/bus/place.py``; ``pipeline/ingest/camera.py``, the first writer.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Literal

from pipeline.bus.place import answers, is_loading, make_private, socket_path, try_lock, url_of
from pipeline.bus.program import ServerBinary, find_server, refuse_downgrade
from pipeline.errors import BusError, StorageError, VedetteError

__all__ = ["EmbeddedRedis", "default_directory", "find_server"]

_PR_SET_PDEATHSIG = 1
_PAUSE_S = 0.02
_REST_S = 1.0
_MAX_LOG_BYTES = 2**20
_GIB = 2**30


def default_directory() -> Path:
    """``$XDG_STATE_HOME/vedette``, by default ``~/.local/state/vedette``."""
    state = os.environ.get("XDG_STATE_HOME", "")
    base = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    return base / "vedette"


class EmbeddedRedis:
    """Two running servers: ``url`` keeps, ``frames_url`` forgets. Use :meth:`start`; a context manager that stops."""

    def __init__(self, directory: Path, lock_fd: int | None, servers: tuple[_Server, ...]) -> None:
        self.directory = directory
        self.url = url_of(directory / "durable")
        self.frames_url = url_of(directory / "frames")
        self._lock_fd = lock_fd
        self._servers = servers
        self._is_stopping = Event()
        self._heir: Thread | None = None

    @classmethod
    def start(
        cls,
        directory: Path | None = None,
        *,
        binary: ServerBinary | None = None,
        max_memory_bytes: int | None = None,
        fsync: Literal["always", "everysec"] = "everysec",
        timeout_s: float = 15.0,
        takes_over: bool = False,
    ) -> EmbeddedRedis:
        """Start both servers in ``directory``/redis, or find those that another process of this user runs there.

        With ``takes_over`` they are started here, at the same URLs, when that other process has ended and they with it.
        ``max_memory_bytes`` bounds each server (default: a quarter of this machine's memory, at most 4 GiB); when it
        is reached Redis refuses writes and the bus drops or waits. Raises UsageError without a server program,
        StorageError when the directory cannot be used, BusError when a server does not answer within ``timeout_s``.
        """
        folder = (directory or default_directory()).expanduser().absolute() / "redis"
        make_private(folder)
        until = time.monotonic() + timeout_s
        while True:
            lock_fd = try_lock(folder / "lock")
            if lock_fd is not None:
                break
            if all(answers(socket_path(folder / name)) for name in ("durable", "frames")):
                running = cls(folder, None, ())
                if takes_over:
                    running._await_succession(
                        lambda fd: _launch(folder, fd, binary, max_memory_bytes, fsync, timeout_s)
                    )
                return running
            if time.monotonic() > until:
                raise BusError(f"Another process runs the Redis in {folder}, and it does not answer.")
            time.sleep(_PAUSE_S)
        return cls(folder, lock_fd, _launch(folder, lock_fd, binary, max_memory_bytes, fsync, timeout_s))

    def _await_succession(self, launch: Callable[[int], tuple[_Server, ...]]) -> None:
        """Have a thread wait for the lock, and start the servers here when it is free."""

        def wait() -> None:
            while not self._is_stopping.wait(_REST_S):
                with contextlib.suppress(VedetteError):  # a full disk, say: those who use the bus say so; tried again
                    lock_fd = try_lock(self.directory / "lock")
                    if lock_fd is not None:
                        self._servers, self._lock_fd = launch(lock_fd), lock_fd
                        return

        self._heir = Thread(target=wait, name="redis-heir", daemon=True)
        self._heir.start()

    @property
    def is_owner(self) -> bool:
        """Whether this process started the servers and will stop them."""
        return self._lock_fd is not None

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the servers that this process owns."""
        return tuple(server.pid for server in self._servers)

    def stop(self, timeout_s: float = 10.0) -> None:
        """Shut down what we own: everything written is on disk when this returns. Harmless to repeat."""
        self._is_stopping.set()
        if self._heir is not None:
            self._heir.join()
        for server in self._servers:
            server.terminate()
        for server in self._servers:
            server.stop(timeout_s)
        self._servers = ()
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    def __enter__(self) -> EmbeddedRedis:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Server:
    """One server process, started and awaited by a thread of its own.

    The parent-death signal fires when the *thread* that forked ends, so the thread must live as long as the server.
    """

    def __init__(self, binary: ServerBinary, folder: Path, options: list[str], lock_fd: int) -> None:
        self._folder = folder
        self._socket = socket_path(folder)
        self._log = folder / "redis.log"
        with contextlib.suppress(FileNotFoundError):
            self._socket.unlink()
        if self._log.exists() and self._log.stat().st_size > _MAX_LOG_BYTES:
            self._log.replace(folder / "redis.log.old")
        self._arguments = [
            str(binary.path),
            *("--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "600"),
            *("--dir", str(folder), "--logfile", str(self._log), "--daemonize", "no", "--save", ""),
            *("--maxmemory-policy", "noeviction", "--auto-aof-rewrite-min-size", "64mb", *options),
        ]
        self._lock_fd = lock_fd
        self._process: subprocess.Popen[bytes] | None = None
        self._error: OSError | None = None
        self._is_started = Event()
        self._is_stopping = Event()
        self._keeper = Thread(target=self._keep, name=f"redis-{folder.name}", daemon=True)
        self._keeper.start()
        self._is_started.wait()
        if self._error is not None:
            raise StorageError(f"Redis cannot be started: {self._error}") from self._error

    @property
    def pid(self) -> int:
        return 0 if self._process is None else self._process.pid

    def wait_until_ready(self, timeout_s: float) -> None:
        """Return when it answers; while it reads its file after a restart it may take longer than ``timeout_s``."""
        until = time.monotonic() + timeout_s
        while not answers(self._socket):
            if self._process is None or self._process.poll() is not None:
                raise StorageError(f"Redis ended at once in {self._folder}: {self._last_words()} (see {self._log})")
            if time.monotonic() > until and not is_loading(self._socket):
                raise BusError(f"Redis in {self._folder} did not answer within {timeout_s:g} s; see {self._log}.")
            time.sleep(_PAUSE_S)

    def terminate(self) -> None:
        self._is_stopping.set()
        if self._process is not None:
            self._process.terminate()

    def stop(self, timeout_s: float) -> None:
        self.terminate()
        self._keeper.join(timeout_s)
        if self._keeper.is_alive() and self._process is not None:
            self._process.kill()
            self._keeper.join()
        if self._socket.parent != self._folder:
            with contextlib.suppress(OSError):
                self._socket.unlink(missing_ok=True)
                self._socket.parent.rmdir()

    def _keep(self) -> None:
        """Run the server, again and again should it die, until it is told to stop."""
        while not self._is_stopping.is_set():
            try:
                self._process = self._spawn()
            except OSError as error:
                self._error = error
                return
            finally:
                self._is_started.set()
            self._process.wait()
            self._is_stopping.wait(_REST_S)

    def _spawn(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._arguments,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us; the server goes last
            umask=0o077,
            pass_fds=(self._lock_fd,),  # the lock is free only when the servers are gone too
            preexec_fn=_die_with_parent(),  # noqa: PLW1509 - one system call, nothing allocated
        )

    def _last_words(self) -> str:
        try:
            lines = self._log.read_text(errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return re.sub(r"^\d+:\w .*? [*#.-] ", "", lines[-1])[:200] if lines else "it wrote no log"


def _launch(
    folder: Path, lock_fd: int, binary: ServerBinary | None, memory: int | None, fsync: str, timeout_s: float
) -> tuple[_Server, ...]:
    """Both servers in ``folder``, answering; ``lock_fd`` is closed when that cannot be."""
    servers: list[_Server] = []
    try:
        chosen = binary or find_server()
        refuse_downgrade(folder, chosen)
        limit = str(memory or min(4 * _GIB, _machine_memory_bytes() // 4))
        for name, persistence in (("durable", ["yes", "--appendfsync", fsync]), ("frames", ["no"])):
            make_private(folder / name)
            options = ["--maxmemory", limit, "--appendonly", *persistence]
            servers.append(_Server(chosen, folder / name, options, lock_fd))
        for server in servers:
            server.wait_until_ready(timeout_s)
    except BaseException:
        for server in servers:
            server.stop(timeout_s)
        os.close(lock_fd)
        raise
    return tuple(servers)


def _die_with_parent() -> Callable[[], None] | None:
    """What the child does before it becomes the server: ask the kernel for SIGTERM when its parent dies (Linux)."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return ask


def _machine_memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
