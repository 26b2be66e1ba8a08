"""A vision-language model behind an OpenAI-compatible HTTP server: :class:`ServerModel`. The door to httpx.

vLLM, SGLang, Ollama, llama.cpp, ``transformers serve`` and paid services speak this protocol. In: prompts, whose
pictures travel inline (``pipeline/describe/chat.py``); out: replies. Nothing goes anywhere but to the endpoint that was
named: no proxy, no redirect is followed. Each request is bounded in time, size and number of attempts; a server that
keeps failing is left alone for a while (``pipeline/describe/breaker.py``). The key comes from the environment and is in
no error.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx

from pipeline.describe.breaker import Breaker
from pipeline.describe.calls import NotAsked
from pipeline.describe.chat import FORMS, body_of, reply_of
from pipeline.describe.reply import plain
from pipeline.describe.settings import ServerSettings
from pipeline.descriptions import Prompt, Reply
from pipeline.errors import ModelError, UsageError
from pipeline.redact import Secret, redact

__all__ = ["MAX_BODY_BYTES", "ServerModel"]

MAX_BODY_BYTES = 256 * 1024
_CONNECT_S = 5.0
_FIRST_WAIT_S = 0.5
_PATH = "/chat/completions"
_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
_NOT_UNDERSTOOD = frozenset({400, 422})


class _Retry(Exception):
    """An attempt failed in a way that may pass; ``wait_s`` is what the server asked for."""

    def __init__(self, sentence: str, wait_s: float | None = None) -> None:
        super().__init__(sentence)
        self.wait_s = wait_s


class _Refused(Exception):
    """The server does not understand this form of the request."""


class ServerModel:
    """One named model on one named server. Thread-safe; at most ``concurrency`` requests are under way at once."""

    def __init__(
        self,
        settings: ServerSettings,
        *,
        environ: Mapping[str, str],
        timeout_s: float = 30.0,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """``environ`` holds the key under ``settings.key_env``; ``timeout_s`` bounds one reply with all its attempts.

        Sends nothing yet. Raises UsageError for an endpoint that is no URL, one with a password in it, a key that is
        not in the environment, or an authority file that cannot be read.
        """
        self._url = _endpoint(settings.endpoint)
        self._key = _key(settings, environ)
        self._settings = settings
        self._timeout_s = timeout_s
        self._now, self._sleep = now, sleep
        self._breaker = Breaker(settings.breaker_failures, settings.breaker_s)
        self._form = 0
        self._pool = ThreadPoolExecutor(settings.concurrency, thread_name_prefix="describe-server")
        self._client = httpx.Client(
            verify=_authority(settings),
            trust_env=False,
            follow_redirects=False,
            headers=_headers(self._key),
            limits=httpx.Limits(max_connections=settings.concurrency),
        )

    @property
    def name(self) -> str:
        """``server:`` and the model's name there."""
        return f"server:{self._settings.model}"

    def reply(self, prompts: Sequence[Prompt]) -> list[Reply]:
        """One reply per prompt, in order. Raises ModelError, when all have ended, for the first that failed."""
        pending = [self._pool.submit(self._guarded, prompt) for prompt in prompts]
        failures = [error for error in (one.exception() for one in pending) if error is not None]
        if failures:
            raise failures[0]
        return [one.result() for one in pending]

    def close(self) -> None:
        """Let go of connections; what is under way ends within its time-out."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._client.close()

    def _guarded(self, prompt: Prompt) -> Reply:
        pause_s = self._breaker.admit(self._now())
        if pause_s is not None:
            raise NotAsked(f"{self.name} failed repeatedly and is left alone for {pause_s:.0f} s more.")
        try:
            reply = self._persistent(prompt)
        except BaseException:  # whatever it is, the breaker must not wait for this call for ever
            self._breaker.failed(self._now())
            raise
        self._breaker.succeeded()
        return reply

    def _persistent(self, prompt: Prompt) -> Reply:
        """Attempts, with doubling waits, until a reply, a refusal or the time is up."""
        begin_s = self._now()
        deadline_s = begin_s + self._timeout_s
        wait_s = _FIRST_WAIT_S
        for attempt in range(1, self._settings.attempts + 1):
            try:
                return self._negotiated(prompt, begin_s, deadline_s)
            except _Retry as error:
                wanted_s = wait_s if error.wait_s is None else error.wait_s
                if attempt == self._settings.attempts or self._now() + wanted_s >= deadline_s:
                    raise ModelError(f"{self.name} did not reply ({error}).") from error
                self._sleep(wanted_s)
                wait_s *= 2
        raise AssertionError("the last attempt returns or raises")

    def _negotiated(self, prompt: Prompt, begin_s: float, deadline_s: float) -> Reply:
        """The reply in the first form of request that the server understands; the one that worked is kept."""
        last = _Refused("no form of request was understood")
        for index in range(self._form, len(FORMS)):
            try:
                answer = self._post(body_of(self._settings.model, prompt, FORMS[index]), deadline_s)
            except _Refused as error:
                last = error
                continue
            self._form = index
            return reply_of(answer, self._now() - begin_s)
        raise ModelError(f"{self.name} refuses the request ({last}).") from last

    def _post(self, body: bytes, deadline_s: float) -> bytes:
        left_s = max(0.001, deadline_s - self._now())
        timeout = httpx.Timeout(left_s, connect=min(_CONNECT_S, left_s))
        try:
            with self._client.stream("POST", self._url, content=body, timeout=timeout) as response:
                if response.headers.get("content-encoding", "identity") != "identity":
                    raise ModelError(f"{self.name} sent a compressed body, which was not asked for.")
                content = self._content(response, deadline_s)
        except httpx.TimeoutException as error:
            raise _Retry("it did not answer in time") from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise _Retry(self._safe(str(error)) or type(error).__name__) from error
        self._require_success(response, content)
        return content

    def _content(self, response: httpx.Response, deadline_s: float) -> bytes:
        content = bytearray()
        for chunk in response.iter_raw():
            content += chunk
            if len(content) > MAX_BODY_BYTES:
                raise ModelError(f"{self.name} sent more than {MAX_BODY_BYTES // 1024} KiB for one reply.")
            if self._now() > deadline_s:
                raise _Retry(f"the reply was not complete within {self._timeout_s:g} s")
        return bytes(content)

    def _require_success(self, response: httpx.Response, content: bytes) -> None:
        status = response.status_code
        if status == 200:
            return
        said = self._safe(content[:2000].decode("utf-8", "replace"))
        what = f"HTTP {status}: {said}" if said else f"HTTP {status}"
        if status in _AGAIN:
            raise _Retry(what, _retry_after_s(response.headers.get("retry-after")))
        if status in _NOT_UNDERSTOOD:
            raise _Refused(what)
        raise ModelError(f"{self.name} refuses ({what}).")

    def _safe(self, text: str) -> str:
        """What a server or a library said, on one short line, without the key."""
        if self._key is not None:
            text = text.replace(self._key.reveal(), "***")
        return plain(redact(text), 200)


def _endpoint(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text.strip().rstrip("/").removesuffix(_PATH) + _PATH)
    except httpx.InvalidURL as error:
        raise UsageError(f"The endpoint of the describing server is no URL ({redact(str(error))}).") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise UsageError(f"The endpoint of the describing server must begin with http:// or https://: {redact(text)}.")
    if url.userinfo or url.query:
        raise UsageError("The endpoint of the describing server must hold no password or key; name it under key_env.")
    return url


def _key(settings: ServerSettings, environ: Mapping[str, str]) -> Secret | None:
    if settings.key_env is None:
        return None
    key = environ.get(settings.key_env, "").strip()
    if not key:
        raise UsageError(f"The environment variable {settings.key_env} with the key of the describing server is unset.")
    if not (key.isascii() and key.isprintable()):
        raise UsageError(f"The environment variable {settings.key_env} holds signs that no key has.")
    return Secret(key)


def _headers(key: Secret | None) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}
    return headers if key is None else {**headers, "Authorization": f"Bearer {key.reveal()}"}


def _authority(settings: ServerSettings) -> ssl.SSLContext | bool:
    if settings.ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=str(settings.ca_file))
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"The authority file {settings.ca_file} cannot be used ({error}).") from error


def _retry_after_s(value: str | None) -> float | None:
    """Seconds of a ``Retry-After`` header; a date or nonsense counts as absent (RFC 9110 allows both forms)."""
    if value is None or not value.strip().isascii() or not value.strip().isdigit():
        return None
    return min(float(value), 3600.0)
