"""Puts secrets where the site file names them: ``${NAME}`` from the environment, ``url_file`` and ``password_file``.

In: the tree of a site file and an environment. Out: the tree with the values put in, and the places where that was
done, so that no message shows them. ``$${`` stands for the characters ``${``. In the ``user:password`` part of a URL
the value is percent-encoded, so a password may hold any character. Next file: ``pipeline/config/models.py``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from pydantic import BaseModel

from pipeline.config.document import Tree
from pipeline.config.faults import Fault, Place

__all__ = ["ADDRESS_KEYS", "expand", "read_secret", "secret_urls", "with_password"]

_ADDRESSES = frozenset({"url", "detect_url", "frames_url", "host"})
_PATHS = frozenset({"url_file", "password_file", "ca_file", "cert_file", "key_file", "data_dir", "weights"})
ADDRESS_KEYS = _ADDRESSES | _PATHS
"""Keys whose values may hold ``${NAME}``."""
MAX_SECRET_BYTES = 4096
_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_URL_USER_PART = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?P<user>(?:[^/@$]|\$\{[^{}]*\}|\$)*)@")


def expand(tree: Tree, env: Mapping[str, str]) -> tuple[Tree, frozenset[Place], list[Fault]]:
    """``tree`` with every ``${NAME}`` replaced, the places where something was, and a fault per name not set.

    Only the values of :data:`ADDRESS_KEYS` may hold one: what a secret can never reach can never repeat it.
    """
    touched: set[Place] = set()
    faults: list[Fault] = []

    def walk(value: Tree, place: Place) -> Tree:
        if isinstance(value, dict):
            return {key: walk(item, (*place, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item, (*place, index)) for index, item in enumerate(value)]
        if isinstance(value, str) and "${" in value:
            touched.add(place)
            return _expand_text(value, place, env, faults)
        return value

    return walk(tree, ()), frozenset(touched), faults


def _expand_text(text: str, place: Place, env: Mapping[str, str], faults: list[Fault]) -> str:
    user_part = _URL_USER_PART.match(text)
    quoted_until = user_part.end("user") if user_part else 0

    def value_of(match: re.Match[str]) -> str:
        name = match.group(1)
        if match.group() == "$${":
            return "${"
        if name is None or not _NAME.fullmatch(name):
            faults.append(Fault(place, "'${' begins ${NAME} of an environment variable; write '$${' to mean '${'"))
            return ""
        if place[-1:] == () or place[-1] not in ADDRESS_KEYS:
            faults.append(Fault(place, "an environment variable can stand in addresses and paths only"))
            return ""
        value = env.get(name, "")
        if not value:
            faults.append(Fault(place, f"the environment variable {name} is not set"))
        return quote(value, safe="") if match.start() < quoted_until else value

    return _REFERENCE.sub(value_of, text)


def secret_urls(part: BaseModel, folder: Path, place: Place, faults: list[Fault]) -> dict[str, str]:
    """The URLs that a part of a site file gives, by key, with the secrets from its files put in.

    ``part`` has ``url``, ``url_file``, ``password_file`` and perhaps more keys that end in ``url``; files count from
    ``folder``. Empty, with faults, when a file cannot be used.
    """
    given = {key: getattr(part, key) for key in type(part).model_fields}
    urls = {key: value.get_secret_value() for key, value in given.items() if key.endswith("url") and value is not None}
    if given["url_file"] is not None and "url" in urls:
        faults.append(Fault((*place, "url_file"), "give the URL in url or in url_file, not in both"))
        return {}
    key = "url_file"
    try:
        if given["url_file"] is not None:
            urls["url"] = read_secret(folder / Path(given["url_file"]).expanduser())
        key = "password_file"
        if given["password_file"] is not None:
            password = read_secret(folder / Path(given["password_file"]).expanduser())
            urls = {key: with_password(url, password) for key, url in urls.items()}
    except ValueError as fault:
        faults.append(Fault((*place, key), str(fault)))
        return {}
    return urls


def read_secret(path: Path) -> str:
    """The first line of a secret file, without its end. Raises ValueError, one sentence, when there is none."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SECRET_BYTES + 1)
    except OSError as fault:
        raise ValueError(f"the file cannot be read: {fault.strerror}") from fault
    if len(content) > MAX_SECRET_BYTES:
        raise ValueError(f"the file is longer than {MAX_SECRET_BYTES} bytes, which no secret is")
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError:
        raise ValueError("the file is not UTF-8 text") from None  # the cause would show the secret
    if not lines or not lines[0].strip():
        raise ValueError("the file is empty")
    return lines[0].strip()


def with_password(url: str, password: str) -> str:
    """``url`` with ``password`` beside its user (``scheme://user@host`` or ``scheme://host``).

    Raises ValueError when the URL already holds a password, or has no place for one.
    """
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    user, at, host = authority.rpartition("@")
    if not separator or (not host and scheme != "unix"):
        raise ValueError("a password needs a URL of the form scheme://user@host/path")
    if ":" in user:
        raise ValueError("the URL already holds a password; give it in one place")
    return f"{scheme}://{user if at else ''}:{quote(password, safe='')}@{host}{slash}{path}"
