"""One camera of a site file, checked against itself and made into :class:`~pipeline.settings.CameraSettings`.

In: the models of the camera and of ``defaults``. Out: settings, or faults that name the place in the file. The rules'
own dataclasses do most of the checking; here references, times and classes are looked up. Next file:
``pipeline/config/site.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import available_timezones

from pydantic import BaseModel

from pipeline.alert.schedule import time_zone
from pipeline.alert.settings import (
    AlertSettings,
    CrowdRule,
    Line,
    LoiteringRule,
    ObjectLeftRule,
    PolicySettings,
    Rule,
    SpeedRule,
    Zone,
)
from pipeline.alert.watch.compile import Unclear, compile_sentence
from pipeline.config.faults import Fault, Place, nearest
from pipeline.config.models import CameraKnobs, CameraModel
from pipeline.config.rules import new_rule
from pipeline.config.secrets import secret_urls
from pipeline.detect.selection import labels_of
from pipeline.errors import UsageError
from pipeline.settings import CameraSettings, Secret, Sentence
from pipeline.unusual.settings import UnusualSettings

__all__ = ["CameraBuilder", "check_labels", "default_rules", "has_usable_port"]

T = TypeVar("T")

SCHEMES = ("rtsp", "rtsps", "http", "https", "file")
_MISTYPED = re.compile(r"(rtsps?|https?|file)[:;.]?/+", re.IGNORECASE)


def default_rules() -> tuple[Rule, ...]:
    """The rules of a camera that names none: what is out of the ordinary anywhere in the picture."""
    return (
        LoiteringRule(name="loitering"),
        SpeedRule(name="running"),
        CrowdRule(name="crowd"),
        ObjectLeftRule(name="object-left"),
    )


def check_labels(words: Sequence[str], known: Sequence[str], place: Place) -> list[Fault]:
    """A fault for every word that a detector with the labels ``known`` can never say; empty: they are not known."""
    faults = []
    for index, word in enumerate(words if known else ()):
        try:
            labels_of([word], known)
        except UsageError as fault:
            faults.append(Fault((*place, index), str(fault)))
    return faults


@dataclass(slots=True)
class CameraBuilder:
    """Makes settings of one camera. ``place`` is where the camera stands in the file; ``known_labels`` are the
    detector's words, empty when they cannot be known without loading it."""

    model: CameraModel
    defaults: CameraKnobs
    folder: Path
    place: Place
    known_labels: tuple[str, ...]
    faults: list[Fault]
    sentences: list[Sentence] = field(default_factory=list)

    def build(self) -> CameraSettings | None:
        """The settings; None when something was wrong, which then stands in ``faults``."""
        before = len(self.faults)
        url, detect_url = self._urls()
        alert = self._alert()
        if len(self.faults) > before or url is None or alert is None:
            return None
        return CameraSettings(
            name=self.model.name,
            url=Secret(url),
            detect_url=None if detect_url is None else Secret(detect_url),
            transport=self._knob("transport"),
            open_timeout_s=self._knob("open_timeout_s"),
            read_timeout_s=self._knob("read_timeout_s"),
            detect_fps=self._knob("detect_fps"),
            heartbeat_s=self._knob("heartbeat_s"),
            is_gated=self._knob("motion_gate"),
            motion_hold_s=self._knob("motion_hold_s"),
            declared_fps=self._knob("declared_fps"),
            packets_s=self._knob("packets_s"),
            packets_bytes=self._knob("packets_bytes"),
            notes=self.model.notes,
            alert=alert,
            unusual=self._unusual(),
            watch_for=tuple(self.sentences),
        )

    def _knob(self, name: str) -> Any:
        return getattr(self._source_of(name), name)

    def _source_of(self, name: str) -> CameraKnobs:
        """The camera where it speaks for itself, else ``defaults``."""
        return self.model if name in self.model.model_fields_set else self.defaults

    def _place_of(self, name: str) -> Place:
        return (*self.place, name) if self._source_of(name) is self.model else ("defaults", name)

    def _urls(self) -> tuple[str | None, str | None]:
        before = len(self.faults)
        urls = secret_urls(self.model, self.folder, self.place, self.faults)
        if "url" not in urls and len(self.faults) == before:
            self.faults.append(Fault((*self.place, "url"), "is required (or url_file)"))
        return self._address(urls.get("url"), "url"), self._address(urls.get("detect_url"), "detect_url")

    def _address(self, url: str | None, key: str) -> str | None:
        """``url`` with a relative path made absolute (from the site file's folder)."""
        if url is None:
            return None
        scheme, separator, rest = url.strip().partition("://")
        fault = ""
        if separator and scheme.lower() not in SCHEMES:
            word = scheme[:16] if re.fullmatch("[a-zA-Z][a-zA-Z0-9+.-]*", scheme) else ""
            fault = f"unknown kind of URL {word!r}{nearest(word, SCHEMES)}"
        elif separator and scheme.lower() != "file" and not rest.partition("/")[0].rpartition("@")[2].strip(":"):
            fault = "names no host"
        elif separator and scheme.lower() != "file" and not has_usable_port(rest):
            fault = "the host is followed by no port from 1 to 65535 (is a / of the password written as %2F?)"
        elif not url.strip():
            fault = "is empty"
        elif not separator and _MISTYPED.match(url.strip()) and not (self.folder / url.strip()).exists():
            fault = "is no file here; an address begins like rtsp://, with a colon and two slashes"
        elif not separator and "@" in url and not (self.folder / url.strip()).exists():
            fault = "is no file here; a camera's address begins with rtsp:// or http://"
        if fault:
            self.faults.append(Fault((*self.place, key), fault))
        is_path = not separator and url.strip() != "-"
        return str(self.folder / Path(url.strip()).expanduser()) if is_path else url.strip()

    def _checked(self, steps: Place, make: Callable[..., T], *args: Any, **kwargs: Any) -> T | None:
        """What ``make`` makes of the arguments; None and a fault at ``steps`` of this camera when it refuses."""
        try:
            return make(*args, **kwargs)
        except ValueError as fault:
            message = str(fault).removeprefix(f"{str(steps[0])[:-1]} {steps[-1]!r}: ") if steps else str(fault)
            self.faults.append(Fault((*self.place, *steps), _short(message)))
            return None

    def _alert(self) -> AlertSettings | None:
        zones = [self._checked(("zones", name), Zone, name, points) for name, points in self.model.zones.items()]
        lines = [self._checked(("lines", name), _line, name, points) for name, points in self.model.lines.items()]
        rules = self._rules()
        policy = self._policy()
        if None in zones or None in lines or policy is None or rules is None:
            return None
        return self._checked(
            (),
            AlertSettings,
            camera=self.model.name,
            zones=tuple(zone for zone in zones if zone),
            lines=tuple(line for line in lines if line),
            rules=rules,
            policy=policy,
            is_health_alerted=self._knob("health_alerts"),
        )

    def _unusual(self) -> UnusualSettings | None:
        if not self._knob("unusual"):
            return None
        return UnusualSettings(self.model.name, self._knob("alerts_per_day"), self._knob("warm_up_s"))

    def _policy(self) -> PolicySettings | None:
        sources: list[BaseModel] = [self.defaults.policy, self.model.policy]
        values = {name: getattr(source, name) for source in sources for name in source.model_fields_set}
        return self._checked(("policy",), PolicySettings, **values)

    def _rules(self) -> tuple[Rule, ...] | None:
        zone_name = self._knob("time_zone")
        try:
            time_zone(zone_name)
        except ValueError:
            place = self._place_of("time_zone")
            self.faults.append(Fault(place, f"{zone_name!r} is not an IANA time zone{_near_zone(zone_name)}"))
            return None
        models = self._knob("rules")
        if models is None:
            known = [rule for rule in default_rules() if not check_labels(rule.labels, self.known_labels, ())]
            return self._with_sentences(known, zone_name)
        place = self._place_of("rules")
        names = _names_of(models)
        before = len(self.faults)
        rules = [
            self._rule(model, name, zone_name, (*place, index))
            for index, (model, name) in enumerate(zip(models, names, strict=True))
        ]
        self._refuse_twins(models, place)
        return None if len(self.faults) > before else self._with_sentences([rule for rule in rules if rule], zone_name)

    def _with_sentences(self, rules: list[Rule], zone_name: str) -> tuple[Rule, ...] | None:
        """``rules`` and what the sentences of ``watch_for`` became; a question about one is a fault."""
        before = len(self.faults)
        place = self._place_of("watch_for")
        for index, text in enumerate(self._knob("watch_for")):
            try:
                compiled = compile_sentence(
                    text,
                    zones=tuple(self.model.zones),
                    lines=tuple(self.model.lines),
                    known_labels=self.known_labels,
                    time_zone=zone_name,
                )
            except Unclear as question:
                whose = f"for camera {self.model.name!r}: " if place[0] == "defaults" else ""
                self.faults.append(Fault((*place, index), f"{whose}{question}"))
                continue
            if any(rule.name == compiled.rule.name for rule in rules):
                self.faults.append(Fault((*place, index), "another rule begins with the same words, or is called so"))
                continue
            rules.append(compiled.rule)
            self.sentences.append(Sentence(" ".join(text.split()), compiled.rule.name, compiled.notes))
        return None if len(self.faults) > before else tuple(rules)

    def _rule(self, model: Any, name: str, zone_name: str, place: Place) -> Rule | None:
        for key, known in (("zone", self.model.zones), ("line", self.model.lines)):
            wanted = getattr(model, key, None)
            if wanted is not None and wanted not in known:
                owner = f" of camera {self.model.name!r}" if place[0] == "defaults" else ""
                self.faults.append(
                    Fault((*place, key), f"unknown {key} {wanted[:64]!r}{owner}{nearest(wanted, known)}")
                )
        self.faults.extend(check_labels(model.labels, self.known_labels, (*place, "labels")))
        try:
            return new_rule(model, name, zone_name)
        except ValueError as fault:
            self.faults.append(_rule_fault(str(fault), name, model, place))
            return None

    def _refuse_twins(self, models: Sequence[Any], place: Place) -> None:
        seen: set[str] = set()
        for index, model in enumerate(models):
            if model.name is not None and model.name in seen:
                self.faults.append(Fault((*place, index, "name"), f"another rule is called {model.name!r}"))
            seen.add(model.name)


