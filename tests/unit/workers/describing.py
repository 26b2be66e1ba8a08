"""A model that is told what to say, a bus that runs dry, and stages around them: what tests of describing share."""

from __future__ import annotations

import io
import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from pipeline.bus.memory import MemoryBus
from pipeline.describe.budget import Budget, Caps, Price
from pipeline.describe.pictures import ModelPicture
from pipeline.describe.stage import DescribeStage, Model, Pictures
from pipeline.describe.verify import check, struck
from pipeline.descriptions import DescribeRequest, Prompt, Reply, SceneDescription
from pipeline.errors import ModelError
from pipeline.telemetry import Telemetry
from workers.describe import Notebook

__all__ = ["WORDS", "DryBus", "Pad", "Said", "model_says", "pictures", "stage"]

WORDS = "The picture is calm."


def reply_of(text: str) -> str:
    """What a well-behaved model replies to say ``text``."""
    return json.dumps(
        {"title": "Calm", "text": text, "claims": [], "concerns": [], "confidence": 0.5, "answers": [0.25]}
    )


REPLY = json.dumps({"title": "Calm", "text": WORDS, "claims": [], "concerns": [], "confidence": 0.5, "answers": [0.25]})
"""It answers the one question of the requests in ``tests/contract/bus_messages.py``."""


class DryBus(MemoryBus):
    """Sets ``stop`` when a describer asks and nothing waits."""

    def __init__(self, stop: threading.Event, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.stop = stop

    def next_requests(self, count: int, *, hold_s: float) -> list[DescribeRequest]:
        found = super().next_requests(count, hold_s=hold_s)
        if not found:
            self.stop.set()
        return found


class Said:
    """A telemetry whose log lines and counts can be looked at."""

    def __init__(self) -> None:
        self._stream = io.StringIO()
        self.telemetry = Telemetry("describe", stream=self._stream)
        self.counted: Counter[tuple[str, str, str]] = Counter()
        self._count = self.telemetry.count
        self.telemetry.count = self.count  # type: ignore[method-assign]

    def count(self, *event: str) -> None:
        self.counted[event] += 1  # type: ignore[index]
        self._count(*event)

    @property
    def events(self) -> list[str]:
        """Names of what was logged, in order."""
        return [json.loads(line)["event"] for line in self._stream.getvalue().splitlines()]


class Pad:
    """A notebook whose pages are a list."""

    def __init__(self, telemetry: Telemetry, fails: Callable[[], Exception | None] = lambda: None) -> None:
        self.kept: list[SceneDescription] = []
        self.forgotten: list[float] = []
        self._fails = fails
        self.book = Notebook(self._add, self.forgotten.append, 86_400.0, telemetry)

    def _add(self, description: SceneDescription) -> None:
        error = self._fails()
        if error is not None:
            raise error
        self.kept.append(description)


def pictures(_request: DescribeRequest) -> Sequence[ModelPicture]:
    return [ModelPicture(np.zeros((28, 28, 3), np.uint8), "the whole scene", 0.0)]


def model_says(
    said: str = REPLY,
    *,
    before: Callable[[], None] = lambda: None,
) -> Model:
    """A model that always says ``said``; ``before`` is called first, and may raise ModelError or wait."""

    def ask(prompts: Sequence[Prompt]) -> list[Reply | ModelError]:
        try:
            before()
        except ModelError as error:
            return [error] * len(prompts)
        return [Reply(said, 100, 50, 1.0) for _ in prompts]

    return Model("server:told", ask, Price(), 400, 30.0)


def stage(
    model: Model | None,
    count: Callable[..., None],
    *,
    budget: Budget | None = None,
    shown: Pictures = pictures,
) -> DescribeStage:
    spent = Budget(Caps()) if budget is None else budget
    return DescribeStage(model, spent, pictures=shown, check=check, strike=struck, count=count)
