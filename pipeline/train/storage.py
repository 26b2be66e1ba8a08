"""Files that are whole or absent: write beside, flush to the disk, rename over.

In: a path and its content. Out: either the new file or the old one, never half of one. Raises
:class:`pipeline.errors.StorageError` in one sentence when the disk is full or refuses.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from pipeline.errors import StorageError

__all__ = ["write_atomically"]


def write_atomically(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content``; on failure the former file stays and the temporary one is removed."""
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise StorageError(f"{path}: cannot be written: {error.strerror or error}") from error
