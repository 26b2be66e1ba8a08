"""Words: plain English, bounded, and deaf to what is hidden in names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.alert.explain import Cue, amount, capitalised, clean, evidence_of, named, objects, seconds, sureness
from pipeline.types import Track


def track(label: str, confidence: float = 0.5) -> Track:
    return Track(1, label, confidence, (0, 0, 1, 1), 0, 0)


@pytest.mark.parametrize(
    ("number", "label", "words"),
    [
        (1, "person", "a person"),
        (3, "person", "3 people"),
        (1, "airplane", "an airplane"),
        (2, "bus", "2 buses"),
        (2, "car", "2 cars"),
        (2, "sheep", "2 sheep"),
    ],
)
def test_amounts(number: int, label: str, words: str) -> None:
    assert amount(number, label) == words


def test_what_is_there_is_listed_by_number_then_name() -> None:
    assert objects([track("car"), track("person"), track("person"), track("bus")]) == "2 people, a bus and a car"
    assert objects([]) == "nothing"
    assert capitalised(objects([track("dog")])) == "A dog"


@pytest.mark.parametrize(
    ("duration_s", "words"),
    [
        (0.04, "0.0 s"),
        (3.25, "3.2 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (125, "2 min 5 s"),
        (3600, "1 h"),
        (12_000, "3 h 20 min"),
        (-1, "0.0 s"),
    ],
)
def test_durations(duration_s: float, words: str) -> None:
    assert seconds(duration_s) == words


def test_a_name_cannot_close_its_quotes_break_the_line_or_hide_characters() -> None:
    assert named("yard’\n\x1b[31m\u202egate<b>") == "‘yard' [31m gate‹b›’"
    assert named("") == "‘?’"
    assert len(named("x" * 500)) == 50


@given(st.text(max_size=400), st.integers(1, 120))
def test_clean_text_is_short_printable_and_stays_what_it_is(text: str, limit: int) -> None:
    line = clean(text, limit)
    assert len(line) <= limit
    assert not set(line) & set("<>`\\\n\r\t\x1b\u202e\u200b")
    assert clean(line, limit) == line
    line.encode("utf-8")


def test_ordinary_text_passes_unchanged() -> None:
    assert clean("Ein Gärtner, 园丁 – 3 m²") == "Ein Gärtner, 园丁 – 3 m²"


def test_conditions_that_are_all_needed_share_alike() -> None:
    evidence = evidence_of([Cue("a", "x", "y"), Cue("b", "x", "y"), Cue("c", "x", "y", "z")])
    assert sum(e.share for e in evidence) == pytest.approx(1, abs=1e-12)
    assert {e.share for e in evidence} == {1 / 3}


def test_sureness_is_of_at_least_one() -> None:
    assert sureness([track("person", 0.5), track("person", 0.5)]) == pytest.approx(0.75)
    assert sureness([]) == 0
