from __future__ import annotations

import json
from pathlib import Path

import av
import jsonschema
import pytest

from pipeline import scenes
from pipeline.errors import StorageError
from pipeline.scenes import Renderer, Truth, load_truth, render
from pipeline.scenes.model import ActorSpec, Look, Prop, Step, Zone

from .conftest import SceneFactory, walker


def test_a_video_and_its_truth_are_written(tiny: SceneFactory, tmp_path: Path) -> None:
    scene = tiny(actors=(walker("a", (-2, 3), (2, 3)),))
    steps: list[tuple[int, int]] = []
    out, beside = tmp_path / "o.mp4", tmp_path / "o.json"
    truth = render(scene, out, seed=2, truth=beside, progress=lambda done, total: steps.append((done, total)))
    assert steps == [(i, 10) for i in range(1, 11)]
    assert load_truth(beside) == truth
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        assert stream.codec_context.name == "h264"
        assert stream.average_rate == 5
    assert len(pictures) == len(truth.frames) == 10
    rendered = Renderer(scene, 2).frame(4)[0]
    assert abs(pictures[4].astype(int) - rendered.astype(int)).mean() < 8


def test_the_truth_obeys_its_schema(tiny: SceneFactory) -> None:
    schema = json.loads((Path(scenes.__file__).parent / "truth.schema.json").read_text())
    steps = (Step("go", ((-2.0, 4.0), (2.0, 4.0))), Step("drop", seconds=1.0), Step("fall", style="side"), Step("lie"))
    zone = Zone("mat", ((-3.0, 2.0), (3.0, 2.0), (3.0, 6.0), (-3.0, 6.0)), role="restricted")
    scene = tiny(
        actors=(
            ActorSpec("a", "person", steps, 0.0, Look(carry="backpack")),
            ActorSpec("b", "bicycle", (Step("go", ((-4.0, 6.0), (8.0, 6.0))),)),
        ),
        props=(Prop("car", (2.0, 8.0), color="red"),),
        zones=(zone,),
        seconds=6.0,
    )
    renderer = Renderer(scene, 0)
    frames = tuple(renderer.frame(i)[1] for i in (0, 9, 19, 25))
    truth = Truth("t", "t", 0, 5, (160, 90), False, 6.0, renderer.zones(), renderer.events, frames)
    assert {o.label for f in frames for o in f.objects} == {"person", "bag", "bicycle", "car"}
    jsonschema.validate(json.loads(truth.to_json()), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**json.loads(truth.to_json()), "fps": "fast"}, schema)


def test_pictures_from_elsewhere_make_the_same_file(tiny: SceneFactory, tmp_path: Path) -> None:
    scene = tiny(actors=(walker("a", (-2, 3), (2, 3)),))
    render(scene, tmp_path / "a.mp4", seed=2)
    render(scene, tmp_path / "b.mp4", seed=2, pictures=iter(Renderer(scene, 2)))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_place_that_cannot_be_written_is_one_sentence(tiny: SceneFactory, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot write a video"):
        render(tiny(), tmp_path / "no" / "o.mp4")


def test_shorter_on_request(tiny: SceneFactory, tmp_path: Path) -> None:
    truth = render(tiny(), tmp_path / "o.mkv", seconds=0.6)
    assert len(truth.frames) == 3
    assert truth.seconds == 0.6
