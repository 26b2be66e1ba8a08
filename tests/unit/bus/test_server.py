"""The Redis that Vedette starts: private, one per directory, never orphaned, never started on files it cannot read."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.bus.place import MAX_SOCKET_PATH_BYTES
from pipeline.bus.program import ServerBinary, find_server
from pipeline.bus.redis import RedisBus
from pipeline.bus.server import EmbeddedRedis, default_directory
from pipeline.bus.topics import DETECTIONS, FRAMES
from pipeline.errors import BusError, StorageError, UsageError
from tests.contract.bus_messages import alert, finding, frame

REPOSITORY = Path(__file__).resolve().parents[3]
PATIENCE_S = 30.0


@contextlib.contextmanager
def bus_of(server: EmbeddedRedis) -> Iterator[RedisBus]:
    with contextlib.closing(RedisBus(server.url, frames_url=server.frames_url)) as bus:
        yield bus


def is_alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(*pids: int) -> None:
    until = time.monotonic() + PATIENCE_S
    while any(is_alive(pid) for pid in pids):
        assert time.monotonic() < until, "a server outlived its owner"
        time.sleep(0.01)


def fake_server(folder: Path, words: str, body: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    program = folder / "redis-server"
    program.write_text(f"#!/bin/sh\n{body}\necho '{words}'\n")
    program.chmod(0o755)
    return program


def test_it_is_private_and_keeps_what_was_written(tmp_path: Path) -> None:
    with EmbeddedRedis.start(tmp_path) as server:
        assert server.is_owner
        with bus_of(server) as bus:
            bus.append("gate", FRAMES, frame(0))
            bus.append("gate", DETECTIONS, finding(0))
            bus.publish_alert(alert(0))
        for path in (tmp_path / "redis").rglob("*"):
            mode = stat.S_IMODE(path.lstat().st_mode)
            assert not mode & 0o077, f"{path} is open to others: {mode:o}"
        pids = server.pids
    assert not any(is_alive(pid) for pid in pids)
    server.stop()
    with EmbeddedRedis.start(tmp_path) as again, bus_of(again) as bus:
        assert bus.depth("gate", DETECTIONS) == 1
        assert [got for _, got in bus.alerts("0", max_entries=5, block_s=0.0)] == [alert(0)]
        assert bus.depth("gate", FRAMES) == 0, "frames are not written to disk"


def test_no_tcp_port_is_opened(tmp_path: Path) -> None:
    with EmbeddedRedis.start(tmp_path) as server:
        for pid in server.pids:
            files = []
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(FileNotFoundError):  # closed since it was listed
                    files.append(str(link.readlink()))
            inodes = {name[8:-1] for name in files if name.startswith("socket:")}
            assert inodes
            for table in ("tcp", "tcp6", "udp", "udp6"):
                lines = Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
                assert not inodes & {line.split()[9] for line in lines}


def test_a_second_start_finds_the_first_and_leaves_it_alone(tmp_path: Path) -> None:
    with EmbeddedRedis.start(tmp_path) as first:
        with EmbeddedRedis.start(tmp_path) as second:
            assert (second.is_owner, second.pids) == (False, ())
            assert (second.url, second.frames_url) == (first.url, first.frames_url)
        with bus_of(first) as bus:
            assert bus.depth("gate", FRAMES) == 0
    with EmbeddedRedis.start(tmp_path) as third:
        assert third.is_owner


def test_who_found_it_takes_over_when_its_owner_ends(tmp_path: Path) -> None:
    """Whoever began first, ``vedette alerts`` or ``vedette run``: the one that stays keeps the bus."""
    first = EmbeddedRedis.start(tmp_path)
    with EmbeddedRedis.start(tmp_path, takes_over=True) as second, bus_of(second) as bus:
        bus.save_state("gate", "alert", b"before")
        first.stop()
        until = time.monotonic() + PATIENCE_S
        while not second.is_owner:
            assert time.monotonic() < until, "nobody took over"
            time.sleep(0.02)
        assert second.url == first.url
        assert bus.load_state("gate", "alert") == b"before"
        pids = second.pids
    wait_until_gone(*pids)


def test_who_only_found_it_starts_nothing_after_it_stopped(tmp_path: Path) -> None:
    first = EmbeddedRedis.start(tmp_path)
    second = EmbeddedRedis.start(tmp_path, takes_over=True)
    second.stop()
    first.stop()
    assert not second.is_owner
    assert second.pids == ()


def test_a_server_that_is_killed_is_started_again(tmp_path: Path) -> None:
    with EmbeddedRedis.start(tmp_path) as server, bus_of(server) as bus:
        bus.append("gate", DETECTIONS, finding(0))
        killed = server.pids[0]
        os.kill(killed, signal.SIGKILL)
        until = time.monotonic() + PATIENCE_S
        depth = 0
        while not depth:
            assert time.monotonic() < until, "it was not started again"
            with contextlib.suppress(BusError):
                depth = bus.depth("gate", DETECTIONS)
            time.sleep(0.01)
        assert depth == 1
        assert server.pids[0] != killed


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
def test_servers_end_with_a_process_that_is_killed(tmp_path: Path) -> None:
    """Started from a thread that ends before the process does: the signal belongs to the starting thread."""
    script = (
        "import sys, threading, time\n"
        "from pathlib import Path\n"
        "from pipeline.bus.server import EmbeddedRedis\n"
        "started = []\n"
        "thread = threading.Thread(target=lambda: started.append(EmbeddedRedis.start(Path(sys.argv[1]))))\n"
        "thread.start(); thread.join()\n"
        "print(*started[0].pids, flush=True)\n"
        "time.sleep(600)\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=REPOSITORY, stdout=subprocess.PIPE)
    try:
        assert owner.stdout is not None
        pids = [int(word) for word in owner.stdout.readline().split()]
        assert len(pids) == 2
        with EmbeddedRedis.start(tmp_path) as found, bus_of(found) as bus:
            assert not found.is_owner
            bus.publish_alert(alert(0))
            assert all(is_alive(pid) for pid in pids)
            owner.kill()
            owner.wait()
            wait_until_gone(*pids)
            with pytest.raises(BusError):
                bus.publish_alert(alert(1))
            with EmbeddedRedis.start(tmp_path) as heir:
                assert heir.is_owner
                assert [got for _, got in bus.alerts("0", max_entries=5, block_s=0.0)] == [alert(0)]
    finally:
        owner.kill()
        owner.wait()
        owner.stdout and owner.stdout.close()


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "redis" / "durable"
    folder.mkdir(parents=True)
    (folder / "redis.sock").write_bytes(b"left behind")
    with EmbeddedRedis.start(tmp_path) as server, bus_of(server) as bus:
        assert bus.depth("gate", DETECTIONS) == 0


def test_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    with EmbeddedRedis.start(deep) as server, bus_of(server) as bus:
        assert len(server.url) <= len("unix://") + MAX_SOCKET_PATH_BYTES
        bus.append("gate", DETECTIONS, finding(0))
        with EmbeddedRedis.start(deep) as second:
            assert second.url == server.url
        short = Path(server.url.removeprefix("unix://")).parent
        assert stat.S_IMODE(short.lstat().st_mode) == 0o700
    assert not short.exists()


def test_a_path_with_odd_characters(tmp_path: Path) -> None:
    with EmbeddedRedis.start(tmp_path / "a b%20?#é") as server, bus_of(server) as bus:
        bus.append("gate", DETECTIONS, finding(0))
        assert bus.depth("gate", DETECTIONS) == 1


def test_a_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "redis").write_text("")
    with pytest.raises(StorageError, match="redis cannot be used"):
        EmbeddedRedis.start(tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, with room for two megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("a small file system can be mounted by root only")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path) -> Path:
    """A file that leaves no byte for others."""
    filler = folder / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    return filler


def test_a_disk_that_is_full_at_the_start(small_disk: Path) -> None:
    fill(small_disk)
    with pytest.raises(StorageError, match="No space left on device"):
        EmbeddedRedis.start(small_disk)


def test_a_note_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "redis" / "version").mkdir(parents=True, mode=0o700)
    with pytest.raises(StorageError, match="version cannot be written"):
        EmbeddedRedis.start(tmp_path)


def test_a_disk_that_fills_is_said_and_waited_for(small_disk: Path) -> None:
    with EmbeddedRedis.start(small_disk) as server, bus_of(server) as bus:
        filler = fill(small_disk)
        with pytest.raises(BusError, match="make room"):
            save_often(bus)
        filler.unlink()
        save_patiently(bus, b"after")
    with EmbeddedRedis.start(small_disk) as server, bus_of(server) as bus:
        assert bus.load_state("gate", "alert") == b"after"


def save_often(bus: RedisBus) -> None:
    for _ in range(200):
        bus.save_state("gate", "alert", bytes(4096))


def save_patiently(bus: RedisBus, state: bytes) -> None:
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            bus.save_state("gate", "alert", state)
        except BusError:
            assert time.monotonic() < until, "Redis did not take writes again"
            time.sleep(0.05)
        else:
            return


def test_a_link_to_somewhere_else_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "redis").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="not a directory of this user"):
        EmbeddedRedis.start(tmp_path)


def test_files_that_redis_cannot_read(tmp_path: Path) -> None:
    binary = find_server()
    with EmbeddedRedis.start(tmp_path, binary=binary) as server, bus_of(server) as bus:
        bus.append("gate", DETECTIONS, finding(0))
    appended = [path for path in (tmp_path / "redis" / "durable").rglob("*.aof") if path.stat().st_size]
    for path in appended:
        path.write_bytes(b"*1\r\n$-5\r\ngarbage in the middle\r\n" + path.read_bytes())
    assert appended
    with pytest.raises(StorageError, match=r"Redis ended at once in .*redis\.log"):
        EmbeddedRedis.start(tmp_path, binary=binary)


def test_a_program_that_ends_at_once(tmp_path: Path) -> None:
    broken = ServerBinary(fake_server(tmp_path / "bin", "no"), (7, 0, 0))
    with pytest.raises(StorageError, match="ended at once"):
        EmbeddedRedis.start(tmp_path, binary=broken)
    with EmbeddedRedis.start(tmp_path) as server:
        assert server.is_owner


def test_a_program_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be started"):
        EmbeddedRedis.start(tmp_path, binary=ServerBinary(tmp_path / "gone", (7, 0, 0)))


def test_an_older_server_does_not_start_on_newer_files(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    (tmp_path / "redis" / "version").write_text("99.1.0\n")
    with pytest.raises(UsageError, match=r"written by Redis 99\.1\.0; the newest server here is"):
        EmbeddedRedis.start(tmp_path)


def test_the_newest_program_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = fake_server(tmp_path / "old", "Redis server v=6.2.1 sha=0")
    new = fake_server(tmp_path / "new", "Redis server v=98.10.2 sha=0")
    fake_server(tmp_path / "odd", "I am something else")
    fake_server(tmp_path / "ancient", "Redis server v=5.0.14")
    monkeypatch.setenv("PATH", os.pathsep.join(str(tmp_path / name) for name in ("odd", "ancient", "old", "new", "no")))
    assert find_server() == ServerBinary(new, (98, 10, 2))
    new.unlink()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert find_server() == ServerBinary(old, (6, 2, 1))
    old.unlink()
    with pytest.raises(UsageError, match="install redis-server or"):
        find_server()


def test_the_default_directory_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/somewhere")
    assert default_directory() == Path("/somewhere/vedette")
    for unset in ("", "relative/paths/are/ignored"):
        monkeypatch.setenv("XDG_STATE_HOME", unset)
        monkeypatch.setenv("HOME", "/home/someone")
        assert default_directory() == Path("/home/someone/.local/state/vedette")
