"""Public anomaly sets in the layouts their authors publish, and a simple own format.

In: the name of a set and the folder it was unpacked into. Out: :class:`pipeline.evaluate.clips.DataSet`. Nothing is
downloaded. Next file: ``pipeline/evaluate/datasets/own.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from pipeline.errors import UsageError
from pipeline.evaluate.clips import DataSet
from pipeline.evaluate.datasets import avenue, own, rendered, shanghaitech, ubnormal, ucf_crime, ucsd

__all__ = ["LOADERS", "load"]

LOADERS: Mapping[str, Callable[[Path], DataSet]] = MappingProxyType(
    {
        "ped1": ucsd.load_ped1,
        "ped2": ucsd.load_ped2,
        "avenue": avenue.load,
        "shanghaitech": shanghaitech.load,
        "ubnormal": ubnormal.load,
        "ucf-crime": ucf_crime.load,
        "rendered": rendered.load,
        "own": own.load,
    }
)
"""Name on the command line -> loader."""


def load(name: str, path: Path) -> DataSet:
    """The set ``name`` from the folder ``path``. Raises UsageError for an unknown name or another layout."""
    loader = LOADERS.get(name)
    if loader is None:
        raise UsageError(f"There is no data set {name!r}; known are {', '.join(LOADERS)}.")
    if not path.is_dir():
        raise UsageError(f"{path} is not a folder.")
    return loader(path)
