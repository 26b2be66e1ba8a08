"""One camera from its address to frames: recordings are exact and repeatable, live cameras come back."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from itertools import groupby, islice, pairwise
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import SourceError, SourceRefused, SourceStalled
from pipeline.ingest.camera import CameraConfig, CameraReader, recording_length_s
from pipeline.ingest.motion import GateConfig
from pipeline.ingest.quiet import QuietConfig
from pipeline.ingest.source import SourceConfig
from pipeline.types import Frame, Packet, PacketBatch, StreamInfo
from pipeline.video.container import open_media
from pipeline.video.media import CodedPacket, Media, MediaRequest
from tests.clips import join, moving_square, numbered, read_number, wall, write_audio, write_clip

ALWAYS = GateConfig(is_enabled=False)


class Counts(Counter[tuple[str, str]]):
    """Collects what a reader counts, by name and reason."""

    def __call__(self, name: str, camera: str, reason: str) -> None:
        assert camera == "cam"
        self[name, reason] += 1


def read(path: Path, **changes: object) -> tuple[list[Frame], list[PacketBatch], Counts]:
    counts = Counts()
    config = replace(CameraConfig("cam", SourceConfig(str(path)), gate=ALWAYS), **changes)  # type: ignore[arg-type]
    values = list(CameraReader(config, count=counts))
    frames = [value for value in values if isinstance(value, Frame)]
    keys = [frame.ref.key for frame in frames]
    assert keys == sorted(set(keys))
    assert all(a.ref.at_s <= b.ref.at_s for a, b in pairwise(frames))
    return frames, [value for value in values if isinstance(value, PacketBatch)], counts


def numbers_of(frames: list[Frame]) -> list[int]:
    return [read_number(frame.i420[:128]) for frame in frames if frame.i420 is not None]


def is_every_fifth(numbers: list[int]) -> bool:
    """5 of 25 frames per second; only the very first slot may be shorter."""
    return numbers[1] - numbers[0] in (4, 5) and all(b - a == 5 for a, b in pairwise(numbers[1:]))


def test_a_recording_is_sampled_by_time_and_ends_with_a_tick(tmp_path: Path) -> None:
    frames, batches, counts = read(write_clip(tmp_path / "a.mp4", frames=50, paint=numbered))
    *shown, last = frames
    assert is_every_fifth(numbers_of(shown))
    assert [round(frame.ref.at_s, 6) for frame in shown] == [number / 25 for number in numbers_of(shown)]
    assert (last.note.gate, last.note.ended, last.ref.at_s) == ("absent", True, pytest.approx(2.0))
    assert sum(len(batch.packets) for batch in batches) == 50
    assert all(0.3 <= len(batch.packets) / 25 <= 0.6 for batch in batches[:-1])
    assert counts == {("sessions", "opened"): 1}
    assert shown[0].ref.source_wh == (192, 128)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.ts", "a.h264"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_every_container_gives_the_same_moments(tmp_path: Path, name: str, b_frames: int) -> None:
    if name in ("a.avi", "a.h264") and b_frames:
        pytest.skip("this container cannot hold the order of B-frames")
    path = write_clip(tmp_path / name, frames=50, b_frames=b_frames, gop=25, paint=numbered)
    shown = [frame for frame in read(path)[0] if frame.i420 is not None]
    numbers = numbers_of(shown)
    assert is_every_fifth(numbers)
    base_s = shown[0].ref.at_s - numbers[0] / 25
    assert all(
        frame.ref.at_s == pytest.approx(base_s + n / 25, abs=2e-3) for frame, n in zip(shown, numbers, strict=True)
    )


@pytest.mark.parametrize("codec", ["libx265", "mjpeg", "mpeg4", "libvpx"])
def test_other_codecs_work(tmp_path: Path, codec: str) -> None:
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    frames, _, counts = read(write_clip(tmp_path / "a.mkv", codec=codec, pix_fmt=pix_fmt, paint=numbered))
    assert is_every_fifth(numbers_of(frames))
    assert counts == {("sessions", "opened"): 1}


def test_motion_jpeg_decodes_only_what_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.video.decoder import PictureDecoder

    decoded = 0
    plain = PictureDecoder.decode

    def counting(self: PictureDecoder, payload: bytes, token: int) -> object:
        nonlocal decoded
        decoded += 1
        return plain(self, payload, token)

    monkeypatch.setattr(PictureDecoder, "decode", counting)
    read(write_clip(tmp_path / "a.avi", codec="mjpeg", pix_fmt="yuvj420p", frames=50))
    assert decoded in (10, 11)


def test_variable_frame_rate_keeps_its_own_time(tmp_path: Path) -> None:
    pts = [0, 40, 50, 700, 710, 720, 1500, 2900, 2940, 5000]
    frames, _, counts = read(write_clip(tmp_path / "a.mkv", frames=len(pts), pts=pts, paint=numbered))
    seen = {read_number(f.i420[:128]): round(f.ref.at_s * 1000) for f in frames if f.i420 is not None}
    assert seen == {number: pts[number] for number in seen}
    assert {0, 3, 6, 7, 9} <= set(seen)
    assert counts == {("sessions", "opened"): 1}


def test_two_readings_are_the_same_bit_by_bit(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", frames=150, gop=25, b_frames=2)

    def trace() -> list[object]:
        frames, batches, _ = read(path, gate=GateConfig())
        return [(f.ref, f.note, None if f.i420 is None else f.i420.tobytes()) for f in frames] + [
            (b.session, b.packets) for b in batches
        ]

    assert trace() == trace()


def test_start_creation_time_and_epoch_anchor_a_recording(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", frames=5, metadata={"creation_time": "2024-05-01T12:00:00Z"})
    assert read(path)[0][0].ref.captured_at == datetime(2024, 5, 1, 12, tzinfo=UTC)
    start_at = datetime(2020, 1, 1, tzinfo=UTC)
    frame = read(path, start_at=start_at)[0][0]
    assert frame.ref.captured_at == start_at
    assert frame.ref.key.session == int(start_at.timestamp() * 1000)
    assert read(write_clip(tmp_path / "b.mkv", frames=5))[0][0].ref.captured_at == datetime(1970, 1, 1, tzinfo=UTC)


def test_a_folder_is_read_file_after_file_with_one_end(tmp_path: Path) -> None:
    write_clip(tmp_path / "2.mp4", frames=50, paint=numbered, first=100)
    write_clip(tmp_path / "1.mp4", frames=50, paint=numbered)
    frames, batches, counts = read(tmp_path)
    numbers = numbers_of(frames)
    assert is_every_fifth([number for number in numbers if number < 100])
    assert is_every_fifth([number for number in numbers if number >= 100])
    assert [frame.note.ended for frame in frames].count(True) == 1
    assert frames[-1].ref.at_s == pytest.approx(4.0)
    assert len({batch.session for batch in batches}) == 2
    assert counts == {("sessions", "opened"): 2}


def test_a_bad_file_in_a_folder_is_told_and_passed_over(tmp_path: Path) -> None:
    write_clip(tmp_path / "1.mp4", frames=25)
    (tmp_path / "2.mp4").write_bytes(b"no video")
    write_clip(tmp_path / "3.mp4", frames=25)
    told: list[SourceError] = []
    frames = list(CameraReader(CameraConfig("cam", SourceConfig(str(tmp_path)), gate=ALWAYS), tell=told.append))
    assert len([f for f in frames if isinstance(f, Frame) and f.i420 is not None]) in (10, 12)
    assert [type(error) for error in told] == [SourceRefused]
    assert "2.mp4" in str(told[0])


@pytest.mark.parametrize("kind", ["missing", "empty", "garbage", "audio only"])
def test_a_recording_without_a_picture_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.mp4"
    if kind == "audio only":
        path = write_audio(tmp_path / "a.wav")
    elif kind != "missing":
        path.write_bytes(b"" if kind == "empty" else bytes(range(256)) * 99)
    with pytest.raises(SourceRefused, match=path.name):
        read(path)


def test_a_truncated_recording_gives_what_it_holds_and_ends(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.ts", frames=100)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    frames, _, _ = read(path)
    assert 6 <= len(frames) <= 14
    assert frames[-1].note.ended


def test_another_resolution_in_the_middle_begins_a_session(tmp_path: Path) -> None:
    small = write_clip(tmp_path / "s.h264", paint=numbered)
    large = write_clip(tmp_path / "l.h264", size_wh=(320, 192), paint=numbered)
    frames, batches, counts = read(join(tmp_path / "a.h264", [small, large]))
    assert counts["sessions", "parameters"] == 1
    sizes = {batch.session: batch.stream.size_wh for batch in batches}
    assert list(sizes.values()) == [(192, 128), (320, 192)]
    shown = [frame for frame in frames if frame.i420 is not None]
    assert all(sizes[frame.ref.key.session] == frame.ref.source_wh for frame in shown)
    assert len(shown) in (20, 22)


def test_another_codec_in_the_middle_begins_a_session(tmp_path: Path) -> None:
    first = write_clip(tmp_path / "1.ts", codec="libx264")
    second = write_clip(tmp_path / "2.ts", codec="mpeg2video")
    frames, batches, _ = read(join(tmp_path / "a.ts", [first, second]))
    assert {batch.stream.codec for batch in batches} == {"h264", "mpeg2video"}
    assert len([frame for frame in frames if frame.i420 is not None]) >= 18


def test_packets_alone_need_no_decoder(tmp_path: Path) -> None:
    frames, batches, _ = read(write_clip(tmp_path / "a.mp4"), has_frames=False)
    assert frames == []
    assert sum(len(batch.packets) for batch in batches) == 50


def test_frames_alone_give_no_packets(tmp_path: Path) -> None:
    frames, batches, _ = read(write_clip(tmp_path / "a.mp4"), batch_s=0.0)
    assert len(frames) in (11, 12)
    assert batches == []


def test_4k_is_analysis_size_downstream(tmp_path: Path) -> None:
    frames, _, _ = read(write_clip(tmp_path / "a.avi", frames=1, size_wh=(3840, 2160), codec="mpeg4", paint=numbered))
    assert frames[0].ref.source_wh == (3840, 2160)
    assert frames[0].size_wh == (640, 360)
    assert frames[0].i420 is not None
    assert frames[0].i420.nbytes == 640 * 360 * 3 // 2


def test_a_file_of_pictures_too_small_to_judge_is_refused(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.avi", size_wh=(64, 8), codec="mpeg4", frames=5, paint=wall)
    with pytest.raises(SourceRefused, match="No picture"):
        read(path)


def quiet_then_square(number: int, size_wh: tuple[int, int]) -> np.ndarray:
    return moving_square(number, size_wh) if 410 <= number < 490 else wall(number, size_wh)


def test_quiet_mode_sees_the_event_and_decodes_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.video.decoder import PictureDecoder

    path = write_clip(tmp_path / "a.mp4", frames=520, gop=50, paint=quiet_then_square)
    decoded: list[int] = []
    plain = PictureDecoder.decode

    def counting(self: PictureDecoder, payload: bytes, token: int) -> object:
        decoded.append(token)
        return plain(self, payload, token)

    monkeypatch.setattr(PictureDecoder, "decode", counting)
    frames, batches, _ = read(path, gate=GateConfig(), quiet=QuietConfig())
    in_event = [f for f in frames if f.note.gate == "open" and 16.4 <= f.ref.at_s < 19.6]
    assert in_event[0].ref.at_s - 16.4 <= 2.0, "never later than one group of pictures"
    assert len(in_event) >= 5 * (19.6 - 16.4 - 2.0)
    assert sum(len(batch.packets) for batch in batches) == 520
    resting = [token for token in decoded if 300 <= token < 400]
    assert len(resting) < 100 * 0.4
    heartbeats = [f.ref.at_s for f in frames if f.note.gate == "heartbeat"]
    assert all(b - a <= 4.1 for a, b in pairwise([h for h in heartbeats if 8 <= h <= 16]))


def test_quiet_mode_holds_on_to_one_group_of_packets(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", frames=700, gop=50, paint=wall, size_wh=(96, 64))
    config = CameraConfig("cam", SourceConfig(str(path)), batch_s=0.0)
    held = [
        sum(isinstance(thing, Packet) for thing in gc.get_objects())
        for value in CameraReader(config)
        if isinstance(value, Frame) and value.note.gate == "heartbeat"
    ]
    assert len(held) > 5
    assert max(held) <= 2 * 50 + 10


# --- live ---------------------------------------------------------------------------------------------------------


class Wall:
    """A wall clock that moves when somebody sleeps, or when a fake camera delivers."""

    def __init__(self, at_s: float = 1_700_000_000.0) -> None:
        self.at_s = at_s

    def now(self) -> float:
        return self.at_s

    def sleep(self, seconds: float) -> None:
        self.at_s += seconds


class FakeCamera:
    """Plays the packets of a clip at the pace of a ``Wall``, and then does what it is told."""

    rotation = 0
    frame_rate = 25.0
    duration_s = None
    created_at = None

    def __init__(self, source: Media, packets: list[CodedPacket], wall: Wall, ending: SourceError | None) -> None:
        self.stream: StreamInfo = source.stream
        self._packets = packets
        self._wall = wall
        self._ending = ending
        self.is_closed = False

    def packets(self) -> Iterator[CodedPacket]:
        for packet in self._packets:
            self._wall.at_s += 0.04
            yield packet
        if self._ending:
            raise self._ending

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Media, list[CodedPacket]]:
    path = write_clip(tmp_path_factory.mktemp("clip") / "a.mp4", frames=100, gop=25, paint=numbered)
    media = open_media(MediaRequest(f"file:{path}"))
    packets = list(media.packets())
    media.close()
    return media, packets


Script = list[Callable[[], FakeCamera]]


def live(wall: Wall, script: Script, **options: object) -> CameraReader:
    """A reader of a live camera whose connections go as ``script`` says, and are refused after it."""

    def open_next(request: MediaRequest) -> FakeCamera:
        assert request.is_live
        if not script:
            raise SourceRefused("Cannot open the camera: wrong password.")
        return script.pop(0)()

    config = CameraConfig("cam", SourceConfig("rtsp://admin:geheim@cam/1"), gate=ALWAYS)
    options = {"random": lambda: 1.0, "sleep": wall.sleep, **options}
    return CameraReader(config, open_media=open_next, now=wall.now, **options)  # type: ignore[arg-type]


def frames_of(reader: CameraReader, count: int) -> list[Frame]:
    frames = list(islice((value for value in reader if isinstance(value, Frame)), count))
    keys = [frame.ref.key for frame in frames]
    assert keys == sorted(set(keys))
    assert all(a.ref.at_s <= b.ref.at_s for a, b in pairwise(frames))
    return frames


def test_a_lost_camera_ticks_every_second_until_it_is_back(clip: tuple[Media, list[CodedPacket]]) -> None:
    wall, (media, packets) = Wall(), clip
    cameras = [
        FakeCamera(media, packets, wall, SourceStalled("cam sent nothing for 5 s.")),
        FakeCamera(media, packets, wall, None),
    ]
    told: list[SourceError] = []
    frames = frames_of(live(wall, [lambda: cameras[0], lambda: cameras[1]], tell=told.append), 40)
    runs = [(gate, len(list(run))) for gate, run in groupby(frame.note.gate for frame in frames)]
    assert [gate for gate, _ in runs] == ["open", "absent", "open"]
    assert runs[1][1] == 2
    before, (first, second), after = frames[: runs[0][1]], frames[runs[0][1] :][:2], frames[-1]
    assert len(before) in (20, 21)
    assert before[0].ref.key.session == first.ref.key.session < after.ref.key.session
    assert second.ref.at_s - first.ref.at_s == pytest.approx(1.0, abs=0.05)
    assert [type(error) for error in told] == [SourceStalled]
    assert cameras[0].is_closed


def test_live_media_time_is_the_wall_clock(clip: tuple[Media, list[CodedPacket]]) -> None:
    wall, (media, packets) = Wall(), clip
    began_s = wall.at_s
    frames = frames_of(live(wall, [lambda: FakeCamera(media, packets, wall, None)]), 20)
    assert frames[0].ref.at_s == pytest.approx(began_s, abs=0.1)
    assert frames[19].ref.at_s == pytest.approx(began_s + 19 * 0.2, abs=0.1)
    assert frames[0].ref.key.session == pytest.approx(began_s * 1000, abs=100)


def test_a_camera_that_is_never_there_still_has_time(clip: tuple[Media, list[CodedPacket]]) -> None:
    wall = Wall()
    counts = Counts()
    frames = frames_of(live(wall, [], count=counts), 30)
    assert {frame.note.gate for frame in frames} == {"absent"}
    assert "offline" in frames[-1].note.conditions
    assert frames[-1].ref.at_s - frames[0].ref.at_s > 20
    assert all(b.ref.at_s - a.ref.at_s <= 1.0 + 1e-6 for a, b in pairwise(frames))
    assert counts["reconnects", "SourceRefused"] >= 2


def test_a_clock_that_is_set_back_meanwhile_does_not_put_off_the_next_attempt(
    clip: tuple[Media, list[CodedPacket]],
) -> None:
    wall, (media, packets) = Wall(), clip
    naps: list[float] = []

    def refused() -> FakeCamera:
        raise SourceRefused("Cannot open the camera: wrong password.")

    def set_back_once(seconds: float) -> None:
        wall.at_s += seconds - (3600.0 if not naps else 0.0)
        naps.append(seconds)

    reader = live(wall, [refused, lambda: FakeCamera(media, packets, wall, None)], sleep=set_back_once)
    assert any(frame.note.gate == "open" for frame in frames_of(reader, 20))
    assert sum(naps) == pytest.approx(10.0)


def test_a_reader_goes_on_after_the_one_before_it(clip: tuple[Media, list[CodedPacket]]) -> None:
    wall, (media, packets) = Wall(), clip
    after = (int(wall.at_s * 1000) + 60_000, wall.at_s + 60)
    frames = frames_of(live(wall, [lambda: FakeCamera(media, packets, wall, None)], after=after), 5)
    assert frames[0].ref.key.session > after[0]
    assert frames[0].ref.at_s >= after[1]


def test_a_burst_at_the_start_does_not_put_time_ahead_of_the_clock(clip: tuple[Media, list[CodedPacket]]) -> None:
    wall, (media, packets) = Wall(), clip

    class Bursting(FakeCamera):
        def packets(self) -> Iterator[CodedPacket]:
            for number, packet in enumerate(self._packets):
                self._wall.at_s += 0.0 if number < 50 else 0.04
                yield packet

    frames = frames_of(live(wall, [lambda: Bursting(media, packets, wall, None)]), 20)
    assert frames[-1].ref.at_s <= wall.at_s + 0.05


def test_stamps_that_jump_begin_a_session_and_media_time_goes_on(clip: tuple[Media, list[CodedPacket]]) -> None:
    wall, (media, packets) = Wall(), clip
    far = 10**9
    jumped = [
        p if i < 50 else replace(p, pts=(p.pts or 0) + far, dts=(p.dts or 0) + far) for i, p in enumerate(packets)
    ]
    back = jumped + packets
    counts = Counts()
    frames = frames_of(live(wall, [lambda: FakeCamera(media, back, wall, None)], count=counts), 38)
    assert counts["sessions", "jump_forward"] == 1
    assert counts["sessions", "jump_backward"] == 1
    assert len({frame.ref.key.session for frame in frames}) == 3
    assert all(b.ref.at_s - a.ref.at_s <= 0.5 for a, b in pairwise(frames))
    assert all(frame.ref.at_s <= wall.at_s + 0.1 for frame in frames)


def test_corrupt_packets_are_dropped_and_counted(clip: tuple[Media, list[CodedPacket]]) -> None:
    wall, (media, packets) = Wall(), clip
    hurt = [replace(packet, is_corrupt=index in (7, 8, 33)) for index, packet in enumerate(packets)]
    counts = Counts()
    frames_of(live(wall, [lambda: FakeCamera(media, hurt, wall, None)], count=counts), 15)
    assert counts["dropped", "corrupt"] == 3


def test_a_machine_that_is_too_slow_skips_and_counts(clip: tuple[Media, list[CodedPacket]]) -> None:
    wall, (media, packets) = Wall(), clip

    class Late(FakeCamera):
        def packets(self) -> Iterator[CodedPacket]:
            for number, packet in enumerate(self._packets):
                self._wall.at_s += 0.04 if number < 30 else 0.0
                self._wall.at_s += 4.0 if number == 30 else 0.0
                yield packet

    counts = Counts()
    frames = frames_of(live(wall, [lambda: Late(media, packets, wall, None)], count=counts), 10)
    assert counts["dropped", "late"] > 0
    assert all(frame.note.gate == "open" for frame in frames[:9])


def test_no_secret_is_told(clip: tuple[Media, list[CodedPacket]]) -> None:
    wall = Wall()
    told: list[SourceError] = []

    def refuse(request: MediaRequest) -> Media:
        return open_media(replace(request, location="rtsp://admin:geheim@127.0.0.1:1/x", open_timeout_s=1.0))

    config = CameraConfig("cam", SourceConfig("rtsp://admin:geheim@127.0.0.1:1/x"))
    reader = CameraReader(config, open_media=refuse, now=wall.now, sleep=wall.sleep, tell=told.append)
    next(iter(reader))
    assert told
    assert "geheim" not in f"{told[0]} {told[0]!r} {config!r}"


def test_a_source_that_does_not_declare_its_size_shows_it(tmp_path: Path) -> None:
    media = open_media(MediaRequest(f"file:{write_clip(tmp_path / 'a.h264', paint=numbered)}"))
    packets = list(media.packets())
    media.close()
    wall_clock = Wall()
    camera = FakeCamera(media, packets, wall_clock, None)
    camera.stream = replace(media.stream, size_wh=(0, 0), extradata=b"")
    values = list(islice(live(wall_clock, [lambda: camera]), 12))
    assert {value.stream.size_wh for value in values if isinstance(value, PacketBatch)} == {(192, 128)}
    assert {value.ref.source_wh for value in values if isinstance(value, Frame)} == {(192, 128)}


def test_length_of_a_recording(tmp_path: Path) -> None:
    write_clip(tmp_path / "1.mp4", frames=50)
    write_clip(tmp_path / "2.mp4", frames=25)
    (tmp_path / "3.mp4").write_bytes(b"no video")
    assert recording_length_s(SourceConfig(str(tmp_path))) == pytest.approx(3.0, abs=0.05)
    assert recording_length_s(SourceConfig("rtsp://cam/1")) is None
    with pytest.raises(SourceRefused):
        recording_length_s(SourceConfig(str(tmp_path / "3.mp4")))


def test_standard_input_is_read_to_its_end(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", paint=numbered)
    program = (
        "from pipeline.ingest.camera import CameraConfig, CameraReader\n"
        "from pipeline.ingest.source import SourceConfig\n"
        "from pipeline.types import Frame\n"
        "frames = [v for v in CameraReader(CameraConfig('cam', SourceConfig('-'))) if isinstance(v, Frame)]\n"
        "print(len(frames), frames[-1].note.ended)\n"
    )
    with path.open("rb") as stream:
        done = subprocess.run([sys.executable, "-c", program], stdin=stream, capture_output=True, text=True, check=True)
    assert done.stdout.split()[1] == "True"
    assert int(done.stdout.split()[0]) in (11, 12)


def test_an_ingest_process_imports_only_what_it_needs() -> None:
    program = "import pipeline.ingest.camera, sys; print(*sorted(m.split('.')[0] for m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = {"torch", "openvino", "scipy", "pydantic", "redis", "ultralytics", "transformers", "rich", "typer"}
    assert heavy.isdisjoint(done.stdout.split())


@pytest.mark.parametrize(
    "bad",
    [
        {"analysis_wh": (8, 8)},
        {"batch_s": -1.0},
        {"has_frames": False, "batch_s": 0.0},
        {"start_at": datetime(2020, 1, 1)},
    ],
)
def test_absurd_settings_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        replace(CameraConfig("cam", SourceConfig("a.mp4")), **bad)  # type: ignore[arg-type]


def test_time_bases_that_are_not_positive_are_refused() -> None:
    from pipeline.ingest.timestamps import TimestampValidator

    with pytest.raises(ValueError, match="time_base"):
        TimestampValidator(Fraction(0))
