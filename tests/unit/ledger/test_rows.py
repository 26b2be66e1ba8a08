"""Frames of a journal: whole or not there, whatever happened to the file."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ledger.rows import Row, pack, unpack
from pipeline.ledger.tracks import tracks_from_bytes, tracks_to_bytes
from pipeline.types import Track
from tests.unit.ledger.books import row

BINARY = st.binary(max_size=64)
ROWS = st.lists(
    st.builds(
        Row,
        st.sampled_from(["finding", "description", "alert"]),
        st.integers(-(2**60), 2**60),
        st.integers(-(2**60), 2**60),
        st.integers(0, 2**60),
        st.text(st.characters(codec="utf-8"), max_size=20),
        BINARY,
        BINARY,
        st.none() | BINARY,
    ),
    max_size=6,
)


@given(ROWS, ROWS)
def test_what_is_packed_is_unpacked(first: list[Row], second: list[Row]) -> None:
    content = pack(first) + pack(second)
    assert unpack(content) == ([*first, *second], len(content))


@given(st.integers(0, 10_000))
def test_a_torn_end_costs_the_frame_it_tears_and_no_other(cut: int) -> None:
    frames = [pack([row(2 * n), row(2 * n + 1)]) for n in range(5)]
    content = b"".join(frames)
    cut = min(cut, len(content))
    whole = max(n for n in range(6) if sum(map(len, frames[:n])) <= cut)
    assert unpack(content[:cut]) == ([row(n) for n in range(2 * whole)], sum(map(len, frames[:whole])))


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_flipped_byte_ends_the_reading_and_is_never_believed(at: int, flip: int) -> None:
    content = bytearray(pack([row(1)]) + pack([row(2)]))
    content[at % len(content)] ^= flip
    assert unpack(bytes(content))[0] in ([], [row(1)])


def test_a_bomb_is_not_inflated() -> None:
    packed = zlib.compress(bytes(10**6))
    for claimed in (100, 2**31):
        assert unpack(struct.pack("<III", len(packed), claimed, zlib.crc32(packed)) + packed) == ([], 0)


def test_a_row_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of finding, description, alert"):
        Row("gossip", 0, 0, 0, "", b"")  # type: ignore[arg-type]


@given(
    st.lists(
        st.builds(
            Track,
            st.integers(1, 10**9),
            st.text(st.characters(codec="utf-8"), max_size=8),
            st.floats(0, 1),
            st.tuples(*[st.floats(-1e6, 1e6)] * 4),
            st.floats(0, 2e9),
            st.floats(0, 2e9),
            st.tuples(*[st.floats(-1e6, 1e6)] * 2),
            st.none() | st.integers(0, 99),
        ),
        max_size=4,
    )
)
def test_tracks_read_back_bit_by_bit(tracks: list[Track]) -> None:
    assert tracks_from_bytes(tracks_to_bytes(tracks)) == tuple(tracks)


@pytest.mark.parametrize("content", [b"", b"{}x", b"[1]", b"[[1]]", b'[["a","b"]]', b"null", b"[[" + b"[" * 9])
def test_damaged_tracks_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="damaged"):
        tracks_from_bytes(content)
