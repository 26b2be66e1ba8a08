"""Chinese for statements: the same facts in the same order as in English, by the same mechanism.

In: :class:`~pipeline.describe.statements.Statements`. Out: a title and sentences. Next file:
``pipeline/describe/verify.py``, which reads these words back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from pipeline.describe.kinds import kind_of
from pipeline.describe.names import clean_label, quoted
from pipeline.describe.statements import Deed, Relation, Statements, Thing

__all__ = ["COLOURS_ZH", "HEADING", "HEALTH", "LIGHT", "MEASURES", "MOVES", "NOUNS", "sentences", "title"]

NOUNS: Mapping[str, str] = MappingProxyType(
    {
        "person": "人", "bicycle": "自行车", "car": "汽车", "van": "面包车", "motorcycle": "摩托车", "bus": "公交车",
        "truck": "卡车", "train": "火车", "boat": "船", "airplane": "飞机", "bird": "鸟", "cat": "猫", "dog": "狗",
        "horse": "马", "sheep": "羊", "cow": "牛", "bear": "熊", "animal": "动物", "backpack": "背包",
        "handbag": "手提包", "suitcase": "行李箱", "bag": "包", "object": "物体",
    }
)  # fmt: skip
MEASURES: Mapping[str, str] = MappingProxyType({"vehicle": "辆", "animal": "只", "person": "个", "bag": "个"})
COLOURS_ZH: Mapping[str, str] = MappingProxyType(
    {
        "black": "黑色", "white": "白色", "grey": "灰色", "red": "红色", "orange": "橙色", "yellow": "黄色",
        "green": "绿色", "blue": "蓝色", "purple": "紫色", "pink": "粉色", "brown": "棕色",
    }
)  # fmt: skip
HEALTH: Mapping[str, str] = MappingProxyType(
    {
        "offline": "摄像机离线。",
        "black": "画面全黑。",
        "frozen": "画面静止不更新。",
        "defocused": "画面失焦。",
        "covered": "镜头被遮挡。",
        "moved": "摄像机被移动过。",
        "low_frame_rate": "摄像机帧率过低。",
    }
)
LIGHT: Mapping[str, str] = MappingProxyType({"dim": "光线较暗。", "dark": "环境很暗。", "infrared": "画面为红外成像。"})
_WEATHER: Mapping[str, str] = MappingProxyType({"rain": "正在下雨。", "fog": "有雾。"})
HEADING: Mapping[str, str] = MappingProxyType(
    {"towards": "朝摄像机方向", "away": "朝远离摄像机方向", "left": "向左", "right": "向右"}
)
MOVES: Mapping[str, str] = MappingProxyType(
    {"slow": "缓慢移动", "walking": "行走", "running": "奔跑", "moving": "行驶", "fast": "快速行驶"}
)
_SIZES: Mapping[str, str] = MappingProxyType({"small": "小型", "large": "大型"})
_RELATION: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "approaching": ("正在靠近", "正在互相靠近"),
        "meeting": ("与其会合：", "会合"),
        "following": ("跟在后面：", "一前一后前行"),
        "dispersing": ("正在远离", "正在互相远离"),
        "beside": ("位于旁边：", "彼此相邻"),
    }
)
_THING: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"carrying": ("携带着", "正被携带"), "left": ("遗留了", "被遗留"), "taken": ("拿走了", "被拿走")}
)
_MAX_COUNTS = 5


def title(said: Statements) -> str:
    """One sentence: the most important thing of the scene."""
    if said.is_blind:
        return HEALTH.get(said.health[0], "摄像机故障。")
    is_urgent = bool(said.deeds) and said.deeds[0].posture == "lying"
    for thing in said.things:
        if thing.value in ("left", "taken") and not is_urgent:
            return _thing(thing)
    if said.deeds:
        return _deed(said.deeds[0])
    return _counts(said.counts)


def sentences(said: Statements) -> list[str]:
    """Two to four sentences, most important first; only what is known."""
    conditions = [HEALTH[word] for word in said.health if word in HEALTH]
    if said.is_blind:
        return [*conditions[:2], "无法判断现场情况。"]
    around = [LIGHT[said.light]] if said.light and said.light in LIGHT else []
    around += [_WEATHER[said.weather]] if said.weather and said.weather in _WEATHER else []
    deeds = [_deed(deed) for deed in said.deeds]
    links = [_thing(thing) for thing in said.things] + [_relation(one) for one in said.relations]
    room = 3 - bool(conditions or around)
    told = (links[:1] + deeds[: room - len(links[:1])]) if links else deeds[:room]
    out = [_counts(said.counts), *told, *(conditions or around)[:1]]
    return out if len(out) > 1 else [*out, _rest(said)]


def _rest(said: Statements) -> str:
    if not said.counts:
        return "未识别到其他物体。"
    return "以上均未移动。" if said.is_still else "暂无更多信息。"


def _amount(label: str, number: int, of: str = "") -> str:
    group = kind_of(label)
    measure = MEASURES.get(group, "个")
    word = clean_label(label)
    return f"{number}{measure}{of}{NOUNS.get(word, word)}"


def _counts(counts: Sequence[tuple[str, int]]) -> str:
    if not counts:
        return "画面中没有人。"
    parts = [_amount(label, number) for label, number in counts]
    if len(parts) > _MAX_COUNTS:
        parts = [*parts[: _MAX_COUNTS - 1], "其他物体"]
    return f"画面中有{'、'.join(parts)}。"


def _deed(deed: Deed) -> str:
    return f"{_who(deed)}{_where(deed)}{_does(deed)}{_since(deed)}。"


def _who(deed: Deed) -> str:
    colour = COLOURS_ZH.get(deed.colour or "", "")
    lower = COLOURS_ZH.get(deed.lower_colour or "", "")
    size = _SIZES.get(deed.size or "", "")
    if kind_of(deed.label) != "person":
        return _amount(deed.label, deed.number, size + colour)
    worn = "、".join(part for part in (f"{colour}上衣" if colour else "", f"{lower}裤子" if lower else "") if part)
    return _amount(deed.label, deed.number, f"{size}穿{worn}的" if worn else size)


def _does(deed: Deed) -> str:
    if deed.posture == "lying":
        return "躺在地上"
    if deed.posture == "bent" and deed.speed in (None, "still", "slow"):
        return "弯着腰"
    if deed.speed and deed.speed in MOVES:
        return f"{HEADING.get(deed.heading or '', '')}{MOVES[deed.speed]}"
    if deed.speed == "still":
        return "站立不动" if kind_of(deed.label) == "person" else "静止不动"
    return "在画面中"


def _where(deed: Deed) -> str:
    if deed.zone is None:
        return ""
    value, name = deed.zone
    return {"inside": "在区域{}内", "entering": "进入区域{}，", "leaving": "离开区域{}，"}[value].format(quoted(name))


def _since(deed: Deed) -> str:
    if deed.dwell_s is None:
        return ""
    return f"，已停留{deed.dwell_s}秒" if deed.zone is not None else f"，已出现{deed.dwell_s}秒"


def _relation(one: Relation) -> str:
    active, mutual = _RELATION[one.value]
    if one.label == one.other_label:
        return f"{_amount(one.label, 2)}{mutual}。"
    return f"{_amount(one.label, 1)}{active}{_amount(one.other_label, 1)}。"


def _thing(thing: Thing) -> str:
    active, passive = _THING[thing.value]
    what = _amount(thing.thing, 1)
    return f"{what}{passive}。" if thing.label is None else f"{_amount(thing.label, 1)}{active}{what}。"
