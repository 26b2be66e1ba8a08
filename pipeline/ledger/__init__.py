"""The ledger: what a site saw, said and thought, kept by camera and UTC day, to be asked and folded again later.

In: the messages that the alert stage folded, in wire form, with the tracks made of them, and the alerts that came out.
Out: the same, in the same order, for ``vedette backtest``, ``why``, ``why-not`` and ``feedback``. Nothing here knows
what a message means: rows carry the bytes that stood on the bus, which name their version and are checked when read.

    CAMERA/2026-11-24/143000000000-9f3c21d0.journal   being written: frames with checksums, torn at most at its end
    CAMERA/2026-11-24/130000000000-11aa72be.parquet   an hour that is over: written aside, moved into place

A journal outlives kill -9 because every flush reaches the kernel before the alert stage saves its place; what is folded
again after a kill is recognised and left out. Parquet is written and read by DuckDB: a wheel of 24 MB and one package,
against 55 MB and 170 MB on disk for pyarrow (or pandas besides, for fastparquet), and it lets the owner ask the ledger
in SQL: ``select about, count(*) from 'ledger/gate/*/*.parquet' group by 1``. Next file: ``pipeline/ledger/rows.py``.
"""
