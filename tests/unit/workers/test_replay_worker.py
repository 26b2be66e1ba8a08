"""Which recording belongs to which camera, and where the alerts are written."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from pipeline.alert.message import to_json
from pipeline.config import load_site, site_of_urls
from pipeline.errors import StorageError, UsageError
from pipeline.settings import SiteSettings
from tests.unit.workers.test_cli import an_alert
from workers.replay import assign, refuse_unwritable, write_alerts

LINE = to_json(an_alert()) + "\n"


@pytest.fixture
def site(tmp_path: Path) -> SiteSettings:
    (tmp_path / "site.yaml").write_text("cameras: {gate: 'rtsp://h/gate', yard: 'rtsp://h/yard'}\n")
    return load_site(tmp_path / "site.yaml")


def assigned(site: SiteSettings | None, *words: str) -> dict[str, str]:
    return {camera.name: camera.url.reveal() for camera in assign(site, list(words), site_of_urls).cameras}


def test_a_file_belongs_to_the_camera_it_names_or_is_called_like(site: SiteSettings) -> None:
    assert assigned(site, "yard=monday.mp4", "gate.mp4") == {"gate": "gate.mp4", "yard": "monday.mp4"}


def test_without_a_site_every_file_is_a_camera() -> None:
    assert list(assigned(None, "monday.mp4")) == ["monday"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["monday.mp4"], "gate, yard"),
        (["gaet=monday.mp4"], "no camera 'gaet'"),
        (["gate=a.mp4", "gate=b.mp4"], "two recordings"),
    ],
)
def test_a_file_that_belongs_to_no_one_camera_is_refused(site: SiteSettings, words: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        assign(site, words, site_of_urls)


def test_alerts_replace_an_older_file_at_once(tmp_path: Path) -> None:
    out = tmp_path / "alerts.jsonl"
    out.write_text("older")
    write_alerts(out, [an_alert()] * 2)
    assert out.read_text() == 2 * LINE
    assert list(tmp_path.iterdir()) == [out]


def test_a_link_stays_and_its_target_is_written(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.touch()
    link.symlink_to(target)
    write_alerts(link, [an_alert()])
    assert link.is_symlink()
    assert target.read_text() == LINE


def test_a_pipe_is_written_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text()), daemon=True)
    reader.start()
    write_alerts(pipe, [an_alert()])
    reader.join(10)
    assert heard == [LINE]
    assert pipe.is_fifo()


def test_a_full_disk_is_said_and_leaves_nothing_behind(tmp_path: Path) -> None:
    out = tmp_path / "alerts.jsonl"
    out.symlink_to("/dev/full")
    with pytest.raises(StorageError, match="No space left on device"):
        write_alerts(out, [an_alert()])
    assert list(tmp_path.iterdir()) == [out]
    assert Path("/dev/full").is_char_device()


def test_what_could_never_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "none" / "a.jsonl", "no folder"), (tmp_path, "is a folder")):
        with pytest.raises(UsageError, match=said):
            refuse_unwritable(path)
    refuse_unwritable(tmp_path / "a.jsonl")
    refuse_unwritable(Path("/dev/null"))
