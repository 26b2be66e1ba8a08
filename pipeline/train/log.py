"""The log of a run as CSV, one row a line, appended and flushed, so that a killed run leaves all its rows.

In: numbers of a step, a note, or AP at some moment. Out: ``log.csv``, ``history.csv``; the plots of
``pipeline/train/sheets.py`` are drawn from them.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import StorageError

if TYPE_CHECKING:
    from pipeline.train.loss import LossParts

__all__ = ["COLUMNS", "PointLog", "RunLog"]

COLUMNS = (
    "step",
    "pictures",
    "trained_s",
    "width",
    "height",
    "learning_rate",
    "loss",
    "class_loss",
    "box_loss",
    "positives",
    "pictures_per_s",
    "note",
)


class RunLog:
    """Appends to a CSV file; a row that cannot be written is dropped, the run is worth more than its log."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                self._append(COLUMNS)
        except OSError as error:
            raise StorageError(f"{path}: the log cannot be written: {error.strerror}") from error

    def _append(self, cells: tuple[object, ...]) -> None:
        with self._path.open("a", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerow(cells)

    def row(
        self,
        step: int,
        pictures: int,
        trained_s: float,
        size_wh: tuple[int, int],
        learning_rate: float,
        parts: LossParts,
        pictures_per_s: float,
    ) -> None:
        """One line of progress."""
        numbers = (float(parts.total.detach()), parts.class_part, parts.box_part)
        cells = (step, pictures, round(trained_s, 2), *size_wh, f"{learning_rate:.3e}", *(f"{n:.4f}" for n in numbers))
        self._write((*cells, parts.positives, round(pictures_per_s, 2), ""))

    def note(self, step: int, text: str) -> None:
        """One line that says something happened."""
        self._write((step, *[""] * (len(COLUMNS) - 2), text))

    def _write(self, cells: tuple[object, ...]) -> None:
        try:
            self._append(cells)
        except OSError:
            return


class PointLog:
    """AP50 of classes against pictures seen, a row for each (evaluation, class), kept over the calls of a run."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, pictures: int, ap50: Mapping[str, float]) -> None:
        """Append the scores of one evaluation; raises :class:`StorageError` when the disk refuses."""
        try:
            with self._path.open("a", newline="", encoding="utf-8") as stream:
                csv.writer(stream).writerows((pictures, label, f"{value:.4f}") for label, value in ap50.items())
        except OSError as error:
            raise StorageError(f"{self._path}: cannot be written: {error.strerror}") from error

    def series(self, labels: Sequence[str]) -> dict[str, list[tuple[float, float]]]:
        """(pictures, AP50) points of each of ``labels`` that was ever scored, in the order of pictures seen."""
        with self._path.open(newline="", encoding="utf-8") as stream:
            rows = [(float(row[0]), row[1], float(row[2])) for row in csv.reader(stream)]
        found = {label: sorted((seen, ap50) for seen, word, ap50 in rows if word == label) for label in labels}
        return {label: points for label, points in found.items() if points}
