"""The judge of unusual behaviour: what it learns, what it suspects, and that its arithmetic adds up."""

from __future__ import annotations

import json
import math

import pytest

from pipeline.unusual.judge import UnusualJudge, UnusualSettings
from tests.unit.unusual.life import BEGIN_S, Person, life, moment, walkers


def runner(at_s: float) -> list[Person]:
    """The usual people, and one who runs down the picture where nobody goes."""
    foot = 120 + (at_s % 4) * 55
    return [*walkers(at_s), (900, "person", (300 + 20 * at_s % 90, foot - 60, 325 + 20 * at_s % 90, foot), 300.0)]


@pytest.fixture(scope="module")
def taught() -> UnusualJudge:
    """A judge that has watched four minutes of walking."""
    judge = UnusualJudge(UnusualSettings("gate", warm_up_s=1e5))
    for each in life(0, 240):
        assert not judge.judge(each)
    judge.settle()
    return judge


def fresh(taught: UnusualJudge) -> UnusualJudge:
    return UnusualJudge(UnusualSettings("gate", warm_up_s=0), normality=taught.normality)


def test_people_who_walk_as_ever_are_not_suspected(taught: UnusualJudge) -> None:
    judge = fresh(taught)
    suspected = [each for each in life(1000, 1120) if judge.judge(each)]
    assert suspected == []
    assert judge.last is not None
    assert math.isfinite(judge.level)


def test_one_who_runs_where_nobody_goes_is_suspected(taught: UnusualJudge) -> None:
    judge = fresh(taught)
    for each in life(1000, 1010):
        judge.judge(each)
    found = [s for each in life(1010, 1014, runner) for s in judge.judge(each)]
    assert found
    assert {s.key for s in found} == {"unusual:person"}
    assert found[-1].tracks[0].id == 900


def test_shares_sum_to_the_score(taught: UnusualJudge) -> None:
    judge = fresh(taught)
    for each in life(1000, 1014, runner):
        for suspicion in judge.judge(each):
            assert sum(e.share for e in suspicion.evidence) == pytest.approx(1.0, abs=1e-6)
        last = judge.last
        assert last is not None
        for one in last.tracks:
            assert sum(one.added.values()) == pytest.approx(one.score, abs=1e-6)
        top = max(one.score for one in last.tracks)
        lost = 0.0 if last.lost is None else last.lost.score
        assert last.score == pytest.approx(max(top, lost) + sum(last.scene.values()), abs=1e-6)


def test_nothing_is_suspected_while_warming_up() -> None:
    judge = UnusualJudge(UnusualSettings("gate", warm_up_s=600))
    assert [s for each in life(0, 100, runner) for s in judge.judge(each)] == []
    assert judge.progress < 1
    assert judge.level == math.inf


def test_a_restored_judge_goes_on_as_if_it_had_never_stopped(taught: UnusualJudge) -> None:
    kept = {}

    def keep(normality, _progress):
        kept[normality.number] = normality

    settings = UnusualSettings("gate", warm_up_s=100)
    one = UnusualJudge(settings, keep=keep, recall=kept.get)
    for each in life(0, 150):
        one.judge(each)
    state = json.loads(json.dumps(one.state()))
    other = UnusualJudge(settings, keep=keep, recall=kept.get)
    other.restore(state)
    for each in life(150, 200, runner):
        assert other.judge(each) == one.judge(each)
        assert other.last.score == one.last.score


def test_a_judge_that_forgets_the_moment_keeps_what_it_learned(taught: UnusualJudge) -> None:
    judge = UnusualJudge(UnusualSettings("gate", warm_up_s=0), normality=taught.normality)
    blank = judge.state()
    for each in life(1000, 1020):
        judge.judge(each)
    judge.restore(blank)
    assert judge.normality is taught.normality
    assert judge.last is None
    assert math.isfinite(judge.level)


def test_a_state_whose_generation_is_lost_begins_the_warm_up() -> None:
    settings = UnusualSettings("gate", warm_up_s=100)
    one = UnusualJudge(settings, keep=lambda _normality, _progress: None)
    for each in life(0, 150):
        one.judge(each)
    other = UnusualJudge(settings, recall=lambda _number: None)
    other.restore(one.state())
    assert (other.status, other.progress, other.level) == ("warming_up", 0.0, math.inf)
    assert other.normality.number == one.normality.number
    for each in life(150, 260):
        other.judge(each)
    assert other.normality.number > one.normality.number - 1
    assert len(other.normality.tracks) > 0


