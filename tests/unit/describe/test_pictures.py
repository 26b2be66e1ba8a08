"""What a model is shown: the right cut, the right size, and nothing that is to be hidden."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from pipeline.describe.pictures import ModelPicture, Shot, choose, moments, take
from pipeline.describe.settings import PictureSettings, PrivacyRegion, PrivacySettings
from pipeline.descriptions import DescribeRequest
from pipeline.errors import SourceError
from pipeline.ingest.camera import CameraConfig, CameraReader
from pipeline.ingest.source import SourceConfig
from pipeline.types import PacketBatch
from tests.clips import numbered, read_number, write_clip
from tests.unit.describe.asking import AT, person, request

NOW_S = AT.timestamp()
OPEN = PrivacySettings()
HEADS = PrivacySettings(people="heads")


def frame(height: int = 720, width: int = 1280) -> np.ndarray:
    """Every pixel tells where it is: blue and green are its position, so that cuts can be checked."""
    y, x = np.indices((height, width))
    return np.stack([x * 255 // width, y * 255 // height, np.zeros_like(x)], 2).astype(np.uint8)


def pictures(asked: DescribeRequest, most: int = 2, privacy: PrivacySettings = OPEN) -> tuple[ModelPicture, ...]:
    return choose([Shot(frame(), NOW_S)], asked, PictureSettings(most, 512), privacy)


def shown(picture: ModelPicture) -> tuple[float, float, float, float]:
    """The part of the frame a picture shows, 0..1, read from its corner pixels (RGB: blue is last)."""
    first, last = picture.rgb[0, 0].astype(float), picture.rgb[-1, -1].astype(float)
    return first[2] / 255, first[1] / 255, last[2] / 255, last[1] / 255


def test_the_cut_comes_first_then_the_whole_scene() -> None:
    cut, whole = pictures(request(person(xyxy_norm=(0.4, 0.3, 0.5, 0.8))))
    x0, y0, x1, y1 = shown(cut)
    assert x0 < 0.4
    assert x1 > 0.5
    assert y0 < 0.3
    assert y1 > 0.8
    assert x1 - x0 < 0.5
    assert cut.caption == "person, enlarged from the whole scene"
    assert shown(whole) == pytest.approx((0, 0, 1, 1), abs=0.02)
    assert whole.caption == "the whole scene"


def test_no_picture_is_larger_than_asked_nor_enlarged() -> None:
    for picture in pictures(request(person(xyxy_norm=(0.4, 0.3, 0.5, 0.8)))):
        assert max(picture.rgb.shape) <= 512
        assert picture.rgb.dtype == np.uint8
        assert not picture.rgb.flags.writeable
    small = choose([Shot(frame(90, 160), NOW_S)], request(), PictureSettings(1, 512), OPEN)
    assert small[0].rgb.shape == (90, 160, 3)


def test_one_picture_is_the_whole_scene() -> None:
    (only,) = pictures(request(person()), most=1)
    assert only.caption == "the whole scene"


def test_without_objects_there_is_no_cut() -> None:
    (only,) = pictures(request(), most=4)
    assert only.caption == "the whole scene"


def test_objects_far_apart_are_cut_around_the_surest_person() -> None:
    asked = request(person(1, (0.02, 0.1, 0.08, 0.4)), person(2, (0.9, 0.5, 0.98, 0.9)))
    cut = pictures(asked)[0]
    x0, _, x1, _ = shown(cut)
    assert x0 < 0.02 + 0.01
    assert x1 < 0.3


def test_an_object_that_fills_the_frame_needs_no_cut() -> None:
    assert len(pictures(request(person(xyxy_norm=(0.05, 0.0, 0.95, 1.0))))) == 1


def test_a_far_person_is_shown_with_surroundings() -> None:
    x0, y0, x1, y1 = shown(pictures(request(person(xyxy_norm=(0.5, 0.5, 0.505, 0.52))))[0])
    assert x1 - x0 >= 0.1
    assert y1 - y0 >= 0.15


@pytest.mark.parametrize("box", [(-0.5, -0.5, 0.01, 0.02), (0.99, 0.99, 1.5, 1.5), (0.5, 0.5, 0.5, 0.5)])
def test_boxes_at_and_over_the_edge_are_cut_inside_the_frame(box: tuple[float, float, float, float]) -> None:
    for picture in pictures(request(person(xyxy_norm=box))):
        assert picture.rgb.size


def test_earlier_moments_are_shown_at_the_same_place() -> None:
    asked, settings = request(person()), PictureSettings(4, 512)
    times = moments(asked, settings, OPEN)
    assert times == pytest.approx((NOW_S, NOW_S - 1.5, NOW_S - 3.0))
    cut, _, before, long_before = choose([Shot(frame(), at_s) for at_s in times], asked, settings, OPEN)
    assert before.caption == "the enlarged part 1.5 s earlier"
    assert long_before.caption == "the enlarged part 3.0 s earlier"
    np.testing.assert_array_equal(before.rgb, cut.rgb)


def test_no_earlier_moments_where_there_is_no_room_window_object_or_where_people_are_hidden() -> None:
    four = PictureSettings(4, 512)
    assert moments(request(person()), PictureSettings(2, 512), OPEN) == (NOW_S,)
    assert moments(request(person(), window_s=0.1), four, OPEN) == (NOW_S,)
    assert moments(request(), four, OPEN) == (NOW_S,)
    assert moments(request(person()), four, HEADS) == (NOW_S,)


def board() -> np.ndarray:
    tiles = np.indices((720, 1280)).sum(0) // 4 % 2
    return (tiles[:, :, None].repeat(3, 2) * 255).astype(np.uint8)


def detail(rgb: np.ndarray) -> float:
    """Mean step between neighbouring pixels: high where a checkerboard is still to be seen."""
    return float(np.abs(np.diff(rgb[:, :, 0].astype(int), axis=1)).mean())


def test_heads_and_regions_are_hidden_in_every_picture_before_it_is_cut() -> None:
    region = PrivacyRegion("gate", ((0.0, 0.0), (0.3, 0.0), (0.3, 1.0), (0.0, 1.0)))
    other = PrivacyRegion("yard", ((0.6, 0.0), (1.0, 0.0), (1.0, 1.0)))
    asked = request(person(xyxy_norm=(0.4, 0.3, 0.5, 0.8)))
    privacy = PrivacySettings((region, other), "heads")
    cut, whole = choose([Shot(board(), NOW_S)], asked, PictureSettings(2, 4096), privacy)
    assert detail(whole.rgb[:, :380]) < 1
    assert detail(whole.rgb[:, 800:]) > 50  # the region of another camera is not hidden here
    assert detail(whole.rgb[220:310, 516:636]) < 8  # a mosaic of four cells
    assert detail(whole.rgb[400:570, 516:636]) > 50
    x0, y0, _, _ = (round(v) for v in _cut_origin(cut, whole))
    assert detail(cut.rgb[220 - y0 : 310 - y0, 516 - x0 : 636 - x0]) < 8


def _cut_origin(cut: ModelPicture, whole: ModelPicture) -> tuple[float, float, int, int]:
    height, width = cut.rgb.shape[:2]
    for y in range(0, whole.rgb.shape[0] - height + 1):
        for x in range(0, whole.rgb.shape[1] - width + 1):
            if np.array_equal(whole.rgb[y, x : x + width], cut.rgb[0]) and np.array_equal(
                whole.rgb[y : y + height, x : x + width], cut.rgb
            ):
                return x, y, width, height
    raise AssertionError("the cut is no part of the whole scene")


def test_people_are_not_hidden_by_guess_in_a_frame_of_another_moment() -> None:
    asked = request(person())
    with pytest.raises(SourceError, match="too far"):
        choose([Shot(board(), NOW_S - 1.0)], asked, PictureSettings(2, 512), HEADS)
    shots = [Shot(board(), NOW_S), Shot(board(), NOW_S - 1.0)]
    with pytest.raises(SourceError, match="too far"):
        choose(shots, asked, PictureSettings(4, 512), HEADS)


def test_frames_gone_from_the_bus_are_said_to_be_gone() -> None:
    with pytest.raises(SourceError):
        take([], request(person()), PictureSettings(), OPEN)
    with pytest.raises(SourceError, match="no frame"):
        choose([], request(person()), PictureSettings(), OPEN)


def packets(path: Path, frames: int = 60) -> list[PacketBatch]:
    write_clip(path, frames=frames, gop=20, paint=numbered)
    reader = CameraReader(CameraConfig("gate", SourceConfig(str(path)), has_frames=False))
    return [value for value in reader if isinstance(value, PacketBatch)]


def numbers(taken: tuple[ModelPicture, ...]) -> list[int]:
    return [read_number(picture.rgb[:, :, 1]) for picture in taken if picture.caption == "the whole scene"]


def test_native_frames_are_taken_from_the_packets_at_the_moment(tmp_path: Path) -> None:
    kept = packets(tmp_path / "a.mp4")
    asked = request(person(), at=datetime.fromtimestamp(1.6, UTC), window_s=1.0)
    assert numbers(take(kept, asked, PictureSettings(), OPEN)) == [40]
    assert [picture.at_s for picture in take(kept, asked, PictureSettings(4, 512), OPEN)] == pytest.approx(
        [1.6, 1.6, 1.08, 0.6], abs=0.03
    )


def test_a_moment_the_packets_no_longer_hold_is_gone_and_heads_need_its_own_frame(tmp_path: Path) -> None:
    kept = packets(tmp_path / "a.mp4")
    with pytest.raises(SourceError):
        take(kept, request(person(), at=datetime.fromtimestamp(9, UTC)), PictureSettings(), OPEN)
    late = request(person(), at=datetime.fromtimestamp(2.9, UTC))
    assert numbers(take(kept, late, PictureSettings(), OPEN)) == [59]
    with pytest.raises(SourceError, match="too far"):
        take(kept, late, PictureSettings(), HEADS)


@pytest.mark.parametrize("shape", [(720, 1280), (0, 10, 3), (10, 10, 4)])
def test_a_shot_is_a_colour_picture(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="BGR"):
        Shot(np.zeros(shape, np.uint8), NOW_S)
