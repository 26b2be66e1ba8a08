"""Replies are hostile: whatever comes in, a few plain sentences or one sentence why not come out."""

from __future__ import annotations

import json
import string
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.describe.reply import (
    MAX_CLAIM_CHARS,
    MAX_CLAIMS,
    MAX_CONCERNS,
    MAX_REPLY_BYTES,
    MAX_TEXT_CHARS,
    MAX_TITLE_CHARS,
    Parsed,
    parse,
    plain,
    schema,
)
from pipeline.descriptions import Answer
from pipeline.errors import ModelError

GOOD: dict[str, Any] = {
    "title": "A person walks through the gate",
    "text": "One person in red walks to the left. Nobody else is there.",
    "claims": ["One person is in the picture.", "The person wears red."],
    "concerns": [],
    "confidence": 0.8,
}


def reply(**changes: Any) -> str:
    return json.dumps({**GOOD, **changes})


def test_a_good_reply_comes_through_unchanged() -> None:
    assert parse(reply()) == Parsed(GOOD["title"], GOOD["text"], tuple(GOOD["claims"]), (), 0.8)


@pytest.mark.parametrize(
    "wrapped",
    [
        "```json\n{}\n```",
        "Sure, here is the JSON you asked for:\n{}",
        "{}\nI hope that helps! {{not json}}",
        '<think>The title {{"title": 1}} could be …</think>{}',
        "\ufeff\n  {}  \n",
    ],
)
def test_what_models_put_around_the_object_is_let_pass(wrapped: str) -> None:
    assert parse(wrapped.replace("{}", reply()).replace("{{", "{").replace("}}", "}")).title == GOOD["title"]


def test_raw_line_breaks_inside_strings_are_read_as_spaces() -> None:
    assert parse(reply().replace("to the left", "to\nthe\tleft")).text == GOOD["text"]


BAD = {
    "nothing": "",
    "white space": " \n\t ",
    "prose": "A person walks through the gate.",
    "truncated": reply()[:-40],
    "cut in the title": reply()[:20],
    "another object": '{"error": "overloaded"}',
    "a list": json.dumps([GOOD["title"]]),
    "no title": json.dumps({key: value for key, value in GOOD.items() if key != "title"}),
    "no text": reply(text=None),
    "empty title": reply(title="  \u200b "),
    "title of signs only": reply(title="!!! ???"),
    "text that is only mark-up": reply(text="<b></b>"),
    "claims as one string": reply(claims="One person."),
    "claims of numbers": reply(claims=[1]),
    "no concerns": json.dumps({key: value for key, value in GOOD.items() if key != "concerns"}),
    "confidence in words": reply(confidence="high"),
    "confidence true": reply(confidence=True),
    "confidence over 1": reply(confidence=7),
    "confidence negative": reply(confidence=-0.1),
    "confidence NaN": reply().replace("0.8", "NaN"),
    "confidence infinite": reply().replace("0.8", "1e999"),
    "a number too long to read": reply().replace("0.8", "9" * 5000),
    "1 MB": json.dumps({**GOOD, "text": "x" * 1_000_000}),
    "1 MB of brackets": "[" * 1_000_000,
    "deep": '{"title":' * 3000,
    "many openings": "{" * MAX_REPLY_BYTES,
    "French": reply(
        title="Une personne marche vers la porte", text="Une seule personne en rouge marche vers la gauche."
    ),
    "German": reply(title="Eine Person geht durch das Tor", text="Ein Mensch in Rot geht nach links durch das Tor."),
    "Chinese when English was asked": reply(title="一个人走过大门", text="一个穿红衣的人向左走。"),
    "Russian": reply(title="Человек идёт к воротам", text="Один человек в красном идёт налево."),
    "no letters": reply(title="1234", text="5678 90"),
}


@pytest.mark.parametrize("what", BAD)
def test_anything_else_is_one_sentence_without_the_models_words(what: str) -> None:
    with pytest.raises(ModelError) as caught:
        parse(BAD[what])
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert len(sentence) < 160
    assert "person" not in sentence.lower()


