"""Where the ledger's files lie: a folder per camera and UTC day, names that sort by media time; bounds of age and size.

In: the root folder of a site's ledger. Out: the files of a stretch of media time, oldest first; or fewer files than
before (:func:`prune`). A journal and the Parquet file made of it have the same stem; while both are there, the journal
counts. Next file: ``pipeline/ledger/sealed.py``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pipeline.ledger.journal import is_abandoned

__all__ = ["JOURNAL", "PARQUET", "Volume", "cameras", "day_of", "new_stem", "prune", "volumes"]

JOURNAL = ".journal"
PARQUET = ".parquet"
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_STEM = re.compile(r"\d{12}-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True, order=True)
class Volume:
    """One file of the ledger: what of ``camera`` began on ``day`` at ``stem``'s time of day."""

    day: date
    stem: str
    camera: str
    path: Path

    @property
    def is_journal(self) -> bool:
        """Whether it is still written to, or its writer was killed."""
        return self.path.suffix == JOURNAL

    @property
    def begins_us(self) -> int:
        """UTC microseconds of the first row."""
        midnight = datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC)
        clock = self.stem[:12]
        seconds = int(clock[:2]) * 3600 + int(clock[2:4]) * 60 + int(clock[4:6])
        return round(midnight.timestamp()) * 1_000_000 + seconds * 1_000_000 + int(clock[6:])


def day_of(at_us: int) -> date:
    """The UTC day of a media time."""
    return _instant(at_us).date()


def new_stem(at_us: int) -> str:
    """A file name (without suffix) for rows from ``at_us`` on that no other writer chooses."""
    return f"{_instant(at_us):%H%M%S%f}-{os.urandom(4).hex()}"


def cameras(root: Path) -> tuple[str, ...]:
    """Names of the cameras that have a folder under ``root``."""
    return tuple(sorted(entry.name for entry in _entries(root) if entry.is_dir() and not entry.is_symlink()))


def volumes(root: Path, camera: str, from_day: date = date.min, to_day: date = date.max) -> list[Volume]:
    """Files of ``camera`` whose day lies within ``from_day`` .. ``to_day``, in the order of their first rows."""
    found: dict[tuple[date, str], Volume] = {}
    for folder in _entries(root / camera):
        day = _day(folder.name)
        if day is None or not from_day <= day <= to_day:
            continue
        for entry in _entries(Path(folder.path)):
            path = Path(entry.path)
            if _STEM.fullmatch(path.stem) and path.suffix in (JOURNAL, PARQUET):
                volume = Volume(day, path.stem, camera, path)
                if volume.is_journal or (day, path.stem) not in found:
                    found[day, path.stem] = volume
    return sorted(found.values())


def prune(root: Path, *, keep_days: int, max_bytes: int) -> int:
    """Delete what is older than ``keep_days`` before a camera's newest day, then the oldest until ``max_bytes`` hold.

    A journal that is being written is kept whatever it weighs. Returns how many files went. Two may prune at once.
    """
    everything: list[Volume] = []
    gone = 0
    for camera in cameras(root):
        own = volumes(root, camera)
        newest = max((volume.day for volume in own), default=date.min)
        for volume in own:
            if newest.toordinal() - volume.day.toordinal() >= keep_days and _delete(volume):
                gone += 1
            else:
                everything.append(volume)
    everything.sort()
    sizes = [_size(volume.path) for volume in everything]
    total = sum(sizes)
    for volume, size in zip(everything, sizes, strict=True):
        if total <= max_bytes:
            break
        if _delete(volume):
            gone, total = gone + 1, total - size
    return gone


def _delete(volume: Volume) -> bool:
    if volume.is_journal and not is_abandoned(volume.path):
        return False
    with suppress(FileNotFoundError):
        volume.path.unlink()
        volume.path.with_suffix(PARQUET).unlink(missing_ok=True)
    with suppress(OSError):  # another file of that day is there
        volume.path.parent.rmdir()
    return True


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        yield from entries


def _day(name: str) -> date | None:
    if not _DAY.fullmatch(name):
        return None
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None


def _instant(at_us: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)
