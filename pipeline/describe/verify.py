"""Holds a text against the facts: every claim is supported, contradicted, or cannot be checked; lies are struck.

In: the words of a model (or of our own writer) and the facts of the same seconds. Out: one verdict per claim, and the
text without what the facts contradict. What was not measured is never called false. Claims about one sentence's
subject are judged together, against the objects that fit it best: "a man in red runs" is not supported by one in red
and another who runs. Next files: ``claims.py`` (what a text says), ``parse_en.py`` and ``parse_zh.py`` (reading it),
``judging.py`` (one claim, one object).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pipeline.describe.claims import Clause, Mention, Said, Span
from pipeline.describe.judging import Scene, Verdict, judge_said, judge_scene
from pipeline.describe.parse_en import clauses_of as clauses_en
from pipeline.describe.parse_en import sentence_spans
from pipeline.describe.parse_zh import clauses_of as clauses_zh
from pipeline.describe.parse_zh import is_chinese
from pipeline.descriptions import Claim, SceneFacts

__all__ = ["check", "struck"]

_MAX_TEXT = 4000
_MODIFIERS = frozenset({"colour", "lower_colour", "heading", "zone", "dwell"})
_KINDS = {"any_colour": "colour", "none": "count"}
_VERB = re.compile(
    r"\b(?:walk|run|stand|mov|driv|lie|lies|lying|bent|crouch|enter|leav|follow|approach|meet|carr|has|have|still|view"
    r"|visible|there|sit|wait|pass|cross|rid|travel)\w*",
    re.I,
)


@dataclass(frozen=True, slots=True)
class _Judged:
    span: Span
    kind: str
    verdict: Verdict
    reason: str


def check(text: str, facts: SceneFacts) -> tuple[Claim, ...]:
    """A verdict for every claim in ``text``, in the order of the text; its first 4000 characters are read."""
    text = text[:_MAX_TEXT]
    scene = Scene(facts)
    clauses = clauses_zh(text) if is_chinese(text) else clauses_en(text, scene.zone_names)
    judged = sorted(_judged(clauses, scene), key=lambda one: one.span)
    return tuple(Claim(text[one.span[0] : one.span[1]], one.kind, one.verdict, one.reason) for one in judged)


def struck(text: str, claims: Sequence[Claim]) -> str:
    """``text`` without its contradicted ``claims``, which :func:`check` found in it; empty when nothing is left.

    A false colour, direction, place or duration leaves the rest of its sentence standing; a sentence whose subject,
    number or action is false goes whole.
    """
    cuts, lost = _cuts(text, claims)
    kept = []
    for start, end in sentence_spans(text) if not is_chinese(text) else _chinese_sentences(text):
        inside = [cut for cut in cuts if start <= cut[0] < end]
        if any(start <= place < end for place in lost) or (inside and is_chinese(text)):
            continue
        sentence = _without(text, start, end, inside)
        if inside and not _VERB.search(sentence):
            continue
        kept.append(sentence.strip())
    return ("" if is_chinese(text) else " ").join(part for part in kept if part)


def _cuts(text: str, claims: Sequence[Claim]) -> tuple[list[Span], list[int]]:
    """Spans to cut out, and where a sentence is lost altogether."""
    cuts: list[Span] = []
    lost: list[int] = []
    cursor = 0
    for claim in claims:
        place = text.find(claim.text, cursor)
        place = text.find(claim.text) if place < 0 else place
        if place < 0 or not claim.text:
            continue
        cursor = place
        if claim.verdict != "contradicted":
            continue
        if claim.kind in _MODIFIERS:
            cuts.append((place, place + len(claim.text)))
        else:
            lost.append(place)
    return cuts, lost


def _without(text: str, start: int, end: int, cuts: Sequence[Span]) -> str:
    """The sentence from ``start`` to ``end`` without ``cuts``, with its spaces, commas and articles mended."""
    if not cuts:
        return text[start:end]
    parts, at = [], start
    for a, b in sorted(cuts):
        if a >= at:
            parts.append(text[at:a])
            at = b
    sentence = "".join([*parts, text[at:end]])
    sentence = re.sub(r"\s+([,.;!?])", r"\1", re.sub(r"\s{2,}", " ", sentence))
    sentence = re.sub(r",\s*([,.])", r"\1", sentence)
    sentence = re.sub(r"\b([Aa])n (?=[^aeiouAEIOU\W])", r"\1 ", sentence)
    return re.sub(r"\b([Aa]) (?=[aeiouAEIOU])(?!one\b|uni)", r"\1n ", sentence)


def _chinese_sentences(text: str) -> list[Span]:
    return [found.span() for found in re.finditer(r"(?:‘[^’]*’|[^。！？\n])+[。！？]?", text)]


def _judged(clauses: Iterable[Clause], scene: Scene) -> Iterator[_Judged]:
    bound: list[int] = []
    for clause in clauses:
        for said in clause.said:
            if said.kind == "scene":
                yield _Judged(said.span, "scene", *judge_scene(said, scene))
        about = [said for said in clause.said if said.kind != "scene"]
        for mention in clause.objects:
            yield from _mention(mention, scene, is_held=any(said.kind == "thing" for said in about))
        chosen: list[int] = []
        for mention in clause.subjects:
            found, verdicts = _bind(mention, about, scene, bound)
            chosen += found
            yield from verdicts
        bound = chosen or bound


def _mention(mention: Mention, scene: Scene, *, is_held: bool) -> Iterator[_Judged]:
    """A thing that is only named: is there such a thing?"""
    if not mention.labels or mention.is_back or scene.is_blind:
        return
    there = scene.of_labels(mention.labels)
    if mention.number > len(there) and is_held and scene.is_bag(mention.labels):
        yield _Judged(mention.span, "class", "unverifiable", "bags in hands are often overlooked")
    else:
        yield _number(mention, scene)


def _number(mention: Mention, scene: Scene) -> _Judged:
    """Whether there are as many; with names that are used for one another, any number that may be meant is right."""
    surely, found = len(scene.of_labels(mention.labels, is_strict=True)), len(scene.of_labels(mention.labels))
    found += sum(scene.untracked[label] for label in mention.labels)
    kind = "class" if mention.number <= 1 and mention.sure == "at_least" else "count"
    if scene.is_blind:
        return _Judged(mention.span, kind, "unverifiable", "nothing could be seen")
    wanted = max(2, mention.number) if mention.is_other and mention.sure == "at_least" else mention.number
    reason = f"{found} in view" if found else "none in view"
    if mention.sure == "none":
        return _Judged(mention.span, kind, "contradicted" if surely else "supported", reason)
    is_true = surely <= wanted <= found if mention.sure == "exactly" else found >= wanted
    return _Judged(mention.span, kind, "supported" if is_true else "contradicted", reason)


def _bind(
    mention: Mention, about: Sequence[Said], scene: Scene, bound: Sequence[int]
) -> tuple[list[int], list[_Judged]]:
    """The objects that ``mention`` means, and the verdicts on it and on what is said of them."""
    there = scene.of_labels(mention.labels or _labels_of(bound, scene))
    before = [i for i in there if i in bound]
    if (not mention.labels and not mention.is_other) or (mention.is_back and len(before) >= max(1, mention.number)):
        there = before
    elif mention.is_other and len(there) > len(before):
        there = [i for i in there if i not in bound]
    verdicts = []
    if mention.labels and not (mention.sure == "none" and about):
        verdicts.append(_number(mention, scene))
    if not there or scene.is_blind or mention.sure == "none":
        return [], verdicts + [_unbound(said, mention, scene, there) for said in about]
    judged = {i: [judge_said(said, i, scene) for said in about] for i in there}
    number = max(1, mention.number) if mention.labels or mention.is_other or mention.number == 1 else len(there)
    best = sorted(there, key=lambda i: (_false(judged[i]), -_true(judged[i]), there.index(i)))[:number]
    for place, said in enumerate(about):
        verdict, reason = _worst([judged[i][place] for i in best])
        verdicts.append(_Judged(said.span, _KINDS.get(said.kind, said.kind), verdict, reason))
    return best, verdicts


def _labels_of(ids: Sequence[int], scene: Scene) -> tuple[str, ...]:
    return tuple({scene.objects[i].label: None for i in ids if i in scene.objects})


def _unbound(said: Said, mention: Mention, scene: Scene, there: Sequence[int]) -> _Judged:
    """A statement of nobody in particular: of no one ("nobody runs"), or of what is not there."""
    kind = _KINDS.get(said.kind, said.kind)
    if mention.sure != "none" or scene.is_blind:
        return _Judged(said.span, kind, "unverifiable", "there is nobody it could be true of")
    verdicts = [judge_said(said, i, scene)[0] for i in there]
    if "supported" in verdicts:
        return _Judged(said.span, kind, "contradicted", "somebody does")
    if all(verdict == "contradicted" for verdict in verdicts):
        return _Judged(said.span, kind, "supported", "nobody does")
    return _Judged(said.span, kind, "unverifiable", "nobody is known to")


def _false(verdicts: Sequence[tuple[Verdict, str]]) -> int:
    return sum(verdict == "contradicted" for verdict, _ in verdicts)


def _true(verdicts: Sequence[tuple[Verdict, str]]) -> int:
    return sum(verdict == "supported" for verdict, _ in verdicts)


def _worst(verdicts: Sequence[tuple[Verdict, str]]) -> tuple[Verdict, str]:
    order = ("contradicted", "unverifiable", "supported")
    return min(verdicts, key=lambda one: order.index(one[0]))
