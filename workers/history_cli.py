"""``vedette history``: past incidents of a site by camera, kind, severity and time, without a bus.

In: the history that the alert role keeps (``pipeline/store/history.py``). Out: the newest revision of each incident,
or, given an alert's id, all that was said of it; lines for people, the alert messages themselves as JSON lines.
Next file: ``pipeline/store/history.py``.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, get_args

import typer
from rich.console import Console

from pipeline.errors import UsageError
from pipeline.types import Alert, Severity
from workers.alerts import show
from workers.search_cli import instant_s, known_cameras

__all__ = ["history"]


def history(
    alert: Annotated[str | None, typer.Argument(help="An alert's id: all its revisions.", show_default=False)] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The site; default: the default data directory.")
    ] = None,
    camera: Annotated[list[str] | None, typer.Option(help="Only this camera; may be given several times.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Only this kind (zone, watch, unusual, …).")] = None,
    severity: Annotated[list[str] | None, typer.Option(help="Only this severity.")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="Not before: ISO 8601 (UTC), or 90min, 12h, 7d.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Not after: the same.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most incidents shown.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Alert messages as JSON lines.")] = False,
) -> None:
    """Past incidents, last opened first; or everything that was said of one."""
    from pipeline.config import load_site, site_of_urls
    from pipeline.store.history import AlertHistory

    site = load_site(config) if config is not None else site_of_urls(["rtsp://localhost/unused"])
    cameras = known_cameras(camera or [], site if config is not None else None)
    now_s = time.time()
    from_s, to_s = instant_s("--from", from_, now_s), instant_s("--to", to, now_s)
    if not site.alerts_file.is_file():
        raise UsageError(f"No alert was kept yet: there is no {site.alerts_file}.")
    with AlertHistory(site.alerts_file) as kept:
        if alert is None:
            found = kept.newest(
                cameras=cameras,
                kinds=kind or (),
                severities=_severities(severity or []),
                from_s=from_s,
                to_s=to_s,
                limit=limit,
            )
        else:
            found = kept.revisions(alert)
            if not found:
                raise UsageError(f"There is no alert {alert[:80]!r} in {site.alerts_file}.")
    _print(found, as_json=as_json or not sys.stdout.isatty())


def _severities(asked: list[str]) -> list[Severity]:
    known: tuple[Severity, ...] = get_args(Severity)
    for word in asked:
        if word not in known:
            raise UsageError(f"--severity takes {', '.join(known)}, not {word[:40]!r}.")
    return [word for word in known if word in asked]


def _print(found: list[Alert], *, as_json: bool) -> None:
    console = Console()
    for one in found:
        show(console, "", one, as_json=as_json)
    if not found and not as_json:
        console.print("No alerts there.")
