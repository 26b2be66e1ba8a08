"""``vedette describe FILE|URL``: how one moment is put into words, with every step laid open.

In: a recording, a camera's address, or a camera of a site. Out: the facts that were measured, the prompt, the raw
reply, the verdict on each claim, and the text that an alert would show: for people, or as one JSON object.
Next file: ``pipeline/describe/stage.py``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer
from rich.console import Console
from rich.markup import escape

from pipeline.errors import SourceError, UsageError

if TYPE_CHECKING:
    from pipeline.describe.pictures import ModelPicture
    from pipeline.describe.settings import BackendName, DescribeSettings
    from pipeline.describe.stage import Outcome
    from pipeline.descriptions import Claim, DescribeRequest
    from pipeline.settings import CameraSettings, SiteSettings
    from pipeline.tape import Tape

__all__ = ["choose_site", "describe", "moment_s", "with_backend"]

LOOK_FILE_S = 60.0
LOOK_LIVE_S = 5.0
KEEP_S = 90.0
MAX_SHOWN = 20_000
EXIT_FAILED = 1


def describe(
    source: Annotated[str, typer.Argument(help="A file, a camera's address, or a camera of the site.")],
    at: Annotated[
        str | None, typer.Option(help="Seconds (or MM:SS) from its beginning; default: its busiest moment.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The site whose settings apply.")] = None,
    backend: Annotated[str | None, typer.Option(help="grounded, vlm or server, instead of the site's.")] = None,
    model: Annotated[str | None, typer.Option(help="The model, instead of the site's.")] = None,
    endpoint: Annotated[str | None, typer.Option(help="The server, instead of the site's.")] = None,
    save: Annotated[
        Path | None, typer.Option(help="A folder for the pictures exactly as a model is shown them.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of text for people.")] = False,
) -> None:
    """Show how a moment is put into words: facts, prompt, raw reply, verdicts, text."""
    from pipeline.config import load_site, site_of_urls
    from pipeline.telemetry import Telemetry

    known = None if config is None else load_site(config)
    site = choose_site(known, source) if known is not None else site_of_urls([source])
    settings = with_backend(site.describe, backend, model, endpoint)
    if save is not None and not save.is_dir():
        raise UsageError(f"--save {save}: there is no such folder.")
    telemetry = Telemetry("describe", is_quiet=True)
    outcome, claims, pictures = _described(replace(site, describe=settings), moment_s(at), telemetry)
    if save is not None:
        _save(pictures, save)
    if as_json or not sys.stdout.isatty():
        sys.stdout.write(json.dumps(_facts_of(outcome, claims, pictures), ensure_ascii=False) + "\n")
    else:
        _show(outcome, claims, pictures, Console())
    raise typer.Exit(EXIT_FAILED if outcome.sentence else 0)


def choose_site(site: SiteSettings, source: str) -> SiteSettings:
    """``site`` with one camera: the one called ``source``, or the one that ``source`` is given to as in a replay."""
    from workers.replay import assign

    if source in [camera.name for camera in site.cameras]:
        return site.only(source)
    return assign(site, [source], lambda _: site)


def with_backend(
    settings: DescribeSettings, backend: str | None, model: str | None, endpoint: str | None
) -> DescribeSettings:
    """``settings`` with what the command line says. Raises UsageError for what does not go together."""
    from pipeline.describe.settings import BackendName, ServerSettings

    if backend is not None and backend not in get_args(BackendName):
        raise UsageError(f"--backend {backend!r}: expected {', '.join(get_args(BackendName))}.")
    chosen: BackendName = settings.backend if backend is None else backend  # type: ignore[assignment]
    server = settings.server
    try:
        if chosen == "server":
            place = endpoint or (None if server is None else server.endpoint)
            name = model or (None if server is None else server.model)
            if place is None or name is None:
                raise UsageError("--backend server needs --endpoint and --model, or a site that names them.")
            server = ServerSettings(place, name) if server is None else replace(server, endpoint=place, model=name)
        elif endpoint is not None:
            raise UsageError("--endpoint is for --backend server.")
        in_process = settings.model if model is None or chosen != "vlm" else replace(settings.model, model=model)
        return replace(settings, backend=chosen, server=server, model=in_process)
    except ValueError as error:
        raise UsageError(str(error)) from error


def moment_s(text: str | None) -> float | None:
    """Seconds of ``90``, ``1:30`` or ``0:01:30``; None for None. Raises UsageError for anything else."""
    if text is None:
        return None
    parts = text.split(":")
    try:
        values = [float(part) for part in parts]
    except ValueError:
        values = [-1.0]
    total = 0.0
    for value in values:
        total = total * 60 + value
    if len(parts) > 3 or min(values) < 0 or not total < 1e9:
        raise UsageError(f"--at takes seconds from the beginning, such as 90 or 1:30, not {text[:40]!r}.")
    return total


def _described(
    site: SiteSettings, at_s: float | None, telemetry: Any
) -> tuple[Outcome, Sequence[Claim], Sequence[ModelPicture]]:
    """What became of the moment ``at_s`` seconds into the only camera of ``site``, and what a model was shown."""
    from pipeline.describe.pictures import take
    from pipeline.describe.verify import check
    from pipeline.tape import Tape
    from workers import wiring
    from workers.describers import asking, describer

    camera = replace(site.cameras[0], detect_url=None, is_gated=False)
    tape = Tape(wiring.frame_reader(camera, site.detector.frame_wh, telemetry), keep_s=KEEP_S)
    request = _request(site, camera, tape, at_s)
    request = replace(request, context=asking(site, camera.name).context)
    shown: list[ModelPicture] = []

    def pictures(wanted: DescribeRequest) -> Sequence[ModelPicture]:
        batches = tape.around(wanted.ref.at_s)
        shown[:] = take(batches, wanted, site.describe.pictures, site.describe.privacy)
        return shown

    with describer(site.describe, pictures, telemetry, is_strict=True) as (stage, _):
        (outcome,) = stage.describe([request], request.ref.at_s)
    found = outcome.description
    claims = found.claims or tuple(check(found.text, request.facts))
    return outcome, claims, shown


def _request(site: SiteSettings, camera: CameraSettings, tape: Tape, at_s: float | None) -> DescribeRequest:
    """The request of the first moment from ``at_s`` on, or of the one with the most in view. Raises SourceError."""
    from pipeline.descriptions import DescribeRequest
    from pipeline.protocols import Moment
    from pipeline.replay import find
    from workers import wiring
    from workers.describers import new_narrator

    detector, looker, tracker = wiring.new_detector(site), wiring.new_looker(site), wiring.new_tracker()
    narrator = new_narrator(site, camera.name)
    limit_s = at_s if at_s is not None else LOOK_FILE_S if wiring.is_recording(camera) else LOOK_LIVE_S
    begin_s: float | None = None
    best: DescribeRequest | None = None
    for frame in tape:
        begin_s = frame.ref.at_s if begin_s is None else begin_s
        for finding in find(detector, [frame], looker):
            if finding.detections is None:
                continue
            facts, _ = narrator.narrate(Moment(finding, tracker.update(finding)))
            if facts is None:
                continue
            if at_s is not None or best is None or len(facts.objects) > len(best.facts.objects):
                title, text = narrator.write(facts)
                best = DescribeRequest(finding.ref, "periodic", 0.0, facts, title, text)
        if frame.ref.at_s - begin_s >= limit_s:
            break
    if best is None:
        raise SourceError(f"{camera.name}: there is no picture to describe.")
    if at_s is not None and begin_s is not None and best.ref.at_s - begin_s < at_s - 1.0:
        raise UsageError(f"--at {at_s:g}: the recording ends after {best.ref.at_s - begin_s:.1f} s.")
    return best


def _save(pictures: Sequence[ModelPicture], folder: Path) -> None:
    import cv2

    for number, picture in enumerate(pictures, 1):
        cv2.imwrite(str(folder / f"picture-{number}.png"), cv2.cvtColor(picture.rgb, cv2.COLOR_RGB2BGR))


def _facts_of(outcome: Outcome, claims: Sequence[Claim], pictures: Sequence[ModelPicture]) -> dict[str, Any]:
    found, facts = outcome.description, outcome.request.facts
    prompt, reply = outcome.prompt, outcome.reply
    return {
        "camera": facts.camera,
        "at": found.ref.captured_at.isoformat(),
        "objects": [asdict(one) for one in facts.objects],
        "facts": [{**asdict(fact), "frames": len(fact.frames)} for fact in facts.facts],
        "prompt": None if prompt is None else {"system": prompt.system, "user": prompt.user},
        "pictures": [
            {"caption": each.caption, "width": each.rgb.shape[1], "height": each.rgb.shape[0]} for each in pictures
        ],
        "reply": None if reply is None else {**asdict(reply), "text": reply.text[:MAX_SHOWN]},
        "claims": [asdict(claim) for claim in claims],
        "concerns": list(found.concerns),
        "title": found.title,
        "text": found.text,
        "source": found.source,
        "obstacle": outcome.obstacle,
        "error": outcome.sentence,
    }


def _show(outcome: Outcome, claims: Sequence[Claim], pictures: Sequence[ModelPicture], console: Console) -> None:
    found, facts = outcome.description, outcome.request.facts
    at = f"{found.ref.captured_at:%Y-%m-%d %H:%M:%S} UTC"
    console.print(f"[bold]{escape(_plain(facts.camera))}[/bold], {at}\n")
    console.print("[bold]Facts[/bold]")
    for fact in facts.facts:
        about = "scene" if fact.subject is None else f"{facts.label(fact.subject)} {fact.subject}"
        more = [str(each) for each in (fact.other, fact.amount) if each is not None]
        line = f"  {about}: {fact.kind} {fact.value} {' '.join(more)}".rstrip()
        console.print(f"{escape(_plain(line))} [dim]({fact.confidence:.2f})[/dim]")
    if outcome.prompt is not None:
        console.print("\n[bold]Prompt[/bold]")
        console.print(escape(_plain(f"{outcome.prompt.system}\n\n{outcome.prompt.user}")))
        for picture in pictures:
            console.print(f"  [dim]{picture.rgb.shape[1]}x{picture.rgb.shape[0]}: {escape(picture.caption)}[/dim]")
    if outcome.reply is not None:
        spent = f"{outcome.reply.prompt_tokens} + {outcome.reply.reply_tokens} tokens, {outcome.reply.latency_s:.1f} s"
        console.print(f"\n[bold]Reply[/bold] [dim]({spent})[/dim]")
        console.print(escape(_plain(outcome.reply.text)))
    console.print("\n[bold]Claims[/bold]")
    colours = {"supported": "green", "unverifiable": "yellow", "contradicted": "red"}
    for claim in claims:
        reason = f" ({claim.reason})" if claim.reason else ""
        console.print(f"  [{colours[claim.verdict]}]{claim.verdict}[/] {escape(_plain(claim.text + reason))}")
    if outcome.sentence:
        console.print(f"\n[red]{escape(_plain(outcome.sentence))}[/red]")
    console.print(f"\n[bold]{escape(_plain(found.title))}[/bold]")
    console.print(escape(_plain(found.text)))
    console.print(f"[dim]{escape(found.source)}[/dim]")


def _plain(text: str) -> str:
    """``text`` for a terminal: whatever is not printable is spelt out, so that a reply cannot move the cursor."""
    return "".join(
        sign if sign.isprintable() or sign == "\n" else sign.encode("unicode_escape", "replace").decode()
        for sign in text[:MAX_SHOWN]
    )
