"""Decides when a quiet camera may be decoded by its key frames alone, and when to wake up.

In: the size of every packet, and what the motion gate said of every picture; out: :meth:`QuietWatch.may_doze` and
whether to wake. An encoder spends bytes where the picture changes, so the bytes of predicted packets,
against what this camera sends when nothing moves, tell of motion before anything is decoded. Key frames are always
decoded and shown to the gate: a change too faint for the sizes is seen at most one group of pictures (GOP) late.
A key frame that shows a little more change than usual, not enough to open the gate, is reason for a closer look.
Pure, media time only, and sensitive on purpose: a false alarm costs a second of decoding. Next file:
``pipeline/ingest/stream.py``.
"""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass

__all__ = ["QuietConfig", "QuietWatch"]


@dataclass(frozen=True, slots=True)
class QuietConfig:
    """Knobs of the quiet mode, in media seconds where they end in ``_s``.

    ``settle_s``: how long the gate has to be closed before dozing. ``max_blind_s``: longest distance of key frames at
    which dozing is allowed. ``look_s``: how long everything is decoded after an alarm. ``learn_s``: how far back the
    quiet level is learned. ``alarm_share``: share of quiet moments whose sizes may raise a false alarm; ``margin``: by
    how much, as a share, that level has to be exceeded. ``doubt_share``: share of quiet key frames looked at closer.
    """

    is_enabled: bool = True
    settle_s: float = 2.0
    max_blind_s: float = 4.2
    look_s: float = 1.0
    learn_s: float = 60.0
    alarm_share: float = 0.005
    margin: float = 0.08
    doubt_share: float = 0.1

    def __post_init__(self) -> None:
        if min(self.settle_s, self.max_blind_s, self.look_s, self.learn_s) <= 0:
            raise ValueError(f"quiet mode: expected seconds > 0, got {self}")
        if not (0 < self.alarm_share < 0.5 and 0 < self.doubt_share < 0.5 and self.margin >= 0):
            raise ValueError(f"quiet mode: expected shares within 0 .. 0.5 and margin >= 0, got {self}")


@dataclass(frozen=True, slots=True)
class _Slice:
    """Bytes of the predicted packets in one slice of a GOP: ``place`` counts slices since the key frame."""

    at_s: float
    place: int
    size: int


