"""The command line, ``vedette``: parse, load the site, hand over. In: arguments. Out: an exit code.

0 done, 1 ran and failed, 2 bad usage or configuration (one clear sentence on standard error).
Next files: ``workers/run.py``, ``workers/replay.py``.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import setproctitle
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.errors import UsageError, VedetteError
from pipeline.redact import redact
from workers import eval_cli, ledger_cli, scenes_cli, train_cli
from workers.bench.cli import bench
from workers.describe_cli import describe
from workers.history_cli import history
from workers.search_cli import search

if TYPE_CHECKING:
    from pipeline.telemetry import Telemetry
    from pipeline.types import Alert

__all__ = ["app", "main"]

app = typer.Typer(
    name="vedette",
    help="Cameras in, explained alerts out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

BAD_ARGUMENTS: type[Any] = typer.BadParameter.__mro__[2]
"""ClickException: typer brings a copy of click of its own and does not export this class."""

Site = Annotated[Path, typer.Argument(help="The site file (YAML); see configs/example.yaml.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="JSON lines instead of text for people.")]


def _show_version(is_asked: bool) -> None:
    if is_asked:
        sys.stdout.write(f"vedette {version('vedette')}\n")
        raise typer.Exit


def _show_schema(is_asked: bool) -> None:
    if is_asked:
        from pipeline.config.schema import schema_text

        sys.stdout.write(schema_text())
        raise typer.Exit


@app.callback()
def top(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Cameras in, explained alerts out."""


@app.command()
def watch(
    urls: Annotated[list[str], typer.Argument(help="Camera addresses, e.g. rtsp://user:password@host/stream.")],
    as_json: AsJson = False,
) -> None:
    """Point at cameras and see their alerts; no configuration needed."""
    from pipeline.config import site_of_urls
    from workers.replay import refuse_recorded
    from workers.run import jobs_of, run_site
    from workers.watch import print_alerts

    site = site_of_urls(urls)
    refuse_recorded(site)
    telemetry = _telemetry("watch", is_quiet=True)
    beside = print_alerts(telemetry, as_json=_is_json(as_json))
    raise typer.Exit(run_site(site, telemetry, jobs=jobs_of(site, is_quiet=True), beside=beside))


@app.command()
def run(
    site: Site,
    detectors: Annotated[int, typer.Option(min=1, help="Detect processes.")] = 1,
    alerters: Annotated[int, typer.Option(min=1, help="Alert processes.")] = 1,
    describers: Annotated[int, typer.Option(min=0, help="Describe processes; they share the budget.")] = 1,
) -> None:
    """Run every role of a site on this machine, supervised, until told to stop."""
    from pipeline.config import load_site
    from workers.run import jobs_of, run_site

    settings = load_site(site)
    jobs = jobs_of(settings, detectors=detectors, alerters=alerters, describers=describers)
    raise typer.Exit(run_site(settings, _telemetry("run"), jobs=jobs))


@app.command()
def worker(
    role: Annotated[str, typer.Argument(help="ingest, detect, alert or describe.")],
    site: Site,
    camera: Annotated[str | None, typer.Option(help="ingest: only this camera, in this process.")] = None,
    index: Annotated[int, typer.Option(min=0, help="All but ingest: which of --count workers this is.")] = 0,
    count: Annotated[int, typer.Option(min=1, help="All but ingest: how many workers share the work.")] = 1,
) -> None:
    """Run one role of a site, for containers. The site has to name its Redis, except for trying things out."""
    from pipeline.config import load_site
    from workers.child import ORDERS, Job, run_role
    from workers.run import jobs_of, run_site, with_redis

    if role not in ORDERS:
        raise UsageError(f"There is no role {role!r}; the roles are {', '.join(ORDERS)}.")
    if index >= count:
        raise UsageError(f"--index counts from 0 and has to be less than --count {count}, not {index}.")
    settings = load_site(site)
    telemetry = _telemetry(role)
    if camera is not None and camera not in [known.name for known in settings.cameras]:
        raise UsageError(f"{site} has no camera {camera!r}.")
    if role == "ingest" and camera is None:
        jobs = [job for job in jobs_of(settings) if job.role == role]
        raise typer.Exit(run_site(settings, telemetry, jobs=jobs))
    with with_redis(settings, telemetry) as ready:
        job = Job(role, camera, index, count, port=settings.telemetry.port)
        raise typer.Exit(run_role(job, ready, telemetry))


