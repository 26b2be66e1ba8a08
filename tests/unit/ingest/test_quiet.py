"""A quiet camera rests, and wakes for motion: from sizes, from doubt, and when key frames stay away."""

from __future__ import annotations

import random

import pytest

from pipeline.ingest.quiet import QuietConfig, QuietWatch


class Scene:
    """Feeds a watch with packets of an imagined camera at 25 fps."""

    def __init__(self, watch: QuietWatch, *, gop: int = 50, noise: float = 0.1) -> None:
        self.watch = watch
        self._gop = gop
        self._noise = noise
        self._random = random.Random(7)
        self._number = 0
        self.alarms: list[float] = []

    def run(self, seconds: float, *, factor: float = 1.0, is_open: bool = False, b_frames: bool = False) -> list[float]:
        """``seconds`` of packets; the times at which the watch wanted to wake."""
        alarms = []
        for _ in range(round(seconds * 25)):
            at_s = self._number / 25
            is_key = self._number % self._gop == 0
            size = 3000.0 if not (b_frames and self._number % 3) else 700.0
            size *= (1.4 if self._number % self._gop < 5 else 1.0) * factor * self._random.gauss(1, self._noise)
            if self.watch.must_wake(40_000 if is_key else max(1, int(size)), at_s, is_key=is_key):
                alarms.append(at_s)
            if self._number % 5 == 0:
                self.watch.note_gate(is_open=is_open, at_s=at_s)
            self._number += 1
        return alarms

    @property
    def at_s(self) -> float:
        return self._number / 25


@pytest.mark.parametrize("b_frames", [False, True])
def test_a_quiet_camera_dozes_and_raises_few_alarms(b_frames: bool) -> None:
    scene = Scene(QuietWatch(QuietConfig()))
    scene.run(20, b_frames=b_frames)
    rests = 0
    alarms = []
    for _ in range(240):
        alarms += scene.run(0.5, b_frames=b_frames)
        rests += scene.watch.may_doze(scene.at_s)
    assert rests > 180
    assert len({round(at_s) for at_s in alarms}) <= 20


@pytest.mark.parametrize("b_frames", [False, True])
def test_motion_in_the_sizes_wakes_at_once(b_frames: bool) -> None:
    scene = Scene(QuietWatch(QuietConfig()))
    scene.run(30.5, b_frames=b_frames)
    began_s = scene.at_s
    alarms = scene.run(2, factor=1.6, b_frames=b_frames)
    assert alarms
    assert alarms[0] - began_s <= 0.4
    assert not scene.watch.may_doze(alarms[0] + 0.5)


def test_nothing_is_known_before_it_is_learned() -> None:
    scene = Scene(QuietWatch(QuietConfig()))
    assert scene.run(3) == []
    assert not scene.watch.may_doze(scene.at_s)


def test_an_open_gate_keeps_it_awake_and_teaches_nothing() -> None:
    scene = Scene(QuietWatch(QuietConfig()))
    scene.run(20)
    scene.run(10, factor=3.0, is_open=True)
    assert not scene.watch.may_doze(scene.at_s)
    scene.run(8)
    assert scene.watch.may_doze(scene.at_s + 1.1)
    assert scene.run(2, factor=2.0), "the loud stretch was not taken for quiet"


def test_key_frames_too_far_apart_forbid_dozing() -> None:
    scene = Scene(QuietWatch(QuietConfig()), gop=250)
    scene.run(60)
    assert not scene.watch.may_doze(scene.at_s)


def test_a_key_frame_that_stays_away_wakes() -> None:
    watch = QuietWatch(QuietConfig(max_blind_s=4.0))
    scene = Scene(watch)
    scene.run(20)
    alarms = [s / 25 for s in range(501, 700) if watch.must_wake(3000, s / 25, is_key=False)]
    assert alarms
    assert alarms[-1] - 18.0 > 4.0


def test_doubt_is_about_more_than_the_usual_change() -> None:
    watch = QuietWatch(QuietConfig())
    usual = [watch.is_doubtful(0.002, float(s)) for s in range(30)]
    assert usual.count(True) <= 1
    assert watch.is_doubtful(0.004, 31.0)
    assert not watch.is_doubtful(0.0, 32.0)


def test_disabled_never_dozes() -> None:
    scene = Scene(QuietWatch(QuietConfig(is_enabled=False)))
    scene.run(30)
    assert not scene.watch.may_doze(scene.at_s)


@pytest.mark.parametrize("bad", [{"settle_s": 0}, {"alarm_share": 0.6}, {"margin": -1}, {"doubt_share": 0}])
def test_absurd_knobs_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="quiet mode"):
        QuietConfig(**bad)  # type: ignore[arg-type]
