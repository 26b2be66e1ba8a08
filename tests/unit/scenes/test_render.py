from __future__ import annotations

from pathlib import Path

import av
import pytest

from pipeline.errors import StorageError
from pipeline.scenes import Renderer, load_truth, render

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
