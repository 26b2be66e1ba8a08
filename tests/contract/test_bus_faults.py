"""What the Redis bus does when messages are bad or the server is away, full, wrong or replaced."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis

from pipeline.alert.message import from_json, to_json
from pipeline.bus import codec
from pipeline.bus.connection import Tls
from pipeline.bus.redis import RedisBus
from pipeline.bus.topics import ALERTS, ALERTS_CHANNEL, DEAD, DETECTIONS, FRAMES, MAX_DEAD, PACKETS, stream_key
from pipeline.config.document import parse_document
from pipeline.config.site import site_of
from pipeline.errors import BusError, MessageError, UsageError
from pipeline.protocols import Entry, Lease
from tests.contract import redis_servers
from tests.contract.bus_messages import alert, finding, frame, packets
from tests.contract.conftest import NewBus
from tests.contract.test_bus import LONG_S, read, seqs
from workers.doctor import doctor

BIG_FRAME_BYTES = 36 * 32


@pytest.fixture(params=["redis6", "redis7"])
def program(request: pytest.FixtureRequest) -> Path:
    """Each server program on this machine."""
    return redis_servers.bundled_server() if request.param == "redis6" else redis_servers.system_program("redis-server")


@contextlib.contextmanager
def bus_on(server: redis_servers.Server, **options: Any) -> Iterator[RedisBus]:
    with contextlib.closing(RedisBus(server.url, timeout_s=2.0, **options)) as bus:
        yield bus


def raw_words(**changes: bytes | None) -> dict[bytes, bytes]:
    """The fields of a good frame with some replaced, or left out where None."""
    words = {name: bytes(value) for name, value in codec.encode(frame(0)).items()}
    for name, value in changes.items():
        if value is None:
            del words[name.encode()]
        else:
            words[name.encode()] = value
    return words


BAD = {
    "future-version": raw_words(v=b"2"),
    "unknown-type": raw_words(type=b"pickle"),
    "other-type": {name: bytes(value) for name, value in codec.encode(finding(0)).items()},
    "other-camera": {name: bytes(value) for name, value in codec.encode(frame(0, "yard")).items()},
    "no-head": raw_words(head=None),
    "no-blob": raw_words(blob=None),
    "short-blob": raw_words(blob=b"\x00" * (BIG_FRAME_BYTES - 1)),
    "oversize-head": raw_words(head=b" " * 5_000_000),
    "not-json": raw_words(head=b"\x80\x04\x95pickle"),
    "nan": raw_words(head=bytes(codec.encode(frame(0))[b"head"]).replace(b"0.25", b"NaN")),
    "foreign": {b"hello": b"world"},
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_message_goes_to_dead_and_the_rest_is_delivered(
    redis6: redis_servers.Server, bad: dict[Any, Any]
) -> None:
    key = stream_key("gate", FRAMES)
    with bus_on(redis6) as bus, contextlib.closing(redis6.client()) as client:
        client.flushall()
        bus.append("gate", FRAMES, frame(1))
        bad_id = client.xadd(key, bad)
        bus.append("gate", FRAMES, frame(2))
        assert seqs(read(bus, FRAMES)) == [1, 2]
        assert bus.depth("gate", FRAMES) == 2
        (letter,) = bus.dead_letters()
        assert (letter.key, letter.id) == (key, bad_id.decode())
        assert 10 < len(letter.reason) < 400
        assert set(letter.fields) == set(bad)
        assert all(bad[name].startswith(value) for name, value in letter.fields.items())
        assert seqs(read(bus, FRAMES)) == [1, 2]
        assert len(bus.dead_letters()) == 1


def test_bad_messages_do_not_wake_a_reader_and_dead_is_bounded(new_redis_bus: NewBus) -> None:
    bus = new_redis_bus()
    assert isinstance(bus, RedisBus)
    link = bus._durable
    key = stream_key("gate", DETECTIONS)
    n_bad = MAX_DEAD + 300
    for start in range(0, n_bad, 100):
        link.batch(key, [["XADD", key, "*", "v", "1", "number", str(start + number)] for number in range(100)])
    assert bus.read({("gate", DETECTIONS): "0"}, max_entries=n_bad, block_s=0.0) == {}
    assert bus.depth("gate", DETECTIONS) == 0
    letters = bus.dead_letters(max_entries=10 * MAX_DEAD)
    assert MAX_DEAD <= len(letters) < MAX_DEAD + 200
    assert letters[0].fields[b"number"] == str(n_bad - 1).encode()


def test_a_bad_alert_goes_to_dead(new_redis_bus: NewBus) -> None:
    bus = new_redis_bus()
    assert isinstance(bus, RedisBus)
    bus.publish_alert(alert(1))
    bus._durable.call(ALERTS, "XADD", ALERTS, "*", "v", "1", "type", "alert", "head", "{}")
    bus.publish_alert(alert(2))
    assert [got for _, got in bus.alerts("0", max_entries=10, block_s=0.0)] == [alert(1), alert(2)]
    (letter,) = bus.dead_letters()
    assert letter.key == ALERTS
    assert "missing" in letter.reason


def test_any_redis_client_sees_the_alert_on_the_channel(new_redis_bus: NewBus, request: pytest.FixtureRequest) -> None:
    bus = new_redis_bus()
    assert isinstance(bus, RedisBus)
    channel = bus._durable._server_of(ALERTS).pubsub(ignore_subscribe_messages=True)
    with contextlib.closing(channel):
        channel.subscribe(ALERTS_CHANNEL)
        channel.get_message(timeout=LONG_S)
        bus.publish_alert(alert(1))
        bus.publish_alert(alert(1))
        bus.publish_alert(alert(2))
        texts = [message["data"] for message in (channel.get_message(timeout=LONG_S) for _ in range(2)) if message]
    assert [from_json(text) for text in texts] == [alert(1), alert(2)]
    assert texts[0].decode() == to_json(alert(1))
    assert json.loads(texts[0])["v"] == 1


def test_scripts_survive_a_server_that_forgot_them(redis6: redis_servers.Server) -> None:
    with bus_on(redis6) as bus, contextlib.closing(redis6.client()) as client:
        client.flushall()
        assert bus.publish_alert(alert(1))
        client.script_flush()
        assert bus.publish_alert(alert(2))
        client.script_flush()
        assert bus.acquire(Lease("gate", "detect", "me"), LONG_S)


@pytest.mark.parametrize("fsync", ["always", "everysec"])
def test_killed_and_restarted_nothing_durable_is_lost_or_doubled(program: Path, tmp_path: Path, fsync: str) -> None:
    options = ["--appendonly", "yes", "--appendfsync", fsync]
    with redis_servers.plain_server(program, tmp_path, *options) as server, bus_on(server) as bus:
        answered: list[int] = []
        for round_ in range(3):
            for number in range(round_ * 20, round_ * 20 + 20):
                assert bus.append("gate", DETECTIONS, finding(number))
                assert bus.publish_alert(alert(number))
                bus.save_state("gate", "alert", str(number).encode())
                answered.append(number)
            server.kill()
            with pytest.raises(BusError, match="cannot be reached"):
                bus.append("gate", DETECTIONS, finding(999))
            with pytest.raises(BusError, match="cannot be reached"):
                bus.publish_alert(alert(999))
            server.restart()
        assert seqs(read(bus, DETECTIONS)) == answered
        assert [got for _, got in bus.alerts("0", max_entries=100, block_s=0.0)] == [alert(n) for n in answered]
        assert not any(bus.publish_alert(alert(number)) for number in answered)
        assert bus.load_state("gate", "alert") == b"59"


def test_random_kills_of_the_server_lose_and_double_nothing(program: Path, tmp_path: Path) -> None:
    """Writers and a reader that retry after every BusError see each frame, finding and alert exactly once."""
    n_frames = 150
    options = ["--appendonly", "yes", "--appendfsync", "always"]

    def insist(step: Callable[[], Any]) -> Any:
        for _ in range(100_000):
            try:
                return step()
            except BusError:
                threading.Event().wait(0.002)
        raise AssertionError("the server never came back")

    def produce() -> None:
        with bus_on(server) as bus:
            for seq in range(n_frames):
                while not insist(lambda seq=seq: bus.append("gate", FRAMES, frame(seq), wait_s=0.5)):  # type: ignore[misc]
                    pass

    def detect() -> None:
        with bus_on(server) as bus:
            for _ in range(n_frames):
                found: list[Entry] = []
                while not found:
                    found = insist(lambda: bus.read({("gate", FRAMES): "0"}, max_entries=1, block_s=0.2)).get(
                        ("gate", FRAMES), []
                    )
                (entry,) = found
                seq = seqs([entry])[0]
                insist(lambda: bus.exchange("gate", [(FRAMES, entry.id)], [(DETECTIONS, finding(seq))]))  # noqa: B023
                insist(lambda: bus.publish_alert(alert(seq)))  # noqa: B023

    with redis_servers.plain_server(program, tmp_path, *options) as server, bus_on(server) as bus:
        threads = [threading.Thread(target=work) for work in (produce, detect)]
        for thread in threads:
            thread.start()
        for depth in (20, 50, 80, 110):
            while insist(lambda: bus.depth("gate", DETECTIONS)) < depth:
                threading.Event().wait(0.001)
            server.kill()
            server.restart()
        for thread in threads:
            thread.join()
        assert seqs(read(bus, DETECTIONS)) == list(range(n_frames))
        assert bus.depth("gate", FRAMES) == 0
        got = [published.id for _, published in bus.alerts("0", max_entries=1_000, block_s=0.0)]
        assert got == [alert(number).id for number in range(n_frames)]


def test_an_append_whose_answer_was_lost_is_not_repeated(redis6: redis_servers.Server) -> None:
    with bus_on(redis6) as bus, contextlib.closing(redis6.client()) as client:
        client.flushall()
        bus.append("gate", DETECTIONS, finding(0))
        writer = bus._writers["gate", DETECTIONS]
        link = writer._link

        class Deaf:
            """Sends, and loses the answer."""

            def call(self, key: str, *words: Any) -> Any:
                link.call(key, *words)
                raise BusError("the answer was lost")

        writer._link = Deaf()  # type: ignore[assignment]
        with pytest.raises(BusError, match="lost"):
            bus.append("gate", DETECTIONS, finding(1))
        writer._link = link
        assert bus.append("gate", DETECTIONS, finding(1))
        assert bus.append("gate", DETECTIONS, finding(2))
        assert seqs(read(bus, DETECTIONS)) == [0, 1, 2]


def test_out_of_memory_is_said_and_survived(program: Path, tmp_path: Path) -> None:
    with redis_servers.plain_server(program, tmp_path) as server, bus_on(server) as bus:
        bus.append("gate", FRAMES, frame(0))
        bus.append("gate", DETECTIONS, finding(0))
        assert bus.publish_alert(alert(0))
        with contextlib.closing(server.client()) as client:
            client.xadd(stream_key("gate", FRAMES), {"bad": "message"})
            client.config_set("maxmemory", "1")
            with pytest.raises(BusError, match="out of memory: raise its maxmemory"):
                bus.append("yard", FRAMES, frame(0, "yard"))
            with pytest.raises(BusError, match="out of memory"):
                bus.append("gate", FRAMES, frame(1), wait_s=LONG_S)
            with pytest.raises(BusError, match="out of memory"):
                bus.append("gate", DETECTIONS, finding(1))
            with pytest.raises(BusError, match="out of memory"):
                bus.save_state("gate", "alert", b"state")
            (entry,) = read(bus, FRAMES)
            assert len(bus.dead_letters()) == 1, "a bad message does not block the way when memory is full"
            bus.exchange("gate", [(FRAMES, entry.id)], [(DETECTIONS, finding(7))])  # frees more than it takes
            assert bus.publish_alert(alert(1)), "an alert passes when frames do not"
            client.config_set("maxmemory", "0")
        assert bus.append("gate", FRAMES, frame(1))
        assert bus.append("gate", DETECTIONS, finding(8))
        assert seqs(read(bus, DETECTIONS)) == [0, 7, 8]
        assert len(bus.alerts("0", max_entries=10, block_s=0.0)) == 2


def test_live_packets_make_room_for_themselves_when_memory_is_short(program: Path, tmp_path: Path) -> None:
    counted: list[tuple[str, str, str]] = []
    with redis_servers.plain_server(program, tmp_path) as server:
        with bus_on(server, count=lambda *event: counted.append(event)) as bus:
            with contextlib.closing(server.client()) as client:
                used = int(client.info("memory")["used_memory"])
                client.config_set("maxmemory", str(used + 3_000_000))
            for number in range(60):
                assert bus.append("gate", PACKETS, packets(number, n_bytes=250_000, seconds=0.1))
            left = [entry.message for entry in read(bus, PACKETS)]
        assert left[-1] == packets(59, n_bytes=250_000, seconds=0.1)
        assert 2 <= len(left) <= 14
        assert counted
        assert set(counted) == {("bus_dropped", "gate", "packets_full")}


def test_memory_does_not_grow_with_time(program: Path, tmp_path: Path) -> None:
    """640x360 frames and packets for ten minutes of a camera: what the server holds is the bound, not the history."""
    picture = np.zeros((540, 640), np.uint8)
    topic = replace(PACKETS, max_bytes=2_000_000)
    used = []
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(redis_servers.plain_server(program, tmp_path))
        bus = stack.enter_context(bus_on(server))
        client = stack.enter_context(contextlib.closing(server.client()))
        for number in range(600):
            bus.append("gate", FRAMES, replace(frame(number), i420=picture))
            bus.append("gate", topic, packets(number, n_bytes=50_000))
            bus.publish_alert(alert(number % 10))
            if number in (99, 599):
                used.append(int(client.info("memory")["used_memory"]))
    assert used[1] < used[0] * 1.1
    assert used[1] < 10_000_000


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    port = redis_servers.free_port()
    for url in (f"redis://user:hunter2@127.0.0.1:{port}/0", f"unix://user@{tmp_path}/none?password=hunter2"):
        with contextlib.closing(RedisBus(url, timeout_s=0.5)) as bus:
            with pytest.raises(BusError, match="cannot be reached") as caught:
                bus.depth("gate", FRAMES)
            assert "hunter2" not in str(caught.value)
            assert "\n" not in str(caught.value)


def test_a_cluster_that_is_not_there() -> None:
    bus = RedisBus(f"redis://127.0.0.1:{redis_servers.free_port()}/0", is_cluster=True, timeout_s=0.5)
    with contextlib.closing(bus), pytest.raises(BusError, match="cannot be reached"):
        bus.depth("gate", FRAMES)


def test_a_server_that_says_nothing() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        bus = RedisBus(url, timeout_s=0.1)
        with contextlib.closing(bus), pytest.raises(BusError, match=r"did not answer within 0\.1 s"):
            bus.depth("gate", FRAMES)


def test_a_server_that_is_not_redis() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(100)
                        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        url = f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
        with contextlib.closing(RedisBus(url, timeout_s=2.0)) as bus, pytest.raises(BusError):
            bus.depth("gate", FRAMES)


@pytest.mark.parametrize(
    "url",
    ["", "gate", "http://user:hunter2@host/0", "redis://user:hunter2@host:port/0", "redis://h/0?hunter2=1"],
)
def test_a_url_that_cannot_be_used(url: str) -> None:
    with pytest.raises(UsageError, match="Redis URL") as caught:
        RedisBus(url)
    assert "hunter2" not in str(caught.value)


def test_certificates_without_tls_are_a_mistake() -> None:
    with pytest.raises(UsageError, match="does not use TLS"):
        RedisBus("redis://localhost/0", tls=Tls(ca_file=Path("ca.crt")))


def test_wrong_passwords_users_and_certificates(tls_acl: redis_servers.TlsServer, tmp_path: Path) -> None:
    tls = Tls(ca_file=tls_acl.ca_file)
    place = f"localhost:{tls_acl.port}/0"

    def complaint(url: str, tls: Tls | None) -> str:
        with contextlib.closing(RedisBus(url, tls=tls, timeout_s=2.0)) as bus, pytest.raises(BusError) as caught:
            bus.depth("gate", FRAMES)
        return str(caught.value)

    assert "refused the user name or password" in complaint(f"rediss://vedette:hunter2@{place}", tls)
    assert "hunter2" not in complaint(f"rediss://vedette:hunter2@{place}", tls)
    assert "refused the user name or password" in complaint(f"rediss://{place}", tls)
    assert "CERTIFICATE_VERIFY_FAILED" in complaint(tls_acl.url, None)
    assert "cannot be reached" in complaint(tls_acl.url, Tls(ca_file=tmp_path / "none.crt"))


def test_an_acl_without_the_rights(tls_acl: redis_servers.TlsServer) -> None:
    with contextlib.closing(tls_acl.server.client()) as admin:
        admin.execute_command("ACL", "SETUSER", "guest", "on", ">guest", "~other:*", "+@all")
        url = f"rediss://guest:guest@localhost:{tls_acl.port}/0"
        with contextlib.closing(RedisBus(url, tls=Tls(ca_file=tls_acl.ca_file))) as bus:
            with pytest.raises(BusError, match=r"grant ~vedette:\* &vedette:\*"):
                bus.append("gate", FRAMES, frame(0))
            with pytest.raises(BusError, match="grant"):
                bus.publish_alert(alert(0))
        admin.execute_command("ACL", "DELUSER", "guest")


def test_a_read_only_replica_is_named(program: Path, tmp_path: Path) -> None:
    with redis_servers.plain_server(program, tmp_path) as server, bus_on(server) as bus:
        with contextlib.closing(server.client()) as client:
            client.replicaof("127.0.0.1", redis_servers.free_port())
            with pytest.raises(BusError, match="read-only replica"):
                bus.append("gate", FRAMES, frame(0))
            with pytest.raises(BusError, match="read-only replica"):
                bus.publish_alert(alert(0))
            client.replicaof("NO", "ONE")
        assert bus.append("gate", FRAMES, frame(0))


def test_a_key_of_another_kind_is_a_bus_error(redis6: redis_servers.Server) -> None:
    with bus_on(redis6) as bus, contextlib.closing(redis6.client()) as client:
        client.flushall()
        client.set(stream_key("gate", FRAMES), "not a stream")
        with pytest.raises(BusError, match="refused the command"):
            bus.append("gate", FRAMES, frame(0))
        client.flushall()
        assert bus.append("gate", FRAMES, frame(0))


def test_a_state_that_is_too_large_is_refused(redis6: redis_servers.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "MAX_BLOB_BYTES", 100)
    with bus_on(redis6) as bus:
        with pytest.raises(MessageError, match="at most 100"):
            bus.save_state("gate", "alert", bytes(101))
        bus.save_state("gate", "alert", bytes(100))
        assert bus.load_state("gate", "alert") == bytes(100)


def test_a_slot_that_moves_to_another_node_is_followed(cluster: redis_servers.Cluster) -> None:
    with contextlib.closing(RedisBus(cluster.url)) as bus, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(contextlib.closing(node.client())) for node in cluster.nodes]
        for client in clients:
            client.flushall()
        bus.append("gate", FRAMES, frame(0))
        read(bus, FRAMES)
        slot = int(clients[0].execute_command("CLUSTER KEYSLOT", stream_key("gate", FRAMES)))
        ids = [bytes(client.execute_command("CLUSTER MYID")).decode() for client in clients]
        owner = next(n for n, client in enumerate(clients) if slot in _slots(client, ids[n]))
        target = (owner + 1) % 3
        for client in clients:
            client.flushall()
        for number in (target, owner, 3 - owner - target):
            clients[number].execute_command("CLUSTER SETSLOT", slot, "NODE", ids[target])
        try:
            assert bus.append("gate", FRAMES, frame(1))
            assert seqs(read(bus, FRAMES)) == [1]
            bus.exchange("gate", [(FRAMES, read(bus, FRAMES)[0].id)], [(DETECTIONS, finding(1))])
            assert seqs(read(bus, DETECTIONS)) == [1]
        finally:
            for client in clients:
                client.flushall()
            for number in (owner, target, 3 - owner - target):
                clients[number].execute_command("CLUSTER SETSLOT", slot, "NODE", ids[owner])


def test_a_cluster_node_that_dies_and_comes_back(cluster: redis_servers.Cluster) -> None:
    """The node of the URL too: the others are remembered."""
    cameras = [f"cam{number}" for number in range(20)]
    with contextlib.closing(RedisBus(cluster.url, timeout_s=2.0)) as bus:
        for camera in cameras:
            bus.append(camera, DETECTIONS, finding(0, camera))
        cluster.nodes[0].kill()
        lost = []
        for camera in cameras:
            try:
                bus.append(camera, DETECTIONS, finding(1, camera))
            except BusError:
                lost.append(camera)
        assert lost
        cluster.nodes[0].restart()
        for node in cluster.nodes:
            redis_servers.wait_for_slots(node)
        for camera in lost:
            assert bus.append(camera, DETECTIONS, finding(1, camera))
            assert seqs(read(bus, DETECTIONS, camera=camera))[-1] == 1


def _slots(client: redis.Redis, node_id: str) -> set[int]:
    """Slots that the node says are its own."""
    owned: set[int] = set()
    for first, last, master, *_ in client.execute_command("CLUSTER SLOTS", NEVER_DECODE=True) or []:
        if bytes(master[2]).decode() == node_id:
            owned |= set(range(first, last + 1))
    return owned


def test_dead_letters_name_the_stream(redis6: redis_servers.Server) -> None:
    with bus_on(redis6) as bus, contextlib.closing(redis6.client()) as client:
        client.flushall()
        assert bus.dead_letters() == []
        client.xadd(DEAD, {"odd": "entry"})
        assert [letter.key for letter in bus.dead_letters()] == [""]


def test_doctor_shows_dead_letters(redis6: redis_servers.Server, tmp_path: Path) -> None:
    site = site_of(parse_document(f"cameras: {{a: x}}\nredis: {{url: '{redis6.url}'}}".encode(), "s", tmp_path), {})
    with contextlib.closing(redis6.client()) as client:
        client.flushall()
        told = {one.topic: one for one in doctor(site, lambda _: {"error": "not asked"})}
        assert (told["redis"].state, "messages" in told) == ("ok", False)
        client.xadd(DEAD, {"key": "vedette:{a}:frames", "id": "1-0", "reason": "message has version 9"})
        told = {one.topic: one for one in doctor(site, lambda _: {"error": "not asked"})}
    assert told["messages"].state == "note"
    assert "vedette:{a}:frames: message has version 9" in told["messages"].fact