@pytest.mark.parametrize("damage", [{"version": 9}, {"memory": 3}, {"at_s": 5.0, "scorer": {"tracks": {"1": [0]}}}])
def test_a_state_of_another_version_or_damaged_is_refused(damage: dict[str, object]) -> None:
    judge = UnusualJudge(UnusualSettings("gate"))
    judge.judge(moment(0.0, walkers(0.0)))
    with pytest.raises(ValueError, match="state"):
        judge.restore({**judge.state(), **damage})


def test_the_state_stays_small(taught: UnusualJudge) -> None:
    warm, watching = UnusualJudge(UnusualSettings("gate")), fresh(taught)
    for judge in (warm, watching):
        for each in life(0, 59):
            judge.judge(each)
        assert len(json.dumps(judge.state())) < 150_000


def test_what_is_suspected_is_not_learned_until_it_is_dismissed(taught: UnusualJudge) -> None:
    judge = fresh(taught)
    for each in life(1000, 1010):
        judge.judge(each)
    told = [each.finding.ref.at_s for each in life(1010, 1014, runner) if judge.judge(each)]
    for each in life(1014, 1700, step_s=0.6):
        judge.judge(each)
    learned = judge.normality
    assert learned.number > taught.normality.number
    assert 900 not in learned.tracks.track.tolist()
    assert 900 in learned.withheld.track.tolist()
    span = (told[0], told[-1])
    pardoned = UnusualJudge(UnusualSettings("gate", warm_up_s=0), normality=learned, dismissed=[span])
    for each in life(1700, 2400, step_s=0.6):
        pardoned.judge(each)
    assert 900 in pardoned.normality.tracks.track.tolist()
    assert 900 not in pardoned.normality.withheld.track.tolist()


def test_whom_a_rule_suspects_is_not_learned(taught: UnusualJudge) -> None:
    judge = fresh(taught)
    for each in life(1000, 1650, step_s=0.6):
        judge.judge(each)
        judge.beware([track for track in each.tracks if track.id < 100], each.finding.ref.at_s)
    new = judge.normality.tracks.at_s >= BEGIN_S + 1000
    seen = judge.normality.tracks.track[new]
    assert len(seen) > 0
    assert (seen >= 100).all()


def test_a_camera_that_is_turned_suspects_nothing_and_begins_again(taught: UnusualJudge) -> None:
    judge = fresh(taught)
    for each in life(1000, 1005):
        judge.judge(each)
    found = [s for each in life(1005, 1020, runner, conditions=("moved",)) for s in judge.judge(each)]
    assert (found, judge.status, judge.last) == ([], "moved", None)
    for each in life(1020, 1030):
        judge.judge(each)
    assert judge.status == "watching"
    assert len(judge.normality.tracks) > 0
    for each in life(1030, 1160, conditions=("moved",), step_s=1.0):
        judge.judge(each)
    assert len(judge.normality.tracks) == 0


def test_life_that_changed_for_good_is_said_and_learned(taught: UnusualJudge) -> None:
    def elsewhere(at_s: float) -> list[Person]:
        return [
            (i + 7, label, (x1, y1 - 90, x2, y2 - 90), speed) for i, label, (x1, y1, x2, y2), speed in walkers(at_s)
        ]

    judge = fresh(taught)
    statuses, titles = [], set()
    for each in life(1000, 2100, elsewhere, step_s=0.6):
        titles |= {s.title for s in judge.judge(each)}
        statuses.append(judge.status)
    assert "drifted" in statuses
    assert "What is normal here has changed" in titles
    assert statuses[-1] == "watching"


def test_a_camera_that_never_shows_anything_stays_bearable() -> None:
    judge = UnusualJudge(UnusualSettings("gate", warm_up_s=300))
    assert [s for each in life(0, 400, lambda _: [], step_s=0.6) for s in judge.judge(each)] == []
    assert judge.status in ("watching", "too_little")
    found = [s for each in life(400, 410, walkers) for s in judge.judge(each)]
    assert all(s.kind == "unusual" for s in found)


