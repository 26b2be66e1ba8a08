"""Where the generations of what is normal are kept: ``data_dir/normality/CAMERA/NUMBER.npz``, the last two of each.

In: generations from the alert stage's judge, before its state is saved under their number. Out: the one that a saved
state names, after a restart or on another machine. A file that cannot be written or read costs a warm-up and one line
in the log, never an alert. Next file: ``pipeline/unusual/generations.py``.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from pipeline.errors import StorageError
from pipeline.telemetry import Telemetry
from pipeline.unusual.generations import MAX_BYTES, from_bytes, to_bytes
from pipeline.unusual.normality import Normality

__all__ = ["Shelf"]

_SUFFIX = ".npz"


class Shelf:
    """The generations of one camera on disk."""

    def __init__(self, root: Path, camera: str, telemetry: Telemetry) -> None:
        self._folder = root / camera
        self._camera = camera
        self._telemetry = telemetry

    def keep(self, normality: Normality, progress: float) -> None:
        """Write a generation, whole or not at all, and remove all but it and the one before.

        ``progress``: share of the warm-up that is done. A failure is counted and logged.
        """
        number = normality.number
        target = self._file(number)
        partial = target.with_suffix(f".{os.getpid()}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                file.write(to_bytes(normality))
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        except OSError as error:
            self._refuse("write", f"What is normal for {self._camera} cannot be kept: {error.strerror}.")
            with suppress(OSError):
                partial.unlink()
            return
        for old in self._folder.glob(f"*{_SUFFIX}"):
            if old.stem not in (str(number), str(number - 1)):
                with suppress(OSError):
                    old.unlink()
        self._telemetry.learning(self._camera, progress)
        self._telemetry.log.info(
            "normality_learned",
            camera=self._camera,
            generation=number,
            looks=len(normality.tracks),
            warm_up_share=round(progress, 2),
        )

    def recall(self, number: int) -> Normality | None:
        """Generation ``number``; None, with the reason in the log, when it is not there or cannot be read."""
        try:
            with self._file(number).open("rb") as file:
                content = file.read(MAX_BYTES + 1)
            return from_bytes(content)
        except OSError as error:
            self._refuse("read", f"What was learned of {self._camera} is not there: {error.strerror}; it warms up.")
        except StorageError as error:
            self._refuse("read", f"{self._file(number)}: {error} The camera warms up.")
        return None

    def newest(self) -> Normality | None:
        """The generation with the highest number that can be read: what another machine, or a lost Redis, left."""
        numbers = sorted(int(file.stem) for file in self._folder.glob(f"*{_SUFFIX}") if file.stem.isdecimal())
        for number in reversed(numbers):
            found = self.recall(number)
            if found is not None:
                return found
        return None

    def _file(self, number: int) -> Path:
        return self._folder / f"{number}{_SUFFIX}"

    def _refuse(self, what: str, sentence: str) -> None:
        self._telemetry.count("normality_refused", self._camera, what)
        self._telemetry.log.warning("normality_refused", camera=self._camera, error=sentence)
