"""Words by which texts speak of scenes, and what they mean in the vocabulary of facts. English tables, nothing else.

In: nothing. Out: frozen tables. Next file: ``pipeline/describe/parse_en.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pipeline.labels import GROUPS

__all__ = [
    "ACTIONS",
    "ALSO_CALLED",
    "COLOUR_WORDS",
    "CONFUSED_COLOURS",
    "COPULAS",
    "DETERMINERS",
    "LOWER_GARMENTS",
    "NOUNS",
    "NUMBER_WORDS",
    "PLURAL_NOUNS",
    "PRONOUNS",
    "QUANTIFIERS",
    "STOPS",
    "UPPER_GARMENTS",
]


def _table(rows: Mapping[str, str]) -> Mapping[str, str]:
    """``{meaning: "word word"}`` turned round: word -> meaning."""
    return MappingProxyType({word: meaning for meaning, words in rows.items() for word in words.split()})


def _words(words: str) -> frozenset[str]:
    return frozenset(words.split())


NUMBER_WORDS: Mapping[str, int] = MappingProxyType(
    {"zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
     "ten": 10, "eleven": 11, "twelve": 12, "single": 1, "both": 2, "pair": 2, "couple": 2, "dozen": 12}
)  # fmt: skip
QUANTIFIERS: Mapping[str, int] = MappingProxyType(
    {"several": 2, "some": 1, "few": 2, "many": 3, "multiple": 2, "numerous": 3, "various": 2, "group": 2, "crowd": 3}
)
"""Words for more than a number says: at least so many."""
DETERMINERS = frozenset({"a", "an", "the", "this", "that", "these", "those", "another", "other", "each", "every"})
PRONOUNS = frozenset({"he", "she", "they", "it", "both"})
STOPS = _words(
    "and or of in on at to into onto from with by near beside behind before after towards toward away left right along "
    "across over under through around between camera frame picture zone area who which that wearing dressed while as "
    "for so far view is are image video shows show depicts shown"
)
"""Words that never stand between an article and its noun."""
COPULAS = frozenset({"is", "are", "was", "were", "be", "being", "been", "has", "have", "had", "stays", "remains"})

_VEHICLES = tuple(sorted(GROUPS["vehicle"] | {"van", "lorry", "tram", "forklift", "scooter"}))
_ANIMALS = tuple(sorted(GROUPS["animal"]))
_BAGS = tuple(sorted(GROUPS["bag"] | {"box", "package", "object"}))
_PERSON = ("person",)

_NOUN_LABELS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "person man woman boy girl child kid pedestrian someone somebody individual figure worker guard visitor adult "
        "human guy lady gentleman passerby walker stranger intruder employee customer shopper": _PERSON,
        "people persons men women boys girls children kids pedestrians individuals figures workers guards visitors "
        "adults humans guys ladies walkers strangers intruders employees customers shoppers": _PERSON,
        "cyclist rider cyclists riders": ("person", "bicycle", "motorcycle"),
        "vehicle vehicles": _VEHICLES,
        "car cars sedan sedans hatchback taxi taxis": ("car",),
        "suv suvs": ("car",),
        "van vans minivan minivans": ("van",),
        "truck trucks lorry lorries pickup": ("truck", "lorry"),
        "bus buses coach": ("bus",),
        "bicycle bicycles": ("bicycle",),
        "bike bikes": ("bicycle", "motorcycle"),
        "motorcycle motorcycles motorbike motorbikes scooter scooters moped": ("motorcycle", "scooter"),
        "train trains tram trams": ("train", "tram"),
        "boat boats ship ships": ("boat",),
        "airplane airplanes plane planes aircraft": ("airplane",),
        "animal animals": _ANIMALS,
        "dog dogs": ("dog",), "cat cats": ("cat",), "bird birds": ("bird",), "horse horses": ("horse",),
        "cow cows": ("cow",), "sheep": ("sheep",), "bear bears": ("bear",), "elephant elephants": ("elephant",),
        "zebra zebras": ("zebra",),
        "giraffe giraffes": ("giraffe",),
        "bag bags suitcase suitcases backpack backpacks handbag handbags rucksack rucksacks luggage briefcase "
        "object objects": _BAGS,
    }
)  # fmt: skip
NOUNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {noun: labels for nouns, labels in _NOUN_LABELS.items() for noun in nouns.split()}
)
"""Noun -> the labels that it means."""
ALSO_CALLED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"car": ("van",), "van": ("car", "truck", "bus"), "truck": ("van",), "lorry": ("van",)}
)
"""Label -> others that it is taken for: detectors and people draw the line between van and truck differently."""
PLURAL_NOUNS = frozenset(
    noun
    for noun in NOUNS
    if noun in {"people", "men", "women", "children", "sheep"} or (noun[-1] == "s" and noun != "bus")
)

ACTIONS: Mapping[str, str] = _table(
    {
        "walking": "walk walks walking walked stroll strolls strolling pace paces pacing",
        "running": "run runs running ran sprint sprints sprinting jog jogs jogging rush rushes rushing flee flees "
        "fleeing",
        "still": "still stationary motionless waiting waits wait parked stopped stops standstill idle idling",
        "standing": "stand stands standing stood",
        "moving": "move moves moving moved drive drives driving drove travel travels travelling traveling ride rides "
        "riding cross crosses crossing pass passes passing",
        "fast": "fast speeding speeds quickly rapidly",
        "slow": "slowly slow",
        "lying": "lying lies lie fallen collapsed",
        "bent": "bent bending bends crouching crouches crouched crouch kneeling kneels kneel squatting squats "
        "stooping stoops",
        "upright": "upright",
    }
)  # fmt: skip
COLOUR_WORDS: Mapping[str, str] = _table(
    {
        "black": "black", "white": "white cream", "grey": "grey gray silver", "red": "red maroon crimson",
        "orange": "orange", "yellow": "yellow golden", "green": "green olive khaki", "blue": "blue navy teal turquoise",
        "purple": "purple violet", "pink": "pink magenta", "brown": "brown beige tan",
    }
)  # fmt: skip
UPPER_GARMENTS = _words(
    "top tops shirt shirts jacket jackets coat coats hoodie hoodies sweater sweaters jumper jumpers vest vests blouse "
    "t-shirt t-shirts clothing clothes outfit dress dresses uniform"
)
LOWER_GARMENTS = _words("trousers pants jeans shorts skirt skirts leggings")

_CONFUSED = (
    "black grey", "black blue", "black brown", "black green", "black purple", "grey white", "grey blue", "grey brown",
    "grey green", "grey purple", "white yellow", "white pink", "red pink", "red orange", "red brown", "orange yellow",
    "orange brown", "yellow green", "yellow brown", "green brown", "green blue", "blue purple", "purple pink",
    "red purple", "orange pink", "pink brown",
)  # fmt: skip
CONFUSED_COLOURS: frozenset[frozenset[str]] = frozenset(frozenset(pair.split()) for pair in _CONFUSED)
"""Pairs of colours that light, shadow and cameras turn into one another: neither contradicts the other."""
