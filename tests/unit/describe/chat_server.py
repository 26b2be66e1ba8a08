"""A real HTTP server on loopback that answers chat completions as it is told to, and remembers what it was sent."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["ChatServer", "completion"]

Answer = Callable[["BaseHTTPRequestHandler", dict[str, Any]], None]


def completion(text: str) -> bytes:
    """The body of a good answer."""
    usage = {"prompt_tokens": 321, "completion_tokens": 54}
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}], "usage": usage}).encode()


class ChatServer:
    """Answers the n-th request with the n-th of ``answers``, the last one for ever after. A context manager."""

    def __init__(self, *answers: Answer | bytes | int) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.most_at_once = 0
        self._at_once = 0
        self._answers = answers
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = server.remember(self, body)
                try:
                    give(self, body, answer)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True
                finally:
                    server.leave()

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.endpoint = f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def remember(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> Answer | bytes | int:
        with self._lock:
            self.bodies.append(body)
            self.headers.append({key.lower(): value for key, value in handler.headers.items()})
            self.paths.append(handler.path)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            return self._answers[min(len(self.bodies), len(self._answers)) - 1]

    def leave(self) -> None:
        with self._lock:
            self._at_once -= 1

    def __enter__(self) -> ChatServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def give(handler: BaseHTTPRequestHandler, body: dict[str, Any], answer: Answer | bytes | int) -> None:
    if callable(answer):
        answer(handler, body)
    elif isinstance(answer, int):
        send(handler, answer, b'{"error": "no"}')
    else:
        send(handler, 200, answer)


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for key, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(key.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def close_mid_stream(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    """Half of what was announced, then nothing."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.close_connection = True


def hang(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    """Says nothing until the client has left."""
    handler.connection.settimeout(20)
    handler.rfile.read(1)
    handler.close_connection = True


def drip(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    """One byte at a time, for ever."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    for _ in range(2000):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.01)
    handler.close_connection = True


def flood(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    """A megabyte of reply."""
    send(handler, 200, completion("x" * 1_000_000))
