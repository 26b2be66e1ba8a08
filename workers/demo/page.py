"""One HTML file with every incident of a run: a picture with its objects marked, what was seen, and why it is an alert.

In: alerts and the native pixels of the moments that opened them. Out: a file that needs nothing else, not even a
network. Every word in it is escaped: names of cameras and zones are other people's.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from string import Template

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.types import Alert

__all__ = ["Incident", "page", "picture_of"]

JPEG_QUALITY = 82
BOX_BGR = (60, 200, 255)
STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; }
h2 { font-size: 1.05rem; margin: 0 0 .3rem; }
article { display: grid; grid-template-columns: minmax(18rem, 2fr) 3fr; gap: 1.2rem; padding: 1.2rem 0;
          border-top: 1px solid #8884; }
img { width: 100%; border-radius: 6px; display: block; background: #8882; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #8883; vertical-align: top; }
.facts { color: #888; font-size: .85rem; margin: 0 0 .6rem; }
.badge { border-radius: 4px; padding: .05rem .45rem; color: #fff; font-size: .8rem; background: #2878b8; }
.warning { background: #b87010; } .critical { background: #b02a2a; }
@media (max-width: 48rem) { article { grid-template-columns: 1fr; } }
"""
PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title><style>$style</style></head>
<body><h1>$title</h1><p class="facts">$summary</p>
$articles
</body></html>
""")
ARTICLE = Template("""<article><div>$picture</div><div>
<h2>$title</h2>
<p class="facts"><span class="badge $severity">$severity</span> $camera · $kind · $opened to $closed · $id</p>
<p>$text</p>
<table><tr><th>Cue</th><th>Observed</th><th>Allowed</th><th>Share</th></tr>$rows</table>
</div></article>""")


@dataclass(frozen=True, slots=True)
class Incident:
    """The newest revision of an alert, and a JPEG of the moment that opened it (None when no picture was kept)."""

    alert: Alert
    jpeg: bytes | None


def picture_of(alert: Alert, bgr: NDArray[np.uint8]) -> bytes:
    """``bgr`` (height, width, 3) as a JPEG with the alert's objects marked."""
    marked = np.ascontiguousarray(bgr)
    height, width = marked.shape[:2]
    for track in alert.tracks:
        x1, y1, x2, y2 = (round(v * side) for v, side in zip(track.xyxy_norm, (width, height) * 2, strict=True))
        cv2.rectangle(marked, (x1, y1), (x2, y2), BOX_BGR, 2)
        cv2.putText(marked, track.label, (x1, max(12, y1 - 5)), cv2.FONT_HERSHEY_SIMPLEX, 0.45, BOX_BGR, 1, cv2.LINE_AA)
    return bytes(cv2.imencode(".jpg", marked, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1])


def page(title: str, summary: str, incidents: Sequence[Incident]) -> str:
    """The HTML of a whole run, incidents in the given order."""
    articles = "\n".join(_article(incident) for incident in incidents) or "<p>No incident.</p>"
    return PAGE.substitute(title=escape(title), summary=escape(summary), style=STYLE, articles=articles)


def _article(incident: Incident) -> str:
    alert = incident.alert
    picture = "<p class='facts'>No picture was kept.</p>"
    if incident.jpeg is not None:
        picture = f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(incident.jpeg).decode()}">'
    rows = "".join(
        _row((evidence.cue, evidence.observed, evidence.normal, f"{evidence.share:.0%}")) for evidence in alert.evidence
    )
    words = {
        "title": alert.title,
        "severity": alert.severity,
        "camera": alert.camera,
        "kind": alert.kind,
        "opened": f"{alert.opened_at:%H:%M:%S}",
        "closed": "now" if alert.closed_at is None else f"{alert.closed_at:%H:%M:%S}",
        "id": alert.id,
        "text": alert.text,
    }
    return ARTICLE.substitute({key: escape(word) for key, word in words.items()}, picture=picture, rows=rows)


def _row(cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
