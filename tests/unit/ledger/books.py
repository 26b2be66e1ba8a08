"""Ledgers for tests: rows by the hand, or the entries of a real stage as the alert role's scribe keeps them."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

from pipeline.config.document import parse_document
from pipeline.config.site import site_of
from pipeline.ledger.rows import Row, RowKind
from pipeline.settings import LedgerSettings, SiteSettings
from pipeline.telemetry import Telemetry
from pipeline.types import Alert, Finding
from workers import wiring
from workers.ledger import Scribe

DAY_US = 86_400 * 1_000_000
START_US = 1_790_000_000_000_000  # 2026-09-21 14:13:20 UTC


def row(
    at: int, *, kind: RowKind = "finding", session: int = 1, at_us: int | None = None, about: str = "person"
) -> Row:
    """Row number ``at``, a fifth of a second after the one before."""
    when = START_US + at * 200_000 if at_us is None else at_us
    return Row(kind, when, session, at, about, b'{"n":%d}' % at, bytes(range(at % 256)), b"[]" if at % 2 else None)


def site_from(text: str, folder: Path) -> SiteSettings:
    """The site that ``text`` (YAML) describes, with its data below ``folder``."""
    return site_of(parse_document(text.encode(), "site.yaml", folder), {"XDG_STATE_HOME": str(folder)})


def scribe_for(root: Path) -> Scribe:
    """A scribe whose finished journals are not sealed."""
    return Scribe(root, LedgerSettings(keep_days=30, max_bytes=2**30), Telemetry("alert", stream=io.StringIO()))


def write_book(site: SiteSettings, findings: Iterable[Finding], camera: str = "gate") -> list[Alert]:
    """Fold ``findings`` as the alert role of ``site`` does, and keep them in its ledger; the alerts of that fold."""
    stage = wiring.new_stage(site, camera, has_words=False, is_learning=False)
    writer = scribe_for(site.ledger_dir)
    writer.open(camera)
    alerts: list[Alert] = []
    for finding in findings:
        new = stage.step(finding)
        writer.folded(finding, stage.tracked, new)
        alerts += new
    writer.close(camera)
    return alerts
