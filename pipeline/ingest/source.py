"""Where pictures come from: cameras, web streams, devices, files, folders, standard input. In: an address a person
typed; out: the ``MediaRequest`` values that open it. Next file: ``pipeline/ingest/timestamps.py``.

The address may hold a password: it is shown only through :func:`pipeline.redact.redact`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from pipeline.errors import SourceRefused, UsageError
from pipeline.redact import redact
from pipeline.video.media import Media, MediaRequest, OpenMedia

__all__ = ["VIDEO_SUFFIXES", "SourceConfig", "SourceKind", "Transport", "open_source", "requests"]

Transport = Literal["tcp", "udp"]
SourceKind = Literal["rtsp", "http", "device", "file", "directory", "stdin"]

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg", ".flv", ".wmv", ".3gp"}
    | {".mjpeg", ".mjpg", ".h264", ".264", ".h265", ".265", ".hevc"}
)
"""File names taken from a directory; everything else in it is left alone."""

_LIVE_KINDS = ("rtsp", "http", "device")


@dataclass(frozen=True, slots=True, repr=False)
class SourceConfig:
    """One source. ``url`` is secret. ``transport`` matters for RTSP alone; the time-outs for live sources.

    Raises UsageError for an address of no known kind or a time-out that is not within 0 .. 600 s.
    """

    url: str
    transport: Transport = "tcp"
    open_timeout_s: float = 10.0
    read_timeout_s: float = 5.0

    def __post_init__(self) -> None:
        if not self.url or "\0" in self.url or "\n" in self.url:
            raise UsageError("A source is an address, a path or '-', not an empty or broken line.")
        for name, value in (("open_timeout_s", self.open_timeout_s), ("read_timeout_s", self.read_timeout_s)):
            if not 0 < value <= 600:
                raise UsageError(f"{name} has to be between 0 and 600 seconds, not {value}.")
        if self.transport not in ("tcp", "udp"):
            raise UsageError(f"transport has to be tcp or udp, not {self.transport!r}.")
        scheme = self.scheme
        if "://" in self.url and scheme not in ("rtsp", "rtsps", "http", "https", "file"):
            raise UsageError(f"{self.shown} is of no known kind: expected rtsp, rtsps, http, https, file or a path.")
        if scheme in ("rtsp", "rtsps", "http", "https") and not _host(self.url):
            raise UsageError(f"{self.shown} names no host.")

    @property
    def scheme(self) -> str:
        """Lower-case scheme, empty for a path."""
        return self.url.split("://", 1)[0].lower() if "://" in self.url else ""

    @property
    def kind(self) -> SourceKind:
        """What sort of source this is; a path is a directory when one is there now."""
        if self.url == "-":
            return "stdin"
        if self.scheme in ("rtsp", "rtsps"):
            return "rtsp"
        if self.scheme in ("http", "https"):
            return "http"
        if self.path.as_posix().startswith("/dev/video"):
            return "device"
        return "directory" if self.path.is_dir() else "file"

    @property
    def path(self) -> Path:
        """The local path of a file, directory or device."""
        return Path(unquote(self.url[7:]) if self.scheme == "file" else self.url).expanduser()

    @property
    def is_live(self) -> bool:
        """Whether time is the wall clock's and an end is a fault. A web address of a video file is a recording."""
        if self.kind == "http":
            return Path(urlsplit(self.url).path).suffix.lower() not in VIDEO_SUFFIXES - {".mjpeg", ".mjpg", ".ts"}
        return self.kind in _LIVE_KINDS

    @property
    def shown(self) -> str:
        """The address as people may see it."""
        return "standard input" if self.url == "-" else redact(self.url)

    def __repr__(self) -> str:
        return f"SourceConfig({self.shown}, transport={self.transport})"


def requests(config: SourceConfig) -> tuple[MediaRequest, ...]:
    """What to open, in order: one request, or one for every video file of a directory, sorted by name.

    Raises SourceRefused for a directory without video files or one that cannot be read.
    """
    kind = config.kind
    if kind == "directory":
        return tuple(_file_request(path) for path in _video_files(config))
    if kind == "file":
        return (_file_request(config.path),)
    if kind == "stdin":
        return (MediaRequest("pipe:0", options={"protocol_whitelist": "pipe"}),)
    if kind == "device":
        return (_device_request(config),)
    return (_rtsp_request(config) if kind == "rtsp" else _http_request(config),)


def open_source(request: MediaRequest, open_media: OpenMedia) -> Media:
    """Open ``request``; the two kinds that need a second look get it. Raises what ``open_media`` raises.

    A motion-JPEG web stream carries no stamps at all, so libav is asked to stamp arrivals (the best there is); a
    device that has no MJPEG mode is asked for H.264.
    """
    if request.container_format == "v4l2":
        try:
            return open_media(request)
        except SourceRefused:
            return open_media(replace(request, options={**request.options, "input_format": "h264"}))
    media = open_media(request)
    if request.is_live and media.stream.codec == "mjpeg" and request.location.startswith("http"):
        media.close()
        return open_media(replace(request, options={**request.options, "use_wallclock_as_timestamps": "1"}))
    return media


def _video_files(config: SourceConfig) -> list[Path]:
    try:
        found = sorted(p for p in config.path.iterdir() if p.suffix.lower() in VIDEO_SUFFIXES and p.is_file())
    except OSError as error:
        raise SourceRefused(f"Cannot read the directory {config.shown}: {error.strerror}.") from error
    if not found:
        raise SourceRefused(f"There is no video file in the directory {config.shown}.")
    return found


def _file_request(path: Path) -> MediaRequest:
    # "file:" keeps names such as "pipe:0" or "http:x.mp4" files; the whitelist keeps playlists inside them local.
    location = f"file:{path.absolute()}"
    return MediaRequest(location, options={"protocol_whitelist": "file,crypto,data"})


def _device_request(config: SourceConfig) -> MediaRequest:
    return MediaRequest(
        str(config.path),
        container_format="v4l2",
        options={"input_format": "mjpeg"},
        open_timeout_s=config.open_timeout_s,
        read_timeout_s=config.read_timeout_s,
        is_live=True,
    )


def _rtsp_request(config: SourceConfig) -> MediaRequest:
    options: dict[str, str] = {
        "rtsp_transport": config.transport,
        "allowed_media_types": "video",
        "protocol_whitelist": "rtsp,rtsps,rtp,srtp,tcp,udp,tls,crypto",
        # Stop looking after the first packet: the session description names codec and size, and waiting for more
        # costs a second. "fflags=nobuffer" would throw away the key frame that is read here.
        "probesize": "32",
        "analyzeduration": "0",
        "timeout": str(round(config.open_timeout_s * 1e6)),
    }
    if config.transport == "tcp":
        options["max_delay"] = "0"
    else:
        options |= {"max_delay": "200000", "buffer_size": "4194304"}
    return _live_request(config, options)


def _http_request(config: SourceConfig) -> MediaRequest:
    options = {
        "protocol_whitelist": "http,https,tcp,tls,crypto,data",
        "rw_timeout": str(round(config.open_timeout_s * 1e6)),
    }
    return _live_request(config, options)


def _live_request(config: SourceConfig, options: Mapping[str, str]) -> MediaRequest:
    return MediaRequest(
        config.url,
        options=options,
        open_timeout_s=config.open_timeout_s,
        read_timeout_s=config.read_timeout_s,
        is_live=config.is_live,
    )


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
