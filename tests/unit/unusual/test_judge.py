"""The judge of unusual behaviour: what it learns, what it suspects, and that its arithmetic adds up."""

from __future__ import annotations

import json
import math

import pytest

from pipeline.unusual.judge import UnusualJudge, UnusualSettings
from tests.unit.unusual.life import Person, life, walkers


def runner(at_s: float) -> list[Person]:
    """The usual people, and one who runs down the picture where nobody goes."""
    foot = 120 + (at_s % 4) * 55
    return [*walkers(at_s), (900, "person", (300 + 20 * at_s % 90, foot - 60, 325 + 20 * at_s % 90, foot), 300.0)]


@pytest.fixture(scope="module")
def taught() -> UnusualJudge:
    """A judge that has watched four minutes of walking."""
    judge = UnusualJudge(UnusualSettings("gate", warm_up_s=1e5))
    for moment in life(0, 240):
        assert not judge.judge(moment)
    judge.settle()
    return judge


def fresh(taught: UnusualJudge) -> UnusualJudge:
    return UnusualJudge(UnusualSettings("gate", warm_up_s=0), normality=taught.normality)


def test_people_who_walk_as_ever_are_not_suspected(taught: UnusualJudge) -> None:
    judge = fresh(taught)
    suspected = [moment for moment in life(1000, 1120) if judge.judge(moment)]
    assert suspected == []
    assert judge.last is not None
    assert math.isfinite(judge.level)


def test_one_who_runs_where_nobody_goes_is_suspected(taught: UnusualJudge) -> None:
    judge = fresh(taught)
    for moment in life(1000, 1010):
        judge.judge(moment)
    found = [s for moment in life(1010, 1014, runner) for s in judge.judge(moment)]
    assert found
    assert {s.key for s in found} == {"unusual:person"}
    assert found[-1].tracks[0].id == 900


def test_shares_sum_to_the_score(taught: UnusualJudge) -> None:
    judge = fresh(taught)
    for moment in life(1000, 1014, runner):
        for suspicion in judge.judge(moment):
            assert sum(e.share for e in suspicion.evidence) == pytest.approx(1.0, abs=1e-6)
        last = judge.last
        assert last is not None
        for one in last.tracks:
            assert sum(one.added.values()) == pytest.approx(one.score, abs=1e-6)
        top = max(one.score for one in last.tracks)
        assert last.score == pytest.approx(top + sum(last.scene.values()), abs=1e-6)


def test_nothing_is_suspected_while_warming_up() -> None:
    judge = UnusualJudge(UnusualSettings("gate", warm_up_s=600))
    assert [s for moment in life(0, 100, runner) for s in judge.judge(moment)] == []
    assert judge.progress < 1
    assert judge.level == math.inf


def test_a_restored_judge_goes_on_as_if_it_had_never_stopped(taught: UnusualJudge) -> None:
    kept = {}

    def keep(normality, _progress):
        kept[normality.number] = normality

    settings = UnusualSettings("gate", warm_up_s=100)
    one = UnusualJudge(settings, keep=keep, recall=kept.get)
    for moment in life(0, 150):
        one.judge(moment)
    state = json.loads(json.dumps(one.state()))
    other = UnusualJudge(settings, keep=keep, recall=kept.get)
    other.restore(state)
    for moment in life(150, 200, runner):
        assert other.judge(moment) == one.judge(moment)
        assert other.last.score == one.last.score
