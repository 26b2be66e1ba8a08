"""Names and labels as they may stand in a text: one line, bounded, in quotation marks that they cannot close.

In: zone names and labels, which anybody may have typed. Out: text without control characters, mark-up or direction
overrides. Next file: ``pipeline/describe/wording_en.py``.
"""

from __future__ import annotations

import unicodedata

__all__ = ["CLOSING", "OPENING", "clean_label", "quoted"]

OPENING, CLOSING = "‘", "’"
_MAX_NAME = 48
_QUOTES = str.maketrans(dict.fromkeys('‘’‚‛“”„‟`´"«»「」『』', "'") | {"<": "(", ">": ")", "\\": "/"})
_KEPT = frozenset("LMNPSZ")  # Unicode's letters, marks, numbers, punctuation, symbols and spaces


def quoted(name: str) -> str:
    """``name`` in quotation marks; ``‘?’`` when nothing of it can be shown."""
    visible = (c if unicodedata.category(c)[0] in _KEPT else " " for c in name[: 4 * _MAX_NAME].translate(_QUOTES))
    line = " ".join("".join(visible).split())
    line = line if len(line) <= _MAX_NAME else line[: _MAX_NAME - 1].rstrip() + "…"
    return f"{OPENING}{line or '?'}{CLOSING}"


def clean_label(label: str) -> str:
    """A detector's label as a plain word: letters, digits and single spaces, lower case; ``object`` for none left."""
    visible = (c if c.isalnum() or c in " -" else " " for c in label[:_MAX_NAME].lower())
    return " ".join("".join(visible).split()) or "object"
