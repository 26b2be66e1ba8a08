"""The parts of the pipeline one by one, against what could be had at best: decoding, detecting, replay.

In: footage and a site. Out: :class:`Result` values, and what the parts cost, from which the ceiling of the whole is
computed. Next file: ``workers/bench/capacity.py``.
"""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from pipeline.bus.server import EmbeddedRedis
from pipeline.bus.topics import FRAMES
from pipeline.detect.openvino import OpenVinoDetector
from pipeline.detect.stage import DetectStage
from pipeline.detect.throughput import bare_throughput
from pipeline.errors import UsageError
from pipeline.ingest.source import SourceConfig, requests
from pipeline.replay import replay
from pipeline.settings import CameraSettings, RedisSettings, Secret, SiteSettings
from pipeline.telemetry import Telemetry
from pipeline.types import Frame, FrameKey
from pipeline.video.container import open_media
from pipeline.video.decoder import PictureDecoder
from workers import wiring
from workers.bench.result import Result
from workers.claims import Claims
from workers.detect import work
from workers.runtime import Liveness

__all__ = ["decode_cost_s", "ffmpeg_decode_s", "measure_decode", "measure_detector", "measure_looks", "measure_replay"]

FEED_WAIT_S = 1.0
WARM_UP_S = 1.0
FEEDERS = 4
REPLAY_CAMERA = "replay"


