"""The scribe in the alert role: what was folded is in the ledger once, whatever dies; the ledger never stops alerts."""

from __future__ import annotations

import errno
import io
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from pipeline.bus import codec
from pipeline.bus.memory import MemoryBus
from pipeline.bus.topics import DETECTIONS
from pipeline.descriptions import SceneDescription
from pipeline.ledger.shelf import volumes
from pipeline.settings import LedgerSettings, SiteSettings
from pipeline.telemetry import Telemetry
from pipeline.types import Finding, Looks, Track
from tests.unit.alert.acting import START_S, finding, person
from tests.unit.ledger.books import scribe_for, site_from
from workers import alert as role
from workers import wiring
from workers.claims import Claims
from workers.ledger import Scribe, description_row, scribe
from workers.refold import Entry, entries
from workers.runtime import Liveness

SITE = """
cameras:
  gate:
    url: rtsp://camera/1
    unusual: false
    zones: {yard: [[0, 0], [1, 0], [1, 1], [0, 1]]}
    rules: [{kind: zone, zone: yard}]
"""
FINDINGS = [finding(n / 5, [person(1, 100 + 8 * n)] if n < 40 else [], seq=n) for n in range(90)]


@pytest.fixture
def site(tmp_path: Path) -> SiteSettings:
    return site_from(SITE, tmp_path)


def kept(site: SiteSettings) -> list[Entry]:
    problems: list[str] = []
    found = list(entries(site.ledger_dir, "gate", problems.append))
    assert problems == []
    return found


def run_role(site: SiteSettings, bus: MemoryBus, writer: Scribe, until_seq: int, owner: str = "one") -> None:
    """Run the alert role until it has folded up to ``until_seq``, then stop it."""
    stop = threading.Event()
    telemetry = Telemetry("alert", stream=io.StringIO())
    folded: list[int] = []
    original = writer.folded

    def noted(one: Finding, *rest: object) -> None:
        original(one, *rest)  # type: ignore[arg-type]
        folded.append(one.ref.key.seq)

    writer.folded = noted  # type: ignore[method-assign]
    claims = Claims(bus, "alert", owner, ["gate"])
    arguments = (bus, claims, lambda c: wiring.new_stage(site, c), telemetry, Liveness(time.monotonic), stop, writer)
    thread = threading.Thread(target=role.work, args=arguments)
    thread.start()
    until = time.monotonic() + 20
    while (not folded or folded[-1] < until_seq) and time.monotonic() < until and thread.is_alive():
        time.sleep(0.005)
    stop.set()
    thread.join(20)
    assert folded
    assert folded[-1] >= until_seq


def seqs(found: list[Entry]) -> list[int]:
    return [entry.message.ref.key.seq for entry in found]


def test_the_role_keeps_every_finding_with_its_tracks(site: SiteSettings) -> None:
    bus = MemoryBus()
    for one in FINDINGS:
        bus.append("gate", DETECTIONS, one)
    writer = scribe_for(site.ledger_dir)
    run_role(site, bus, writer, 89)
    writer.stop()
    found = kept(site)
    assert seqs(found) == list(range(90))
    tracker = wiring.new_tracker()
    assert [entry.tracks for entry in found] == [tracker.update(one) for one in FINDINGS]


def test_what_is_folded_again_after_a_kill_is_kept_once(site: SiteSettings) -> None:
    bus, again = MemoryBus(), MemoryBus()
    for one in FINDINGS[:50]:
        bus.append("gate", DETECTIONS, one)
    for one in FINDINGS:  # as if nothing had been saved: the successor reads everything again
        again.append("gate", DETECTIONS, one)
    first, second = scribe_for(site.ledger_dir), scribe_for(site.ledger_dir)
    run_role(site, bus, first, 49)
    run_role(site, again, second, 89, owner="two")
    first.stop()
    second.stop()
    assert seqs(kept(site)) == list(range(90))


