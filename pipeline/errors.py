"""Every error Vedette raises on purpose, in one tree; each class knows what a worker does with it.

    VedetteError
    ├── UsageError              bad arguments or files named by the person           stop, exit 2
    │   └── ConfigError         bad site file: path, line, key, nearest valid key    stop, exit 2
    ├── SourceError             a camera or file could not be read                   retry with back-off
    │   ├── SourceRefused       wrong password, 404, no such file, no video in it    retry slowly (live), stop (file)
    │   └── SourceStalled       the server accepts and says nothing                  retry
    ├── MessageError            a bus message cannot be understood                   drop to ``vedette:dead``
    ├── BusError                Redis is away, full or refuses                       wait and resume
    ├── ModelError              weights missing, unreadable or not a supported model stop, exit 2
    │   └── InferenceError      a model that was loaded failed at its work           stop, exit 1
    └── StorageError            disk full, or a file cannot be written               stop, exit 1

One sentence per error, written for the person who has to act on it, with no secret in it: whoever formats a URL
into a message passes it through :func:`pipeline.redact.redact` first.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "BusError",
    "ConfigError",
    "InferenceError",
    "MessageError",
    "ModelError",
    "SourceError",
    "SourceRefused",
    "SourceStalled",
    "StorageError",
    "UsageError",
    "VedetteError",
]


class VedetteError(Exception):
    """Base of the tree. ``exit_code`` is what the command line returns."""

    exit_code: ClassVar[int] = 1


class UsageError(VedetteError):
    """Bad arguments, or a file named by the person that is not what it should be."""

    exit_code = 2


class ConfigError(UsageError):
    """A site file that cannot be used; the sentence names file, line and key."""


class SourceError(VedetteError):
    """A camera or a file that could not be opened or read."""


class SourceRefused(SourceError):
    """The source answered and said no: wrong password, 404, no such file, no video stream inside."""

    exit_code = 2


class SourceStalled(SourceError):
    """The source accepted the connection and then sent nothing within the time-out."""


class MessageError(VedetteError):
    """A bus message of an unknown version or with a bad field."""


class BusError(VedetteError):
    """Redis is away, out of memory, or refuses the command."""


class ModelError(VedetteError):
    """Weights that are missing, unreadable, or of a kind that is not supported."""

    exit_code = 2


class InferenceError(ModelError):
    """A model that was loaded and then failed: a fresh process may do better, the configuration is not to blame."""

    exit_code = 1


class StorageError(VedetteError):
    """The disk is full or a file cannot be written."""
