"""The alert message, version 1: an :class:`~pipeline.types.Alert` as one line of JSON, and back.

In: a frozen ``Alert``. Out: the text that stands on the stream and the channel ``vedette:alerts`` (JSON Schema:
``configs/alert.schema.json``). The same alert gives the same bytes on every machine: fixed key order, models sorted by
name, instants as ``YYYY-MM-DDTHH:MM:SS.ffffffZ``, floats rounded, ASCII only. Reading is strict about what version 1
declares and ignores fields it does not know, so that a later writer may add some.
Next file: ``pipeline/alert/settings.py``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar, cast, get_args

from pipeline.errors import MessageError
from pipeline.types import Alert, AlertTrack, Evidence, Phase, Severity

__all__ = ["MAX_MESSAGE_BYTES", "VERSION", "from_json", "to_json"]

VERSION = 1
MAX_MESSAGE_BYTES = 1 << 20
_MAX_TEXT = 8_000
_MAX_ITEMS = 256
_MAX_NUMBER = 1e15
_SHARE_DIGITS = 9  # shares must still sum to 1 within 1e-6 after rounding
_SCORE_DIGITS = 6
_NORM_DIGITS = 5  # a hundredth of a pixel at 1080p
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
T = TypeVar("T")


def to_json(alert: Alert) -> str:
    """``alert`` as one line of ASCII JSON without a line feed.

    Raises MessageError when a number is not finite or the text would be larger than ``MAX_MESSAGE_BYTES``.
    """
    body = {
        "v": VERSION,
        "id": alert.id,
        "revision": alert.revision,
        "phase": alert.phase,
        "camera": alert.camera,
        "kind": alert.kind,
        "rule": alert.rule,
        "severity": alert.severity,
        "score": round(alert.score, _SCORE_DIGITS),
        "opened_at": _instant_text(alert.opened_at),
        "updated_at": _instant_text(alert.updated_at),
        "closed_at": None if alert.closed_at is None else _instant_text(alert.closed_at),
        "title": alert.title,
        "text": alert.text,
        "text_source": alert.text_source,
        "tracks": [
            {"id": t.id, "label": t.label, "xyxy_norm": [round(v, _NORM_DIGITS) for v in t.xyxy_norm]}
            for t in alert.tracks
        ],
        "evidence": [
            {
                "cue": e.cue,
                "share": round(e.share, _SHARE_DIGITS),
                "observed": e.observed,
                "normal": e.normal,
                "note": e.note,
            }
            for e in alert.evidence
        ],
        "clip": alert.clip,
        "snapshot": alert.snapshot,
        "config_hash": alert.config_hash,
        "models": dict(sorted(alert.models.items())),
    }
    try:
        text = json.dumps(body, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    except ValueError as error:
        raise MessageError(f"alert {alert.id} holds a number that is not finite") from error
    if len(text) > MAX_MESSAGE_BYTES:
        raise MessageError(f"alert {alert.id} is {len(text)} bytes; at most {MAX_MESSAGE_BYTES} are allowed")
    return text


def from_json(text: str | bytes) -> Alert:
    """The alert written in ``text``; ``to_json(from_json(t)) == t`` for every ``t`` that :func:`to_json` wrote.

    Raises MessageError, one sentence naming the field, for anything that is not a version 1 alert.
    """
    body = _Fields(_parse(text), "alert")
    version = body.take("v", _integer)
    if version != VERSION:
        raise MessageError(f"alert message has version {version}; this program reads version {VERSION}")
    try:
        return Alert(
            id=body.take("id", _word),
            revision=body.take("revision", _integer),
            phase=cast(Phase, body.take("phase", _one_of(get_args(Phase)))),
            camera=body.take("camera", _word),
            kind=body.take("kind", _word),
            severity=cast(Severity, body.take("severity", _one_of(get_args(Severity)))),
            score=body.take("score", _number),
            opened_at=body.take("opened_at", _instant),
            updated_at=body.take("updated_at", _instant),
            closed_at=body.take("closed_at", _optional(_instant)),
            title=body.take("title", _string),
            text=body.take("text", _string),
            text_source=body.take("text_source", _word),
            tracks=body.take("tracks", _items(_track)),
            evidence=body.take("evidence", _items(_evidence)),
            rule=body.take("rule", _optional(_word)),
            clip=body.take("clip", _optional(_string)),
            snapshot=body.take("snapshot", _optional(_string)),
            config_hash=body.take("config_hash", _string),
            models=body.take("models", _models),
        )
    except ValueError as error:
        raise MessageError(f"alert message is inconsistent: {error}") from error


def _instant_text(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def _reject_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _parse(text: str | bytes) -> object:
    if len(text) > MAX_MESSAGE_BYTES:
        raise MessageError(f"alert message is {len(text)} long; at most {MAX_MESSAGE_BYTES} is allowed")
    try:
        decoded = text.decode("utf-8") if isinstance(text, bytes) else text
        return json.loads(decoded, parse_constant=_reject_constant)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"alert message is not JSON: {error}") from error


class _Fields:
    """A JSON object read field by field; every complaint names the path of the field."""

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise MessageError(f"{path}: expected an object, got {_shown(value)}")
        self._fields: Mapping[str, Any] = value
        self._path = path

    def take(self, name: str, read: Callable[[object, str], T]) -> T:
        """The field ``name`` through ``read(value, path)``. Raises MessageError when it is missing."""
        if name not in self._fields:
            raise MessageError(f"{self._path}.{name}: missing")
        return read(self._fields[name], f"{self._path}.{name}")


def _shown(value: object) -> str:
    return ascii(value)[:80]


def _string(value: object, path: str) -> str:
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise MessageError(f"{path}: expected text of at most {_MAX_TEXT} characters, got {_shown(value)}")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise MessageError(f"{path}: holds half of a surrogate pair") from error
    return value


def _word(value: object, path: str) -> str:
    text = _string(value, path)
    if not text:
        raise MessageError(f"{path}: is empty")
    return text


def _integer(value: object, path: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
        raise MessageError(f"{path}: expected a whole number from 0, got {_shown(value)}")
    return value


def _number(value: object, path: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < _MAX_NUMBER:
        raise MessageError(f"{path}: expected a finite number, got {_shown(value)}")
    return value


def _instant(value: object, path: str) -> datetime:
    text = _string(value, path)
    if not _INSTANT.fullmatch(text):
        raise MessageError(f"{path}: expected an instant like 2026-01-31T08:00:00.000000Z, got {_shown(text)}")
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise MessageError(f"{path}: {_shown(text)} is no date") from error


def _one_of(words: tuple[str, ...]) -> Callable[[object, str], str]:
    def read(value: object, path: str) -> str:
        if value not in words:
            raise MessageError(f"{path}: expected {'|'.join(words)}, got {_shown(value)}")
        return value

    return read


def _optional(read: Callable[[object, str], T]) -> Callable[[object, str], T | None]:
    return lambda value, path: None if value is None else read(value, path)


def _items(read: Callable[[object, str], T]) -> Callable[[object, str], tuple[T, ...]]:
    def read_all(value: object, path: str) -> tuple[T, ...]:
        if not isinstance(value, list) or len(value) > _MAX_ITEMS:
            raise MessageError(f"{path}: expected a list of at most {_MAX_ITEMS}, got {_shown(value)}")
        return tuple(read(item, f"{path}[{i}]") for i, item in enumerate(value))

    return read_all


def _track(value: object, path: str) -> AlertTrack:
    fields = _Fields(value, path)
    xyxy = fields.take("xyxy_norm", _items(_number))
    if len(xyxy) != 4:
        raise MessageError(f"{path}.xyxy_norm: expected 4 numbers, got {len(xyxy)}")
    return AlertTrack(fields.take("id", _integer), fields.take("label", _word), xyxy)


def _evidence(value: object, path: str) -> Evidence:
    fields = _Fields(value, path)
    return Evidence(
        cue=fields.take("cue", _word),
        share=fields.take("share", _number),
        observed=fields.take("observed", _string),
        normal=fields.take("normal", _string),
        note=fields.take("note", _string),
    )


def _models(value: object, path: str) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > _MAX_ITEMS:
        raise MessageError(f"{path}: expected an object of model names, got {_shown(value)}")
    return {_string(name, path): _string(model, f"{path}.{name}") for name, model in value.items()}
