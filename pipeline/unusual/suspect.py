"""From scores to suspicions: who passes the level, in which groups, and with what evidence.

In: a :class:`~pipeline.unusual.scoring.Judged` moment. Out: at most one suspicion per class group, or one of the scene,
as far as the owner's budget goes. Next file: ``pipeline/unusual/explain.py``.
"""

from __future__ import annotations

from dataclasses import replace

from pipeline.labels import group_of
from pipeline.protocols import Suspicion
from pipeline.types import Evidence, Track
from pipeline.unusual.episodes import Episodes
from pipeline.unusual.explain import Seen, described, evidence_of, title_of
from pipeline.unusual.features import Glimpse
from pipeline.unusual.normality import Normality
from pipeline.unusual.scoring import Judged, TrackScore

__all__ = ["KIND", "drifted", "suspicions_of"]

KIND = "unusual"


def suspicions_of(
    judged: Judged, glimpse: Glimpse, seen: Seen, normality: Normality, episodes: Episodes, low: float
) -> list[Suspicion]:
    """One suspicion per group of tracks that passes the level, or one for the scene, as far as the budget goes.

    From the score ``low`` on, an episode is kept in mind, to be listed when it is never told.
    """
    scene_score = sum(judged.scene.values())
    groups: dict[str, list[int]] = {}
    for i, one in enumerate(judged.tracks):
        if one.score + scene_score >= low:
            groups.setdefault(group_of(one.track.label), []).append(i)
    found = []
    for group, members in sorted(groups.items()):
        ranked = sorted(members, key=lambda i: (-judged.tracks[i].score, i))
        passing = [i for i in ranked if judged.tracks[i].score + scene_score >= judged.level]
        tracks = tuple(judged.tracks[i].track for i in passing)
        what = replace(seen, track=judged.tracks[ranked[0]].track, row=glimpse.rows[ranked[0]])
        found.append(_suspicion(normality, episodes, group, judged, judged.tracks[ranked[0]], tracks, what))
    lost = judged.lost
    if lost is not None and group_of(lost.track.label) not in groups and lost.score + scene_score >= judged.level:
        group, what = group_of(lost.track.label), replace(seen, track=lost.track, row=None)
        found.append(_suspicion(normality, episodes, group, judged, lost, (lost.track,), what))
    elif not groups and scene_score >= low:
        found.append(_suspicion(normality, episodes, "scene", judged, None, (), seen))
    return [suspicion for suspicion in found if suspicion is not None]


def drifted(share: float) -> Suspicion:
    """Says that what was learned no longer fits: ``share`` of the last minutes was unusual."""
    observed = f"{100 * share:.0f} % of the last minutes unlike what was learned"
    return Suspicion(
        kind=KIND,
        key=f"{KIND}:drift",
        rule=None,
        severity="info",
        score=share,
        title="What is normal here has changed",
        text=f"What is normal here has changed: {observed}. It is learned anew; until then nothing is called unusual.",
        tracks=(),
        evidence=(Evidence("drift", 1.0, observed, "a few moments a day"),),
    )


def _suspicion(
    normality: Normality,
    episodes: Episodes,
    group: str,
    judged: Judged,
    top: TrackScore | None,
    tracks: tuple[Track, ...],
    seen: Seen,
) -> Suspicion | None:
    """None while it is below the level or held back."""
    added = {**judged.scene, **(top.added if top else {})}
    score = sum(added.values())
    key = f"{KIND}:{group}"
    title = title_of(added, seen)
    episode = episodes.observe(key, judged.at_s, score, judged.level, title)
    if score < judged.level or not episode.is_told:
        return None
    surprise = {**judged.scene_surprise, **(top.surprise if top else {})}
    evidence = evidence_of(added, surprise, seen, normality)
    return Suspicion(
        kind=KIND,
        key=key,
        rule=None,
        severity=episode.severity,
        score=score / (score + judged.level),
        title=title,
        text=f"{title}: {described(evidence)}.",
        tracks=tracks,
        evidence=evidence,
    )
