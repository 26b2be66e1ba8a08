"""``vedette check SITE.yaml``: is the file right, and what will it do? Starts nothing and opens no camera.

In: a path. Out: :class:`Checkup`, and its rendering for people or programs. Exit 0 when the file can be run, else 2.
Next file: ``pipeline/config/site.py``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.alert.settings import WatchRule
from pipeline.alert.watch.compile import written
from pipeline.config import load_site
from pipeline.describe.settings import DescribeSettings
from pipeline.errors import ConfigError
from pipeline.redact import redact
from pipeline.settings import CameraSettings, SiteSettings

__all__ = ["CameraSummary", "Checkup", "Reading", "check", "print_checkup"]


@dataclass(frozen=True, slots=True)
class Reading:
    """How a sentence of ``watch_for`` was read: ``rule`` is what could stand under ``rules`` instead, as YAML."""

    sentence: str
    rule: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CameraSummary:
    """One camera as it will run; ``url`` without its secrets."""

    name: str
    url: str
    has_sub_stream: bool
    detect_fps: float
    zones: tuple[str, ...]
    lines: tuple[str, ...]
    rules: tuple[str, ...]
    watch_for: tuple[Reading, ...] = ()


@dataclass(frozen=True, slots=True)
class Checkup:
    """What a site file says. ``problems`` make it unusable (one sentence each); ``hints`` are worth a look."""

    path: str
    problems: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    config_hash: str = ""
    detector: str = ""
    describer: str = ""
    redis: str = ""
    data_dir: str = ""
    cameras: tuple[CameraSummary, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 when the file can be run, 2 when not."""
        return 2 if self.problems else 0


def check(path: Path, env: Mapping[str, str] | None = None) -> Checkup:
    """Everything that can be said of the site file at ``path`` without starting anything."""
    try:
        site = load_site(path, env)
    except ConfigError as error:
        return Checkup(str(path), problems=tuple(str(error).splitlines()))
    return Checkup(
        path=str(path),
        hints=(*_hints(site), *_describe_hints(site.describe, os.environ if env is None else env)),
        config_hash=site.config_hash,
        detector=f"{site.detector.weights or 'vedette-n (bundled)'} on {site.detector.backend}/{site.detector.device}",
        describer=_describer(site.describe),
        redis="embedded" if site.redis.url is None else redact(site.redis.url.reveal()),
        data_dir=str(site.data_dir),
        cameras=tuple(_summary(camera) for camera in site.cameras),
    )


def _describer(describe: DescribeSettings) -> str:
    """Who puts scenes into words, and where pictures go for that."""
    if describe.backend == "server" and describe.server is not None:
        return f"{describe.server.model} at {redact(describe.server.endpoint)}"
    return f"{describe.model.model} on this machine" if describe.backend == "vlm" else "the grounded writer"


def _describe_hints(describe: DescribeSettings, env: Mapping[str, str]) -> Iterator[str]:
    server = describe.server
    if describe.backend != "server" or server is None:
        return
    if server.key_env is not None and not env.get(server.key_env):
        yield f"describe: the environment variable {server.key_env}, which is to hold the key, is unset here."
    host = urlsplit(server.endpoint).hostname
    if host not in ("localhost", "127.0.0.1", "::1") and describe.privacy.people == "none":
        yield f"describe: pictures with people go to {host}; hide_people: heads makes them unrecognisable first."


def print_checkup(checkup: Checkup, console: Console, *, is_json: bool = False) -> int:
    """Write ``checkup`` to ``console``; its exit code."""
    if is_json:
        record = {"ok": not checkup.problems, **asdict(checkup)}
        console.out(json.dumps(record, ensure_ascii=False), highlight=False)
        return checkup.exit_code
    for problem in checkup.problems:
        console.print(f"[red]✗[/red] {escape(problem)}", highlight=False, soft_wrap=True)
    if checkup.problems:
        count = len(checkup.problems)
        console.print(
            f"{escape(checkup.path)}: {count} {'thing' if count == 1 else 'things'} to mend.", highlight=False
        )
        return checkup.exit_code
    console.print(_table(checkup))
    _print_readings(checkup, console)
    console.print(
        f"detector {escape(checkup.detector)} · described by {escape(checkup.describer)} · "
        f"redis {escape(checkup.redis)} · state in {escape(checkup.data_dir)} · config {checkup.config_hash}",
        highlight=False,
        soft_wrap=True,
    )
    for hint in checkup.hints:
        console.print(f"[yellow]![/yellow] {escape(hint)}", highlight=False, soft_wrap=True)
    console.print(f"[green]✓[/green] {escape(checkup.path)} is valid.", highlight=False, soft_wrap=True)
    return checkup.exit_code


