"""What a worker answers over HTTP: ``/metrics`` and ``/health``. In: two callables; out: a server in a daemon thread.

Used by ``pipeline/telemetry.py``.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6

from pipeline.errors import UsageError
from pipeline.redact import redact

__all__ = ["Health", "Server"]

Health = Callable[[], tuple[bool, Mapping[str, object]]]
"""Whether the worker is healthy, and facts for the person who asks."""

_CLIENT_TIMEOUT_S = 5.0
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Server:
    """Answers ``GET /metrics`` (Prometheus text) and ``GET /health`` (JSON, 200 or 503) in a daemon thread."""

    def __init__(
        self, host: str, port: int, metrics: Callable[[], bytes], is_healthy: Health, warn: Callable[..., None]
    ) -> None:
        """Binds and starts at once. Raises UsageError when the address cannot be used."""
        try:
            self._http = _Http((host, port), metrics, is_healthy, warn)
        except (OSError, OverflowError) as error:
            raise UsageError(f"Metrics cannot be served on {host}:{port} ({error}); choose another port.") from error
        self.port: int = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, name="telemetry", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering and free the port."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(
        self, address: tuple[str, int], metrics: Callable[[], bytes], is_healthy: Health, warn: Callable[..., None]
    ) -> None:
        self.address_family = AF_INET6 if ":" in address[0] else AF_INET
        self.metrics, self.is_healthy, self.warn = metrics, is_healthy, warn
        super().__init__(address, _Answer)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002  (the base class's signature)
        """A client that goes away or a health check that fails is an event, not a traceback."""
        self.warn("telemetry_request_failed", error=repr(sys.exception()))


class _Answer(BaseHTTPRequestHandler):
    server: _Http
    timeout = _CLIENT_TIMEOUT_S
    server_version, sys_version = "vedette", ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._send(200, _METRICS_TYPE, self.server.metrics())
        elif path == "/health":
            is_healthy, facts = self.server.is_healthy()
            body = json.dumps({"healthy": is_healthy, **facts}, default=str)
            self._send(200 if is_healthy else 503, "application/json", redact(body).encode())
        else:
            self._send(404, "application/json", b'{"error": "Ask for /metrics or /health."}')

    def _send(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged: a scrape every few seconds is no news."""
