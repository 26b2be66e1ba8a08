"""Remembered descriptions: what was said of which camera when, found again by meaning.

In: :class:`~pipeline.descriptions.SceneDescription` values from the describe worker, and questions in plain words. Out:
:class:`Remembered` moments, the most alike first. The same words about the same camera within :data:`MERGE_S` are one
moment that lasts, so that a quiet scene described every second costs one row, and a redelivered description none.

The search is exact: every vector that the filters leave is compared (see ``pipeline/store/blocks.py`` for how that
stays far under 100 ms for 100,000, which is why there is no approximate index to build, tune and keep consistent).
Any number of processes may add and search at once. Next file: ``workers/search_cli.py``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.descriptions import SceneDescription
from pipeline.errors import UsageError
from pipeline.protocols import TextEncoder
from pipeline.store.blocks import (
    BLOCK_ROWS,
    BLOCK_TABLE,
    EMPTY,
    SPAN,
    WITH_VECTOR,
    WITHOUT_VECTOR,
    Block,
    similarities,
)
from pipeline.store.database import Database, Kept, Layout
from pipeline.store.rows import (
    TABLES,
    Remembered,
    camera_number,
    camera_numbers,
    delete_before,
    delete_oldest,
    moments_of,
    newest_moments,
    row_count,
    texts_of,
)

__all__ = ["MAX_DESCRIPTIONS", "MERGE_S", "DescriptionStore", "Found", "Remembered"]

MAX_DESCRIPTIONS = 200_000
"""Default bound of a store: about 230 MB with vectors of 384 numbers."""
MERGE_S = 60.0
"""The same words again within this time are the same moment."""
_MAX_MOMENT_S = 3600.0  # a moment that lasts longer is begun anew, so that a search by time stays sharp
_MAX_TEXT = 8_000
_MAX_RESULTS = 1_000
_ENCODE_AT_ONCE = 256

_LAYOUT = Layout("descriptions", 1, (*TABLES, BLOCK_TABLE))


@dataclass(frozen=True, slots=True)
class Found:
    """A moment that answers a search; ``similarity`` is the cosine between question and words, -1..1."""

    moment: Remembered
    similarity: float


class DescriptionStore(Kept):
    """Descriptions of all cameras of a site in one file; belongs to the thread that opened it.

    ``encoder`` makes the vectors of descriptions that come without one (whose length must be its ``dimensions`` to be
    taken as they are). A store opened without an encoder keeps words only; :meth:`encode_missing` catches up.
    Every method raises StorageError when the file cannot be used.
    """

    def __init__(
        self, path: Path, encoder: TextEncoder | None = None, *, max_descriptions: int = MAX_DESCRIPTIONS
    ) -> None:
        if max_descriptions < 1:
            raise ValueError(f"max_descriptions: expected 1 or more, got {max_descriptions}")
        self._encoder = encoder
        self._max = max_descriptions
        self._database = Database(path, _LAYOUT)

    def add(self, description: SceneDescription) -> None:
        """Remember one description. Raises ModelError when the encoder fails."""
        self.add_all([description])

    def add_all(self, descriptions: Sequence[SceneDescription]) -> None:
        """Remember several, all or none of them. Raises ModelError when the encoder fails."""
        vectors = self._vectors(descriptions)
        with self._database.writing() as connection:
            for description, vector in zip(descriptions, vectors, strict=True):
                self._add(connection, description, vector)

    def search(
        self,
        query: str,
        *,
        cameras: Sequence[str] = (),
        from_s: float | None = None,
        to_s: float | None = None,
        limit: int = 20,
    ) -> list[Found]:
        """The ``limit`` moments nearest in meaning to ``query``, most alike first, then newest first.

        ``cameras`` empty: all of them; ``from_s`` and ``to_s``: moments that overlap this stretch of UTC seconds.
        Raises UsageError without an encoder, ModelError when it fails.
        """
        encoder = self._required_encoder()
        if not 1 <= limit <= _MAX_RESULTS:
            raise UsageError(f"A search finds 1 to {_MAX_RESULTS} moments at once, not {limit}.")
        question = encoder.encode([query])[0]
        with self._database.reading() as connection:
            numbers = camera_numbers(connection, cameras)
            if cameras and not numbers:
                return []
            wanted = Filter(numbers, from_s, to_s)
            ids, similarity = _compare(connection, encoder.name, question, wanted)
            order = np.lexsort((-ids, -np.round(similarity, 4)))[:limit]
            moments = moments_of(connection, ids[order].tolist())
            return [Found(moments[int(ids[index])], float(similarity[index])) for index in order]

    def newest(self, *, cameras: Sequence[str] = (), limit: int = 20) -> list[Remembered]:
        """What was said last, newest first. Needs no encoder."""
        with self._database.reading() as connection:
            return newest_moments(connection, cameras, limit)

    def missing_vectors(self) -> int:
        """How many descriptions this store's encoder has not seen, so that a search does not find them."""
        return sum(map(len, self._rows_without_vector()))

    def encode_missing(self, on_progress: Callable[[int], None] | None = None) -> int:
        """Encode what was added without this encoder; how many. ``on_progress`` hears of every few that are done.

        Raises UsageError without an encoder, ModelError when it fails.
        """
        encoder = self._required_encoder()
        total = 0
        for rows in self._rows_without_vector():
            for begin in range(0, len(rows), _ENCODE_AT_ONCE):
                done = self._encode_rows(encoder, rows[begin : begin + _ENCODE_AT_ONCE])
                total += done
                if on_progress is not None:
                    on_progress(done)
        return total

    def forget_before(self, at_s: float, *, camera: str | None = None) -> int:
        """Delete moments that ended before ``at_s``, of one camera or of all; how many."""
        with self._database.writing() as connection:
            return delete_before(connection, at_s, camera)

    def __len__(self) -> int:
        with self._database.reading() as connection:
            return row_count(connection)

    def _required_encoder(self) -> TextEncoder:
        if self._encoder is None:
            raise UsageError("A search by meaning needs a text encoder, and none was given.")
        return self._encoder

    def _vectors(self, descriptions: Sequence[SceneDescription]) -> list[NDArray[np.float32] | None]:
        """A unit vector for each, made here where it is missing or of another length."""
        if self._encoder is None:
            return [None] * len(descriptions)
        shape = (self._encoder.dimensions,)
        vectors = [
            one.embedding if one.embedding is not None and one.embedding.shape == shape else None
            for one in descriptions
        ]
        missing = [index for index, vector in enumerate(vectors) if vector is None]
        for index, vector in zip(missing, self._encoder.encode([descriptions[i].text for i in missing]), strict=True):
            vectors[index] = vector
        return vectors

    def _add(
        self, connection: sqlite3.Connection, description: SceneDescription, vector: NDArray[np.float32] | None
    ) -> None:
        at_s = description.ref.at_s
        camera = camera_number(connection, description.ref.key.camera)
        words = (_storable(description.title), _storable(description.text), _storable(description.source))
        same = connection.execute(
            "SELECT id, begin_s, end_s FROM descriptions WHERE camera = ? AND end_s BETWEEN ? AND ? AND begin_s <= ? "
            "AND begin_s > ? AND title = ? AND text = ? AND source = ? AND alert_id IS ? ORDER BY end_s DESC LIMIT 1",
            (camera, at_s - MERGE_S, at_s + _MAX_MOMENT_S, at_s, at_s - _MAX_MOMENT_S, *words, description.alert_id),
        ).fetchone()
        if same is not None:
            if same[2] < at_s:
                self._lengthen(connection, int(same[0]), at_s)
            return
        inserted = connection.execute(
            "INSERT INTO descriptions (camera, begin_s, end_s, title, text, source, language, alert_id) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (camera, at_s, at_s, *words, description.language, description.alert_id),
        )
        row = int(inserted.lastrowid or 0)
        block = self._block(connection, row)
        if vector is not None:
            block.write_vector(row, vector)
        state = WITHOUT_VECTOR if vector is None else WITH_VECTOR
        block.write_span(row, begin_s=at_s, end_s=at_s, camera=camera, state=state)
        if row % BLOCK_ROWS == 0 or self._max < BLOCK_ROWS:
            self._make_room(connection)

    def _block(self, connection: sqlite3.Connection, row: int) -> Block:
        encoder = self._encoder
        name, dimensions = ("", 0) if encoder is None else (encoder.name, encoder.dimensions)
        return Block.of_row(connection, row, name, dimensions)

    def _lengthen(self, connection: sqlite3.Connection, row: int, end_s: float) -> None:
        connection.execute("UPDATE descriptions SET end_s = ? WHERE id = ?", (end_s, row))
        Block(connection, row // BLOCK_ROWS).write_span(row, end_s=end_s)

    def _make_room(self, connection: sqlite3.Connection) -> None:
        """Forget the oldest so that a whole block fits below the bound."""
        kept = max(1, self._max - BLOCK_ROWS + 1) if self._max >= BLOCK_ROWS else self._max
        delete_oldest(connection, row_count(connection) - kept)

    def _rows_without_vector(self) -> Iterator[list[int]]:
        """Block by block, the descriptions that this encoder has not seen."""
        name = "" if self._encoder is None else self._encoder.name
        with self._database.reading() as connection:
            blocks = [int(row[0]) for row in connection.execute("SELECT id FROM blocks ORDER BY id")]
        for id in blocks:
            with self._database.reading() as connection:
                found = connection.execute("SELECT encoder, spans FROM blocks WHERE id = ?", (id,)).fetchone()
            if found is not None:
                state = np.frombuffer(found[1], SPAN)["state"]
                is_missing = state != EMPTY if found[0] != name else state == WITHOUT_VECTOR
                yield (id * BLOCK_ROWS + np.flatnonzero(is_missing)).tolist()

    def _encode_rows(self, encoder: TextEncoder, rows: Sequence[int]) -> int:
        """Give these descriptions their vectors; how many are still there to be given one."""
        with self._database.reading() as connection:
            texts = texts_of(connection, rows)
        vectors = dict(zip(texts, encoder.encode(list(texts.values())), strict=True))
        with self._database.writing() as connection:
            still_there = texts_of(connection, rows)  # what was forgotten meanwhile stays forgotten
            for id in still_there:
                block = self._block(connection, id)
                block.write_vector(id, vectors[id])
                block.write_span(id, state=WITH_VECTOR)
        return len(still_there)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which spans a search looks at: cameras by number (empty: all), and a stretch of UTC seconds they overlap."""

    cameras: Sequence[int]
    from_s: float | None
    to_s: float | None

    def of(self, spans: NDArray[np.void]) -> NDArray[np.bool_]:
        """A mask (N,) of the spans that are wanted and have a vector."""
        is_wanted: NDArray[np.bool_] = spans["state"] == WITH_VECTOR
        if self.cameras:
            is_wanted &= np.isin(spans["camera"], self.cameras)
        if self.from_s is not None:
            is_wanted &= spans["end_s"] >= self.from_s
        if self.to_s is not None:
            is_wanted &= spans["begin_s"] <= self.to_s
        return is_wanted


def _compare(
    connection: sqlite3.Connection, encoder: str, question: NDArray[np.float32], wanted: Filter
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Ids and similarities of every description that ``wanted`` leaves; ``question`` is a unit vector (D,)."""
    widened = np.empty((BLOCK_ROWS, len(question)), np.float32)  # one block at a time stays in the processor's cache
    ids: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    similarity: list[NDArray[np.float32]] = [np.zeros(0, np.float32)]
    for id, packed in connection.execute("SELECT id, spans FROM blocks WHERE encoder = ? ORDER BY id", (encoder,)):
        chosen = np.flatnonzero(wanted.of(np.frombuffer(packed, SPAN)))
        if len(chosen):
            ids.append(id * BLOCK_ROWS + chosen.astype(np.int64))
            similarity.append(similarities(Block(connection, id).vectors(), question, widened)[chosen])
    return np.concatenate(ids), np.concatenate(similarity)


def _storable(text: str) -> str:
    """``text`` within the bound, and without the halves of characters that a careless writer leaves."""
    return text[:_MAX_TEXT].encode("utf-8", "replace").decode("utf-8")
