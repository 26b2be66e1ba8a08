"""Remembering descriptions: merging, searching, forgetting, several processes, kill -9, damage, a full disk."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import StorageError, UsageError
from pipeline.store.blocks import BLOCK_ROWS
from pipeline.store.descriptions import MERGE_S, DescriptionStore
from tests.unit.store.words import START_S, WordEncoder, described


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "descriptions.sqlite"


def test_the_nearest_meaning_comes_first(path: Path) -> None:
    with DescriptionStore(path, WordEncoder()) as store:
        store.add(described("A person in red near the gate", 0))
        store.add(described("A car at night", 10))
        store.add(described("A person with a bag", 20))
        found = store.search("red person gate")
    assert [one.moment.text for one in found[:2]] == ["A person in red near the gate", "A person with a bag"]
    assert found[0].similarity == pytest.approx(1.0, abs=1e-3)
    assert found[0].moment.camera == "gate"
    assert found[0].moment.begin_at.timestamp() == START_S


def test_equally_alike_moments_come_newest_first(path: Path) -> None:
    with DescriptionStore(path, WordEncoder()) as store:
        for at_s in (0, 1000, 500):
            store.add(described("a dog", at_s, "yard"))
        found = store.search("dog", limit=2)
    assert [one.moment.id for one in found] == [3, 2]


def test_filters_by_camera_and_time(path: Path) -> None:
    with DescriptionStore(path, WordEncoder()) as store:
        for camera in ("gate", "yard"):
            for minute in range(10):
                store.add(described(f"a person {minute}", minute * 100, camera))
        at_gate = store.search("person", cameras=["gate"], limit=50)
        between = store.search("person", from_s=START_S + 250, to_s=START_S + 500, limit=50)
        nowhere = store.search("person", cameras=["roof"])
        both = store.search("person", cameras=["gate", "yard", "roof"], limit=50)
    assert {one.moment.camera for one in at_gate} == {"gate"}
    assert len(at_gate) == 10
    assert {(one.moment.begin_at.timestamp() - START_S) // 100 for one in between} == {3, 4, 5}
    assert nowhere == []
    assert len(both) == 20


def test_the_same_words_soon_again_are_one_moment_that_lasts(path: Path) -> None:
    encoder = WordEncoder()
    with DescriptionStore(path, encoder) as store:
        for at_s in range(0, 300, 10):
            store.add(described("a person", at_s))
        store.add(described("a person", 50))  # redelivered
        assert len(store) == 1
        (moment,) = store.newest()
        assert (moment.end_at - moment.begin_at).total_seconds() == 290
        assert len(store.search("person", from_s=START_S + 200)) == 1
        store.add(described("a person", 290 + MERGE_S + 1))
        store.add(described("a person", 10, "yard"))
        store.add(described("a person", 10, alert_id="a_1"))
        assert len(store) == 4


def test_a_moment_is_begun_anew_after_an_hour(path: Path) -> None:
    with DescriptionStore(path) as store:
        for at_s in range(0, 2 * 3600 + 1, 30):
            store.add(described("nobody", at_s))
        assert len(store) == 3


def test_a_given_embedding_of_the_right_length_is_taken(path: Path) -> None:
    encoder = WordEncoder()
    given = encoder.encode(["car"])[0]
    encoder.seen.clear()
    with DescriptionStore(path, encoder) as store:
        store.add(described("words that say nothing", 0, embedding=given))
        store.add(described("a dog", 1, embedding=np.ones(3, np.float32)))
        assert encoder.seen == ["a dog"]
        assert store.search("car")[0].moment.text == "words that say nothing"


def test_without_an_encoder_words_are_kept_and_found_later(path: Path) -> None:
    with DescriptionStore(path) as store:
        store.add(described("a dog at the fence", 0))
        assert store.newest()[0].text == "a dog at the fence"
        with pytest.raises(UsageError, match="text encoder"):
            store.search("dog")
    with DescriptionStore(path, WordEncoder()) as store:
        store.add(described("a car", 5))
        assert store.missing_vectors() == 1
        assert [one.moment.text for one in store.search("dog")] == ["a car"]
        assert store.encode_missing() == 1
        assert store.search("dog")[0].moment.text == "a dog at the fence"
        assert store.missing_vectors() == 0


def test_vectors_of_another_encoder_are_never_compared(path: Path) -> None:
    with DescriptionStore(path, WordEncoder("one")) as store:
        store.add_all([described(f"a dog {i}", i) for i in range(5)])
    with DescriptionStore(path, WordEncoder("two", ("cat", "dog"))) as store:
        assert store.search("dog") == []
        assert store.missing_vectors() == 5
        assert store.encode_missing() == 5
        assert len(store.search("dog")) == 5


def test_search_over_several_blocks_equals_comparing_one_by_one(path: Path) -> None:
    rng = np.random.default_rng(5)
    count = 2 * BLOCK_ROWS + 100
    vectors = rng.standard_normal((count, 9)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    encoder = WordEncoder()
    with DescriptionStore(path, encoder) as store:
        store.add_all([described(f"text {i}", i, embedding=vectors[i]) for i in range(count)])
        found = store.search("person gate", limit=100)
    expected = vectors @ encoder.encode(["person gate"])[0]
    assert [one.similarity for one in found] == pytest.approx(sorted(expected, reverse=True)[:100], abs=1e-4)
    assert all(abs(expected[one.moment.id - 1] - one.similarity) < 1e-4 for one in found)


def test_the_number_of_descriptions_is_bounded(path: Path) -> None:
    limit = BLOCK_ROWS + 500
    with DescriptionStore(path, WordEncoder(), max_descriptions=limit) as store:
        for begin in range(0, 4 * BLOCK_ROWS, 400):
            store.add_all([described(f"person {i}", i) for i in range(begin, begin + 400)])
            assert len(store) <= limit
        newest = store.newest(limit=1)[0]
        assert newest.text == f"person {begin + 399}"
        assert len(store) > 400
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT COUNT(*) FROM blocks").fetchone()[0] <= 3


def test_a_tiny_bound_holds_too(path: Path) -> None:
    with DescriptionStore(path, max_descriptions=3) as store:
        store.add_all([described(f"{i}", i) for i in range(10)])
        assert [one.text for one in store.newest()] == ["9", "8", "7"]
    with pytest.raises(ValueError, match="max_descriptions"):
        DescriptionStore(path, max_descriptions=0)


def test_forgetting_by_age(path: Path) -> None:
    with DescriptionStore(path, WordEncoder()) as store:
        for camera in ("gate", "yard"):
            store.add_all([described(f"dog {i}", i * 100, camera) for i in range(10)])
        assert store.forget_before(START_S + 450, camera="yard") == 5
        assert store.forget_before(START_S + 250) == 3
        assert len(store) == len(store.search("dog", limit=100)) == 12
        assert store.forget_before(START_S + 1e6) == 12
        assert store.search("dog") == store.newest() == []
        store.add(described("dog", 0))
        assert len(store.search("dog")) == 1


@pytest.mark.parametrize("text", ["", "\x00\x1b[31m", "\ud800 half", "'; DROP TABLE descriptions; --", "人 🐕" * 9000])
def test_hostile_text_is_kept_as_text(path: Path, text: str) -> None:
    with DescriptionStore(path, WordEncoder()) as store:
        store.add(described(text, 0, camera="a'; --"))
        (found,) = store.search(text, cameras=["a'; --"])
        assert found.moment.text[:9] == text.encode("utf-8", "replace").decode()[:9]
        assert len(found.moment.text) <= 8000


def test_limit_is_checked(path: Path) -> None:
    with DescriptionStore(path, WordEncoder()) as store, pytest.raises(UsageError, match="1 to 1000"):
        store.search("dog", limit=0)


def _write(path: Path, camera: str, count: int, is_killed: bool) -> None:
    with DescriptionStore(path, WordEncoder()) as store:
        for number in range(count):
            store.add(described(f"person {number}", number, camera))
        if is_killed:
            os.kill(os.getpid(), signal.SIGKILL)


def test_several_writers_lose_nothing_and_one_may_be_killed(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_write, args=(path, camera, 100, camera == "b")) for camera in ("a", "b", "c")]
    for worker in workers:
        worker.start()
    with DescriptionStore(path, WordEncoder()) as store:
        while any(worker.is_alive() for worker in workers):
            assert len(store.search("person", limit=1000)) <= 300
            workers[0].join(0.05)
        for worker in workers:
            worker.join()
        assert [worker.exitcode for worker in workers] == [0, -signal.SIGKILL, 0]
        assert len(store.search("person", limit=1000)) == len(store) == 300


def test_a_write_that_fails_leaves_nothing_behind(path: Path) -> None:
    with DescriptionStore(path, WordEncoder()) as store:
        store.add(described("dog", 0))
        wrong = WordEncoder()
        wrong.encode = lambda texts: np.zeros((0, 9), np.float32)  # type: ignore[method-assign]
        store._encoder = wrong
        with pytest.raises(ValueError, match="zip"):
            store.add_all([described("car", 1), described("bag", 2)])
        store._encoder = WordEncoder()
        assert len(store) == 1
        store.add(described("car", 3))
        assert len(store) == 2


def test_a_full_disk_is_a_sentence_and_loses_nothing_that_was_kept(path: Path) -> None:
    with DescriptionStore(path, WordEncoder()) as store:
        store.add(described("dog", 0))
        pages = store._database.connection.execute("PRAGMA page_count").fetchone()[0]
        store._database.connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(StorageError, match="disk is full"):
            store.add_all([described(f"a person {'x' * 4000} {i}", i) for i in range(50)])
        assert [one.moment.text for one in store.search("dog")] == ["dog"]


@pytest.mark.parametrize("damage", ["head", "middle"])
def test_a_damaged_file_is_one_sentence(path: Path, damage: str) -> None:
    with DescriptionStore(path, WordEncoder()) as store:
        store.add_all([described(f"dog {i}", i * 100) for i in range(200)])
    content = bytearray(path.read_bytes())
    where = slice(0, 100) if damage == "head" else slice(8192, len(content))
    content[where] = bytes([0xA5]) * (where.stop - where.start)
    path.write_bytes(content)
    with pytest.raises(StorageError, match="damaged; move it away"), DescriptionStore(path, WordEncoder()) as store:
        store.search("dog")


def test_a_file_of_another_program_or_version_is_refused(path: Path) -> None:
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    with pytest.raises(StorageError, match="another program"):
        DescriptionStore(path)
    path.unlink()
    DescriptionStore(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 9")
    with pytest.raises(StorageError, match="version 9"):
        DescriptionStore(path)


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be made"):
        DescriptionStore(tmp_path / "file" / "below" / "d.sqlite")
