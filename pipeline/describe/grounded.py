"""The writer that needs no model: facts in, a title and a text out, in which every word is a measured fact.

In: :class:`~pipeline.descriptions.SceneFacts` and a language. Out: one sentence for the title, two to four for the
text. Same facts, same words. Next files: ``statements.py`` (what is said), ``wording_en.py``, ``wording_zh.py`` (how).
"""

from __future__ import annotations

from pipeline.describe import wording_en, wording_zh
from pipeline.describe.statements import statements_of
from pipeline.descriptions import Language, SceneFacts

__all__ = ["write"]


def write(facts: SceneFacts, language: Language = "en") -> tuple[str, str]:
    """Title and text of a scene; nothing is said that ``facts`` do not hold with a confidence of at least 0.5."""
    said = statements_of(facts)
    if language == "zh":
        return wording_zh.title(said), "".join(wording_zh.sentences(said))
    return wording_en.title(said), " ".join(wording_en.sentences(said))
