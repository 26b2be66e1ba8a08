"""``vedette coverage``: what each camera really saw. Silence means something only where this says so.

In: the records that the alert role keeps on the bus. Out: a table for people, JSON lines otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from pipeline.coverage import CoverageReport
from pipeline.protocols import Bus
from pipeline.types import utc_from_s
from workers.alert import coverage_of

__all__ = ["print_reports", "reports"]


def reports(bus: Bus, cameras: Sequence[str], *, now_s: float, window_s: float) -> dict[str, CoverageReport | None]:
    """For each camera, the window that ends now, begun no earlier than its record; None without a record."""
    found: dict[str, CoverageReport | None] = {}
    for camera in cameras:
        coverage = coverage_of(bus, camera)
        span = coverage.span()
        end_s = now_s if span is None else max(now_s, span[1])
        found[camera] = None if span is None else coverage.over(max(span[0], end_s - window_s), end_s)
    return found


def print_reports(found: Mapping[str, CoverageReport | None], console: Console, *, as_json: bool) -> None:
    """Write the reports: one JSON object a line, or a table."""
    if as_json:
        for camera, report in found.items():
            console.file.write(json.dumps({"camera": camera} | ({} if report is None else _facts(report))) + "\n")
        return
    table = Table("camera", "since (UTC)", "seen", "impaired", "blind", "no record", "what it was")
    for camera, report in found.items():
        if report is None:
            table.add_row(camera, "never seen", *[""] * 5)
            continue
        length_s = max(report.to_s - report.from_s, 1e-9)
        parts = (report.seen_s, report.impaired_s, report.blind_s, report.gap_s)
        causes = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in report.by_condition)
        shares = [f"{part / length_s:.1%}" for part in parts]
        table.add_row(camera, f"{utc_from_s(report.from_s):%Y-%m-%d %H:%M:%S}", *shares, causes)
    console.print(table)


def _facts(report: CoverageReport) -> dict[str, object]:
    return {
        "from": utc_from_s(report.from_s).isoformat(),
        "to": utc_from_s(report.to_s).isoformat(),
        "seen_s": round(report.seen_s, 3),
        "impaired_s": round(report.impaired_s, 3),
        "blind_s": round(report.blind_s, 3),
        "gap_s": round(report.gap_s, 3),
        "by_condition_s": {name: round(seconds, 3) for name, seconds in report.by_condition},
    }
