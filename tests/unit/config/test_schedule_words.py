"""How people write when a rule is on duty."""

from __future__ import annotations

import pytest

from pipeline.alert.schedule import Window
from pipeline.config.rules import parse_schedule


@pytest.mark.parametrize(
    ("words", "windows"),
    [
        ("22:00-06:00", (Window(1320, 360),)),
        ("Mon-Fri 8:00-18:00", (Window(480, 1080, (0, 1, 2, 3, 4)),)),
        ("sat,SUN 00:00-24:00", (Window(0, 1440, (5, 6)),)),
        ("Fri-Mon 20:00 - 24:00", (Window(1200, 1440, (0, 4, 5, 6)),)),
        ("Monday, Wed-Thursday 09:30–10:00", (Window(570, 600, (0, 2, 3)),)),
        (["Mon 01:00-02:00", "03:00-04:00"], (Window(60, 120, (0,)), Window(180, 240))),
    ],
)
def test_windows(words: str | list[str], windows: tuple[Window, ...]) -> None:
    schedule = parse_schedule(words, "Europe/Berlin")
    assert schedule.windows == windows
    assert schedule.time_zone == "Europe/Berlin"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "expected a window such as"),
        ("night", "expected a window such as"),
        ("22-06", "expected a window such as"),
        ("24:00-25:00", "expected times from 00:00 to 24:00"),
        ("10:61-11:00", "expected times from 00:00 to 24:00"),
        ("10:00-10:00", "is empty"),
        ("Mo-Fri 10:00-11:00", "'Mo' is no day of the week"),
        ("Mon-Wed-Fri 10:00-11:00", "expected days such as"),
        ("Mon-Fri, 10:00-11:00", "is no day of the week"),
    ],
)
def test_what_is_no_window(words: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_schedule(words, "UTC")
