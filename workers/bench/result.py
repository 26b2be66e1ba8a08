"""What a measurement found, and how it is told: a table for people, JSON for programs.

In: :class:`Result` values. Out: text. Next file: ``workers/bench/cli.py``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from rich.console import Console
from rich.table import Table

__all__ = ["Result", "percentile", "print_results"]


@dataclass(frozen=True, slots=True)
class Result:
    """One number with its unit. ``target`` is what it should reach (None: for information).

    ``is_least`` tells which side is good: at least the target, or at most. ``parts`` are the numbers it was made of.
    """

    name: str
    value: float
    unit: str
    target: float | None = None
    is_least: bool = True
    parts: dict[str, float | int | str] = field(default_factory=dict)

    @property
    def is_met(self) -> bool | None:
        """Whether the target is reached; None without one."""
        if self.target is None:
            return None
        return self.value >= self.target if self.is_least else self.value <= self.target


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` (0..1) of ``values`` lie (nearest rank); nan for none."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]


def print_results(results: Sequence[Result], machine: dict[str, object], console: Console, *, is_json: bool) -> None:
    """Write everything found: a table, or one JSON object."""
    if is_json:
        found = [{**asdict(result), "is_met": result.is_met} for result in results]
        console.file.write(json.dumps({"v": 1, "machine": machine, "results": found}) + "\n")
        return
    console.print("  ".join(f"{key}: {value}" for key, value in machine.items()), highlight=False)
    table = Table("measure", "value", "target", "", "made of", box=None)
    for result in results:
        sign = "≥" if result.is_least else "≤"
        target = "" if result.target is None else f"{sign} {result.target:g}"
        mark = {None: "", True: "[green]✓[/green]", False: "[red]✗[/red]"}[result.is_met]
        parts = ", ".join(f"{key} {_shown(value)}" for key, value in result.parts.items())
        table.add_row(result.name, f"{_shown(result.value)} {result.unit}", target, mark, parts)
    console.print(table)


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"
