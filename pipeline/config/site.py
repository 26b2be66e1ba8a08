"""From a site file to :class:`~pipeline.settings.SiteSettings`: read, put secrets in, check, build, name by a hash.

In: a path and an environment. Out: settings, or one ConfigError that lists every fault with its line. Next file:
``pipeline/settings.py``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.config.camera import CameraBuilder, check_labels, has_usable_port
from pipeline.config.describe import describe_settings
from pipeline.config.document import Document, Tree, read_document
from pipeline.config.faults import Fault, Place, config_error
from pipeline.config.models import CameraModel, DetectorModel, RedisModel, SiteModel
from pipeline.config.secrets import expand, secret_urls
from pipeline.config.sentences import faults_of
from pipeline.describe.settings import DescribeSettings
from pipeline.detect.card import card_from_fields, read_card_file
from pipeline.errors import ModelError
from pipeline.handover import to_json
from pipeline.settings import (
    BUNDLED_WEIGHTS,
    CameraSettings,
    DetectorSettings,
    LedgerSettings,
    RedisSettings,
    SearchSettings,
    Secret,
    SiteSettings,
    TelemetrySettings,
)

__all__ = ["load_site", "site_of", "site_of_urls"]

REDIS_SCHEMES = ("redis", "rediss", "unix")


def load_site(path: Path, env: Mapping[str, str] | None = None) -> SiteSettings:
    """The settings that the file at ``path`` describes; ``env`` (the process's own when None) fills ``${NAME}``.

    Raises ConfigError with one sentence per fault, each on a line of its own.
    """
    return site_of(read_document(path), os.environ if env is None else env)


def site_of_urls(urls: Sequence[str], env: Mapping[str, str] | None = None, folder: Path | None = None) -> SiteSettings:
    """Settings for nothing but addresses or files, each a camera named after its host or file; defaults for the rest.

    Relative paths count from ``folder`` (the current one when None). Raises ConfigError.
    """
    taken: list[str] = []
    for url in urls:
        taken.append(_free_name(_name_of(url), taken))
    tree: Tree = {
        "cameras": [{"name": name, "url": url.replace("${", "$${")} for name, url in zip(taken, urls, strict=True)]
    }
    document = Document("command line", (folder or Path.cwd()).absolute(), tree, {}, ())
    return site_of(document, os.environ if env is None else env)


def site_of(document: Document, env: Mapping[str, str]) -> SiteSettings:
    """The settings that ``document`` describes. Raises ConfigError with one sentence per fault."""
    listed, keys, faults = _listed(document.tree)
    tree, hidden, unset = expand(listed, env)
    faults += [*document.faults, *unset]
    model, refused = _readable(tree, hidden)
    site = _build(model, document, env, refused)
    told = {fault.place for fault in faults}
    faults += [fault for fault in refused if fault.place not in told]
    if faults or site is None:
        raise config_error(document.name, [_relocated(fault, keys) for fault in faults], document.lines)
    return site


def _readable(tree: Tree, hidden: Set[Place]) -> tuple[SiteModel, list[Fault]]:
    """The model of ``tree`` and what it refuses; parts with faults are replaced by defaults, so that the others are
    still checked against each other. A camera that cannot be read leaves None in its place."""
    try:
        return SiteModel.model_validate_json(json.dumps(tree)), []
    except ValidationError as error:
        faults = faults_of(error, tree, hidden)
    broken = {fault.place[:2] if fault.place[:1] == ("cameras",) else fault.place[:1] for fault in faults}
    sound = {key: value for key, value in tree.items() if (key,) not in broken} if isinstance(tree, dict) else {}
    cameras = sound.pop("cameras", [])
    listed = cameras if isinstance(cameras, list) else []
    model = SiteModel.model_validate_json(json.dumps({**sound, "cameras": []}))
    read = [
        None if ("cameras", index) in broken else CameraModel.model_validate_json(json.dumps(camera))
        for index, camera in enumerate(listed)
    ]
    return model.model_copy(update={"cameras": tuple(read)}), faults


def _listed(tree: Tree) -> tuple[Tree, list[str] | None, list[Fault]]:
    """``tree`` with cameras as a list, and the keys they had when they were written as a map."""
    if not isinstance(tree, dict):
        return {}, None, [Fault((), "a site file is a map; the smallest has 'cameras:' with one camera")]
    cameras = tree.get("cameras")
    if not isinstance(cameras, dict):
        return tree, None, [] if cameras != [] else [Fault(("cameras",), "names no camera")]
    faults = [] if cameras else [Fault(("cameras",), "names no camera")]
    listed: list[Tree] = []
    for key, camera in cameras.items():
        if isinstance(camera, dict):
            if "name" in camera:
                faults.append(Fault(("cameras", len(listed)), f"leave out name: the key {key!r} is its name"))
            listed.append({**camera, "name": key})
        else:
            listed.append({"name": key, "url": camera} if isinstance(camera, str) else camera)
    return {**tree, "cameras": listed}, list(cameras), faults


def _relocated(fault: Fault, keys: list[str] | None) -> Fault:
    """``fault`` at the place where the person wrote it: cameras by key where they were written as a map."""
    place = fault.place
    if keys is None or len(place) < 2 or place[0] != "cameras" or not isinstance(place[1], int):
        return fault
    rest = place[2:] if place[2:] != ("name",) else ()
    return replace(fault, place=("cameras", keys[place[1]], *rest))


def _build(model: SiteModel, document: Document, env: Mapping[str, str], faults: list[Fault]) -> SiteSettings | None:
    detector = _detector(model.detector, document.folder)
    known = _labels_of(detector.weights)
    faults += check_labels(detector.labels, known, ("detector", "labels"))
    for word, _ in detector.class_confidence:
        faults += [replace(f, place=("detector", "class_confidence", word)) for f in check_labels([word], known, ())]
    redis = _redis(model.redis, document.folder, faults)
    cameras = _cameras(model, document.folder, known, faults)
    private = {(place, camera.name): camera.private for place, camera in enumerate(model.cameras) if camera is not None}
    describe = describe_settings(model.describe, private, document.folder, faults)
    if faults or redis is None or describe is None:
        return None
    return SiteSettings(
        path=document.folder / Path(document.name).name,
        data_dir=_data_dir(model.data_dir, document.folder, env),
        redis=redis,
        telemetry=TelemetrySettings(model.telemetry.host, model.telemetry.port),
        ledger=LedgerSettings(model.ledger.keep_days, model.ledger.max_bytes),
        search=SearchSettings(model.search.keep_days, model.search.max_descriptions),
        text_encoder=_text_encoder(model.text_encoder, document.folder),
        detector=detector,
        describe=describe,
        cameras=cameras,
        config_hash=_hash(detector, describe, cameras),
    )


def _cameras(model: SiteModel, folder: Path, known: tuple[str, ...], faults: list[Fault]) -> tuple[CameraSettings, ...]:
    cameras = []
    seen: set[str] = set()
    for index, camera in enumerate(model.cameras):
        if camera is None:
            continue
        place: Place = ("cameras", index)
        if camera.name in seen:
            faults.append(Fault((*place, "name"), f"another camera is called {camera.name!r}"))
        seen.add(camera.name)
        cameras.append(CameraBuilder(camera, model.defaults, folder, place, known, faults).build())
    return tuple(camera for camera in cameras if camera is not None)


def _detector(model: DetectorModel, folder: Path) -> DetectorSettings:
    weights = model.weights
    if weights is not None:
        path = folder / Path(weights).expanduser()
        weights = str(path) if "/" in weights or path.exists() else weights
    return DetectorSettings(
        weights=weights,
        backend=model.backend,
        device=model.device,
        min_confidence=model.min_confidence,
        class_confidence=tuple(sorted(model.class_confidence.items())),
        labels=model.labels,
        max_age_s=model.max_age_s,
        max_batch=model.max_batch,
        frame_wh=model.frame_wh,
        streams=model.streams,
        threads=model.threads,
        has_looks=model.looks,
    )


def _text_encoder(written: str | None, folder: Path) -> str | None:
    """A folder as a path counted from ``folder``; a hub id and ``none`` as they are."""
    if written is None or written == "none":
        return written
    path = folder / Path(written).expanduser()
    return str(path) if path.is_dir() else written


def _labels_of(weights: str | None) -> tuple[str, ...]:
    """What the detector can say, where its metadata lie beside it; empty when only loading it would tell."""
    path = BUNDLED_WEIGHTS if weights is None else Path(weights)
    try:
        fields = read_card_file((path if path.is_dir() else path.parent) / "metadata.yaml")
        return card_from_fields(fields).labels
    except ModelError:
        return ()  # whoever loads the model says what is wrong with it


def _redis(model: RedisModel, folder: Path, faults: list[Fault]) -> RedisSettings | None:
    before = len(faults)
    urls = secret_urls(model, folder, ("redis",), faults)
    for key, value in urls.items():
        scheme, separator, rest = value.partition("://")
        if not separator or scheme.lower() not in REDIS_SCHEMES:
            faults.append(Fault(("redis", key), "expected redis://, rediss:// or unix://"))
        elif scheme.lower() != "unix" and not has_usable_port(rest):
            faults.append(Fault(("redis", key), "the host is followed by no port from 1 to 65535"))
    if "url" not in urls and len(faults) == before:
        needs = {"cluster": model.cluster, "password_file": model.password_file, "frames_url": model.frames_url}
        faults += [Fault(("redis", key), "needs url beside it") for key, given in needs.items() if given]
    if model.cluster and model.frames_url is not None:
        faults.append(Fault(("redis", "frames_url"), "cannot be used with cluster"))
    files = [_file_of(model, key, folder, faults) for key in ("ca_file", "cert_file", "key_file")]
    if len(faults) > before:
        return None
    url, frames_url = (Secret(urls[key]) if key in urls else None for key in ("url", "frames_url"))
    return RedisSettings(url, frames_url, model.cluster, *files)


def _file_of(model: RedisModel, key: str, folder: Path, faults: list[Fault]) -> Path | None:
    """The file that ``key`` names, counted from ``folder``; a fault when it is not there."""
    given = getattr(model, key)
    if given is None:
        return None
    path = folder / Path(given).expanduser()
    if not path.is_file():
        faults.append(Fault(("redis", key), "there is no such file"))
    return path


def _data_dir(written: str | None, folder: Path, env: Mapping[str, str]) -> Path:
    if written is not None:
        return folder / Path(written).expanduser()
    state = env.get("XDG_STATE_HOME", "")
    base = Path(state) if state.startswith("/") else Path("~/.local/state").expanduser()
    return base / "vedette"


def _hash(detector: DetectorSettings, describe: DescribeSettings, cameras: tuple[CameraSettings, ...]) -> str:
    """16 hex digits of all that decides alerts; addresses (with their secrets) and where files lie stay out."""
    weights = None if detector.weights is None else Path(detector.weights).name
    plain: list[Any] = [json.loads(to_json(replace(detector, weights=weights))), _describer(describe)]
    plain += [json.loads(to_json(replace(camera, url=Secret(""), detect_url=None))) for camera in cameras]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


def _describer(describe: DescribeSettings) -> list[Any]:
    """Whose words, in which language: all of it that alerts show."""
    names = {
        "grounded": None,
        "vlm": Path(describe.model.model).name,
        "server": None if describe.server is None else describe.server.model,
    }
    return [describe.backend, describe.language, names[describe.backend]]


def _name_of(url: str) -> str:
    """A camera name for an address: its host (never its user), or the file's name without suffix."""
    scheme, separator, rest = url.partition("://")
    if separator and scheme.lower() != "file":
        words = (
            rest.partition("/")[0].rpartition("@")[2].rpartition(":")[0] or rest.partition("/")[0].rpartition("@")[2]
        )
    else:
        words = Path(rest or scheme).stem
    return re.sub(r"[^A-Za-z0-9_-]+", "-", words).strip("-")[:56] or "camera"


def _free_name(name: str, taken: Sequence[str]) -> str:
    number = 2
    free = name
    while free in taken:
        free = f"{name}-{number}"
        number += 1
    return free
