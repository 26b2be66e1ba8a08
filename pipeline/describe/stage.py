"""The describe stage: requests in, checked descriptions out, whatever the model does.

    request -> unchanged? -> budget -> pictures -> prompt -> model -> parse -> verify -> strike -> description

Wherever that way is blocked (no model, budget spent, frames gone, a model that fails, a reply that is none, nothing
left after striking) the grounded writer's words, which came with the request, are the description, and the outcome says
why. Holds no weights and reads no clock: the model, the pictures and the verifier are given, time is an argument.
Next files: ``pipeline/describe/prompts.py``, ``reply.py``, ``verify.py``, ``budget.py``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pipeline.describe import prompts, reply
from pipeline.describe.budget import Budget, Cost, Price, Reservation
from pipeline.describe.calls import Ask, NotAsked
from pipeline.describe.pictures import ModelPicture
from pipeline.descriptions import Claim, DescribeRequest, Language, Prompt, Reply, SceneDescription, SceneFacts
from pipeline.errors import ModelError, SourceError
from pipeline.protocols import Count
from pipeline.types import FrameKey

__all__ = ["Check", "DescribeStage", "Model", "Obstacle", "Outcome", "Pictures", "Strike"]

Pictures = Callable[[DescribeRequest], Sequence[ModelPicture]]
"""What the model is shown. Raises SourceError when the frames are gone."""
Check = Callable[[str, SceneFacts], Sequence[Claim]]
"""The claims of a text, each with a verdict."""
Strike = Callable[[str, Sequence[Claim]], str]
"""The text without what is contradicted."""
Obstacle = Literal[
    "",  # none: the model's words were taken
    "no_model",
    "unchanged",  # the model's last words of this scene stand
    "budget",
    "frames_gone",
    "model_failed",
    "reply_refused",
    "all_struck",
]

_MAX_REMEMBERED = 1_024
_BYTES_PER_TOKEN = 2.0  # fewer than any tokenizer needs on average, so that an estimate is an upper bound
_PATCH = 28  # pixels of a picture's edge per token, the finest that models of this kind use
_PICTURE_TOKENS = 64
_SHARE_BESIDE_ALERTS = 0.5  # of every cap: scenes that change must not use up what the next alert needs


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request: its description, and for people who want to know, how that came about.

    ``obstacle`` and ``sentence`` say why the grounded writer answered; ``prompt`` and ``reply`` are None where it did
    not come to that.
    """

    request: DescribeRequest
    description: SceneDescription
    obstacle: Obstacle = ""
    sentence: str = ""
    prompt: Prompt | None = None
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """A model as the stage knows it: its name (``vlm:NAME``, ``server:NAME``), how it is asked, what its words cost.

    A reply has at most ``max_tokens``, and is there within ``timeout_s``.
    """

    name: str
    ask: Ask
    price: Price
    max_tokens: int
    timeout_s: float

    def most(self, prompt: Prompt) -> Cost:
        """What ``prompt`` can cost at most."""
        asked = len(f"{prompt.system}{prompt.user}".encode()) / _BYTES_PER_TOKEN + sum(
            -(-image.shape[0] // _PATCH) * -(-image.shape[1] // _PATCH) + _PICTURE_TOKENS for image in prompt.images
        )
        money = self.price.of(asked, self.max_tokens)
        return Cost(1, asked + self.max_tokens, self.timeout_s, money)

    def true(self, prompt: Prompt, answer: Reply | ModelError) -> Cost:
        """What ``prompt`` did cost; as much as it could have where nobody knows."""
        if isinstance(answer, NotAsked):
            return Cost()
        if isinstance(answer, ModelError):
            return self.most(prompt)
        if answer.prompt_tokens <= 0:
            return replace(self.most(prompt), seconds=answer.latency_s)
        money = self.price.of(answer.prompt_tokens, answer.reply_tokens)
        return Cost(1, answer.prompt_tokens + answer.reply_tokens, answer.latency_s, money)


@dataclass(frozen=True, slots=True)
class _Said:
    """What a model last said of a camera, and of which scene: the grounded text tells scenes apart."""

    frame: FrameKey
    at_s: float
    scene: str
    parsed: reply.Parsed
    source: str


@dataclass(frozen=True, slots=True)
class _Call:
    """A prompt that the budget lets through."""

    place: int
    prompt: Prompt
    reserved: Reservation


class DescribeStage:
    """Describes moments of any camera. ``model`` None: the grounded writer describes everything.

    A model's words of a scene that has not changed stand for ``reuse_s`` of media time; an alert always gets a look of
    its own. ``count`` is told of every request that no model answered, and of every claim's verdict.
    """

    def __init__(
        self,
        model: Model | None,
        budget: Budget,
        *,
        pictures: Pictures,
        check: Check,
        strike: Strike,
        count: Count,
        language: Language = "en",
        reuse_s: float = 900.0,
    ) -> None:
        self._model = model
        self._budget = budget
        self._pictures = pictures
        self._check = check
        self._strike = strike
        self._count = count
        self._language: Language = language
        self._reuse_s = reuse_s
        self._said: OrderedDict[str, _Said] = OrderedDict()  # by camera

    def describe(self, requests: Sequence[DescribeRequest], at_s: float) -> list[Outcome]:
        """The outcome of each request, in order; ``at_s`` is the time by which the budget is kept. Raises nothing."""
        if self._model is None:
            return [self._grounded(request, "no_model") for request in requests]
        outcomes: dict[int, Outcome] = {}
        calls: list[_Call] = []
        twins: list[int] = []  # they ask about a frame that is being asked about
        asked: set[FrameKey] = set()
        for place, request in enumerate(requests):
            if request.ref.key in asked:
                twins.append(place)
                continue
            prepared = self._reused(request) or self._prepared(self._model, place, request, at_s)
            if isinstance(prepared, Outcome):
                outcomes[place] = prepared
            else:
                calls.append(prepared)
                asked.add(request.ref.key)
        answers = self._model.ask([call.prompt for call in calls]) if calls else ()
        for call, answer in zip(calls, answers, strict=True):
            self._budget.settle(call.reserved, self._model.true(call.prompt, answer))
            outcomes[call.place] = self._answered(self._model, requests[call.place], call.prompt, answer)
        for place in twins:
            outcomes[place] = self._reused(requests[place]) or self._grounded(requests[place], "model_failed")
        return [outcomes[place] for place in range(len(requests))]

    def _prepared(self, model: Model, place: int, request: DescribeRequest, at_s: float) -> _Call | Outcome:
        try:
            pictures = self._pictures(request)
        except SourceError as error:
            return self._grounded(request, "frames_gone", str(error))
        prompt = prompts.build(request, pictures, language=self._language, max_tokens=model.max_tokens)
        share = 1.0 if request.reason == "alert" else _SHARE_BESIDE_ALERTS
        reserved = self._budget.reserve(at_s, model.most(prompt), share)
        if isinstance(reserved, str):
            return self._grounded(request, "budget", f"The budget is spent ({reserved}).", reserved)
        return _Call(place, prompt, reserved)

    def _answered(self, model: Model, request: DescribeRequest, prompt: Prompt, answer: Reply | ModelError) -> Outcome:
        if isinstance(answer, ModelError):
            return replace(self._grounded(request, "model_failed", str(answer)), prompt=prompt)
        try:
            parsed = reply.parse(
                answer.text, questions=prompts.asked(request), language=self._language, instructions=prompt.system
            )
        except ModelError as error:
            return replace(self._grounded(request, "reply_refused", str(error)), prompt=prompt, reply=answer)
        said = _Said(request.ref.key, request.ref.at_s, request.text, parsed, model.name)
        self._said[request.facts.camera] = said
        self._said.move_to_end(request.facts.camera)
        while len(self._said) > _MAX_REMEMBERED:
            self._said.popitem(last=False)
        return replace(self._spoken(request, said, answer.latency_s), prompt=prompt, reply=answer)

    def _reused(self, request: DescribeRequest) -> Outcome | None:
        """The model's last words of this camera, where they are about the same scene, held against the facts anew."""
        said = self._said.get(request.facts.camera)
        if said is None:
            return None
        is_same_frame = said.frame == request.ref.key
        is_same_scene = said.scene == request.text and 0 <= request.ref.at_s - said.at_s <= self._reuse_s
        if not is_same_frame and (request.reason == "alert" or not is_same_scene):
            return None
        outcome = self._spoken(request, said, 0.0)
        return outcome if outcome.obstacle else replace(outcome, obstacle="unchanged")

    def _spoken(self, request: DescribeRequest, said: _Said, latency_s: float) -> Outcome:
        """A model's words, verified: what the facts contradict is struck from title, text and concerns."""
        parsed, facts = said.parsed, request.facts
        in_text, in_title = self._check(parsed.text, facts), self._check(parsed.title, facts)
        claimed = [claim for sentence in parsed.claims for claim in self._check(sentence, facts)]
        claims = tuple(dict.fromkeys((*in_title, *in_text, *claimed)))
        for claim in claims:
            self._count("claims", said.source, claim.verdict)
        text = self._strike(parsed.text, in_text).strip()
        if not text:
            return self._grounded(request, "all_struck", "Nothing that the model said agrees with the facts.")
        description = SceneDescription(
            ref=request.ref,
            title=request.title if _is_contradicted(in_title) else parsed.title,
            text=text,
            source=said.source,
            claims=claims,
            concerns=tuple(each for each in parsed.concerns if not _is_contradicted(self._check(each, facts))),
            answers=parsed.answers,
            confidence=parsed.confidence,
            latency_s=latency_s,
            alert_id=request.alert_id,
            language=self._language,
        )
        return Outcome(request, description)

    def _grounded(self, request: DescribeRequest, obstacle: Obstacle, sentence: str = "", reason: str = "") -> Outcome:
        if obstacle != "no_model":
            self._count("describe_dropped", request.facts.camera, reason or obstacle)
        description = SceneDescription(
            request.ref,
            request.title,
            request.text,
            "grounded",
            alert_id=request.alert_id,
            language=self._language,
        )
        return Outcome(request, description, obstacle, sentence)


def _is_contradicted(claims: Sequence[Claim]) -> bool:
    return any(claim.verdict == "contradicted" for claim in claims)
