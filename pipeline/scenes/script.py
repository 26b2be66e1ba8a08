"""Scenes from YAML: strict reading, with the nearest valid key in every complaint.

In: a file, or the name of a ready scene in ``library/``. Out: :class:`~pipeline.scenes.model.Scene`. A file may say
``base: NAME`` to take camera, set and zones from another one and change what differs; lists under ``add_props``,
``add_actors``, ``add_traffic`` and ``add_zones`` are appended. A ``.py`` script must define ``scene() -> Scene``.
Next file: ``pipeline/scenes/timeline.py``.
"""

from __future__ import annotations

import difflib
import runpy
import types
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import yaml

from pipeline.errors import ConfigError
from pipeline.scenes.looks import CLOTHES, PAINTS
from pipeline.scenes.materials import MATERIALS
from pipeline.scenes.model import Prop, Scene, Step
from pipeline.scenes.props import PROP_KINDS

__all__ = ["SceneSummary", "list_scenes", "load_scene", "parse_scene"]

_MAX_BASES = 4
_VERBS = ("go", "stand", "crouch", "fall", "lie", "rise", "climb", "fight", "drop", "pick", "phone")
_FALLS = ("forward", "backward", "side")
_ADDITIONS = ("props", "actors", "traffic", "zones", "gates")
_MAX_BYTES = 1_000_000
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SCALARS: dict[Any, str] = {float: "a number", int: "a whole number", bool: "true or false", str: "a short text"}


@dataclass(frozen=True, slots=True)
class SceneSummary:
    """One line of ``vedette scenes list``."""

    name: str
    title: str
    family: str
    is_usual: bool
    seconds: float
    mode: str


def _nearest(word: str, valid: Iterable[str]) -> str:
    choices = sorted(valid)
    close = difflib.get_close_matches(str(word), choices, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; valid are {', '.join(choices)}"


def _library() -> Traversable:
    return files("pipeline.scenes") / "library"


def list_scenes() -> tuple[SceneSummary, ...]:
    """The ready scenes, by family and name; files that start with ``_`` are bases, not scenes."""
    out = []
    for entry in _library().iterdir():
        if entry.name.endswith(".yaml") and not entry.name.startswith("_"):
            scene = load_scene(entry.name.removesuffix(".yaml"))
            out.append(
                SceneSummary(scene.name, scene.title, scene.family, scene.is_usual, scene.seconds, scene.light.mode)
            )
    return tuple(sorted(out, key=lambda s: (s.family, not s.is_usual, s.name)))


def load_scene(name: str | Path) -> Scene:
    """A ready scene by name, or one from a ``.yaml`` or ``.py`` file.

    Raises ConfigError, one sentence, for anything that is not a scene.
    """
    path = Path(name)
    if path.suffix == ".py":
        return _from_python(path)
    return parse_scene(*_read(name, None))


def _from_python(path: Path) -> Scene:
    if not path.is_file():
        raise ConfigError(f"{path}: no such scene script")
    try:
        scene = runpy.run_path(str(path))["scene"]()
    except Exception as error:  # a script is somebody else's code: whatever it raises becomes one sentence
        raise ConfigError(f"{path}: the scene script failed: {type(error).__name__}: {error}") from error
    if not isinstance(scene, Scene):
        raise ConfigError(f"{path}: scene() must return a Scene, got {type(scene).__name__}")
    _check_words(scene, str(path))
    return scene


def _read(name: str | Path, beside: Path | None) -> tuple[dict[str, Any], str]:
    """The raw mapping of a scene file and the name to complain with."""
    path = Path(name)
    local = (beside / path) if beside is not None and not path.is_absolute() else path
    source: Traversable | Path
    if path.suffix in (".yaml", ".yml"):
        source = local
        if not local.is_file():
            raise ConfigError(f"{local}: no such scene file")
    else:
        names = [entry.name.removesuffix(".yaml") for entry in _library().iterdir() if entry.name.endswith(".yaml")]
        if str(name) not in names:
            raise ConfigError(
                f"unknown scene {str(name)!r}" + _nearest(str(name), (n for n in names if not n.startswith("_")))
            )
        source = _library() / f"{name}.yaml"
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source}: not a readable UTF-8 file: {error}") from error
    if len(text) > _MAX_BYTES:
        raise ConfigError(f"{source}: a scene file of more than {_MAX_BYTES} characters")
    try:
        raw = yaml.load(text, Loader=_LOADER)  # noqa: S506  a safe loader, in C where PyYAML has it
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{source}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{source}: a scene is a mapping of keys, got {type(raw).__name__}")
    return _with_base(raw, source, 0)


