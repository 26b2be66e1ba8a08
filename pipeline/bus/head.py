"""The JSON head of a bus message, written the same way every time and read with suspicion.

In: a flat map of JSON values (write), or bytes from the bus (read). Out: canonical JSON bytes, or typed values; every
complaint is a MessageError that names the field. Instants travel as whole microseconds, fractions as two integers, so
that a round trip is exact. Next file: ``pipeline/bus/memory.py``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, TypeVar

from pipeline.errors import MessageError

__all__ = ["MAX_HEAD_BYTES", "Head", "instant_us", "ratio", "write_head"]

MAX_HEAD_BYTES = 4 * 2**20
MAX_TEXT = 1_000
_MAX_INTEGER = 2**63 - 1
_MAX_SIDE = 2**15
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
W = TypeVar("W", bound=str)


def write_head(head: Mapping[str, object]) -> bytes:
    """``head`` as canonical JSON. Raises MessageError for NaN, infinity, lone surrogates and too long a head."""
    try:
        text = json.dumps(head, allow_nan=False, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    except ValueError as error:
        raise MessageError(f"message cannot be written: {error}") from error
    if len(text) > MAX_HEAD_BYTES:
        raise MessageError(f"message head has {len(text)} bytes; at most {MAX_HEAD_BYTES} are allowed")
    return text


def instant_us(at: datetime) -> int:
    """Microseconds since 1970, exact."""
    return (at - _EPOCH) // _MICROSECOND


def ratio(value: Fraction) -> list[int]:
    """Numerator and denominator."""
    return [value.numerator, value.denominator]


class Head:
    """A JSON object read field by field; ``path`` names it in complaints. Raises MessageError throughout."""

    def __init__(self, text: bytes, path: str) -> None:
        if len(text) > MAX_HEAD_BYTES:
            raise MessageError(f"{path}.head has {len(text)} bytes; at most {MAX_HEAD_BYTES} are allowed")
        try:
            value = json.loads(text.decode("utf-8"), parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise MessageError(f"{path}.head is not JSON: {error}") from error
        self._bind(value, path)

    def _bind(self, value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise MessageError(f"{path}: expected an object, got {_shown(value)}")
        self._fields: Mapping[str, Any] = value
        self._path = path

    def part(self, name: str) -> Head:
        """The object inside ``name``."""
        inner = Head.__new__(Head)
        inner._bind(self._get(name), f"{self._path}.{name}")
        return inner

    def optional_part(self, name: str) -> Head | None:
        """The object inside ``name``; None when it is null, or missing because its writer did not know of it."""
        return None if self._fields.get(name) is None else self.part(name)

    def parts(self, name: str, most: int) -> list[Head]:
        """At most ``most`` objects in a list."""
        found = []
        for place, value in enumerate(self._list(name, most)):
            inner = Head.__new__(Head)
            inner._bind(value, f"{self._path}.{name}[{place}]")
            found.append(inner)
        return found

    def text(self, name: str, *, least: int = 1, most: int = MAX_TEXT) -> str:
        """Text of ``least`` to ``most`` characters that is valid UTF-8."""
        return self._text(self._get(name), name, least, most)

    def optional_text(self, name: str, *, most: int = MAX_TEXT) -> str | None:
        """Text of 1 to ``most`` characters, or None."""
        value = self._get(name)
        return None if value is None else self._text(value, name, 1, most)

    def integer(self, name: str, *, least: int = -_MAX_INTEGER, most: int = _MAX_INTEGER) -> int:
        """A whole number within ``least`` .. ``most``."""
        return self._integer(self._get(name), name, least, most)

    def optional_integer(self, name: str, *, most: int) -> int | None:
        """A whole number within 0 .. ``most``, or None."""
        value = self._get(name)
        return None if value is None else self._integer(value, name, 0, most)

    def number(self, name: str) -> float:
        """A finite number."""
        return self._number(self._get(name), name)

    def optional_number(self, name: str) -> float | None:
        """A finite number, or None."""
        value = self._get(name)
        return None if value is None else self._number(value, name)

    def numbers(self, name: str, width: int) -> tuple[float, ...]:
        """Exactly ``width`` finite numbers."""
        values = self._list(name, width)
        if len(values) != width:
            raise self._wrong(name, f"{width} numbers", values)
        return tuple(self._number(value, name) for value in values)

    def flag(self, name: str) -> bool:
        """True or False."""
        value = self._get(name)
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false", value)
        return value

    def one_of(self, name: str, words: tuple[W, ...]) -> W:
        """One of ``words``."""
        value = self._get(name)
        for word in words:
            if value == word:
                return word
        raise self._wrong(name, "|".join(words), value)

    def some_of(self, name: str, words: tuple[W, ...]) -> tuple[W, ...]:
        """A list of ``words``, at most as many as there are."""
        by_text: dict[object, W] = {word: word for word in words}
        values = self._list(name, len(words))
        if not all(isinstance(value, str) and value in by_text for value in values):
            raise self._wrong(name, "a list of " + "|".join(words), values)
        return tuple(by_text[value] for value in values)

    def optional_texts(self, name: str, most: int) -> tuple[str, ...] | None:
        """A list of at most ``most`` texts, or None."""
        if self._get(name) is None:
            return None
        return self.texts(name, most)

    def texts(self, name: str, most: int, *, most_characters: int = MAX_TEXT) -> tuple[str, ...]:
        """A list of at most ``most`` texts."""
        values = self._list(name, most)
        if _are_plain(values, most_characters):
            return tuple(values)
        return tuple(self._text(value, name, 0, most_characters) for value in values)

    def rows(self, name: str, width: int, most: int) -> list[list[int]]:
        """At most ``most`` rows of ``width`` whole numbers."""
        rows = self._list(name, most)
        for row in rows:
            if not isinstance(row, list) or len(row) != width:
                raise self._wrong(name, f"rows of {width} whole numbers", row)
            for value in row:
                self._integer(value, name, -_MAX_INTEGER, _MAX_INTEGER)
        return rows

    def size(self, name: str) -> tuple[int, int]:
        """Width and height in pixels, each 0 .. 32768."""
        width, height = self._pair(name, least=0, most=_MAX_SIDE)
        return width, height

    def ratio(self, name: str) -> Fraction:
        """A positive fraction."""
        return Fraction(*self._pair(name, least=1, most=_MAX_INTEGER))

    def instant(self, name: str) -> datetime:
        """A UTC instant from microseconds since 1970."""
        microseconds = self.integer(name)
        try:
            return _EPOCH + timedelta(microseconds=microseconds)
        except OverflowError as error:
            raise self._wrong(name, "microseconds of an instant", microseconds) from error

    def _get(self, name: str) -> Any:
        if name not in self._fields:
            raise MessageError(f"{self._path}.{name}: missing")
        return self._fields[name]

    def _wrong(self, name: str, expected: str, value: object) -> MessageError:
        return MessageError(f"{self._path}.{name}: expected {expected}, got {_shown(value)}")

    def _number(self, value: object, name: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(name, "a number", value)
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise self._wrong(name, "a finite number", value)
        return number

    def _text(self, value: object, name: str, least: int, most: int) -> str:
        if not isinstance(value, str) or not least <= len(value) <= most:
            raise self._wrong(name, f"text of {least} to {most} characters", value)
        if not value.isascii():
            try:
                value.encode("utf-8")
            except UnicodeEncodeError as error:
                raise self._wrong(name, "whole characters", value) from error
        return value

    def _integer(self, value: object, name: str, least: int, most: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self._wrong(name, f"a whole number within {least} .. {most}", value)
        return value

    def _list(self, name: str, most: int) -> list[Any]:
        value = self._get(name)
        if not isinstance(value, list) or len(value) > most:
            raise self._wrong(name, f"a list of at most {most}", value)
        return value

    def _pair(self, name: str, *, least: int, most: int) -> tuple[int, int]:
        values = self._list(name, 2)
        if len(values) != 2:
            raise self._wrong(name, "two whole numbers", values)
        first, second = (self._integer(value, name, least, most) for value in values)
        return first, second


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _are_plain(values: list[Any], most_characters: int) -> bool:
    """Whether ``values`` are short texts in ASCII: what nearly all are, told without a look at each (names, labels)."""
    try:
        return "".join(values).isascii() and max(map(len, values), default=0) <= most_characters
    except TypeError:
        return False


def _shown(value: object) -> str:
    return ascii(value)[:80]
