"""How many cameras this machine carries, what a quiet one costs, and whether anything grows.

In: a site and footage. Out: :class:`Result` values. Next file: ``workers/bench/live.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

from pipeline.openvino_runtime import usable_cores
from pipeline.settings import Secret, SiteSettings
from workers.bench.live import Observation, observe
from workers.bench.parts import decode_cost_s, ffmpeg_decode_s
from workers.bench.result import Result, percentile
from workers.replay import length_s

__all__ = ["ceiling", "largest", "measure_cameras", "measure_quiet", "measure_soak", "memory_results"]

MEBIBYTE = 2**20
MAX_CAMERAS = 128
MAX_INGEST_MIB = 150.0
MAX_QUIET_SHARE = 40.0
MAX_GROWTH_MIB = 10.0
QUIET_SETTLE_S = 50.0
"""How long a quiet camera settles: its gate closes, and for a minute it learns which packet sizes are usual."""
MIN_QUIET_S = 15.0
TARGETS = {"640x360@15": 10, "1080p15": 6}


def ceiling(site: SiteSettings, video: Path, detections_per_s: float) -> float:
    """Cameras that decoding and the bare network alone would leave room for on this machine's cores."""
    decode_s, pictures = decode_cost_s(video)
    camera = replace(site.cameras[0], url=Secret(str(video)))
    footage_s = length_s(replace(site, cameras=(camera,))) or pictures / 15
    cores = usable_cores()
    per_camera = decode_s / footage_s + site.cameras[0].detect_fps * cores / detections_per_s
    return cores / per_camera


def largest(is_kept_up: Callable[[int], bool], first: int) -> int:
    """The largest number that is kept up, by doubling from ``first`` and then halving the step; 0 when none is."""
    low, high = 0, MAX_CAMERAS + 1
    guess = min(max(1, first), MAX_CAMERAS)
    while high - low > 1:
        if is_kept_up(guess):
            low = guess
        else:
            high = guess
        guess = (low + high) // 2 if high <= MAX_CAMERAS else min(low * 2, MAX_CAMERAS)
    return low


def measure_cameras(
    site: SiteSettings,
    name: str,
    videos: Sequence[Path],
    *,
    detections_per_s: float,
    seconds: float,
    first: int | None,
    tell: Callable[[str], None],
) -> tuple[list[Result], Observation | None]:
    """The largest number of RTSP cameras with every frame at ``detect_fps`` detected, none dropped, and its latency.

    ``first`` is where the search begins (half of the ceiling when None). The observation is that of the largest.
    """
    possible = ceiling(site, videos[0], detections_per_s)
    kept: dict[int, Observation] = {}

    def is_kept_up(cameras: int) -> bool:
        seen = _observe_cameras(site, videos, cameras, seconds)
        tell(f"{name}: {cameras} cameras {'kept up' if seen.is_kept_up else 'not kept up'}: {seen.summary()}")
        if seen.is_kept_up:
            kept[cameras] = seen
        return seen.is_kept_up

    most = largest(is_kept_up, first or max(1, int(possible / 2)))
    best = kept.get(most)
    parts: dict[str, float | int | str] = {"ceiling_of_parts": possible, "share_reached": most / possible}
    results = [
        Result(f"cameras {name}", most, "", TARGETS.get(name), parts=parts | (best.summary() if best else {})),
    ]
    if best is not None:
        latency = f"with {most} cameras {name}"
        results += [
            Result(f"latency p50 {latency}", percentile(best.latencies_s, 0.5), "s", 0.3, is_least=False),
            Result(f"latency p99 {latency}", percentile(best.latencies_s, 0.99), "s", 1.0, is_least=False),
        ]
        if best.alert_latencies_s:
            alerts: dict[str, float | int | str] = {"alerts": len(best.alert_latencies_s)}
            worst = percentile(best.alert_latencies_s, 0.99)
            results.append(Result(f"alert latency p99 {latency}", worst, "s", 1.0, is_least=False, parts=alerts))
    return results, best


def measure_quiet(site: SiteSettings, video: Path, seconds: float) -> tuple[list[Result], Observation]:
    """Processor time of a camera before which nothing moves, against ffmpeg decoding every picture of it."""
    gated = replace(site, cameras=(replace(site.cameras[0], is_gated=True, motion_hold_s=2.0),))
    seen = observe(gated, {"quiet": video}, max(seconds, MIN_QUIET_S), wanted_fps=0.0, settle_s=QUIET_SETTLE_S)
    footage_s = length_s(replace(site, cameras=(replace(site.cameras[0], url=Secret(str(video))),)))
    theirs = ffmpeg_decode_s(video) / (footage_s or 1.0)
    ours = seen.roles["ingest"].cpu_s / seen.seconds
    whole = sum(use.cpu_s for role, use in seen.roles.items() if role in {"ingest", "detect", "alert", "redis"})
    parts: dict[str, float | int | str] = {
        "ingest_cores": ours,
        "ffmpeg_cores": theirs,
        "all_roles_share": 100 * whole / seen.seconds / theirs,
    }
    result = Result(
        "quiet camera against ffmpeg", 100 * ours / theirs, "%", MAX_QUIET_SHARE, is_least=False, parts=parts
    )
    return [result], seen


def memory_results(seen: Observation, name: str) -> list[Result]:
    """Resident memory per role, the largest process of each."""
    results = []
    for role in ("ingest", "detect", "alert", "redis"):
        use = seen.roles.get(role)
        if use is not None:
            target = MAX_INGEST_MIB if role == "ingest" else None
            parts: dict[str, float | int | str] = {"processes": use.processes}
            results.append(
                Result(f"memory {role} ({name})", use.rss_bytes / MEBIBYTE, "MiB", target, is_least=False, parts=parts)
            )
    return results


def measure_soak(site: SiteSettings, videos: Sequence[Path], cameras: int, minutes: float) -> list[Result]:
    """How much memory each role gained between the first and the last third of so many minutes."""
    seen = _observe_cameras(site, videos, cameras, minutes * 60)
    results = [
        Result(
            f"growth {role} in {minutes:g} minutes", use.growth_bytes / MEBIBYTE, "MiB", MAX_GROWTH_MIB, is_least=False
        )
        for role, use in seen.roles.items()
        if role in {"ingest", "detect", "alert"}
    ]
    redis = seen.roles.get("redis")
    if redis is not None:
        results.append(Result(f"growth redis in {minutes:g} minutes", redis.growth_bytes / MEBIBYTE, "MiB"))
    share = Result(
        f"findings over {minutes:g} minutes", 100 * seen.findings / seen.wanted, "%", 97.0, parts=seen.summary()
    )
    return [share, *results]


def _observe_cameras(site: SiteSettings, videos: Sequence[Path], cameras: int, seconds: float) -> Observation:
    taken = {f"camera-{place:02d}": video for place, video in enumerate(islice(cycle(videos), cameras))}
    return observe(site, taken, seconds, wanted_fps=site.cameras[0].detect_fps)