class QuietWatch:
    """Learns what a camera sends while nothing moves, and notices more than that.

    Bytes are summed over slices of a fifth of a second, which evens out B-frames, and compared with the slices at the
    same place of earlier GOPs, because encoders spend more just after a key frame. One slice far above its level is
    an alarm, and so is a second in which all are a little above it. Both alarm levels are quantiles of the camera's
    own quiet past: no assumption on codec, noise or bit rate control is needed.
    """

    _SLICE_S = 0.2
    _MIN_LEARNED = 20
    _MAX_LEARNED = 512
    _SUSTAINED = 5
    _FRESH_S = 2.0
    _LOOKS = 40
    _LEAST_MOTION = 0.0004

    def __init__(self, config: QuietConfig) -> None:
        self._config = config
        self._learned: deque[_Slice] = deque(maxlen=self._MAX_LEARNED)
        self._motions: deque[float] = deque(maxlen=self._LOOKS)
        self._recent: deque[float] = deque(maxlen=self._SUSTAINED)
        self.reset()

    def reset(self) -> None:
        """A new session: sizes of another encoder, or of another setting, teach nothing."""
        self._learned.clear()
        self._motions.clear()
        self._recent.clear()
        self._levels: dict[int, float] = {}
        self._typical = 0.0
        self._limit: float | None = None
        self._sustained_limit = float("inf")
        self._key_s: float | None = None
        self._gop_s: float | None = None
        self._quiet_since_s: float | None = None
        self._look_until_s = float("-inf")
        self._place = -1
        self._size = 0

    def note_gate(self, *, is_open: bool, at_s: float) -> None:
        """The motion gate looked at a picture of media time ``at_s``."""
        if not is_open:
            self._quiet_since_s = at_s if self._quiet_since_s is None else self._quiet_since_s
            return
        self._quiet_since_s = None
        # What came just before the gate opened belongs to the motion: it must not count as quiet.
        while self._learned and self._learned[-1].at_s > at_s - self._FRESH_S:
            self._learned.pop()

    def is_doubtful(self, motion: float, at_s: float) -> bool:
        """Whether a key frame seen while dozing, with ``motion`` (share of changed cells) but a closed gate, deserves
        a closer look: the gate needs pictures in quick succession to tell a small moving thing from flicker."""
        quiet = sorted(self._motions)
        self._motions.append(motion)
        usual = quiet[int((1 - self._config.doubt_share) * (len(quiet) - 1))] if quiet else 0.0
        if motion < self._LEAST_MOTION or motion <= usual:
            return False
        self._look_until_s = at_s + self._config.look_s
        return True

    def may_doze(self, at_s: float) -> bool:
        """Whether key frames alone will do from here: quiet for long enough, and key frames close enough."""
        return (
            self._config.is_enabled
            and self._gop_s is not None
            and self._gop_s <= self._config.max_blind_s
            and self._limit is not None
            and self._quiet_since_s is not None
            and at_s - self._quiet_since_s >= self._config.settle_s
            and at_s >= self._look_until_s
        )

    def must_wake(self, size: int, at_s: float, *, is_key: bool) -> bool:
        """Note a packet of ``size`` bytes at media time ``at_s``; True when the scene has to be looked at.

        That is while bytes exceed the quiet level, and when a key frame is overdue.
        """
        if is_key or self._key_s is None:
            self._close_slice(at_s)
            self._note_key(at_s)
            return False
        place = int((at_s - self._key_s) / self._SLICE_S)
        if place != self._place:
            self._close_slice(at_s)
            self._place, self._size = place, 0
        self._size += size
        is_alarm = self._limit is not None and (
            self._size > self._limit * self._level(place)
            or (len(self._recent) == self._SUSTAINED and sum(self._recent) / self._SUSTAINED > self._sustained_limit)
        )
        is_overdue = at_s - self._key_s > self._config.max_blind_s
        if is_alarm or is_overdue:
            self._look_until_s = at_s + self._config.look_s
        return is_alarm or is_overdue

    def _close_slice(self, at_s: float) -> None:
        if self._place >= 0 and self._size:
            if self._limit is not None:
                self._recent.append(self._size / self._level(self._place))
            if self._quiet_since_s is not None:
                self._learned.append(_Slice(at_s, self._place, self._size))
        self._place, self._size = -1, 0

    def _note_key(self, at_s: float) -> None:
        if self._key_s is not None:
            self._gop_s = at_s - self._key_s
        self._key_s = at_s
        while self._learned and self._learned[0].at_s < at_s - self._config.learn_s:
            self._learned.popleft()
        if len(self._learned) >= self._MIN_LEARNED:
            self._learn()

    def _learn(self) -> None:
        places: dict[int, list[int]] = {}
        for piece in self._learned:
            places.setdefault(piece.place, []).append(piece.size)
        self._typical = statistics.median(piece.size for piece in self._learned)
        self._levels = {place: statistics.median(sizes) for place, sizes in places.items() if len(sizes) >= 3}
        excess = [piece.size / self._level(piece.place) for piece in self._learned]
        seconds = [
            sum(run) / self._SUSTAINED for run in zip(*(excess[k:] for k in range(self._SUSTAINED)), strict=False)
        ]
        self._limit = self._rare(excess) * (1 + self._config.margin)
        self._sustained_limit = self._rare(seconds) * (1 + self._config.margin / 2)

    def _level(self, place: int) -> float:
        return self._levels.get(place, self._typical)

    def _rare(self, values: list[float]) -> float:
        """What ``alarm_share`` of ``values`` exceed; of few values the largest, which says little enough."""
        ranked = sorted(values)
        return ranked[
            int((1 - self._config.alarm_share) * len(ranked)) if len(ranked) * self._config.alarm_share > 1 else -1
        ]
