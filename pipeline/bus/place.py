"""Where an embedded Redis lives: a directory of this user alone, its lock, and its Unix sockets.

In: a directory. Out: a held lock, the path and URL of a socket, and whether anybody answers there. Next file:
``pipeline/bus/server.py``.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import socket
import stat
from pathlib import Path
from urllib.parse import quote

from pipeline.errors import StorageError

__all__ = ["MAX_SOCKET_PATH_BYTES", "answers", "is_loading", "make_private", "socket_path", "try_lock", "url_of"]

MAX_SOCKET_PATH_BYTES = 107


def make_private(folder: Path) -> None:
    """Create ``folder`` for this user alone, or make sure that it is theirs."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise StorageError(f"{folder} is not a directory of this user.")
        if stat.S_IMODE(status.st_mode) & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise StorageError(f"{folder} cannot be used: {error.strerror}.") from error


def try_lock(path: Path) -> int | None:
    """A descriptor that holds the lock, or None while another process does."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageError(f"{path} cannot be opened: {error.strerror}.") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def socket_path(folder: Path) -> Path:
    """``folder/redis.sock``, or a private directory below /tmp where that is longer than a socket's name may be."""
    path = folder / "redis.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES:
        return path
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    short = Path("/tmp") / f"vedette-{os.geteuid()}-{name}"  # noqa: S108 - made 0700 and checked to be ours
    make_private(short)
    return short / "redis.sock"


def url_of(folder: Path) -> str:
    """The URL of the server whose files are in ``folder``."""
    return "unix://" + quote(str(socket_path(folder)))


def _reply(path: Path) -> bytes:
    """What the server on a socket says to PING; nothing when nobody listens."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(1.0)
        client.connect(str(path))
        client.sendall(b"PING\r\n")
        return client.recv(64)
    return b""


def answers(path: Path) -> bool:
    """Whether a server on the socket ``path`` serves."""
    return _reply(path).startswith(b"+PONG")


def is_loading(path: Path) -> bool:
    """Whether a server on the socket ``path`` still reads its file."""
    return _reply(path).startswith(b"-LOADING")