def ffmpeg_decode_s(video: Path) -> float:
    """Processor seconds in which ``ffmpeg -f null`` decodes ``video`` in one thread. Raises UsageError without it."""
    argv = ["ffmpeg", "-v", "error", "-threads", "1", "-i", str(video), "-f", "null", "-"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        subprocess.run(argv, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise UsageError(f"ffmpeg is needed to compare with, and it cannot decode {video.name}.") from error
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def decode_cost_s(video: Path) -> tuple[float, int]:
    """(processor seconds, pictures) of decoding every picture of ``video`` as an ingest process does."""
    began_s = time.thread_time()
    media = open_media(next(iter(requests(SourceConfig(str(video))))))
    pictures = 0
    try:
        decoder = PictureDecoder(media.stream, media.rotation)
        for coded in media.packets():
            pictures += len(decoder.decode(coded.payload, 0))
        pictures += len(decoder.drain())
    finally:
        media.close()
    return time.thread_time() - began_s, pictures


def measure_decode(name: str, video: Path) -> Result:
    """Our decoding against ffmpeg's of the same file: 1 is as fast."""
    theirs_s = min(ffmpeg_decode_s(video) for _ in range(2))
    ours_s, pictures = min(decode_cost_s(video) for _ in range(2))
    parts: dict[str, float | int | str] = {
        "ours_ms": 1000 * ours_s / pictures,
        "ffmpeg_ms": 1000 * theirs_s / pictures,
    }
    return Result(f"decode {name} against ffmpeg", theirs_s / ours_s, "×", None, parts=parts)


def measure_detector(site: SiteSettings, video: Path, seconds: float) -> Result:
    """Pictures per second through bus, detect role and bus, against the bare network on the same pictures."""
    detector = wiring.new_detector(site)
    if not isinstance(detector, OpenVinoDetector):
        raise UsageError("The bare network is measured with OpenVINO; give weights that it runs.")
    frames = analysis_frames(site, video, 64)
    bare_1 = bare_throughput(detector, frames, seconds / 2)
    ours = _through_the_bus(detector, frames, seconds)
    bare_2 = bare_throughput(detector, frames, seconds / 2)
    bare = (bare_1 + bare_2) / 2  # before and after: a machine that warms up must not flatter us
    size = "{}x{}".format(*frames[0].size_wh)
    parts: dict[str, float | int | str] = {"ours_per_s": ours, "bare_per_s": bare, "model": detector.name, "size": size}
    return Result("detector in the pipeline against the bare network", 100 * ours / bare, "%", 80.0, parts=parts)


def measure_looks(site: SiteSettings, video: Path, seconds: float) -> Result:
    """Processor milliseconds in which the pixels of one detected picture are measured: flow, colours, posture, blobs.

    ``video`` is looked at round and round, each round as a session of its own, with the five surest detections.
    """
    looker = wiring.new_looker(site)
    if looker is None:
        raise UsageError("The site wants no looks (detector.looks: false), so there is nothing to measure.")
    frames = analysis_frames(site, video, 64)
    found = [one.select(np.argsort(-one.confidence)[:5]) for one in wiring.new_detector(site).detect(frames)]
    spent_s, pictures, until_s = 0.0, 0, time.perf_counter() + seconds
    while time.perf_counter() < until_s:
        for frame, detections in zip(frames, found, strict=True):
            key = replace(frame.ref.key, session=pictures)
            began_s = time.thread_time()
            looker.look(Frame(replace(frame.ref, key=key), frame.note, frame.i420), detections)
            spent_s += time.thread_time() - began_s
        pictures += len(frames)
    parts: dict[str, float | int | str] = {
        "pictures": pictures,
        "detections_per_picture": sum(map(len, found)) / len(found),
        "size": "{}x{}".format(*frames[0].size_wh),
    }
    return Result("looks of one picture", 1000 * spent_s / pictures, "ms", 3.0, is_least=False, parts=parts)


def analysis_frames(site: SiteSettings, video: Path, count: int) -> list[Frame]:
    """The first analysed pictures of ``video``."""
    camera = recorded_camera(site, video)
    found = []
    for value in wiring.frame_reader(camera, site.detector.frame_wh, quiet_telemetry(), has_packets=False):
        if isinstance(value, Frame) and value.i420 is not None:
            found.append(value)
        if len(found) == count:
            break
    if not found:
        raise UsageError(f"{video.name} holds no picture to measure with.")
    return found


def recorded_camera(site: SiteSettings, video: Path) -> CameraSettings:
    """The site's first camera, reading ``video`` with every analysed frame kept."""
    return replace(site.cameras[0], url=Secret(str(video)), detect_url=None, is_gated=False)


def quiet_telemetry() -> Telemetry:
    """Counts, and says nothing below a warning."""
    return Telemetry(role="bench", is_quiet=True)


def measure_replay(site: SiteSettings, name: str, video: Path) -> Result:
    """Seconds of footage per second of replay in one process, every analysed frame detected; loading not counted."""
    camera = recorded_camera(site, video)
    detector, telemetry = wiring.new_detector(site), quiet_telemetry()
    values = wiring.frame_reader(camera, site.detector.frame_wh, telemetry, has_packets=False)
    first_s, last_s, frames = float("inf"), 0.0, 0

    def note(at_s: float) -> None:
        nonlocal first_s, last_s, frames
        first_s, last_s, frames = min(first_s, at_s), max(last_s, at_s), frames + 1

    began_s = time.perf_counter()
    stages = {camera.name: wiring.new_stage(site, camera.name)}
    looker = wiring.new_looker(site)
    every = replay(
        {camera.name: values}, detector, stages, looker=looker, on_finding=lambda finding: note(finding.ref.at_s)
    )
    for _ in every:
        pass
    took_s = time.perf_counter() - began_s
    parts: dict[str, float | int | str] = {"footage_s": last_s - first_s, "took_s": took_s, "findings": frames}
    return Result(f"replay {name}", (last_s - first_s) / took_s, "× real time", 8.0, parts=parts)


def _through_the_bus(detector: OpenVinoDetector, frames: Sequence[Frame], seconds: float) -> float:
    """Pictures per second of the detect role while feeder processes keep its queues full."""
    cameras = [f"bench-{place}" for place in range(FEEDERS)]
    with _own_redis() as settings, _feeding(settings, cameras, frames):
        telemetry, stop = quiet_telemetry(), threading.Event()
        bus = wiring.open_bus(settings, telemetry.count)
        stage = DetectStage(detector, telemetry.count, max_batch=8, max_age_s=1.0)
        rate = 0.0

        def count() -> float:
            return telemetry.registry.get_sample_value("vedette_detect_batch_sum") or 0.0

        def watch() -> None:
            nonlocal rate
            while count() == 0 and not stop.wait(0.05):
                pass
            stop.wait(WARM_UP_S)
            began_s, began = time.perf_counter(), count()
            stop.wait(seconds)
            rate = (count() - began) / (time.perf_counter() - began_s)
            stop.set()

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            claims = Claims(bus, "detect", "bench", cameras)
            work(bus, claims, stage, telemetry, Liveness(time.monotonic), stop, recorded=frozenset(cameras))
        finally:
            stop.set()
            watcher.join()
            bus.close()
    return rate


@contextmanager
def _own_redis() -> Iterator[RedisSettings]:
    """A Redis for one measurement, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="vedette-bench-") as folder, EmbeddedRedis.start(Path(folder)) as server:
        yield RedisSettings(Secret(server.url), Secret(server.frames_url), False, None, None, None)


@contextmanager
def _feeding(settings: RedisSettings, cameras: Sequence[str], frames: Sequence[Frame]) -> Iterator[None]:
    """A process that keeps the queues of ``cameras`` full."""
    feeder = get_context("spawn").Process(target=_feed, args=(settings, list(cameras), list(frames), os.getpid()))
    feeder.start()
    try:
        yield
    finally:
        feeder.terminate()
        feeder.join()


def _feed(settings: RedisSettings, cameras: Sequence[str], frames: Sequence[Frame], parent: int) -> None:
    """Put ``frames`` on the bus round and round, as fast as there is room, until the bench is gone."""
    bus = wiring.open_bus(settings, lambda *_: None)
    seq = 0
    while os.getppid() == parent:
        frame = frames[seq // len(cameras) % len(frames)]
        camera = cameras[seq % len(cameras)]
        key = FrameKey(camera, 1, seq)
        bus.append(camera, FRAMES, Frame(replace(frame.ref, key=key), frame.note, frame.i420), wait_s=FEED_WAIT_S)
        seq += 1
