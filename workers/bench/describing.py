"""What language costs the alerts: facts and words per frame, and a describer that stalls while alerts go out.

In: nothing but this machine. Out: :class:`Result` values. The stall is measured where it would hurt: findings are put
on a Redis in real time, an alert process folds them, and a describe process takes every request and never answers; it
is compared with the same without a describer, turn by turn. Next file: ``workers/bench/result.py``.
"""

from __future__ import annotations

import math
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from pipeline.alert.settings import AlertSettings, Zone, ZoneRule
from pipeline.alert.stage import AlertStage, standard_judges
from pipeline.bus.server import EmbeddedRedis
from pipeline.bus.topics import DETECTIONS
from pipeline.describe.budget import Budget, Caps, Price
from pipeline.describe.stage import DescribeStage, Model
from pipeline.descriptions import Prompt, Reply
from pipeline.errors import ModelError
from pipeline.protocols import Bus, Narrator
from pipeline.settings import RedisSettings, Secret, SiteSettings
from pipeline.types import Detections, Finding, FrameKey, FrameNote, FrameRef, utc_from_s
from workers import wiring
from workers.bench.parts import quiet_telemetry
from workers.bench.result import Result, percentile
from workers.describe import Notebook
from workers.describe import work as describe_work
from workers.describers import new_encoder, new_narrator
from workers.runtime import Liveness

__all__ = ["measure_narrator", "measure_stall"]

TRACKS = 10
FPS = 5.0
CAMERAS = 8
VISIT_S, ABSENCE_S = 1.0, 1.0
WH = (1280, 720)
TURNS = 4
MAX_ADDED_MS = 1.5
SLACK_MS = 10.0
STALL_S = 3_600.0


def measure_narrator(site: SiteSettings, seconds: float) -> Result:
    """Processor milliseconds that facts and words add to the fold of a frame with ten people in it."""
    name = site.cameras[0].name
    site = replace(site, cameras=(replace(site.cameras[0], alert=_guarded(name)),))
    encoder = new_encoder(site, quiet_telemetry())
    findings = [_crowd(name, step) for step in range(max(50, round(seconds * 20)))]
    alone = min(_fold_ms(site, findings, None) for _ in range(3))
    narrated = min(_fold_ms(site, findings, new_narrator(site, name)) for _ in range(3))
    parts: dict[str, float | int | str] = {"alone_ms": alone, "narrated_ms": narrated, "tracks": TRACKS}
    if encoder is not None:
        parts["with_vectors_ms"] = min(_fold_ms(site, findings, new_narrator(site, name, encoder)) for _ in range(3))
    return Result("facts and words per frame", narrated - alone, "ms", MAX_ADDED_MS, is_least=False, parts=parts)


def measure_stall(site: SiteSettings, seconds: float) -> Result:
    """p99 of the time from a finding to its provisional alert while a describer stalls, against that without one."""
    free: list[float] = []
    stalled: list[float] = []
    for turn in range(TURNS):
        with _own_site(site) as ready, _processes(ready, is_stalled=turn % 2 == 1):
            names = [camera.name for camera in ready.cameras]
            (stalled if turn % 2 else free).extend(_latencies_ms(ready.redis, names, seconds * 2 / TURNS))
    parts: dict[str, float | int | str] = {
        "p50_stalled_ms": percentile(stalled, 0.5),
        "p50_ms": percentile(free, 0.5),
        "p99_ms": percentile(free, 0.99),
        "alerts": len(free) + len(stalled),
    }
    most = percentile(free, 0.99) * 1.25 + SLACK_MS
    value = percentile(stalled, 0.99)
    return Result("provisional alerts p99, describer stalled", value, "ms", round(most, 1), is_least=False, parts=parts)


@contextmanager
def _own_site(site: SiteSettings) -> Iterator[SiteSettings]:
    """``site`` with cameras, a Redis and a folder for this measurement alone."""
    names = [f"bench-{place}" for place in range(CAMERAS)]
    cameras = tuple(replace(site.cameras[0], name=name, alert=_guarded(name)) for name in names)
    with (
        tempfile.TemporaryDirectory(prefix="vedette-bench-") as folder,
        EmbeddedRedis.start(Path(folder) / "redis") as server,
    ):
        redis = RedisSettings(Secret(server.url), Secret(server.frames_url), False, None, None, None)
        yield replace(site, data_dir=Path(folder), redis=redis, cameras=cameras)


def _guarded(name: str) -> AlertSettings:
    """Anybody in the picture is an alert at once, and over soon after they left."""
    everywhere = Zone("yard", ((0, 0), (1, 0), (1, 1), (0, 1)))
    rule = ZoneRule(name="nobody", zone="yard", open_after_s=0.2, close_after_s=0.4, cool_down_s=0.0)
    return AlertSettings(name, zones=(everywhere,), rules=(rule,), is_health_alerted=False)


def _finding(camera: str, seq: int, at_s: float, boxes: Sequence[tuple[float, ...]]) -> Finding:
    ref = FrameRef(FrameKey(camera, 1, seq), round(at_s * 90_000), Fraction(1, 90_000), utc_from_s(at_s), WH)
    xyxy = np.array(boxes, np.float32).reshape(-1, 4)
    return Finding(ref, FrameNote(), Detections(xyxy, np.full(len(xyxy), 0.9), ("person",) * len(xyxy)), "bench")


