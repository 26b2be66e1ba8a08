"""The owner's budget: what is told, how severe, and what is held back with its reason."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pipeline.unusual.episodes import Episodes
from pipeline.unusual.settings import UnusualSettings
from pipeline.unusual.threshold import threshold_of


def run(episodes: Episodes, begin_s: float, score: float, lasts_s: float, level: float = 20.0) -> bool:
    """One episode; whether any of it could be told."""
    told = False
    for step in range(round(lasts_s / 0.2)):
        at_s = begin_s + step * 0.2
        episodes.pass_time(at_s)
        told = episodes.observe("unusual:person", at_s, score, level, "A person runs").is_told or told
    episodes.pass_time(begin_s + lasts_s + 6)
    return told


def test_one_look_a_little_above_the_level_is_not_told_but_listed() -> None:
    episodes = Episodes(3)
    assert not run(episodes, 0.0, 20.5, 0.2)
    assert run(episodes, 100.0, 20.5, 1.0)
    assert run(episodes, 200.0, 30.0, 0.2)


def test_below_the_level_is_listed_with_its_reason() -> None:
    episodes = Episodes(3)
    run(episodes, 0.0, 18.0, 1.0)
    assert [(one.reason, one.peak) for one in episodes.held_back] == [("threshold", 18.0)]


def test_a_spent_budget_lets_only_the_more_unusual_pass() -> None:
    episodes = Episodes(3)
    assert [run(episodes, 60.0 * i, 25.0, 1.0) for i in range(5)] == [True, True, True, False, False]
    assert {one.reason for one in episodes.held_back} == {"budget"}
    assert run(episodes, 400.0, 26.0, 1.0)
    assert run(episodes, 400.0 + 86_400, 25.0, 1.0)


@pytest.mark.parametrize(("peak", "lasts_s", "severity"), [(21, 1, "info"), (25, 1, "warning"), (31, 2, "critical")])
def test_severity_comes_from_peak_and_length(peak: float, lasts_s: float, severity: str) -> None:
    episodes = Episodes(3)
    for step in range(round(lasts_s / 0.2) + 1):
        episode = episodes.observe("k", step * 0.2, peak, 20.0, "title")
    assert episode.severity == severity


def test_episodes_go_on_after_a_restart() -> None:
    one, other = Episodes(3), Episodes(3)
    for i in range(4):
        run(one, 60.0 * i, 25.0, 1.0)
    other.restore(json.loads(json.dumps(one.state())))
    assert other.held_back == one.held_back
    assert run(one, 300.0, 25.0, 1.0) == run(other, 300.0, 25.0, 1.0)


def test_the_threshold_follows_the_wish() -> None:
    threshold = threshold_of(np.random.default_rng(1).gumbel(16, 4, 100_000))
    assert threshold is not None
    assert threshold.level(1) > threshold.level(10) > threshold.level(100)
    assert threshold.per_day(threshold.level(10)) == pytest.approx(10, rel=1e-6)


def test_no_threshold_beyond_what_was_watched() -> None:
    threshold = threshold_of(np.random.default_rng(1).gumbel(16, 4, 30))
    assert threshold is not None
    assert threshold.level(0.001) == threshold.level(1)
    assert threshold_of(np.array([1.0, 2.0])) is None


@pytest.mark.parametrize("wrong", [{"alerts_per_day": 0}, {"alerts_per_day": float("nan")}, {"warm_up_s": -1}])
def test_settings_check_themselves(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        UnusualSettings("gate", **wrong)
