"""What the product finds in a clip: reader, gate, detector and looker at work, once; kept on disk to be judged again.

In: a :class:`pipeline.evaluate.clips.Clip`. Out: its findings in order, as the alert stage would get them, from media
time 0 on. They are kept under the digest of the footage, the models, the settings and the code that made them, so that
a change to any finds anew and trying another judge takes seconds. Next file: ``pipeline/evaluate/anomaly.py``.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from pipeline.bus.codec import decode, encode
from pipeline.errors import MessageError, StorageError
from pipeline.evaluate.clips import Clip
from pipeline.evaluate.footage import opener, stills_in
from pipeline.ingest.camera import CameraConfig, CameraReader
from pipeline.ingest.health import HealthConfig
from pipeline.ingest.motion import GateConfig
from pipeline.ingest.source import SourceConfig
from pipeline.protocols import Detector, Looker
from pipeline.replay import BATCH, find
from pipeline.types import Finding, Frame

__all__ = ["EPOCH", "Finder", "FinderSettings", "moved"]

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""Every clip is found as if it had begun here; :func:`moved` puts it where it belongs."""

_MAGIC = b"vedette-findings-1\n"
_SIZES = struct.Struct("<II")
_CODE = ("detect", "embed", "ingest", "video", "types.py", "replay.py", "openvino_runtime.py")


@dataclass(frozen=True, slots=True)
class FinderSettings:
    """How clips are looked at. ``models`` names detector and weights, for instance a digest of the weights."""

    models: str
    detect_fps: float = 5.0
    frame_wh: tuple[int, int] = (640, 384)
    is_gated: bool = True


class Finder:
    """Finds what is in clips, or remembers it from the last time."""

    def __init__(
        self,
        new_detector: Callable[[], Detector],
        new_looker: Callable[[], Looker | None],
        settings: FinderSettings,
        cache: Path | None = None,
    ) -> None:
        """The detector is built when the first clip is not in ``cache`` (None: nothing is kept)."""
        self._new_detector = new_detector
        self._detector: Detector | None = None
        self._new_looker = new_looker
        self._settings = settings
        self._cache = cache
        self._code = _code_digest() if cache is not None else b""

    def findings(self, clip: Clip) -> tuple[Finding, ...]:
        """Findings of ``clip`` in order, from :data:`EPOCH` on; the last one is the tick that says it ended.

        Raises SourceError for footage that cannot be read, ModelError when the detector fails, StorageError when the
        cache cannot be written.
        """
        if self._cache is None:
            return tuple(self._find(clip))
        file = self._cache / f"{clip.name}-{self._key(clip)}.findings"
        kept = _read(file)
        if kept is None:
            kept = tuple(self._find(clip))
            _write(file, kept)
        return kept

    def _find(self, clip: Clip) -> Iterator[Finding]:
        detector = self._detector = self._detector or self._new_detector()
        looker = self._new_looker()
        settings = self._settings
        config = CameraConfig(
            clip.camera,
            SourceConfig(f"{clip.path}.mp4" if clip.path.is_dir() else str(clip.path)),
            detect_fps=settings.detect_fps,
            analysis_wh=settings.frame_wh,
            start_at=EPOCH,
            batch_s=0.0,
            gate=GateConfig(is_enabled=settings.is_gated),
            health=HealthConfig(),
        )
        values = CameraReader(config, open_media=opener(clip.path, clip.stills_fps))
        frames = (value for value in values if isinstance(value, Frame))
        while chunk := list(islice(frames, BATCH)):
            yield from find(detector, chunk, looker)

    def _key(self, clip: Clip) -> str:
        digest = hashlib.blake2b(digest_size=12)
        digest.update(repr((self._settings, clip.camera, clip.stills_fps)).encode())
        digest.update(self._code)
        for file in stills_in(clip.path) if clip.path.is_dir() else [clip.path]:
            with file.open("rb") as opened:
                digest.update(hashlib.file_digest(opened, "blake2b").digest())
        return digest.hexdigest()


def moved(finding: Finding, camera: str, session: int, shift_s: float) -> Finding:
    """``finding`` as if its camera were called ``camera`` and its clip had begun ``shift_s`` after :data:`EPOCH`."""
    ref = finding.ref
    at = datetime.fromtimestamp(round(ref.at_s + shift_s, 6), UTC)
    key = replace(ref.key, camera=camera, session=session)
    return replace(finding, ref=replace(ref, key=key, captured_at=at))


def _code_digest() -> bytes:
    """Of the code that turns footage into findings."""
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.blake2b(digest_size=12)
    for name in _CODE:
        for file in sorted([root / name] if name.endswith(".py") else (root / name).glob("*.py")):
            digest.update(file.read_bytes())
    return digest.digest()


def _read(file: Path) -> tuple[Finding, ...] | None:
    """What :func:`_write` wrote; None when there is nothing, or it is damaged."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    if not content.startswith(_MAGIC):
        return None
    findings: list[Finding] = []
    place = len(_MAGIC)
    try:
        while place < len(content):
            head, blob = _SIZES.unpack_from(content, place)
            place += _SIZES.size
            fields = {b"v": b"1", b"type": b"finding", b"head": content[place : place + head]}
            place += head
            message = decode({**fields, b"blob": content[place : place + blob]})
            place += blob
            if isinstance(message, Finding):
                findings.append(message)
    except (struct.error, MessageError):
        return None
    return tuple(findings)


def _write(file: Path, findings: tuple[Finding, ...]) -> None:
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as opened:
            opened.write(_MAGIC)
            for finding in findings:
                fields = encode(finding)
                opened.write(_SIZES.pack(len(fields[b"head"]), len(fields[b"blob"])))
                opened.write(fields[b"head"])
                opened.write(fields[b"blob"])
        partial.replace(file)
    except OSError as error:
        raise StorageError(f"{file} cannot be written: {error.strerror}.") from error