@app.command()
def replay(
    files: Annotated[list[str], typer.Argument(help="FILE, CAMERA=FILE, a folder, or - (standard input).")],
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The site whose rules apply.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write every revision here, as JSON lines.")] = None,
    speed: Annotated[str, typer.Option(help="max, or a factor: 1 is real time.")] = "max",
    start: Annotated[str | None, typer.Option(help="When they began, ISO 8601; else the file says.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Detect and alert processes over a private Redis; 0: none.")] = 0,
    ledger: Annotated[Path | None, typer.Option(help="Keep what was found in this folder, for back-tests.")] = None,
    as_json: AsJson = False,
) -> None:
    """Send recordings through the same stages as live cameras, and write their alerts."""
    from pipeline.config import load_site, site_of_urls
    from workers import replay as job
    from workers.alerts import show

    site = job.assign(load_site(config) if config else None, files, site_of_urls)
    telemetry = _telemetry("replay", is_quiet=True)
    console, is_json = Console(), _is_json(as_json)
    start_at = _instant(start)
    factor = _speed(speed)
    if out is not None:
        job.refuse_unwritable(out)
    if workers and factor is not None:
        raise UsageError("--speed is for replay in one process; leave out --workers.")
    if workers and ledger is not None:
        raise UsageError("--ledger is for replay in one process; leave out --workers.")

    with _progress(job.length_s(site)) as (advance, above):

        def on_alert(alert: Alert) -> None:
            show(above or console, "", alert, as_json=is_json)

        if workers:
            code, found = job.over_bus(site, telemetry, workers=workers, start_at=start_at, on_alert=on_alert)
        else:
            code = 0
            found = job.single(
                site,
                telemetry,
                speed=factor,
                start_at=start_at,
                on_alert=on_alert,
                on_progress=advance,
                ledger=ledger,
            )
    if out is not None:
        job.write_alerts(out, found)
    incidents = len({alert.id for alert in found})
    sys.stderr.write(f"{incidents} incidents, {len(found)} alert messages.\n")
    raise typer.Exit(code)


@app.command()
def alerts(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more, for ever.")] = False,
    since: Annotated[str, typer.Option(help="Resume after this stream id; 0 is everything, $ only what comes.")] = "0",
    as_json: AsJson = False,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The site whose Redis to read.")] = None,
    redis: Annotated[str | None, typer.Option(envvar="VEDETTE_REDIS", help="Redis URL, instead of a site.")] = None,
) -> None:
    """Subscribe to the alert channel; `--since` the last stream_id seen resumes without loss."""
    from workers.alerts import alert_bus, show, start_position
    from workers.alerts import follow as follow_alerts
    from workers.runtime import stop_on_signals

    telemetry = _telemetry("alerts", is_quiet=True)
    console, is_json = Console(), _is_json(as_json)
    with alert_bus(config, redis, telemetry) as bus, stop_on_signals() as stop:
        follow_alerts(
            bus,
            start_position(since, bus),
            is_following=follow,
            stop=stop,
            telemetry=telemetry,
            emit=lambda position, alert: show(console, position, alert, as_json=is_json),
        )