def _with_base(raw: dict[str, Any], source: Traversable | Path, depth: int) -> tuple[dict[str, Any], str]:
    base = raw.pop("base", None)
    if base is not None:
        if not isinstance(base, str) or depth >= _MAX_BASES:
            raise ConfigError(f"{source}: base: expected the name of another scene, at most {_MAX_BASES} deep")
        beside = source.parent if isinstance(source, Path) else None
        below = _raw_of(base, beside, depth + 1)
        for key in ("camera", "light", "encode"):
            if isinstance(raw.get(key), dict) and isinstance(below.get(key), dict):
                raw[key] = {**below[key], **raw[key]}
        raw = {**below, **raw}
    for key in _ADDITIONS:
        more = raw.pop(f"add_{key}", None)
        if more is not None:
            if not isinstance(more, list):
                raise ConfigError(f"{source}: add_{key}: expected a list, got {type(more).__name__}")
            raw[key] = [*(raw.get(key) or []), *more]
    return raw, str(source)


def _raw_of(name: str, beside: Path | None, depth: int) -> dict[str, Any]:
    if depth > _MAX_BASES:
        raise ConfigError(f"base: {name}: more than {_MAX_BASES} scenes deep")
    return _read(name, beside)[0]


def parse_scene(raw: Mapping[str, Any], where: str) -> Scene:
    """A checked :class:`Scene` from a mapping; ``where`` opens every complaint. Raises ConfigError."""
    scene: Scene = _build(Scene, raw, where)
    _check_words(scene, where)
    return scene


def _check_words(scene: Scene, where: str) -> None:
    """Kinds, materials and colours are words of fixed vocabularies."""
    if scene.ground not in MATERIALS:
        raise ConfigError(f"{where}: ground: unknown material {scene.ground!r}" + _nearest(scene.ground, MATERIALS))
    for i, prop in enumerate(scene.props):
        spot = f"{where}: props[{i}]"
        if prop.kind not in PROP_KINDS:
            raise ConfigError(f"{spot}.kind: unknown prop {prop.kind!r}" + _nearest(prop.kind, PROP_KINDS))
        _check_material(prop, spot)
        if prop.kind in ("area", "slab") and len(prop.points_m) < 3:
            raise ConfigError(f"{spot}.points_m: a surface needs at least 3 points")
        if prop.to_m is not None and prop.to_m == tuple(prop.at_m[:2]):
            raise ConfigError(f"{spot}.to_m: the run has no length")
        if any(not 0 <= size <= 500 for size in prop.size_m):
            raise ConfigError(f"{spot}.size_m: expected metres in 0..500, got {list(prop.size_m)}")
    for actor in scene.actors:
        for key in ("top", "legs"):
            word = getattr(actor.look, key)
            if word and word not in CLOTHES:
                raise ConfigError(
                    f"{where}: actor {actor.name}: look.{key}: unknown colour {word!r}" + _nearest(word, CLOTHES)
                )
        word = actor.look.color
        if word and word not in (CLOTHES if actor.kind in ("person", "bag") else PAINTS):
            raise ConfigError(
                f"{where}: actor {actor.name}: look.color: unknown colour {word!r}" + _nearest(word, PAINTS)
            )


def _check_material(prop: Prop, spot: str) -> None:
    styles = {"fence": ("palisade", "chainlink", "boards")}.get(prop.kind)
    name, _, tint = prop.material.partition(":")
    valid = styles or (*MATERIALS, "flat", "paint")
    if name and name not in valid:
        raise ConfigError(f"{spot}.material: unknown material {name!r}" + _nearest(name, valid))
    colors = {**PAINTS, **CLOTHES}
    extra = {
        "lamp": ("white", "sodium", "cool"),
        "wall_lamp": ("white", "sodium", "cool"),
        "room": ("white", "sodium", "cool"),
        "building": ("lit",),
        "window": ("day",),
    }
    palette = extra.get(prop.kind, tuple(colors))
    if prop.kind in ("car", "van", "truck", "bus", "bicycle", "motorcycle"):
        palette = tuple(PAINTS)
    if tint and tint not in colors:
        raise ConfigError(f"{spot}.material: unknown colour {tint!r}" + _nearest(tint, colors))
    if name in ("flat", "paint") and tint not in (PAINTS if name == "paint" else colors):
        raise ConfigError(f"{spot}.material: {name} needs a colour, like '{name}:red'")
    if prop.color and prop.color not in palette:
        raise ConfigError(f"{spot}.color: unknown colour {prop.color!r}" + _nearest(prop.color, palette))