def _print_readings(checkup: Checkup, console: Console) -> None:
    """Each sentence with the rule it became, ready to be pasted, and what was read more broadly than written."""
    for camera in checkup.cameras:
        for reading in camera.watch_for:
            console.print(f"{escape(camera.name)}: ‘{escape(reading.sentence)}’ is", highlight=False, soft_wrap=True)
            console.print(f"    - {escape(reading.rule)}", highlight=False, soft_wrap=True)
            for note in reading.notes:
                console.print(f"      [dim]{escape(note)}[/dim]", highlight=False, soft_wrap=True)


def _table(checkup: Checkup) -> Table:
    table = Table("camera", "source", "fps", "zones and lines", "rules", title=None)
    for camera in checkup.cameras:
        source = camera.url + (" + sub-stream" if camera.has_sub_stream else "")
        places = ", ".join((*camera.zones, *camera.lines)) or "–"
        row = (camera.name, source, f"{camera.detect_fps:g}", places, ", ".join(camera.rules) or "–")
        table.add_row(*(escape(cell) for cell in row))
    return table


def _summary(camera: CameraSettings) -> CameraSummary:
    return CameraSummary(
        name=camera.name,
        url=redact(camera.url.reveal()),
        has_sub_stream=camera.detect_url is not None,
        detect_fps=camera.detect_fps,
        zones=tuple(zone.name for zone in camera.alert.zones),
        lines=tuple(line.name for line in camera.alert.lines),
        rules=tuple(rule.name for rule in camera.alert.rules),
        watch_for=tuple(_readings(camera)),
    )


def _readings(camera: CameraSettings) -> Iterator[Reading]:
    rules = {rule.name: rule for rule in camera.alert.rules}
    for sentence in camera.watch_for:
        plain = yaml.safe_dump(
            written(rules[sentence.rule]), default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000
        )
        yield Reading(sentence.text, plain.strip(), sentence.notes)


def _unanswerable(site: SiteSettings) -> Iterator[str]:
    """Rules with a question where no model describes: they go by the likeness of words, if at all."""
    if site.describe.backend != "grounded":
        return
    for camera in site.cameras:
        for rule in camera.alert.rules:
            if isinstance(rule, WatchRule) and rule.question is not None:
                yield (
                    f"{camera.name}: nobody can answer ‘{rule.question}’, because no model describes "
                    "(describe.backend); it will hardly ever be an alert."
                )


def _hints(site: SiteSettings) -> tuple[str, ...]:
    """What is allowed and yet seldom meant."""
    hints = [*_unanswerable(site)]
    for camera in site.cameras:
        scheduled = [rule for rule in camera.alert.rules if rule.schedule.windows]
        if scheduled and all(rule.schedule.time_zone == "UTC" for rule in scheduled):
            hints.append(f"{camera.name}: its schedules are in UTC; set time_zone if local time is meant.")
        if not camera.alert.rules:
            hints.append(f"{camera.name}: has no rules, so nothing but its health is alerted.")
        used = {name for rule in camera.alert.rules for name in (rule.zone_name, rule.line_name)}
        places = [zone.name for zone in camera.alert.zones] + [line.name for line in camera.alert.lines]
        unused = [name for name in places if name not in used]
        if unused:
            hints.append(f"{camera.name}: no rule uses {', '.join(unused)}.")
        if "://" not in camera.url.reveal() and camera.url.reveal() != "-" and not Path(camera.url.reveal()).exists():
            hints.append(f"{camera.name}: its url is a local path, and nothing is there now.")
    if site.detector.weights is not None and "/" in site.detector.weights and not Path(site.detector.weights).exists():
        hints.append(f"detector: there are no weights at {site.detector.weights} now.")
    return tuple(hints)
