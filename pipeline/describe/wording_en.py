"""English for statements: short sentences, one wording for one fact, so that equal scenes give equal texts.

In: :class:`~pipeline.describe.statements.Statements`. Out: a title and sentences. ``verify.py`` reads these words back.
Next file: ``pipeline/describe/wording_zh.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from pipeline.describe.kinds import kind_of
from pipeline.describe.names import clean_label, quoted
from pipeline.describe.statements import Deed, Relation, Statements, Thing

__all__ = ["HEALTH", "LIGHT", "NUMBERS", "PLURALS", "sentences", "title"]

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
PLURALS: Mapping[str, str] = MappingProxyType(
    {"person": "people", "bus": "buses", "sheep": "sheep", "bicycle": "bicycles", "knife": "knives", "mouse": "mice"}
)
HEALTH: Mapping[str, str] = MappingProxyType(
    {
        "offline": "The camera is offline.",
        "black": "The picture is black.",
        "frozen": "The picture is frozen.",
        "defocused": "The picture is out of focus.",
        "covered": "The lens is covered.",
        "moved": "The camera has been moved.",
        "low_frame_rate": "The camera sends too few frames.",
    }
)
LIGHT: Mapping[str, str] = MappingProxyType(
    {
        "dim": "The light is dim.",
        "dark": "It is dark.",
        "infrared": "The camera sees by infrared light.",
    }
)
_WEATHER: Mapping[str, str] = MappingProxyType({"rain": "It is raining.", "fog": "It is foggy."})
_HEADING: Mapping[str, str] = MappingProxyType(
    {
        "towards": "towards the camera",
        "away": "away from the camera",
        "left": "to the left",
        "right": "to the right",
    }
)
_RELATION: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "approaching": ("approaches", "approach each other"),
        "meeting": ("meets", "meet"),
        "following": ("follows", "walk one behind the other"),
        "dispersing": ("separates from", "separate"),
        "beside": ("is beside", "are beside each other"),
    }
)
_THING: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "carrying": ("carries", "is being carried"),
        "left": ("has left", "has been left behind"),
        "taken": ("has taken", "has been taken away"),
    }
)
_MAX_COUNTS = 5


def title(said: Statements) -> str:
    """One sentence: the most important thing of the scene."""
    if said.is_blind:
        return HEALTH.get(said.health[0], "The camera has a fault.")
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
        return [*conditions[:2], "Nothing can be said about the scene."]
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
        return "Nothing else is recognised."
    if not said.is_still:
        return "No more is known yet."
    return "It does not move." if sum(number for _, number in said.counts) == 1 else "None of them moves."


def _noun(label: str, number: int) -> str:
    word = clean_label(label)
    if number == 1:
        return word
    return PLURALS.get(word, word if word.endswith("s") else f"{word}s")


def _number(number: int) -> str:
    return NUMBERS[number] if number < len(NUMBERS) else str(number)


def _article(words: str) -> str:
    return f"{'an' if words[:1] in 'aeiou' and not words.startswith('one') else 'a'} {words}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _counts(counts: Sequence[tuple[str, int]]) -> str:
    if not counts:
        return "Nobody is in view."
    parts = [_article(_noun(label, 1)) if n == 1 else f"{_number(n)} {_noun(label, n)}" for label, n in counts]
    if len(parts) > _MAX_COUNTS:
        parts = [*parts[: _MAX_COUNTS - 1], "other things"]
    whole = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    is_one = len(counts) == 1 and counts[0][1] == 1
    return _capital(f"{whole} {'is' if is_one else 'are'} in view.")


def _deed(deed: Deed) -> str:
    does, where = _does(deed), _where(deed)
    if not does:
        does, where = ("", where.removeprefix(" and ")) if where else (("is there", "are there")[deed.number > 1], "")
    return _capital(f"{_who(deed)} {does}{where}{_since(deed)}.")


def _who(deed: Deed) -> str:
    is_person = kind_of(deed.label) == "person"
    words = [word for word in (deed.size, None if is_person else deed.colour) if word]
    noun = " ".join([*words, _noun(deed.label, deed.number)])
    dressed = ""
    if is_person and deed.colour:
        dressed = f" in a {deed.colour} top" if deed.number == 1 else f" in {deed.colour} tops"
        dressed = dressed.replace(" a orange", " an orange")
    if is_person and deed.lower_colour:
        dressed += f" and {deed.lower_colour} trousers" if dressed else f" in {deed.lower_colour} trousers"
    return (_article(noun) if deed.number == 1 else f"{_number(deed.number)} {noun}") + dressed


def _does(deed: Deed) -> str:
    """Verb and direction; empty when nothing is known of how it moves and a zone is to be told."""
    verb = 0 if deed.number == 1 else 1
    is_person = kind_of(deed.label) == "person"
    if deed.posture == "lying":
        return ("is lying on the ground", "are lying on the ground")[verb]
    if deed.posture == "bent" and deed.speed in (None, "still", "slow"):
        return ("is bent down", "are bent down")[verb]
    way = f" {_HEADING[deed.heading]}" if deed.heading else ""
    moves = {
        "slow": ("moves slowly", "move slowly"),
        "walking": ("walks", "walk"),
        "running": ("runs", "run"),
        "moving": ("moves", "move"),
        "fast": ("moves fast", "move fast"),
    }
    if deed.speed and deed.speed in moves:
        return moves[deed.speed][verb] + way
    if deed.speed == "still":
        return (("stands still", "stand still") if is_person else ("is still", "are still"))[verb]
    return ("is", "are")[verb] if deed.zone is not None and deed.zone[0] == "inside" else ""


def _where(deed: Deed) -> str:
    if deed.zone is None:
        return ""
    value, name = deed.zone
    if value == "inside":
        return f" in the zone {quoted(name)}"
    is_one = deed.number == 1
    verb = {"entering": ("enters", "enter"), "leaving": ("leaves", "leave")}[value][not is_one]
    return f" and {verb} the zone {quoted(name)}"


def _since(deed: Deed) -> str:
    if deed.dwell_s is None:
        return ""
    in_view = " in view" if deed.zone is None else ""
    unit = "second" if deed.dwell_s == 1 else "seconds"
    return f", {deed.dwell_s} {unit}{in_view} so far"


def _relation(one: Relation) -> str:
    singular, plural = _RELATION[one.value]
    if one.label == one.other_label and one.value != "following":
        return f"Two {_noun(one.label, 2)} {plural}."
    other = f"another {_noun(one.label, 1)}" if one.label == one.other_label else _article(_noun(one.other_label, 1))
    return _capital(f"{_article(_noun(one.label, 1))} {singular} {other}.")


def _thing(thing: Thing) -> str:
    active, passive = _THING[thing.value]
    what = _article(_noun(thing.thing, 1))
    if thing.label is None:
        return _capital(f"{what} {passive}.")
    return _capital(f"{_article(_noun(thing.label, 1))} {active} {what}.")