def _build(cls: type[Any], raw: object, where: str) -> Any:
    """An instance of the dataclass ``cls`` from a mapping, every key and type checked."""
    if cls is Step:
        return _step(raw, where)
    if not isinstance(raw, Mapping):
        raise ConfigError(f"{where}: expected a mapping of keys, got {type(raw).__name__}")
    names = {f.name for f in fields(cls)}
    for key in raw:
        if key not in names:
            raise ConfigError(f"{where}: unknown key {key!r}" + _nearest(str(key), names))
    hints = get_type_hints(cls)
    for f in fields(cls):
        if f.name not in raw and f.default is MISSING and f.default_factory is MISSING:
            raise ConfigError(f"{where}: missing key {f.name!r}")
    values = {key: _value(hints[key], value, f"{where}: {key}") for key, value in raw.items()}
    try:
        return cls(**values)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def _step(raw: object, where: str) -> Step:
    """``{go: [[x, y], …], speed_m_s: 2}``, ``{stand: 4}``, ``{fall: side}``, ``{climb: [x, y], over_m: 2}`` …"""
    if not isinstance(raw, Mapping):
        raise ConfigError(f"{where}: a step is a mapping such as 'stand: 4', got {type(raw).__name__}")
    verbs = [key for key in raw if key in _VERBS]
    options = ("seconds", "speed_m_s", "over_m", "face_deg")
    unknown = [key for key in raw if key not in _VERBS and key not in options]
    if unknown:
        raise ConfigError(f"{where}: unknown key {unknown[0]!r}" + _nearest(str(unknown[0]), (*_VERBS, *options)))
    if len(verbs) != 1:
        raise ConfigError(f"{where}: a step needs exactly one of {', '.join(_VERBS)}, got {len(verbs)}")
    verb, value = verbs[0], raw[verbs[0]]
    given: dict[str, Any] = {key: _value(float, raw[key], f"{where}: {key}") for key in options if key in raw}
    if verb == "go":
        given["points_m"] = _value(tuple[tuple[float, float], ...], value, f"{where}: go")
        if not given["points_m"]:
            raise ConfigError(f"{where}: go: needs at least one point")
    elif verb == "climb":
        given["points_m"] = (_value(tuple[float, float], value, f"{where}: climb"),)
    elif verb == "fall":
        if value not in _FALLS:
            raise ConfigError(f"{where}: fall: unknown way {value!r}" + _nearest(str(value), _FALLS))
        given["style"] = value
    elif value is not None:
        given.setdefault("seconds", _value(float, value, f"{where}: {verb}"))
    for key in ("seconds", "speed_m_s", "over_m"):
        if given.get(key, 0.0) < 0 or given.get(key, 0.0) > 86400:
            raise ConfigError(f"{where}: {key}: expected a positive number, got {given[key]}")
    return Step(verb=verb, **given)


def _value(hint: Any, value: object, where: str) -> Any:
    """``value`` as the annotated type ``hint``."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        if value not in arguments:
            raise ConfigError(f"{where}: unknown value {value!r}" + _nearest(str(value), arguments))
        return value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _value(next(a for a in arguments if a is not type(None)), value, where)
    if origin is tuple:
        return _sequence(arguments, value, where)
    if hint in _SCALARS:
        return _scalar(hint, value, where)
    return _build(hint, value, where)


def _sequence(arguments: tuple[Any, ...], value: object, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{where}: expected a list, got {value!r}")
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_value(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if len(value) != len(arguments):
        raise ConfigError(f"{where}: expected {len(arguments)} values, got {len(value)}")
    return tuple(_value(a, item, f"{where}[{i}]") for i, (a, item) in enumerate(zip(arguments, value, strict=True)))


def _scalar(hint: Any, value: object, where: str) -> float | int | bool | str:
    """A number below a million, a switch, or a text of at most 400 characters."""
    is_switch = isinstance(value, bool)
    if hint is float and isinstance(value, int | float) and not is_switch and abs(value) < 1e6:
        return float(value)
    if isinstance(value, hint) and is_switch == (hint is bool) and (not isinstance(value, str) or len(value) <= 400):
        return cast("float | int | bool | str", value)
    raise ConfigError(f"{where}: expected {_SCALARS[hint]}, got {str(value)[:80]!r}")
