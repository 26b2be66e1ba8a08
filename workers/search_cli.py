"""``vedette search "person in red near the gate"``: past moments by meaning, filtered by camera and time.

In: a question in plain words, and the descriptions that the describe role kept (``pipeline/store/descriptions.py``).
Out: the moments nearest in meaning, a table for people, JSON lines otherwise. It reads the site's file directly and
needs nothing else to run. Next file: ``pipeline/store/descriptions.py``.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.settings import SiteSettings
    from pipeline.store.descriptions import DescriptionStore, Found

__all__ = ["instant_s", "known_cameras", "search"]

MAX_QUERY = 2_000
_AGO = re.compile(r"(\d{1,6}(?:\.\d+)?)\s*(s|min|h|d)")
_UNIT_S = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def search(
    query: Annotated[str, typer.Argument(help="What to look for, in plain words.", show_default=False)],
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The site; default: the default data directory.")
    ] = None,
    camera: Annotated[list[str] | None, typer.Option(help="Only this camera; may be given several times.")] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="Not before: ISO 8601 (UTC), or 90min, 12h, 7d ago.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", help="Not after: the same.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Most moments shown.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines instead of a table.")] = False,
) -> None:
    """Find past moments by what they mean."""
    from pipeline.config import load_site, site_of_urls
    from pipeline.embed.text import NO_ENCODER, find_text_encoder
    from pipeline.store.descriptions import DescriptionStore

    site = load_site(config) if config is not None else site_of_urls(["rtsp://localhost/unused"])
    cameras = known_cameras(camera or [], site if config is not None else None)
    now_s = time.time()
    from_s, to_s = instant_s("--from", from_, now_s), instant_s("--to", to, now_s)
    if from_s is not None and to_s is not None and from_s > to_s:
        raise UsageError(f"--from {from_} is after --to {to}.")
    if not query.strip() or len(query) > MAX_QUERY:
        raise UsageError(f"A search takes 1 to {MAX_QUERY} characters of plain words, not {len(query)}.")
    if not site.descriptions_file.is_file():
        raise UsageError(f"Nothing was described yet: there is no {site.descriptions_file}.")
    encoder = find_text_encoder(site.text_encoder)
    if encoder is None:
        raise UsageError(NO_ENCODER)
    with DescriptionStore(site.descriptions_file, encoder, max_descriptions=site.search.max_descriptions) as store:
        _catch_up(store)
        found = store.search(query, cameras=cameras, from_s=from_s, to_s=to_s, limit=limit)
    _show(found, Console(), as_json=as_json or not sys.stdout.isatty())


def instant_s(option: str, text: str | None, now_s: float) -> float | None:
    """UTC seconds of an ISO 8601 instant (without a zone: UTC) or of a time ago such as ``90min``; None for None.

    Raises UsageError for anything else, naming ``option``.
    """
    if text is None:
        return None
    ago = _AGO.fullmatch(text.strip())
    if ago is not None:
        return now_s - float(ago[1]) * _UNIT_S[ago[2]]
    try:
        at = datetime.fromisoformat(text.strip())
        return (at.replace(tzinfo=UTC) if at.tzinfo is None else at).timestamp()
    except (ValueError, OverflowError):
        example = datetime.fromtimestamp(now_s, UTC) - timedelta(hours=1)
        raise UsageError(
            f"{option} takes an instant such as {example:%Y-%m-%dT%H:%M:%SZ} or a time ago such as 12h, not {text!r}."
        ) from None


def known_cameras(asked: Sequence[str], site: SiteSettings | None) -> list[str]:
    """The cameras that were asked for. Raises UsageError for one that ``site``, where there is one, does not have."""
    names = None if site is None else [one.name for one in site.cameras]
    for name in asked:
        if names is not None and name not in names:
            raise UsageError(f"The site has no camera {name!r}; it has {', '.join(names)}.")
    return list(asked)


def _catch_up(store: DescriptionStore) -> None:
    """Encode what was kept while no encoder, or another one, was there."""
    missing = store.missing_vectors()
    if not missing:
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        store.encode_missing()
        return
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("reading descriptions", total=missing)
        store.encode_missing(on_progress=lambda count: progress.advance(task, count))


def _show(found: Sequence[Found], console: Console, *, as_json: bool) -> None:
    if as_json:
        for one in found:
            console.file.write(json.dumps(_facts(one), ensure_ascii=False) + "\n")
        return
    if not found:
        console.print("Nothing was described there.")
        return
    table = Table("alike", "when (UTC)", "camera", "what", "alert")
    for one in found:
        moment = one.moment
        lasted_s = (moment.end_at - moment.begin_at).total_seconds()
        when = f"{moment.begin_at:%Y-%m-%d %H:%M:%S}" + (f" for {lasted_s:.0f} s" if lasted_s >= 1 else "")
        words = f"[bold]{escape(_plain(moment.title))}[/bold]\n{escape(_plain(moment.text))}"
        table.add_row(f"{one.similarity:.0%}", when, escape(moment.camera), words, moment.alert_id or "")
    console.print(table)


def _plain(text: str) -> str:
    """``text`` without characters that steer a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _facts(one: Found) -> dict[str, object]:
    moment = one.moment
    return {
        "similarity": round(one.similarity, 4),
        "camera": moment.camera,
        "begin_at": moment.begin_at.isoformat(),
        "end_at": moment.end_at.isoformat(),
        "title": moment.title,
        "text": moment.text,
        "source": moment.source,
        "alert_id": moment.alert_id,
    }