def test_one_short_clip_of_warm_up_suspects_nothing_absurd() -> None:
    judge = UnusualJudge(UnusualSettings("gate", warm_up_s=1e5))
    for each in life(0, 6):
        judge.judge(each)
    judge.settle()
    scores = [judge.last.score for each in life(6, 12) if judge.judge(each) is not None and judge.last]
    assert all(math.isfinite(score) for score in scores)


def test_what_is_not_a_number_or_not_a_picture_is_passed_over(taught: UnusualJudge) -> None:
    judge = fresh(taught)
    broken = [(1, "person", (0.0, 0.0, 0.0, 0.0), math.nan), (2, "unicorn", (-50.0, -50.0, 9000.0, 9000.0), math.inf)]
    for step in range(20):
        judge.judge(moment(1000 + step * 0.2, broken))
        assert judge.last is not None
        assert math.isfinite(judge.last.score)
    dark = moment(1010, walkers(1010), conditions=("black",))
    assert list(judge.judge(dark)) == []


def test_the_same_moments_are_judged_the_same(taught: UnusualJudge) -> None:
    def scores() -> list[float]:
        judge = fresh(taught)
        return [judge.last.score for each in life(1000, 1030, runner) if judge.judge(each) is not None and judge.last]

    assert scores() == scores()


def test_night_and_day_have_a_normal_of_their_own() -> None:
    def night(at_s: float) -> list[Person]:
        return [(i, label, (x1, y1, x2, y2), speed) for i, label, (x1, y1, x2, y2), speed in walkers(at_s)][:1]

    judge = UnusualJudge(UnusualSettings("gate", warm_up_s=1e5))
    for day in range(2):
        for each in life(day * 86_400, day * 86_400 + 70, step_s=0.4):
            judge.judge(each)
        for each in life(day * 86_400 + 43_200, day * 86_400 + 43_290, night, brightness=20.0):
            judge.judge(each)
    judge.settle()
    assert any(name.endswith("@0") for name in judge.normality.pools)
    assert "person" in judge.normality.pools


def test_who_falls_out_of_sight_is_not_gone_but_who_leaves_is(taught: UnusualJudge) -> None:
    def score_after(x: float) -> tuple[float, float]:
        """The score right after, and ten seconds after, somebody strange at ``x`` was lost from sight."""

        def stranger(at_s: float) -> list[Person]:
            foot = 300 + 30 * math.sin(9 * at_s)
            return [*walkers(at_s), (900, "person", (x, foot - 60, x + 120, foot), 400.0)]

        judge = fresh(taught)
        for each in life(1000, 1004, stranger):
            judge.judge(each)
        scores = [judge.last.score for each in life(1004, 1014.4) if judge.judge(each) is not None and judge.last]
        return scores[0], scores[-1]

    (lost, later), (left, _) = score_after(200), score_after(0)
    assert lost > 2 * left
    assert later < lost / 2


def test_an_alert_stays_while_somebody_is_lost_from_sight(taught: UnusualJudge) -> None:
    def stranger(at_s: float) -> list[Person]:
        foot = 300 + 30 * math.sin(9 * at_s)
        return [*walkers(at_s), (900, "person", (200, foot - 60, 320, foot), 400.0)]

    judge = fresh(taught)
    for each in life(1000, 1004, stranger):
        judge.judge(each)
    half = json.loads(json.dumps(judge.state()))
    found = [s for each in life(1004, 1006) for s in judge.judge(each)]
    assert {track.id for s in found for track in s.tracks} == {900}
    assert all("out of sight" in s.title for s in found)
    assert all(sum(e.share for e in s.evidence) == pytest.approx(1.0, abs=1e-6) for s in found)
    again = fresh(taught)
    again.restore(half)
    assert [s for each in life(1004, 1006) for s in again.judge(each)] == found
    back = [(901, *stranger(1006)[-1][1:])]
    judge.judge(moment(1006, [*walkers(1006), *back]))
    assert judge.last is not None
    assert judge.last.lost is None


def test_a_generation_from_the_midst_of_a_warm_up_does_not_end_it(taught: UnusualJudge) -> None:
    assert UnusualJudge(UnusualSettings("gate", warm_up_s=200), normality=taught.normality).status == "watching"
    early = UnusualJudge(UnusualSettings("gate", warm_up_s=2000), normality=taught.normality)
    assert (early.status, early.level) == ("warming_up", math.inf)
    assert 0 < early.progress < 0.2