def test_a_full_disk_stops_no_alert(site: SiteSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_file: int, _content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    bus = MemoryBus()
    for one in FINDINGS:
        bus.append("gate", DETECTIONS, one)
    monkeypatch.setattr(os, "write", full)
    run_role(site, bus, scribe_for(site.ledger_dir), 89)
    monkeypatch.undo()
    assert bus.alerts("0", max_entries=1, block_s=0)[0][1].phase == "opened"
    assert kept(site) == []


def test_a_ledger_folder_that_cannot_be_used_stops_no_alert(site: SiteSettings) -> None:
    site.data_dir.mkdir(parents=True)
    site.ledger_dir.write_text("a file where the folder should be")
    bus = MemoryBus()
    for one in FINDINGS:
        bus.append("gate", DETECTIONS, one)
    run_role(site, bus, scribe_for(site.ledger_dir), 89)
    assert bus.alerts("0", max_entries=99, block_s=0)


def test_nothing_is_kept_where_none_is_wanted(site: SiteSettings) -> None:
    telemetry = Telemetry("alert", stream=io.StringIO())
    with scribe(site.ledger_dir, LedgerSettings(keep_days=0, max_bytes=2**24), telemetry) as writer:
        writer.open("gate")
        writer.folded(FINDINGS[0], (), [])
        writer.flush("gate")
    assert not site.ledger_dir.exists()


def test_the_next_scribe_seals_what_the_last_one_left(site: SiteSettings) -> None:
    telemetry, settings = Telemetry("alert", stream=io.StringIO()), LedgerSettings(keep_days=30, max_bytes=2**24)
    for part in (FINDINGS[:40], FINDINGS[40:]):
        with scribe(site.ledger_dir, settings, telemetry) as writer:
            writer.open("gate")
            for one in part:
                writer.folded(one, (), [])
    assert [volume.is_journal for volume in volumes(site.ledger_dir, "gate")] == [False, True]
    assert seqs(kept(site)) == list(range(90))


def test_boxes_that_nobody_follows_are_kept_without_their_looks(site: SiteSettings) -> None:
    seen = finding(1, [person(1, 100), person(2, 300)])
    assert seen.detections is not None
    none = np.zeros((0, 4), np.float32)
    looks = Looks(("sharpness",), np.array([[1.0], [2.0]], np.float32), (), np.zeros(0, np.float32), none, none)
    one = Finding(seen.ref, seen.note, seen.detections, "d", looks)
    writer = scribe_for(site.ledger_dir)
    writer.open("gate")
    writer.folded(one, (Track(1, "person", 0.9, (0, 0, 1, 1), START_S, START_S, detection=1),), [])
    writer.close("gate")
    (entry,) = kept(site)
    assert isinstance(entry.message, Finding)
    assert entry.message.detections is not None
    assert entry.message.looks is not None
    assert entry.message.detections.embedding is not None
    assert entry.message.detections.xyxy.tolist() == seen.detections.xyxy.tolist()
    assert np.isnan(entry.message.looks.of(0, "sharpness"))
    assert entry.message.looks.of(1, "sharpness") == 2
    assert entry.message.detections.embedding.tolist() == [[0], [2]]


def test_looks_embeddings_and_words_read_back_the_same(site: SiteSettings) -> None:
    looks = Looks(
        ("flow_px_per_s", "sharpness"),
        np.array([[1.5, np.nan]], np.float32),
        ("brightness_luma",),
        np.array([80], np.float32),
        np.array([[1, 2, 3, 4]], np.float32),
        np.zeros((0, 4), np.float32),
    )
    seen = finding(1, [person(1, 100)])
    one = Finding(seen.ref, seen.note, seen.detections, "d", looks)
    words = SceneDescription(seen.ref, "A title", "A person stands.", "vlm:x", embedding=np.ones(4, np.float32) / 2)
    track = Track(1, "person", 0.9, (0, 0, 1, 1), START_S, START_S, detection=0)
    writer = scribe_for(site.ledger_dir)
    writer.open("gate")
    writer.folded(one, (track,), [])
    writer.described(words, [])
    writer.described(words, [])
    writer.close("gate")
    first, second = kept(site)
    assert isinstance(first.message, Finding)
    assert isinstance(second.message, SceneDescription)
    assert codec.encode(first.message) == codec.encode(one)
    assert first.tracks == (track,)
    assert description_row(second.message, one.ref) == description_row(words, one.ref)
