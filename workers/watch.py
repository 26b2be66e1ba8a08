"""What ``vedette watch`` does beside running a site: prints alerts as they come."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console

from pipeline.errors import BusError
from pipeline.settings import SiteSettings
from pipeline.telemetry import Telemetry
from workers.alerts import show
from workers.wiring import open_bus

__all__ = ["print_alerts"]

READ_ENTRIES = 200


def print_alerts(telemetry: Telemetry, *, as_json: bool) -> Callable[[SiteSettings], Callable[[], bool]]:
    """For :func:`workers.run.run_site`: print what reaches the alert channel from now on."""
    console = Console()

    def beside(site: SiteSettings) -> Callable[[], bool]:
        bus = open_bus(site.redis, telemetry.count)
        reached = bus.newest_alert()

        def print_new() -> bool:
            nonlocal reached
            try:
                for position, alert in bus.alerts(reached, max_entries=READ_ENTRIES, block_s=0.0):
                    show(console, position, alert, as_json=as_json)
                    reached = position
            except BusError as error:
                telemetry.log.debug("bus_away", error=str(error))
            return False

        return print_new

    return beside
