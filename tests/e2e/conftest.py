"""What the end-to-end tests share: a toy detector and a video, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e import sites


@pytest.fixture(scope="session")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the toy detector."""
    return sites.weights(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One loop of footage: a person stands there from second 1 to 3 of 6."""
    return sites.footage(tmp_path_factory.mktemp("footage") / "visit.mp4")


@pytest.fixture(scope="session")
def long_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten visits in a minute, for replay."""
    return sites.footage(tmp_path_factory.mktemp("footage") / "visits.mp4", loops=10)
