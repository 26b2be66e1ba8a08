"""A generation as one file: its samples in npz, never pickled, with a version. The models are derived when it is read.

In: :class:`~pipeline.unusual.normality.Normality`. Out: bytes, and back. Bytes are hostile: what is truncated, of
another version, or too large raises StorageError with one sentence. Who writes the file is ``workers/normality.py``.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import StorageError
from pipeline.unusual.learning import learn
from pipeline.unusual.normality import Normality
from pipeline.unusual.samples import SceneSamples, TextSamples, TrackSamples

__all__ = ["FORMAT_VERSION", "MAX_BYTES", "from_bytes", "to_bytes"]

FORMAT_VERSION = 1
MAX_BYTES = 20_000_000
_MAX_UNPACKED = 4 * MAX_BYTES
_MAX_TEXT = 600


def to_bytes(normality: Normality) -> bytes:
    """The file of one generation; the same generation gives the same bytes."""
    texts = np.array([text[:_MAX_TEXT] for text in normality.texts.text], dtype=f"<U{_MAX_TEXT}")
    arrays = {
        "version": np.array(FORMAT_VERSION),
        "number": np.array(normality.number),
        **{f"tracks.{name}": array for name, array in normality.tracks.arrays().items()},
        **{f"withheld.{name}": array for name, array in normality.withheld.arrays().items()},
        "scene.rows": normality.scene.rows,
        "scene.at_s": normality.scene.at_s,
        "texts.embedding": normality.texts.embedding,
        "texts.text": texts,
        "texts.at_s": normality.texts.at_s,
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def from_bytes(content: bytes) -> Normality:
    """The generation that :func:`to_bytes` wrote. Raises StorageError for anything else."""
    if len(content) > MAX_BYTES:
        raise StorageError(f"The file of what is normal holds {len(content)} bytes; at most {MAX_BYTES} are read.")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > _MAX_UNPACKED:
            raise StorageError(f"The file of what is normal unpacks to {unpacked} bytes; that is no file of ours.")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            version = int(arrays["version"])
            if version != FORMAT_VERSION:
                raise StorageError(
                    f"The file of what is normal has version {version}; this program reads {FORMAT_VERSION}."
                )
            return _from_arrays({name: arrays[name] for name in arrays.files})
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, KeyError, ValueError, TypeError, IndexError) as error:
        raise StorageError("The file of what is normal is damaged or incomplete.") from error


def _from_arrays(arrays: dict[str, NDArray[Any]]) -> Normality:
    scene = SceneSamples(arrays["scene.rows"].astype(np.float32), arrays["scene.at_s"].astype(np.float64))
    texts = TextSamples(
        arrays["texts.embedding"].astype(np.float16),
        tuple(str(text) for text in arrays["texts.text"].tolist()),
        arrays["texts.at_s"].astype(np.float64),
    )
    return learn(int(arrays["number"]), _tracks(arrays, "tracks"), scene, texts, _tracks(arrays, "withheld"))


def _tracks(arrays: dict[str, NDArray[Any]], which: str) -> TrackSamples:
    return TrackSamples(
        arrays[f"{which}.rows"].astype(np.float32),
        arrays[f"{which}.appearance"].astype(np.float16),
        arrays[f"{which}.label"].astype(np.str_),
        arrays[f"{which}.track"].astype(np.int64),
        arrays[f"{which}.at_s"].astype(np.float64),
        arrays[f"{which}.run"].astype(np.int64),
    )
