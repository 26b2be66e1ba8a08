"""A YAML file as plain values with the line of each: the only module that touches YAML.

In: a path. Out: :class:`Document`. Only YAML's own plain types are made (null, true/false, numbers, text, lists, maps);
``on``, ``no`` and ``22:00`` stay text, as in YAML 1.2. Hostile files end in one sentence: binary, huge, nested too
deep, aliases that multiply or contain themselves, keys given twice. Next file: ``pipeline/config/secrets.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from pipeline.config.faults import Fault, Place
from pipeline.errors import ConfigError

__all__ = ["Document", "Tree", "parse_document", "read_document"]

Tree = None | bool | int | float | str | list["Tree"] | dict[str, "Tree"]

MAX_BYTES = 2**19
MAX_VALUES = 100_000
MAX_DEPTH = 40
_MERGE_KEY = "<<"
_INT = re.compile(r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file. ``name`` is the path as the person wrote it; ``lines`` maps a place to its line (from 1);
    ``faults`` are what was wrong without making the rest unreadable (keys given twice)."""

    name: str
    folder: Path
    tree: Tree
    lines: dict[Place, int]
    faults: tuple[Fault, ...]


def read_document(path: Path) -> Document:
    """The YAML file at ``path``. Raises ConfigError, one sentence, when it cannot be read or is not YAML."""
    name = str(path)
    try:
        if path.is_dir():
            raise ConfigError(f"{name}: is a folder; name the site file inside it")
        if path.exists() and not path.is_file():
            raise ConfigError(f"{name}: is not a regular file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError as fault:
        raise ConfigError(f"{name}: no such file") from fault
    except (OSError, ValueError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else str(fault)
        raise ConfigError(f"{name}: cannot be read: {reason}") from fault
    return parse_document(content, name, path.absolute().parent)


def parse_document(content: bytes, name: str, folder: Path) -> Document:
    """``content`` of a YAML file called ``name`` in messages; relative paths in it count from ``folder``.

    Raises ConfigError, one sentence, when it is not one YAML document of bounded size.
    """
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{name}: is larger than {MAX_BYTES // 1024} KiB, which no site file is")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigError(f"{name}: is UTF-16 text; save it as UTF-8")
    if b"\0" in content:
        raise ConfigError(f"{name}: is a binary file, not YAML")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = content[: fault.start].count(b"\n") + 1
        raise ConfigError(f"{name}:{line}: is not UTF-8 text (byte {content[fault.start]:#04x})") from fault
    try:
        root = yaml.compose(text, Loader=_PlainLoader)
    except yaml.YAMLError as fault:
        raise _not_yaml(name, text, fault) from fault
    except RecursionError:
        raise ConfigError(f"{name}: is nested too deep") from None
    if root is None:
        raise ConfigError(f"{name}: is empty; the smallest site names one camera")
    reader = _Reader(name)
    tree = reader.value_of(root, ())
    return Document(name, folder, tree, reader.lines, tuple(reader.faults))


def _not_yaml(name: str, text: str, fault: yaml.YAMLError) -> ConfigError:
    if not isinstance(fault, yaml.MarkedYAMLError) or fault.problem_mark is None:
        return ConfigError(f"{name}: is not YAML: {str(fault).splitlines()[0]}")
    line = fault.problem_mark.line + 1
    row = (text.splitlines() or [""])[min(line, len(text.splitlines())) - 1]
    if "\t" in row[: len(row) - len(row.lstrip())] or "'\\t'" in (fault.problem or ""):
        return ConfigError(f"{name}:{line}: a tab indents this line; YAML allows only spaces there")
    context = f" {fault.context}," if fault.context else ""
    return ConfigError(f"{name}:{line}: is not YAML:{context} {fault.problem}")


class _PlainLoader(yaml.SafeLoader):
    """Composes nodes without YAML 1.1's guesses (``no`` is not false, ``22:00`` is not 1320)."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML declares it so


@dataclass(slots=True)
class _Reader:
    """Walks the composed nodes once, counting what it makes so that aliases cannot multiply without end."""

    name: str
    lines: dict[Place, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    _made: int = 0

    def value_of(self, node: yaml.Node, place: Place) -> Tree:
        line = node.start_mark.line + 1
        self.lines.setdefault(place, line)
        self._made += 1
        if self._made > MAX_VALUES:
            raise ConfigError(f"{self.name}:{line}: expands to more than {MAX_VALUES} values (aliases of aliases?)")
        if len(place) > MAX_DEPTH:
            raise ConfigError(f"{self.name}:{line}: is nested too deep, or an alias contains itself")
        if isinstance(node, yaml.MappingNode):
            return self._map_of(node, place)
        if isinstance(node, yaml.SequenceNode):
            self._refuse_tag(node, "tag:yaml.org,2002:seq", place)
            return [self.value_of(item, (*place, index)) for index, item in enumerate(node.value)]
        return self._scalar_of(node, place)

    def _map_of(self, node: yaml.MappingNode, place: Place) -> Tree:
        self._refuse_tag(node, "tag:yaml.org,2002:map", place)
        tree: dict[str, Tree] = {}
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or not _is_unicode(key_node.value):
                self.faults.append(Fault(place, "a key has to be a word", line))
                continue
            key = key_node.value
            if key == _MERGE_KEY and key_node.style is None:
                merged.append(value_node)
                continue
            if key in tree:
                first = self.lines[(*place, key)]
                self.faults.append(Fault((*place, key), f"key given twice (first in line {first})", line))
                continue
            self.lines.setdefault((*place, key), line)
            tree[key] = self.value_of(value_node, (*place, key))
        for source in merged:
            for key, value in self._merged(source, place):
                tree.setdefault(key, value)
        return tree

    def _merged(self, node: yaml.Node, place: Place) -> Iterator[tuple[str, Tree]]:
        """Keys of a map (or of each map in a list) that ``<<`` brings in; keys written out win over them."""
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for source in sources:
            value = self.value_of(source, place)
            if not isinstance(value, dict):
                self.faults.append(Fault((*place, _MERGE_KEY), "expected a map to merge", source.start_mark.line + 1))
                continue
            yield from value.items()

    def _scalar_of(self, node: yaml.Node, place: Place) -> Tree:
        self._refuse_tag(node, "tag:yaml.org,2002:str", place)
        text = str(node.value)
        if not _is_unicode(text):
            self.faults.append(Fault(place, "holds half of a character (a lone surrogate)", node.start_mark.line + 1))
            return ""
        return text if isinstance(node, yaml.ScalarNode) and node.style is not None else _plain(text)

    def _refuse_tag(self, node: yaml.Node, expected: str, place: Place) -> None:
        if node.tag != expected:
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            self.faults.append(Fault(place, f"the tag {tag} is not allowed", node.start_mark.line + 1))


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _plain(text: str) -> Tree:
    """The value of an unquoted scalar by the core schema of YAML 1.2."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text.lower() == "true"
    if _INT.fullmatch(text):
        return int(text, 0 if text[:2] in ("0x", "0o") else 10) if len(text) < 40 else float(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITE.fullmatch(text):
        return float(text.replace(".", "", 1))
    return text
