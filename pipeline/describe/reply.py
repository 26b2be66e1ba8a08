"""What a language model answered, made harmless and bounded: text in, a :class:`Parsed` or one sentence why not out.

A reply is hostile: it may repeat what a sign in the picture told it to say, be megabytes long, hold mark-up, terminal
escapes or characters that turn the reading direction. Here it becomes a few short plain sentences, or a
ModelError, after which the grounded writer's words stand. Whether the sentences are *true* is asked next, in
``pipeline/describe/verify.py``.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.descriptions import Answer, Language
from pipeline.errors import ModelError

__all__ = [
    "MAX_CLAIMS",
    "MAX_CLAIM_CHARS",
    "MAX_CONCERNS",
    "MAX_REPLY_BYTES",
    "MAX_TEXT_CHARS",
    "MAX_TITLE_CHARS",
    "Parsed",
    "parse",
    "plain",
    "schema",
]

MAX_REPLY_BYTES = 32 * 1024
MAX_TITLE_CHARS, MAX_TEXT_CHARS, MAX_CLAIM_CHARS = 90, 480, 120
MAX_CLAIMS, MAX_CONCERNS = 6, 3

_MAX_STARTS = 8  # places where a JSON object may begin that are tried; prose before it rarely holds a brace
_LEAK_WORDS = 8  # so many words in a row of the instructions are no coincidence

_THOUGHT = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.S | re.I)
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,2000}(?:\x07|\x1b\\)?|[@-Z\\-_])")  # ECMA-48
_MARKUP = re.compile(
    r"<(?:script|style)\b.*?(?:</(?:script|style)\s*>|$)|<!--.*?-->|</?[a-z!][^<>]{0,500}>", re.S | re.I
)
_LINK = re.compile(
    r"!?\[([^\[\]]{0,200})\]\([^()\s]{0,2000}\)|\b(?:[a-z][a-z0-9+.\-]{1,15}://|www\.)[^\s<>\"')]+", re.I
)
_WORD = re.compile(r"\w+")
_ENGLISH = re.compile(  # words that no neighbouring language writes alike: so neither "person" nor "in", "on", "man"
    r"\b(?:the|is|are|of|and|with|near|at|to|from|there|this|that|who|has|by|beside|behind|between|into|onto|off|over|under|"
    r"through|towards?|across|along|around|next|their|his|her|its|they|he|she|it|while|nobody|someone|nothing|empty|one|two|"
    r"three|people|woman|men|women|child|car|truck|vehicle|red|blue|green|yellow|black|white|walk(?:s|ing)?|stand(?:s|ing)?|"
    r"run(?:s|ning)?|park(?:s|ed|ing)?|climb(?:s|ing)?|carr(?:ies|ying)|hold(?:s|ing)|wear(?:s|ing)|moving|leaving|entering|"
    r"lying|left|right|gate|door|yard|street|drops?|stops?|drives?)\b",
    re.I,
)
_MIN_WORDS_TO_TELL = 6
_MIN_ENGLISH_SHARE = 0.1
_MIN_HAN_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Parsed:
    """A reply in bounds: plain one-line sentences without mark-up, links or control characters; not yet verified."""

    title: str
    text: str
    claims: tuple[str, ...]
    concerns: tuple[str, ...]
    confidence: float
    answers: tuple[Answer, ...] = ()


def schema(question_count: int = 0) -> dict[str, Any]:
    """JSON Schema (2020-12, the part every constrained decoder knows) of a reply that answers so many questions."""

    def sentences(most: int) -> dict[str, Any]:
        return {"type": "array", "maxItems": most, "items": {"type": "string", "maxLength": MAX_CLAIM_CHARS}}

    share = {"type": "number", "enum": [step / 10 for step in range(11)]}  # bounds alone allow digits without end
    properties: dict[str, Any] = {
        "title": {"type": "string", "minLength": 1, "maxLength": MAX_TITLE_CHARS},
        "text": {"type": "string", "minLength": 1, "maxLength": MAX_TEXT_CHARS},
        "claims": sentences(MAX_CLAIMS),
        "concerns": sentences(MAX_CONCERNS),
        "confidence": share,
    }
    if question_count:
        properties["answers"] = {
            "type": "array", "minItems": question_count, "maxItems": question_count, "items": share
        }  # fmt: skip
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def parse(text: str, *, questions: Sequence[str] = (), language: Language = "en", instructions: str = "") -> Parsed:
    """The one JSON object in ``text``, cleaned and cut to its bounds.

    ``questions`` are those that were asked, in order; ``instructions`` is the system prompt, no run of words of which
    may come back. Prose, a code fence or thoughts around the object are let pass.
    Raises ModelError, one sentence without any of the reply's words in it, for everything else: no object, a truncated
    one, a missing or mistyped key, words in another language than ``language``, instructions repeated.
    """
    found = _object(text)
    title, body = _sentence(found, "title", MAX_TITLE_CHARS), _sentence(found, "text", MAX_TEXT_CHARS)
    claims = _sentences(found, "claims", MAX_CLAIMS)
    concerns = _sentences(found, "concerns", MAX_CONCERNS)
    said = (title, body, *claims, *concerns)
    _require_language(f"{title} {body}", language)
    _require_own_words(said, instructions)
    confidence = _share(found.get("confidence"), "confidence")
    return Parsed(title, body, claims, concerns, confidence, _answers(found.get("answers"), questions))


def plain(text: str, max_chars: int) -> str:
    """``text`` on one line without mark-up, links, terminal escapes, control or invisible characters; cut at a word."""
    text = unicodedata.normalize("NFC", text[: 8 * max_chars])
    text = _LINK.sub(r"\1", _MARKUP.sub(" ", _ESCAPE.sub(" ", text)))
    visible = "".join(" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in text)
    line = " ".join(visible.replace("<", " ").replace(">", " ").split())
    if len(line) <= max_chars:
        return line
    cut = line[: max_chars - 1]
    return (cut.rsplit(" ", 1)[0] if " " in cut[max_chars // 2 :] else cut).rstrip(" ,;:") + "…"


def _object(text: str) -> dict[str, Any]:
    if len(text) > MAX_REPLY_BYTES:
        raise ModelError(f"The model's reply is {len(text)} characters long; at most {MAX_REPLY_BYTES} are read.")
    if not text.strip():
        raise ModelError("The model's reply is empty.")
    text = _THOUGHT.sub("", text)
    decoder = json.JSONDecoder(parse_constant=_refuse_constant, strict=False)  # models write raw line breaks in strings
    begin = -1
    for _ in range(_MAX_STARTS):
        begin = text.find("{", begin + 1)
        if begin < 0:
            break
        try:
            found, _end = decoder.raw_decode(text, begin)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) and "title" in found:
            return found
    raise ModelError("The model's reply holds no complete JSON object of the form that was asked for.")


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _sentence(found: dict[str, Any], key: str, max_chars: int) -> str:
    value = found.get(key)
    if not isinstance(value, str):
        raise ModelError(f"The model's reply has no text under {key!r}.")
    line = plain(value, max_chars)
    if not any(sign.isalpha() for sign in line):
        raise ModelError(f"The model's reply says nothing under {key!r}.")
    return line


def _sentences(found: dict[str, Any], key: str, most: int) -> tuple[str, ...]:
    values = found.get(key)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ModelError(f"The model's reply has no list of sentences under {key!r}.")
    lines = (plain(value, MAX_CLAIM_CHARS) for value in values[:most])
    return tuple(dict.fromkeys(line for line in lines if any(sign.isalpha() for sign in line)))


def _share(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ModelError(f"The model's reply has no number of 0 to 1 under {what!r}.")
    return float(value)


def _answers(values: object, questions: Sequence[str]) -> tuple[Answer, ...]:
    if not questions:
        return ()
    if not isinstance(values, list) or len(values) != len(questions):
        raise ModelError(f"The model's reply does not answer the {len(questions)} questions that were asked.")
    shares = (_share(value, "answers") for value in values)
    return tuple(Answer(question, share) for question, share in zip(questions, shares, strict=True))


def _require_language(said: str, language: Language) -> None:
    letters = [sign for sign in said if sign.isalpha()]
    han = sum("一" <= sign <= "鿿" for sign in letters)
    words = _WORD.findall(said)
    if language == "zh":
        is_right = han >= _MIN_HAN_SHARE * len(letters)
    else:
        is_latin = sum("LATIN" in unicodedata.name(sign, "") for sign in letters) >= 0.8 * len(letters)
        is_english = len(_ENGLISH.findall(said)) >= _MIN_ENGLISH_SHARE * len(words)
        is_right = is_latin and (is_english or len(words) < _MIN_WORDS_TO_TELL)
    if not is_right:
        raise ModelError(f"The model's reply is not in the language that was asked for ({language}).")


def _require_own_words(said: Sequence[str], instructions: str) -> None:
    given = _runs(instructions)
    if any(given & _runs(one) for one in said):
        raise ModelError("The model's reply repeats its instructions instead of describing the scene.")


def _runs(text: str) -> set[tuple[str, ...]]:
    """Every run of ``_LEAK_WORDS`` words of ``text``, in lower case."""
    words = [word.lower() for word in _WORD.findall(text)]
    return {tuple(words[i : i + _LEAK_WORDS]) for i in range(len(words) - _LEAK_WORDS + 1)}
