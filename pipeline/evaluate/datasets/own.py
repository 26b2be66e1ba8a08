"""Your own clips: videos (or folders of stills) and a label per frame or intervals, in one of four simple layouts.

In: a folder that holds

    train/ test/      one camera: what is normal is learned from train/, test/ is judged
    videos/           clips of different cameras, each judged from scratch
    NAME/ noNAME/     clips of unusual and of normal things, each its own camera, split in two by source (groups.json)
    *.mp4             one camera and nothing unusual: the first half teaches, the rest counts false alerts

and labels for the test clips: ``gt_frame/CLIP.txt`` (one 0, 1 or -1 per frame), or ``intervals.json``, ``{"CLIP":
[[start_s, end_s], …]}`` in seconds. ``events.json`` (``{"CLIP": {"events": [{"start_frame", "end_frame"}], "ignore":
[[first, last]]}}``) may list events that overlap; ``gt_down_intervals.json`` names frames that belong to what came
before (a person lying after the fall) and count neither way. ``cameras.json`` (``{"CLIP": "CAMERA"}``) says which
clips share a camera.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UsageError
from pipeline.evaluate.clips import IGNORED, NORMAL, Clip, DataSet, Part
from pipeline.evaluate.datasets.layout import footage_in, frame_count, sub_folders, videos_in
from pipeline.evaluate.footage import frame_times_s
from pipeline.evaluate.labels import labels_from_ranges, labels_from_txt, read_json, require_length

__all__ = ["STILLS_FPS", "load", "sources_in_train"]

STILLS_FPS = 10.0
"""Rate at which folders of stills are shown."""

_INTERVAL_FILES = ("intervals.json", "gt_intervals.json")
_FRAMES_KEY = "abnormal_intervals_0based_inclusive"
_DOWN_FILE, _DOWN_KEY = "gt_down_intervals.json", "down_intervals_0based_inclusive"


def load(path: Path) -> DataSet:
    """The set in ``path``. Raises UsageError when it is none of the layouts, or labels do not match the footage."""
    name = path.resolve().name
    if footage_in(path / "test"):
        train = [_clip(clip, name, "train") for clip in footage_in(path / "train")]
        return DataSet(name, _with_cameras(path, [*train, *_labelled(path, path / "test", name)]))
    if footage_in(path / "videos"):
        return DataSet(name, _with_cameras(path, _labelled(path, path / "videos", None)))
    folders = [folder for folder in sub_folders(path) if videos_in(folder)]
    if len(folders) > 1:
        return _by_folder(path, name, folders)
    return _all_normal(path, name)


def _clip(footage: Path, camera: str | None, part: Part) -> Clip:
    return Clip(footage.stem, camera or footage.stem, part, footage, stills_fps=STILLS_FPS)


def _with_cameras(root: Path, clips: list[Clip]) -> tuple[Clip, ...]:
    file = root / "cameras.json"
    cameras = read_json(file) if file.is_file() else {}
    if not isinstance(cameras, dict) or not all(isinstance(each, str) for each in cameras.values()):
        raise UsageError(f'{file}: expected {{"CLIP": "CAMERA"}}.')
    return tuple(replace(clip, camera=cameras.get(clip.name, clip.camera)) for clip in clips)


def _labelled(root: Path, folder: Path, camera: str | None) -> list[Clip]:
    """Test clips with their labels. Raises UsageError for a clip without any."""
    clips = []
    for footage in footage_in(folder):
        clip = _clip(footage, camera, "test")
        labels, events = _labels(root, clip)
        clips.append(replace(clip, labels=labels, events=events))
    return clips


def _labels(root: Path, clip: Clip) -> tuple[NDArray[np.int8], tuple[tuple[int, int], ...] | None]:
    count = frame_count(clip.path)
    listed = _entry(root / "events.json", clip.name)
    events = None if listed is None else _ranges_of_events(root / "events.json", clip.name, listed)
    text = root / "gt_frame" / f"{clip.name}.txt"
    if text.is_file():
        labels = require_length(labels_from_txt(text), count, clip.name)
    elif listed is not None:
        labels = labels_from_ranges(events or (), count, root / "events.json")
        _ignore(labels, _pairs(root / "events.json", clip.name, listed.get("ignore", [])))
    else:
        labels = _labels_of_intervals(root, clip, count)
    if events is not None:
        labels_from_ranges(events, count, root / "events.json")  # refuses events that leave the footage
    down = _entry(root / _DOWN_FILE, clip.name)
    if down is not None:
        _ignore(labels, _pairs(root / _DOWN_FILE, clip.name, _member(root / _DOWN_FILE, down, _DOWN_KEY)))
    return labels, events


def _labels_of_intervals(root: Path, clip: Clip, count: int) -> NDArray[np.int8]:
    for file in (root / name for name in _INTERVAL_FILES):
        entry = _entry(file, clip.name)
        if entry is None:
            continue
        if isinstance(entry, dict):
            pairs = _pairs(file, clip.name, _member(file, entry, _FRAMES_KEY))
            return labels_from_ranges([(int(first), int(last) + 1) for first, last in pairs], count, file)
        times_s = frame_times_s(clip.path, clip.stills_fps)
        spans = _pairs(file, clip.name, entry)
        ranges = [(int(a), int(b)) for a, b in np.searchsorted(times_s, np.asarray(spans).reshape(-1, 2))]
        return labels_from_ranges(ranges, count, file)
    raise UsageError(
        f"{clip.name} has no labels: neither gt_frame/{clip.name}.txt nor an entry in intervals.json or events.json."
    )


def _ignore(labels: NDArray[np.int8], pairs: list[tuple[float, float]]) -> None:
    """Frames first..last, both included, that are labelled normal count neither way."""
    for first, last in pairs:
        part = labels[max(0, int(first)) : int(last) + 1]
        part[part == NORMAL] = IGNORED


def _entry(file: Path, clip: str) -> Any:
    """What ``file`` says of a clip; None when there is no such file or no such clip in it."""
    if not file.is_file():
        return None
    entries = read_json(file)
    if not isinstance(entries, dict):
        raise UsageError(f"{file}: expected an object with a member per clip.")
    return entries.get(clip)


def _member(file: Path, entry: Any, key: str) -> Any:
    if not isinstance(entry, dict) or key not in entry:
        raise UsageError(f"{file}: expected a member {key!r} for every clip.")
    return entry[key]


def _ranges_of_events(file: Path, clip: str, entry: Any) -> tuple[tuple[int, int], ...]:
    try:
        return tuple((int(event["start_frame"]), int(event["end_frame"]) + 1) for event in entry["events"])
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{file}, {clip}: expected events with start_frame and end_frame, lacking {error}.") from error


def _pairs(file: Path, clip: str, value: Any) -> list[tuple[float, float]]:
    try:
        return [(float(first), float(last)) for first, last in value]
    except (TypeError, ValueError) as error:
        raise UsageError(f"{file}, {clip}: expected pairs [[start, end], …].") from error


def sources_in_train(sources: set[str]) -> set[str]:
    """Half of the sources, chosen by the digest of their names, so that the split is the same everywhere."""
    ranked = sorted(sources, key=lambda source: hashlib.sha256(source.encode()).digest())
    return set(ranked[: len(ranked) // 2])


def _by_folder(root: Path, name: str, folders: list[Path]) -> DataSet:
    normal = [folder for folder in folders if folder.name.lower().startswith(("no", "normal"))]
    if not normal or len(normal) == len(folders):
        raise UsageError(f"{root}: folders of normal clips begin with 'no' (noFight, normal), the others do not.")
    groups = read_json(root / "groups.json") if (root / "groups.json").is_file() else {}
    clips = [(folder in normal, clip) for folder in folders for clip in videos_in(folder)]
    sources = {clip.stem: str(groups.get(clip.stem, clip.stem)) for _, clip in clips}
    unusual = {sources[clip.stem] for is_normal, clip in clips if not is_normal}
    train = sources_in_train(unusual) | sources_in_train(set(sources.values()) - unusual)
    found = []
    for is_normal, clip in clips:
        labels = np.zeros(frame_count(clip), np.int8) if is_normal else np.ones(frame_count(clip), np.int8)
        part: Part = "train" if sources[clip.stem] in train else "test"
        found.append(Clip(clip.stem, clip.stem, part, clip, labels, source=sources[clip.stem]))
    note = f"Split by source: {len(train)} of {len(set(sources.values()))} sources are the training part."
    return DataSet(name, tuple(found), (note,))


def _all_normal(root: Path, name: str) -> DataSet:
    videos = footage_in(root)
    if not videos:
        raise UsageError(f"{root} holds no clips: expected train/ and test/, videos/, folders of clips, or videos.")
    half = (len(videos) + 1) // 2
    if len(videos) == 1:
        half = 0
    clips = [_clip(clip, name, "train" if i < half else "test") for i, clip in enumerate(videos)]
    note = "Nothing in it is labelled: all of it is taken for normal, and only false alerts can be counted."
    return DataSet(name, _with_cameras(root, clips), (note,))
