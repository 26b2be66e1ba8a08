"""What the layouts have in common: videos of a folder, footage by clip name, frame counts. Next file: ``own.py``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pipeline.errors import SourceError, UsageError
from pipeline.evaluate.footage import STILL_CODECS, frame_times_s, stills_in
from pipeline.ingest.source import VIDEO_SUFFIXES

__all__ = ["footage_in", "frame_count", "is_video", "only_folder", "sub_folders", "videos_in"]


def is_video(path: Path) -> bool:
    """Whether ``path`` is a video by its name and not what a file manager left behind."""
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".") and path.is_file()


def videos_in(folder: Path) -> list[Path]:
    """The videos of a folder by name; empty when there is no such folder."""
    return sorted(path for path in folder.iterdir() if is_video(path)) if folder.is_dir() else []


def sub_folders(folder: Path) -> list[Path]:
    """The folders in a folder by name, hidden ones left out."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def footage_in(folder: Path) -> list[Path]:
    """Videos of a folder, and folders of stills in it, by name."""
    stills = [
        path
        for path in sub_folders(folder)
        if any(child.suffix.lower() in STILL_CODECS and not child.name.startswith(".") for child in path.iterdir())
    ]
    return sorted([*videos_in(folder), *stills], key=lambda path: path.name)


def frame_count(path: Path) -> int:
    """Frames of a video or of a folder of stills. Raises UsageError when it cannot be read."""
    if path.is_dir():
        return len(stills_in(path))
    try:
        return len(frame_times_s(path))
    except SourceError as error:
        raise UsageError(f"{path} cannot be evaluated: {error}") from error


def only_folder(root: Path, names: Iterable[str], what: str) -> Path:
    """The first of ``names`` that is a folder below ``root``. Raises UsageError, naming them, when none is."""
    names = tuple(names)
    for name in names:
        if (root / name).is_dir():
            return root / name
    raise UsageError(f"{root} is not {what}: there is no folder {' or '.join(names)} in it.")