@pytest.mark.parametrize("part", ["<", "<a", "[x](", "\x1b]", "http://", "<!--", "<script>", "![["])
def test_what_could_be_read_over_and_over_is_read_once(part: str) -> None:
    with pytest.raises(ModelError):
        parse(reply(title=" ", text=part * (30_000 // len(part))))


def test_markup_escapes_and_invisible_signs_are_taken_out() -> None:
    dirty = (
        "\x1b[31mA person\x1b[0m <b>walks</b> <script>alert(1)</script>to \u202ethe\u202c [gate](http://evil.test/x) "
        "\x1b]8;;http://evil.test\x07now\x1b]8;;\x07 https://evil.test/a?b=c "
        "\x00\x07\u200b<!-- hidden --> <img src=x onerror=y"
    )
    parsed = parse(reply(text=dirty, claims=[dirty], concerns=[dirty]))
    for said in (parsed.text, *parsed.claims, *parsed.concerns):
        assert said.startswith("A person walks to the gate now")
        assert not set(said) & set("<>\x1b\x00\x07\u202e\u202c\u200b")
        assert "alert" not in said
        assert "evil" not in said


def test_length_and_number_are_cut_to_their_bounds() -> None:
    parsed = parse(
        reply(
            title="The person " * 100,
            text="The person walks. " * 100,
            claims=[f"Claim {number} of the person " * 20 for number in range(50)],
            concerns=[f"Concern {number}" for number in range(50)],
        )
    )
    assert len(parsed.title) <= MAX_TITLE_CHARS
    assert len(parsed.text) <= MAX_TEXT_CHARS
    assert len(parsed.claims) == MAX_CLAIMS
    assert max(map(len, parsed.claims)) <= MAX_CLAIM_CHARS
    assert parsed.concerns == tuple(f"Concern {number}" for number in range(MAX_CONCERNS))


def test_repeated_and_empty_claims_are_dropped() -> None:
    assert parse(reply(claims=["One car.", "One car.", " ", "…"])).claims == ("One car.",)


def test_chinese_is_read_when_chinese_was_asked() -> None:
    chinese = reply(title="一个人走过大门", text="一个穿红衣的人向左走。")
    assert parse(chinese, language="zh").title == "一个人走过大门"
    with pytest.raises(ModelError, match="language"):
        parse(reply(), language="zh")


@pytest.mark.parametrize(
    "text",
    [
        "Red sedan parks beside loading dock; driver exits carrying package.",
        "Man climbs over fence, runs toward building entrance quickly.",
        "Delivery driver drops large box, hurries off. Dog barks.",
        "Two vans park, drivers unload boxes, nobody else present.",
        "Person lying motionless near door.",
    ],
)
def test_terse_english_is_english(text: str) -> None:
    assert parse(reply(title=text, text=text)).text == text


@pytest.mark.parametrize(
    "text",
    [
        "Un hombre con una chaqueta azul camina hacia la puerta principal del edificio.",
        "Una persona con la giacca rossa cammina verso il cancello del cortile.",
        "Een persoon met een rode jas loopt naar de poort van het terrein.",
        "Eine Person in einer roten Jacke geht an der Mauer entlang zur Tür, man sieht sonst niemanden.",
        "Uma pessoa de casaco vermelho caminha em direção ao portão do pátio.",
        "En person i röd jacka går mot grinden och öppnar den.",
    ],
)
def test_other_european_languages_are_not_english(text: str) -> None:
    with pytest.raises(ModelError, match="language"):
        parse(reply(title=text[:60], text=text))


def test_answers_belong_to_the_questions_in_order() -> None:
    questions = ("Is there a fire?", "Is a door open?")
    parsed = parse(reply(answers=[0, 0.9]), questions=questions)
    assert parsed.answers == (Answer(questions[0], 0.0), Answer(questions[1], 0.9))
    assert parse(reply(answers=[1])).answers == ()


@pytest.mark.parametrize("answers", [None, [], [0.1], [0.1, 0.2, 0.3], ["yes", "no"], [0.1, 2], {"1": 0.5, "2": 1}])
def test_answers_that_do_not_fit_are_refused(answers: object) -> None:
    with pytest.raises(ModelError):
        parse(reply(answers=answers), questions=("a?", "b?"))


INSTRUCTIONS = "Say only what the pictures show or the facts state. Never guess names. Reply with one JSON object."


@pytest.mark.parametrize("key", ["title", "text", "claims", "concerns"])
def test_instructions_that_come_back_are_refused(key: str) -> None:
    leaked = "the SAY only, what the pictures show (or the facts) state"
    changed = reply(**{key: leaked if key in ("title", "text") else [leaked]})
    with pytest.raises(ModelError, match="instructions"):
        parse(changed, instructions=INSTRUCTIONS)


def test_a_few_words_in_common_with_the_instructions_are_no_leak() -> None:
    assert parse(reply(text="The pictures show the gate, and nobody."), instructions=INSTRUCTIONS).title


@pytest.mark.parametrize("questions", [0, 3])
def test_the_schema_is_a_schema_and_takes_what_the_parser_takes(questions: int) -> None:
    made = schema(questions)
    jsonschema.Draft202012Validator.check_schema(made)
    answer = {**GOOD, **({"answers": [0.1] * questions} if questions else {})}
    jsonschema.validate(answer, made)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**answer, "score": 0}, made)
    longest = {
        **answer,
        "title": "the " * (MAX_TITLE_CHARS // 4),
        "text": "the " * (MAX_TEXT_CHARS // 4),
        "claims": ["the " * (MAX_CLAIM_CHARS // 4)] * MAX_CLAIMS,
    }
    jsonschema.validate(longest, made)
    assert parse(json.dumps(longest), questions=["?"] * questions).text == ("the " * (MAX_TEXT_CHARS // 4)).strip()


@given(st.text(max_size=400))
def test_no_text_makes_it_raise_anything_else_or_miss_the_object(text: str) -> None:
    with pytest.raises(ModelError):
        parse(text)
    assert parse(f"{text.replace('{', '')} {reply()}").title == GOOD["title"]


@given(st.text(st.characters(), max_size=300), st.integers(8, 90))
def test_plain_text_is_one_bounded_visible_line_and_stays_as_it_is(text: str, most: int) -> None:
    line = plain(text, most)
    assert len(line) <= most
    assert line.isprintable()
    assert not set(line) & set("<>")
    assert line == line.strip()
    assert plain(line, most) == line or any(sign in line for sign in "[:.")  # taking a link out may make another


@given(st.text(string.ascii_letters + " .,", min_size=1, max_size=60))
def test_plain_words_are_left_alone(text: str) -> None:
    assert plain(text, 100) == " ".join(text.split())
