"""``vedette alerts``: subscribe to the alert channel from a terminal or a script, resuming without loss.

In: the durable stream ``vedette:alerts``. Out: one line per alert revision: for people on a terminal, JSON otherwise.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from pipeline.telemetry import Telemetry
from rich.console import Console
from rich.markup import escape

from pipeline.alert.message import to_json
from pipeline.protocols import Bus
from pipeline.types import Alert
from workers.runtime import bus_patience

__all__ = ["follow", "show"]

READ_ENTRIES = 200
BLOCK_S = 1.0
COLOURS = {"info": "cyan", "warning": "yellow", "critical": "bold red"}


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
    """Write one alert revision: JSON with its stream position as ``stream_id``, or a line for people."""
    if as_json:
        console.file.write('{"stream_id":"' + position + '",' + to_json(alert)[1:] + "\n")
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
        console.print(f"    {escape(alert.text)}", highlight=False)
    if alert.phase == "opened":
        for evidence in alert.evidence:
            line = f"    {evidence.cue}: {evidence.observed} (allowed {evidence.normal})"
            console.print(f"[dim]{escape(line)}[/dim]", highlight=False)