def _crowd(camera: str, step: int) -> Finding:
    """Ten people who walk to and fro."""
    boxes = []
    for place in range(TRACKS):
        x = 60 + 115 * place + 40 * math.sin(step / 20 + place)
        boxes.append((x, 300 + 10 * place, x + 50, 430 + 10 * place))
    return _finding(camera, step, 1.7e9 + step / FPS, boxes)


def _fold_ms(site: SiteSettings, findings: Sequence[Finding], narrator: Narrator | None) -> float:
    settings = site.cameras[0].alert
    blank = None if narrator is None else narrator.state()
    stage = AlertStage(settings, wiring.new_tracker(), standard_judges(settings), narrator=narrator)
    began_s = time.thread_time()
    for finding in findings:
        stage.step(finding)
    took_s = time.thread_time() - began_s
    if narrator is not None and blank is not None:
        narrator.restore(blank)
    return 1_000 * took_s / len(findings)


@contextmanager
def _processes(site: SiteSettings, *, is_stalled: bool) -> Iterator[None]:
    """An alert process and, perhaps, a describe process that never answers."""
    context = get_context("spawn")
    targets = (_run_alert, _run_stalled) if is_stalled else (_run_alert,)
    running = [context.Process(target=target, args=(site,)) for target in targets]
    for process in running:
        process.start()
    try:
        yield
    finally:
        for process in running:
            process.terminate()
            process.join()


def _run_alert(site: SiteSettings) -> None:
    from workers.child import Job

    telemetry, stop = quiet_telemetry(), threading.Event()
    threading.Thread(target=_leave_with_parent, args=(os.getppid(), stop), daemon=True).start()
    wiring.alert(site, Job("alert"), telemetry, Liveness(time.monotonic), stop)


def _run_stalled(site: SiteSettings) -> None:
    def stall(prompts: Sequence[Prompt]) -> list[Reply | ModelError]:
        time.sleep(STALL_S)
        return [ModelError("stalled") for _ in prompts]

    telemetry = quiet_telemetry()
    stage = DescribeStage(
        Model("server:stalled", stall, Price(), 400, STALL_S),
        Budget(Caps()),
        pictures=lambda _: (),
        check=lambda *_: (),
        strike=lambda text, _: text,
        count=telemetry.count,
    )
    notebook = Notebook(lambda _: None, lambda _: None, STALL_S, telemetry)
    bus = wiring.open_bus(site.redis, telemetry.count)
    liveness, stop = Liveness(time.monotonic), threading.Event()
    describe_work(bus, stage, notebook, telemetry, liveness, stop, batch=4, hold_s=STALL_S)


def _leave_with_parent(parent: int, stop: threading.Event) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    stop.set()


def _latencies_ms(redis: RedisSettings, names: Sequence[str], seconds: float) -> list[float]:
    """From putting the deciding finding on the bus to reading its alert, of every alert that opened."""
    bus, reader = (wiring.open_bus(redis, lambda *_: None) for _ in range(2))
    _wait_until_folding(bus, names)
    found: list[float] = []
    over = threading.Event()
    listener = threading.Thread(target=_listen, args=(reader, reader.newest_alert(), found, over))
    listener.start()
    try:
        _feed_live(bus, names, seconds, first_seq=1)
    finally:
        time.sleep(1.0)
        over.set()
        listener.join()
        for one in (bus, reader):
            one.close()
    return found


def _wait_until_folding(bus: Bus, names: Sequence[str]) -> None:
    """Until the alert process has taken in an empty frame of every camera."""
    for name in names:
        bus.append(name, DETECTIONS, _finding(name, 0, time.time(), ()))
    while any(bus.depth(name, DETECTIONS) for name in names):
        time.sleep(0.05)


def _feed_live(bus: Bus, names: Sequence[str], seconds: float, *, first_seq: int) -> None:
    """Findings in real time, cameras one after another: somebody comes, stays for a second, and goes."""
    step_s = 1 / (FPS * len(names))
    began_s = time.time()
    for number in range(round(seconds / step_s)):
        due_s = began_s + number * step_s
        time.sleep(max(0.0, due_s - time.time()))
        seq = number // len(names)
        is_there = (seq / FPS) % (VISIT_S + ABSENCE_S) < VISIT_S
        name = names[number % len(names)]
        boxes = ((600.0 + 10 * (seq % 5), 300.0, 660.0 + 10 * (seq % 5), 450.0),) if is_there else ()
        bus.append(name, DETECTIONS, _finding(name, first_seq + seq, time.time(), boxes))


def _listen(bus: Bus, since: str, found: list[float], over: threading.Event) -> None:
    while not over.is_set():
        entries = bus.alerts(since, max_entries=100, block_s=0.2)
        now_s = time.time()
        found += [1_000 * (now_s - alert.updated_at.timestamp()) for _, alert in entries if alert.phase == "opened"]
        since = entries[-1][0] if entries else since
