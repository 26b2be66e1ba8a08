"""``vedette alerts``: subscribe to the alert channel from a terminal or a script, resuming without loss.

In: the durable stream ``vedette:alerts``. Out: one line per alert revision: for people on a terminal, JSON otherwise.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from pipeline.alert.message import to_json
from pipeline.errors import UsageError
from pipeline.protocols import Bus
from pipeline.settings import Secret
from pipeline.telemetry import Telemetry
from pipeline.types import Alert
from workers.runtime import bus_patience
from workers.wiring import open_bus

__all__ = ["alert_bus", "follow", "show", "start_position"]

READ_ENTRIES = 200
BLOCK_S = 1.0
COLOURS = {"info": "cyan", "warning": "yellow", "critical": "bold red"}


@contextmanager
def alert_bus(config: Path | None, url: str | None, telemetry: Telemetry) -> Iterator[Bus]:
    """The bus to listen on: a site's, a Redis named by its URL, or the embedded one of the default data directory.

    Raises UsageError when there is nothing to listen to, or a position that is none.
    """
    from pipeline.config import load_site, site_of_urls
    from workers.run import with_redis

    if config is not None and url is not None:
        raise UsageError("Name the site with --config or its Redis with --redis, not both.")
    site = load_site(config) if config is not None else site_of_urls(["rtsp://localhost/unused"])
    if url is not None:
        site = replace(site, redis=replace(site.redis, url=Secret(url)))
    with with_redis(site, telemetry) as ready:
        bus = open_bus(ready.redis, telemetry.count)
        try:
            yield bus
        finally:
            bus.close()


def start_position(since: str, bus: Bus) -> str:
    """``since`` as a position on ``bus``; ``$`` is its end. Raises UsageError unless it is that or a stream id."""
    if not re.fullmatch(r"\$|\d{1,20}(-\d{1,20})?", since):
        raise UsageError(f"--since takes a stream_id such as 1790000000000-0, 0 or $, not {since[:40]!r}.")
    return bus.newest_alert() if since == "$" else since


def follow(
    bus: Bus,
    since: str,
    *,
    is_following: bool,
    stop: threading.Event,
    telemetry: Telemetry,
    emit: Callable[[str, Alert], None],
) -> str:
    """Emit every alert revision after position ``since``, oldest first; the position reached.

    With ``is_following`` it waits for more until ``stop``; a bus that goes away is waited for, and nothing is skipped.
    """
    position = since
    block_s = BLOCK_S if is_following else 0.0
    while not stop.is_set():

        def read(position: str = position) -> list[tuple[str, Alert]]:
            return bus.alerts(position, max_entries=READ_ENTRIES, block_s=block_s)

        entries = bus_patience(read, stop, telemetry) if is_following else read()
        for position, alert in entries or ():
            emit(position, alert)
        if not entries and not is_following:
            break
    return position


def show(console: Console, position: str, alert: Alert, *, as_json: bool) -> None:
    """Write one alert revision: JSON with its stream position (if any) as ``stream_id``, or lines for people."""
    if as_json:
        place = f'"stream_id":"{position}",' if position else ""
        console.file.write("{" + place + to_json(alert)[1:] + "\n")
        console.file.flush()
        return
    colour = COLOURS[alert.severity]
    when = f"{alert.updated_at:%Y-%m-%d %H:%M:%S}"
    console.print(
        f"[dim]{when}[/dim] [{colour}]{alert.severity:<8}[/{colour}] {alert.phase:<7} "
        f"[bold]{escape(alert.camera)}[/bold]  {escape(alert.title)}  [dim]{alert.id} r{alert.revision}[/dim]",
        highlight=False,
    )
    if alert.phase == "opened" and alert.text:
        console.print(f"    {escape(alert.text)}", highlight=False, soft_wrap=True)
    if alert.phase == "opened":
        for evidence in alert.evidence:
            line = f"    {evidence.cue}: {evidence.observed} (allowed: {evidence.normal})"
            console.print(f"[dim]{escape(line)}[/dim]", highlight=False, soft_wrap=True)