def _line(name: str, points: Sequence[tuple[float, float]]) -> Line:
    if len(points) != 2:
        raise ValueError(f"expected two points, got {len(points)}")
    return Line(name, points[0], points[1])


def _names_of(models: Sequence[Any]) -> list[str]:
    """The rules' names; those left out are made of kind and place, numbered where that is not enough."""
    taken = {model.name for model in models if model.name}
    names = []
    for model in models:
        stem = "-".join(
            part for part in (model.kind, getattr(model, "zone", None), getattr(model, "line", None)) if part
        )
        name = model.name or stem[:60]
        number = 2
        while model.name is None and name in taken:
            name = f"{stem[:60]}-{number}"
            number += 1
        taken.add(name)
        names.append(name)
    return names


def _rule_fault(message: str, name: str, model: Any, place: Place) -> Fault:
    """The dataclass's sentence without its own ``rule 'x'``, at the knob it is about where it names one."""
    text = message.removeprefix(f"rule {name!r}").lstrip(": ")
    knob, _, rest = text.partition(": ")
    if knob in type(model).model_fields:
        return Fault((*place, knob), _short(rest))
    if "window" in text or "day" in text or "time" in text:
        return Fault((*place, "schedule"), _short(text))
    return Fault(place, _short(text))


def _short(message: str) -> str:
    """``message`` without the value it got where that is long (a polygon of a hundred points)."""
    return message if len(message) <= 200 else message.partition(", got ")[0][:200]


def _near_zone(name: str) -> str:
    near = nearest(name, available_timezones())
    return near if "mean" in near else " such as 'Europe/Berlin'"


def has_usable_port(rest: str) -> bool:
    """Whether what stands behind ``scheme://`` names no port, or one that exists."""
    host = re.split("[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    port = re.search(r":([^\]:]+)$", host)
    return port is None or (re.fullmatch("[0-9]{1,5}", port[1]) is not None and 0 < int(port[1]) < 65536)
