"""The rules of a site file: one model per rule class of :mod:`pipeline.alert.settings`, made from its own fields.

In: YAML values. Out: exactly those frozen dataclasses. Names, types and defaults are the dataclasses'; only the
schedule is written differently (``"Mon-Fri 22:00-06:00"``) and ``name`` may be left out.
Next file: ``pipeline/config/models.py``.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, Field, fields
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model
from pydantic import Field as Knob

from pipeline.alert.schedule import DAY_NAMES, Schedule, Window
from pipeline.alert.settings import RULE_KINDS, PolicySettings, Rule

__all__ = ["AnyRule", "Part", "PolicyModel", "RuleModels", "new_rule", "parse_schedule"]

_WINDOW = re.compile(
    r"(?:(?P<days>[A-Za-z, -]+?)\s+)?(?P<h1>\d{1,2}):(?P<m1>\d\d)\s*[-–]\s*(?P<h2>\d{1,2}):(?P<m2>\d\d)"
)
_WRITTEN = "'22:00-06:00' or 'Mon-Fri 08:00-18:00' or 'Sat,Sun 00:00-24:00'"

Words = str | Annotated[list[str], Knob(min_length=1)]


class Part(BaseModel):
    """What all parts of a site file share: unknown keys and wrong types are refused, values are never shown."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )


def parse_schedule(words: str | list[str], time_zone: str) -> Schedule:
    """Windows such as ``Mon-Fri 22:00-06:00`` in ``time_zone``. Raises ValueError for what is not one."""
    return Schedule(tuple(_window(text) for text in ([words] if isinstance(words, str) else words)), time_zone)


def new_rule(model: Any, name: str, time_zone: str) -> Rule:
    """The rule that ``model`` (a member of :data:`AnyRule`) describes. Raises ValueError when it makes no sense."""
    kind = next(kind for kind in RULE_KINDS if kind.kind == model.kind)
    values = {key: getattr(model, key) for key in model.model_fields_set - {"kind", "name", "schedule"}}
    schedule = getattr(model, "schedule", None)
    if schedule is not None:
        values["schedule"] = parse_schedule(schedule, time_zone)
    return kind(name=name, **values)


def _window(text: str) -> Window:
    match = _WINDOW.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"expected a window such as {_WRITTEN}, got {text[:60]!r}")
    start, end = (60 * int(match[f"h{n}"]) + int(match[f"m{n}"]) for n in "12")
    if max(int(match["m1"]), int(match["m2"])) > 59 or start >= 24 * 60 or end > 24 * 60:
        raise ValueError(f"expected times from 00:00 to 24:00, got {text[:60]!r}")
    if start == end:
        raise ValueError(f"the window {text[:60]!r} is empty; the whole day is '00:00-24:00'")
    return Window(start, end, _days(match["days"])) if match["days"] else Window(start, end)


def _days(text: str) -> tuple[int, ...]:
    days: list[int] = []
    for span in text.split(","):
        ends = [_day(word) for word in span.split("-")]
        if len(ends) > 2:
            raise ValueError(f"expected days such as 'Mon-Fri' or 'Sat,Sun', got {text!r}")
        first, last = ends[0], ends[-1]
        days.extend((first + step) % 7 for step in range((last - first) % 7 + 1))
    return tuple(sorted(set(days)))


def _day(word: str) -> int:
    for number, name in enumerate(DAY_NAMES):
        if word.strip().lower() in (name[:3].lower(), name.lower()):
            return number
    raise ValueError(f"{word.strip()!r} is no day of the week; write Mon, Tue, Wed, Thu, Fri, Sat or Sun")


def _knob(field: Field[Any], hint: Any) -> tuple[Any, Any]:
    """(type, default) of a pydantic field that mirrors one field of a dataclass."""
    if field.name == "schedule":
        return Words | None, Knob(
            None, description=f"Local time on duty: {_WRITTEN}, or a list of them; always if absent."
        )
    if field.name == "name":
        return Annotated[str, Knob(min_length=1, max_length=64)] | None, Knob(None, description="Made up if absent.")
    if field.name.endswith("_s") and hint is float:
        hint = Annotated[float, Knob(ge=0, le=86_400)]
    return hint, ... if field.default is MISSING else field.default


def _model_of(source: type[Any], **knobs: Any) -> Any:
    hints = get_type_hints(source)
    knobs.update({field.name: _knob(field, hints[field.name]) for field in fields(source)})
    return create_model(source.__name__, __base__=Part, __doc__=source.__doc__, **knobs)


RuleModels: tuple[Any, ...] = tuple(_model_of(source, kind=(Literal[source.kind], ...)) for source in RULE_KINDS)
"""One model per member of :data:`~pipeline.alert.settings.RULE_KINDS`, in that order."""

AnyRule: Any = Annotated[reduce(or_, RuleModels), Knob(discriminator="kind")]
"""Any rule of a site file; ``kind`` says which."""

PolicyModel: Any = _model_of(PolicySettings)
"""How often incidents report: :class:`~pipeline.alert.settings.PolicySettings` as it is written in a site file."""
