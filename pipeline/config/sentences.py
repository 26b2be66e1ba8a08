"""What pydantic found, in words for the person who has to mend it: what was expected, what stands there, what is near.

In: a ValidationError and the tree that was refused. Out: faults. Values of secrets and of environment variables are
never repeated. Next file: ``pipeline/config/site.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from pydantic import BaseModel, ValidationError

from pipeline.config.describe import BudgetModel, DescribeModel, ServerModel, VlmModel
from pipeline.config.document import Tree
from pipeline.config.faults import Fault, Place, nearest
from pipeline.config.models import (
    CameraKnobs,
    CameraModel,
    DetectorModel,
    LedgerModel,
    RedisModel,
    SearchModel,
    SiteModel,
    TelemetryModel,
)
from pipeline.config.rules import PolicyModel, RuleModels

__all__ = ["SECRET_KEYS", "faults_of", "shown"]

SECRET_KEYS = frozenset({"url", "detect_url", "frames_url", "password", "username", "user", "token", "key"})

_SIMPLE: Mapping[str, str] = {
    "bool_type": "expected true or false",
    "float_type": "expected a number",
    "finite_number": "expected a finite number",
    "int_type": "expected a whole number",
    "string_type": "expected text",
    "tuple_type": "expected a list",
    "list_type": "expected a list",
    "dict_type": "expected a map (key: value)",
    "model_type": "expected a map (key: value)",
}
_SECTIONS: Mapping[str, type[BaseModel]] = {
    "defaults": CameraKnobs,
    "detector": DetectorModel,
    "redis": RedisModel,
    "telemetry": TelemetryModel,
    "ledger": LedgerModel,
    "search": SearchModel,
    "describe": DescribeModel,
    "model": VlmModel,
    "server": ServerModel,
    "budget": BudgetModel,
    "policy": PolicyModel,
}
_SCHEDULE = "expected a window such as '22:00-06:00' or 'Mon-Fri 08:00-18:00', or a list of them"


def faults_of(error: ValidationError, tree: Tree, hidden: Set[Place]) -> list[Fault]:
    """One fault per thing that ``error`` refuses in ``tree``; values at ``hidden`` places are not shown."""
    faults = {}
    for detail in error.errors(include_url=False, include_context=True, include_input=False):
        loc = detail["loc"]
        place = _place_of(loc)
        faults[place] = Fault(place, _sentence(detail["type"], detail.get("ctx", {}), loc, place, tree, hidden))
    return list(faults.values())


def shown(tree: Tree, place: Place, hidden: Set[Place]) -> str:
    """``, got …`` for the value at ``place``; its kind alone where the value is secret, long or no scalar."""
    value: Any = tree
    for step in place:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return ""
    if isinstance(value, dict | list):
        text = "a map" if isinstance(value, dict) else "a list"
    elif value is None:
        text = "nothing"
    elif place in hidden or (place and place[-1] in SECRET_KEYS):
        text = "a value that is not shown"
    elif isinstance(value, str):
        text = f"the text {value!r}" if len(value) <= 40 else "a long text"
    else:
        text = str(value).lower()
    return f", got {text}"


def _place_of(loc: tuple[int | str, ...]) -> Place:
    """``loc`` without the steps that pydantic adds for members of a union."""
    place: list[int | str] = []
    for index, step in enumerate(loc):
        if index >= 2 and loc[index - 2] == "rules" and isinstance(loc[index - 1], int):
            continue
        if index >= 1 and loc[index - 1] == "schedule":
            break
        place.append(step)
    return tuple(place)


def _sentence(
    kind: str, context: Mapping[str, Any], loc: tuple[int | str, ...], place: Place, tree: Tree, hidden: Set[Place]
) -> str:
    if kind == "extra_forbidden":
        return "unknown key" + nearest(str(loc[-1]), _keys_at(loc[:-1]))
    if kind == "missing":
        return "expected two numbers" if isinstance(loc[-1], int) else "is required"
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        return _unknown_kind(context.get("tag"))
    return _expected(kind, context, place) + shown(tree, place, hidden)


def _unknown_kind(tag: object) -> str:
    if tag is None:
        return f"a rule needs a kind: {', '.join(_kinds())}"
    return f"unknown kind of rule {str(tag)[:64]!r}{nearest(str(tag)[:64], _kinds())}"


def _expected(kind: str, context: Mapping[str, Any], place: Place) -> str:
    if "schedule" in place:
        return _SCHEDULE
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    if kind == "literal_error":
        return f"expected {context['expected']}"
    if kind == "string_pattern_mismatch":
        return "a camera's name has 1 to 64 letters, digits, - or _ and nothing else"
    return _bound(kind, context, place)


def _bound(kind: str, context: Mapping[str, Any], place: Place) -> str:
    """Sentences about what is too small, too large, too short or too long."""
    for word, key in (("at least", "ge"), ("more than", "gt"), ("at most", "le"), ("less than", "lt")):
        if key in context:
            return f"expected {word} {context[key]:g}"
    if kind in ("too_long", "too_short") and len(place) >= 2 and isinstance(place[-1], int):
        return "expected two numbers"
    if "min_length" in context:
        return f"expected at least {context['min_length']} of them"
    if "max_length" in context:
        return f"expected at most {context['max_length']} of them"
    return "is not what is expected here"


def _kinds() -> list[str]:
    return [model.model_fields["kind"].annotation.__args__[0] for model in RuleModels]


def _keys_at(loc: tuple[int | str, ...]) -> list[str]:
    """The keys known where ``loc`` leads."""
    model: type[BaseModel] = SiteModel
    if len(loc) >= 3 and loc[-3] == "rules":
        model = RuleModels[_kinds().index(str(loc[-1]))]
    elif len(loc) == 2 and loc[0] == "cameras":
        model = CameraModel
    elif loc:
        model = _SECTIONS[str(loc[-1])]
    return list(model.model_fields)