@app.command()
def demo(
    folder: Annotated[Path | None, typer.Option(help="Where footage and state are kept.", show_default=False)] = None,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="How long; default: once through the footage.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Everything on rendered footage: cameras over RTSP, detection, alerts, and a page with pictures."""
    from pipeline.config import site_of_urls
    from workers.demo.show import run_demo

    target = folder or site_of_urls(["rtsp://localhost/unused"]).data_dir / "demo"
    raise typer.Exit(run_demo(target, _telemetry("demo", is_quiet=True), seconds=seconds, as_json=as_json))


@app.command()
def doctor(
    site: Annotated[Path | None, typer.Argument(help="A site to look at too.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Say what works on this machine, what does not, and how to mend it."""
    from pipeline.config import load_site
    from workers.doctor import doctor as diagnose
    from workers.doctor import print_diagnoses

    settings = None if site is None else load_site(site)
    raise typer.Exit(print_diagnoses(diagnose(settings), Console(), is_json=as_json))


@app.command()
def coverage(
    config: Annotated[Path, typer.Option("--config", "-c", help="The site.", show_default=False)],
    hours: Annotated[float, typer.Option(min=0.01, max=24 * 366, help="How far back.")] = 24.0,
    as_json: AsJson = False,
) -> None:
    """Say how much of the time each camera really saw, and what kept it from seeing."""
    from pipeline.config import load_site
    from workers.alerts import alert_bus
    from workers.coverage import print_reports, reports

    cameras = [camera.name for camera in load_site(config).cameras]
    with alert_bus(config, None, _telemetry("coverage", is_quiet=True)) as bus:
        found = reports(bus, cameras, now_s=time.time(), window_s=hours * 3600)
    print_reports(found, Console(), as_json=_is_json(as_json))


@app.command()
def check(
    site: Site,
    as_json: AsJson = False,
    _schema: Annotated[
        bool, typer.Option("--schema", callback=_show_schema, is_eager=True, help="Print the JSON Schema for editors.")
    ] = False,
) -> None:
    """Say whether a site file is valid, and what it means."""
    from workers.check import check as check_site
    from workers.check import print_checkup

    raise typer.Exit(print_checkup(check_site(site), Console(), is_json=as_json))


app.command()(bench)
for _name, _command in ledger_cli.COMMANDS.items():
    app.command(_name)(_command)
app.command()(describe)
app.command()(search)
app.command()(history)
app.add_typer(scenes_cli.app, name="scenes")
app.add_typer(eval_cli.app, name="eval")
app.add_typer(train_cli.app, name="train")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code. Every expected failure is one sentence on standard error."""
    if arguments is None:
        _hide_secrets(sys.argv[1:])
    try:
        code = app(args=None if arguments is None else list(arguments), standalone_mode=False)
        sys.stdout.flush()
    except VedetteError as error:
        return _complain(str(error), error.exit_code)
    except typer.Exit as stopped:
        code = stopped.exit_code
    except BAD_ARGUMENTS as error:
        return _complain(f"{error.format_message()} Try `vedette --help`.", 2)
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except (BrokenPipeError, SystemExit):  # the reader is gone (`vedette alerts | head`); typer makes an exit of it
        _drop_output()
        return 0
    except OSError as error:  # e.g. the output goes to a disk that is full
        _drop_output()
        return _complain(f"{error.filename or 'The output'} cannot be used: {error.strerror or error}.", 1)
    return int(code or 0)


def _hide_secrets(given: Sequence[str]) -> None:
    """Rewrite this process's command line as others see it (`ps`), without the passwords that were typed into it."""
    shown = [redact(word) for word in given]
    if shown != list(given):
        setproctitle.setproctitle(" ".join(("vedette", *shown)))


def _drop_output() -> None:
    """What is still buffered goes nowhere, so that the interpreter does not fail on it once more when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _complain(sentence: str, code: int) -> int:
    sys.stderr.write(f"vedette: {redact(sentence)}\n")
    return code


def _telemetry(role: str, *, is_quiet: bool = False) -> Telemetry:
    from pipeline.telemetry import Telemetry

    return Telemetry(role=role, is_quiet=is_quiet)


def _is_json(asked: bool) -> bool:
    return asked or not sys.stdout.isatty()


@contextmanager
def _progress(length_s: float | None) -> Iterator[tuple[Callable[[float], None], Console | None]]:
    """A bar with the time left while standard error is a terminal: how to advance it, and where to print above it."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield (lambda _: None), None
        return
    columns = (TextColumn("replay"), BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f} s"))
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        task = progress.add_task("replay", total=length_s)
        yield (lambda done_s: progress.advance(task, done_s)), progress.console if sys.stdout.isatty() else None


def _speed(text: str) -> float | None:
    """None for ``max``, else a factor > 0."""
    if text == "max":
        return None
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 0 < factor < 1000:
        raise UsageError(f"--speed takes max or a factor such as 1, not {text!r}.")
    return factor


def _instant(text: str | None) -> datetime | None:
    """An ISO 8601 instant; without a zone it is UTC."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--start takes an instant such as 2026-11-23T08:00:00Z, not {text!r}.") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
