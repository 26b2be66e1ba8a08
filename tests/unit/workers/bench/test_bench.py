"""The bench's own arithmetic: percentiles, the search for the most cameras, the sender's clock, and what is printed."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pipeline.errors import UsageError
from pipeline.ingest.source import SourceConfig, requests
from pipeline.types import Packet, PacketBatch
from pipeline.video.container import open_media
from tests.clips import numbered, write_clip
from workers.bench.capacity import MAX_CAMERAS, largest
from workers.bench.footage import own_footage
from workers.bench.glass import SentClip, late_s
from workers.bench.live import Observation
from workers.bench.result import Result, percentile, print_results
from workers.cli import main


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50), st.floats(0, 1))
def test_a_percentile_has_its_share_at_or_below(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6


def test_no_values_have_no_percentile() -> None:
    assert percentile([], 0.5) != percentile([], 0.5)  # not a number


@given(most=st.integers(0, MAX_CAMERAS), first=st.integers(-3, 40))
def test_the_largest_number_is_found_in_few_tries(most: int, first: int) -> None:
    tried: list[int] = []

    def is_kept_up(cameras: int) -> bool:
        tried.append(cameras)
        return cameras <= most

    assert largest(is_kept_up, first) == most
    assert len(tried) == len(set(tried)) <= 16
    assert all(1 <= cameras <= MAX_CAMERAS for cameras in tried)


def observation(**changes: object) -> Observation:
    good = Observation(2, 10.0, 100.0, 99, [0.1] * 99, [], {"superseded": 0.0})
    return replace(good, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"dropped": {"superseded": 1.0}},
        {"findings": 90},
        {"latencies_s": [0.4] * 99},
        {"latencies_s": [0.1] * 95 + [1.5] * 4},
        {"latencies_s": []},
    ],
)
def test_a_drop_a_gap_or_a_delay_is_not_keeping_up(changes: dict[str, object]) -> None:
    assert observation().is_kept_up
    assert not observation(**changes).is_kept_up


def batch_of(video: Path, *, first_packet_at_s: float) -> PacketBatch:
    """The packets of a recording as a camera's session that is anchored at this moment."""
    media = open_media(next(iter(requests(SourceConfig(str(video))))))
    try:
        coded = list(media.packets())
        stream = media.stream
    finally:
        media.close()
    packets = tuple(Packet(c.pts or 0, c.dts or 0, c.duration, c.is_key, c.payload) for c in coded)
    anchor = datetime.fromtimestamp(first_packet_at_s, UTC)
    return PacketBatch("gate", 1, stream, anchor, packets[0].pts, packets)


@pytest.mark.parametrize("rounds", [0, 3])
def test_media_time_is_corrected_to_the_moment_of_sending(tmp_path: Path, rounds: int) -> None:
    video = write_clip(tmp_path / "v.mp4", frames=50, paint=numbered)  # two seconds
    began_s = 1_800_000_000.0
    batch = batch_of(video, first_packet_at_s=began_s + 2.0 * rounds + 0.35)
    late = late_s(SentClip(video), began_s, [batch])
    assert late == pytest.approx(0.35, abs=0.001)


def test_packets_of_another_recording_tell_nothing(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "v.mp4", frames=25)
    other = write_clip(tmp_path / "w.mp4", frames=25, paint=numbered)
    assert late_s(SentClip(video), 0.0, [batch_of(other, first_packet_at_s=0.0)]) is None
    assert late_s(SentClip(video), 0.0, []) is None


def test_a_result_knows_which_side_of_its_target_is_good() -> None:
    assert Result("a", 81.0, "%", 80.0).is_met
    assert Result("a", 39.0, "%", 40.0, is_least=False).is_met
    assert Result("a", 41.0, "%", 40.0, is_least=False).is_met is False
    assert Result("a", 1.0, "s").is_met is None


def test_json_and_table_say_the_same() -> None:
    results = [Result("replay", 12.5, "× real time", 8.0, parts={"took_s": 2.0, "model": "m"}), Result("x", 1.0, "s")]
    plain, table = io.StringIO(), io.StringIO()
    print_results(results, {"cores": 2}, Console(file=plain), is_json=True)
    print_results(results, {"cores": 2}, Console(file=table, width=140), is_json=False)
    told = json.loads(plain.getvalue())
    assert told["v"] == 1
    assert told["machine"] == {"cores": 2}
    assert [(r["name"], r["value"], r["is_met"]) for r in told["results"]] == [("replay", 12.5, True), ("x", 1.0, None)]
    assert "12.5 × real time" in table.getvalue()
    assert "took_s 2" in table.getvalue()


def test_a_folder_without_videos_and_an_unknown_measure_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("no video")
    with pytest.raises(UsageError, match="no video"):
        own_footage(tmp_path)
    assert main(["bench", "--only", "speed"]) == 2
    assert "no measure 'speed'" in capsys.readouterr().err


def test_own_videos_are_taken_in_order(tmp_path: Path) -> None:
    for name in ("b.mp4", "a.MKV", "c.txt"):
        (tmp_path / name).touch()
    footage = own_footage(tmp_path)
    assert [path.name for videos in footage.moving.values() for path in videos] == ["a.MKV", "b.mp4"]
    assert footage.first.name == "a.MKV"
    assert footage.quiet is None
