"""Settings on their way to another process, without pydantic: :func:`to_json` here, :func:`from_json` there.

In: the frozen dataclasses of :mod:`pipeline.settings` and the rules they hold. Out: one line of JSON and back, equal
and with the same types. The text **contains the secrets**: it travels through an inherited descriptor
(:func:`to_descriptor`), never in arguments, the environment or a file. Next file: ``workers/ingest.py``.
"""

from __future__ import annotations

import json
import os
import sys
import types
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pipeline.settings import Secret

__all__ = ["from_descriptor", "from_json", "to_descriptor", "to_json"]

T = TypeVar("T")
MAX_BYTES = 16 * 2**20


def to_json(settings: object) -> str:
    """``settings`` (a frozen dataclass) as one line of JSON with its secrets. Raises TypeError for other values."""
    return json.dumps(_to_plain(settings), sort_keys=True, allow_nan=False)


def from_json(kind: type[T], text: str) -> T:
    """The ``kind`` that :func:`to_json` wrote. Raises ValueError for anything else; the message holds no value."""
    try:
        value: T = _from_plain(kind, json.loads(text))
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise ValueError(f"{kind.__name__}: expected the JSON of to_json ({type(fault).__name__})") from None
    return value


def to_descriptor(settings: object) -> int:
    """An open file descriptor from which a child that inherits it can read ``settings``, as often as it likes.

    Give the number to ``subprocess.Popen(pass_fds=…)`` (or keep it over ``exec``) and close it after the start. The
    text lives in anonymous memory (memfd): it never blocks as a full pipe does, and leaves no file behind.
    """
    descriptor = os.memfd_create("vedette-settings", 0)
    with os.fdopen(descriptor, "wb", closefd=False) as writer:
        writer.write(to_json(settings).encode())
    os.set_inheritable(descriptor, True)
    return descriptor


def from_descriptor(kind: type[T], descriptor: int) -> T:
    """The ``kind`` that :func:`to_descriptor` put behind ``descriptor``. Raises ValueError when there is none."""
    try:
        text = os.pread(descriptor, MAX_BYTES, 0)
    except OSError as fault:
        raise ValueError(f"{kind.__name__}: file descriptor {descriptor} cannot be read: {fault.strerror}") from fault
    return from_json(kind, text.decode(errors="replace"))


def _to_plain(value: object) -> object:
    if isinstance(value, Secret):
        return value.reveal()
    if is_dataclass(value) and not isinstance(value, type):
        plain: dict[str, object] = {field.name: _to_plain(getattr(value, field.name)) for field in fields(value)}
        plain["is"] = type(value).__name__
        return plain
    if isinstance(value, tuple):
        return [_to_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _to_plain(item) for key, item in value.items()}
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"settings: no JSON form for {type(value).__name__}")


def _from_plain(kind: Any, plain: Any) -> Any:
    origin = get_origin(kind)
    if origin is not None:
        return _from_generic(origin, get_args(kind), plain)
    if kind is Secret or kind is Path:
        return kind(_expect(str, plain))
    if isinstance(kind, type) and is_dataclass(kind):
        return _from_record(kind, plain)
    if kind is float and isinstance(plain, int) and not isinstance(plain, bool):
        return float(plain)
    return _expect(kind, plain)


def _from_generic(origin: Any, arguments: tuple[Any, ...], plain: Any) -> Any:
    if origin in (Union, types.UnionType):
        return _from_one_of(arguments, plain)
    if origin is Literal:
        return arguments[arguments.index(plain)]
    if origin is dict:
        return {key: _from_plain(arguments[1], item) for key, item in _expect(dict, plain).items()}
    items = _expect(list, plain)
    if arguments[-1] is Ellipsis:
        return tuple(_from_plain(arguments[0], item) for item in items)
    return tuple(_from_plain(kind, item) for kind, item in zip(arguments, items, strict=True))


def _from_record(kind: type[Any], plain: Any) -> Any:
    record: dict[str, Any] = dict(_expect(dict, plain))
    kind = _named(kind, record.pop("is"))
    hints = get_type_hints(kind)
    return kind(**{name: _from_plain(hints[name], item) for name, item in record.items()})


def _named(kind: type[Any], name: str) -> type[Any]:
    """``kind`` or the kind derived from it that is called ``name``: a rule is written as the rule it is.

    ``dataclass(slots=True)`` makes a class anew and leaves the first draft among the subclasses; the real one is the
    one its module knows.
    """
    pending: list[type[Any]] = [kind]
    for candidate in pending:
        is_real = candidate is getattr(sys.modules[candidate.__module__], candidate.__name__, None)
        if is_real and candidate.__name__ == name:
            return candidate
        pending.extend(candidate.__subclasses__())
    raise ValueError("another record")


def _from_one_of(kinds: tuple[Any, ...], plain: Any) -> Any:
    """Members of a union are told apart by null, by the record's name, then by whichever fits."""
    if plain is None and type(None) in kinds:
        return None
    if isinstance(plain, dict) and "is" in plain:
        kinds = tuple(kind for kind in kinds if is_dataclass(kind))
    for kind in kinds:
        try:
            return _from_plain(kind, plain)
        except (TypeError, ValueError, KeyError):
            continue
    raise ValueError("fits no member of the union")


def _expect(kind: type, plain: Any) -> Any:
    if not isinstance(plain, kind) or (kind is not bool and isinstance(plain, bool)):
        raise TypeError(f"expected {kind.__name__}")
    return plain
