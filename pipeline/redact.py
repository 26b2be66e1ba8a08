"""Takes secrets out of text: anything that may hold a URL goes through :func:`redact` before a log, an error or a repr.

In: any text (a URL, a libav message, a traceback line). Out: the same text with user names, passwords and secret query
values replaced by ``***``. Hosts, ports and paths stay, since they are what a person needs to find the camera.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Secret", "redact"]


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """Text that must not be shown: its repr and str are stars; only :meth:`reveal` gives it."""

    _text: str

    def reveal(self) -> str:
        """The text itself; never put it into a log, an error or the arguments of a process."""
        return self._text

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__


_MASK = "***"

# user:password@ of a URL. Greedy up to the last "@" before white space or a quote: a password typed without
# percent-encoding may itself hold "@", "/", "?" or "#", and masking too much is the safe mistake. "%40" is "@" where
# a whole URL was percent-encoded into another one.
_USER_INFO = re.compile(r"(?P<scheme>[a-z][a-z0-9+.\-]*(?::|%3a)(?://|%2f%2f))(?P<user>[^\s\"'<>]*)(?P<at>@|%40)", re.I)

_NAMES = (
    r"pass(?:word|wd|phrase)?|pwd|psw|pw|token|secret|signature|sig|auth(?:orization|entication)?|credentials?|"
    r"(?:api|access|private|secret|stream|auth)?[_\-]?key|sid|jwt|user(?:name)?|usr|login(?:use|pas)?|account"
)
# name=value, name: value and "name": "value"; the name may carry a prefix (rtsp_password) or stand behind "%26".
_SECRET_PAIR = re.compile(
    rf"(?P<name>(?:\b|_|(?<=%26)|(?<=%3f))(?:[a-z0-9]+[_\-])*(?:{_NAMES})[\"']?)"
    r"(?P<is>=|%3d|\s*:\s*(?=[\"'])|\"\s*:\s*)"
    r"(?P<value>\"[^\"]*\"|'[^']*'|(?:(?!%26)[^\s&;,\"'<>#])+)",
    re.I,
)
_HEADER = re.compile(
    r"(?P<name>\b(?:proxy-)?authorization\s*:\s*)[^\r\n]+|(?P<kind>\b(?:bearer|basic)\s+)[\w.~+/=\-]{8,}", re.I
)
_DIGEST = re.compile(r"\b(?P<name>response|nonce|cnonce|username|uri)=\"[^\"]*\"", re.I)


def redact(text: str) -> str:
    """``text`` without credentials: ``rtsp://***@host/path?token=***``. Text without secrets comes back unchanged."""
    text = _HEADER.sub(lambda m: f"{m['name'] or m['kind']}{_MASK}", text)
    text = _DIGEST.sub(lambda m: f'{m["name"]}="{_MASK}"', text)
    text = _USER_INFO.sub(lambda m: f"{m['scheme']}{_MASK}{m['at']}", text)
    return _SECRET_PAIR.sub(lambda m: f"{m['name']}{m['is']}{_MASK}", text)
