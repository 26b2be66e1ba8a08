"""Chinese text to clauses, as far as our own writer's Chinese goes: counts, colours, actions, directions, zones.

In: text with Chinese in it. Out: :class:`~pipeline.describe.claims.Clause` values. Freer Chinese is read where it uses
the same words; what is not understood is never called false. Next file: ``pipeline/describe/verify.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.describe.claims import Clause, Mention, Said
from pipeline.describe.wording_zh import COLOURS_ZH, HEADING, HEALTH, LIGHT, MOVES, NOUNS

__all__ = ["clauses_of", "is_chinese"]

_NUMBERS = {"一": 1, "两": 2, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "十": 10}
_HAN = re.compile(r"[一-鿿]")
_WORDS = {word: label for label, word in NOUNS.items()} | {"行人": "person", "车辆": "car"}
_COLOURS = {word: name for name, word in COLOURS_ZH.items()}
_SENTENCE = re.compile(r"(?:‘[^’]*’|[^。！？\n])+[。！？]?")
_MENTION = re.compile(
    rf"(\d{{1,3}}|[{''.join(_NUMBERS)}])[个辆只名位]((?:小型|大型)?(?:穿[^的‘]{{0,20}}的|[一-鿿]色)?)"
    rf"({'|'.join(sorted(_WORDS, key=len, reverse=True))}|[a-z][a-z -]{{0,30}})"
)
_UPPER = re.compile(rf"({'|'.join(_COLOURS)})上衣")
_LOWER = re.compile(rf"({'|'.join(_COLOURS)})裤子")
_ZONE = re.compile(r"(在|进入|离开)区域‘([^’]*)’")
_DWELL = re.compile(r"已(?:停留|出现)(\d{1,6})秒")
_ACTIONS = {word: name for name, word in MOVES.items()} | {
    "站立不动": "standing", "静止不动": "still", "躺在地上": "lying", "弯着腰": "bent",
}  # fmt: skip
_ACTION_WORDS = re.compile("|".join(sorted(map(re.escape, _ACTIONS), key=len, reverse=True)))
_HEADINGS = {word: name for name, word in HEADING.items()}
_HEADING_WORDS = re.compile("|".join(sorted(map(re.escape, _HEADINGS), key=len, reverse=True)))
_SCENES = {text.rstrip("。"): name for name, text in {**HEALTH, **LIGHT}.items()} | {
    "现场空无一物": "empty", "未识别到其他物体": "empty", "没有任何移动": "no_motion", "以上均未移动": "no_motion",
    "正在下雨": "rain", "有雾": "fog",
}  # fmt: skip
_PLACE = {"在": "inside", "进入": "entering", "离开": "leaving"}
_RELATIONS = {
    "靠近": "approaching", "会合": "meeting", "一前一后": "following", "跟在": "following", "远离": "dispersing",
    "相邻": "beside",
}  # fmt: skip
_THINGS = {"携带": "carrying", "遗留": "left", "拿走": "taken"}


def is_chinese(text: str) -> bool:
    """Whether ``text`` outside quotation marks has Chinese characters in it."""
    return bool(_HAN.search(re.sub(r"‘[^’]*’", "", text)))


def clauses_of(text: str) -> Iterator[Clause]:
    """The clauses of ``text`` in order."""
    for found in _SENTENCE.finditer(text):
        yield _read(text, *found.span())


def _read(text: str, start: int, end: int) -> Clause:
    names = [hit.span() for hit in re.finditer(r"‘[^’]*’", text[start:end])]
    masked = text[:start] + _masked(text[start:end], names)
    mentions: list[Mention] = []
    said: list[Said] = []
    is_list = masked.startswith("画面中有", start)
    if masked.startswith("画面中没有人", start):
        mentions.append(Mention((start, start + 6), ("person",), 0, "none"))
    for hit in _MENTION.finditer(masked, start, end):
        number = _NUMBERS.get(hit.group(1)) or int(hit.group(1))
        label = _WORDS.get(hit.group(3), hit.group(3).strip())
        mentions.append(Mention(hit.span(), (label,), number, "exactly" if is_list else "at_least"))
        colour = next((name for word, name in _COLOURS.items() if hit.group(2).endswith(word)), None)
        if colour is not None and label != "person":
            said.append(Said(hit.span(2), "colour", colour))
    said += [Said(h.span(), "colour", _COLOURS[h.group(1)]) for h in _UPPER.finditer(masked, start, end)]
    said += [Said(h.span(), "lower_colour", _COLOURS[h.group(1)]) for h in _LOWER.finditer(masked, start, end)]
    said += [Said(h.span(), "action", _ACTIONS[h.group()]) for h in _ACTION_WORDS.finditer(masked, start, end)]
    said += [Said(h.span(), "heading", _HEADINGS[h.group()]) for h in _HEADING_WORDS.finditer(masked, start, end)]
    said += [Said(h.span(), "zone", _PLACE[h.group(1)], h.group(2)) for h in _ZONE.finditer(text, start, end)]
    said += [Said(h.span(), "dwell", "stay", None, float(h.group(1))) for h in _DWELL.finditer(masked, start, end)]
    for kind, table in (("relation", _RELATIONS), ("thing", _THINGS), ("scene", _SCENES)):
        for word, value in table.items():
            place = masked.find(word, start, end)
            if place >= 0 and not (kind == "relation" and masked[place : place + 5] == "远离摄像机"):
                span = (place, place + len(word))
                said.append(
                    Said(span, "relation" if kind == "relation" else "thing" if kind == "thing" else "scene", value)
                )
    is_linked = any(one.kind in ("relation", "thing") for one in said)
    split = 1 if is_linked and len(mentions) > 1 else len(mentions)
    return Clause(tuple(mentions[:split]), tuple(said), tuple(mentions[split:]))


def _masked(text: str, names: list[tuple[int, int]]) -> str:
    """``text`` with the names in quotation marks made unreadable, its length kept."""
    out = text
    for a, b in names:
        out = out[: a + 1] + "·" * (b - a - 2) + out[b - 1 :]
    return out
