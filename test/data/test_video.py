"""Reading and writing footage."""

from __future__ import annotations

import logging
import subprocess
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from samwise_ros.data.video import NOMINAL_RATE_HZ, ImageFiles, VideoFile, VideoWriter, open_footage, read_image
from samwise_ros.errors import ImageError


def gray(level: int, width_px: int = 64, height_px: int = 48) -> npt.NDArray[np.uint8]:
    return np.full((height_px, width_px, 3), level, np.uint8)


def write_video(path: Path, frames: list[npt.NDArray[np.uint8]], rate_hz: float = 10.0) -> Path:
    with VideoWriter(path, rate_hz) as writer:
        for rgb in frames:
            writer.write(rgb)
    return path


def write_image(path: Path, rgb: npt.NDArray[np.uint8]) -> Path:
    Image.fromarray(rgb).save(path)
    return path


def test_a_video_comes_back_in_order_with_its_times_and_colors(tmp_path: Path) -> None:
    red, blue = np.zeros((48, 64, 3), np.uint8), np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = blue[..., 2] = 255
    footage = open_footage(write_video(tmp_path / "clip.mp4", [red, red, blue]))
    assert isinstance(footage, VideoFile)
    assert (footage.rate_hz, footage.total_frames, footage.is_still) == (10.0, 3, False)
    frames = list(footage)
    assert [(index, frame.stamp_ns) for index, frame in frames] == [(0, 0), (1, 100_000_000), (2, 200_000_000)]
    for (_, frame), rgb in zip(frames, [red, red, blue], strict=True):
        assert frame.rgb.dtype == np.uint8
        assert np.abs(frame.rgb.astype(int) - rgb).max() < 12
    assert len(list(footage)) == 3, "a second iteration starts over"


@pytest.mark.parametrize("suffix", [".avi", ".mkv"])
def test_other_containers_are_read_too(tmp_path: Path, suffix: str) -> None:
    mp4 = write_video(tmp_path / "clip.mp4", [gray(10 * i) for i in range(6)])
    other = tmp_path / f"clip{suffix}"
    copy = ["-v", "error", "-i", str(mp4), "-c", "copy", str(other)]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), *copy], check=True)
    stamps_ns = [frame.stamp_ns for _, frame in open_footage(other)]
    assert len(stamps_ns) == 6
    assert stamps_ns == sorted(set(stamps_ns))


def test_a_name_with_a_time_is_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with VideoWriter(tmp_path / "clip.mp4", 10.0) as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8))
    (tmp_path / "clip.mp4").rename(tmp_path / "2024-05-01T12:30:05.mp4")
    monkeypatch.chdir(tmp_path)
    assert len(list(VideoFile(Path("2024-05-01T12:30:05.mp4")))) == 1


def test_a_damaged_stretch_is_skipped_and_the_rest_still_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 48, 64, 3), dtype=np.uint8)
    clip = write_video(tmp_path / "clip.mp4", list(noise))
    content = bytearray(clip.read_bytes())
    middle = len(content) // 2
    content[middle : middle + len(content) // 10] = bytes(len(content) // 10)
    clip.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        frames = list(open_footage(clip))
    assert 40 < len(frames) < 60
    assert [index for index, _ in frames] == list(range(len(frames)))
    stamps_ns = [frame.stamp_ns for _, frame in frames]
    assert stamps_ns == sorted(set(stamps_ns))
    assert stamps_ns[-1] > 5_500_000_000, "frames after the damage are there, at their own times"
    assert f"declares 60 frames, {len(frames)} could be read" in caplog.text


def test_a_folder_is_read_in_natural_order_and_other_files_ignored(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        write_image(tmp_path / f"frame{number}.png", gray(number))
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "._frame1.png").write_bytes(b"resource fork")
    footage = open_footage(tmp_path)
    assert (footage.rate_hz, footage.total_frames, footage.is_still) == (NOMINAL_RATE_HZ, 3, False)
    frames = list(footage)
    assert [int(frame.rgb[0, 0, 0]) for _, frame in frames] == [1, 2, 10]
    assert [frame.stamp_ns for _, frame in frames] == [0, 33_333_333, 66_666_667]


def test_a_broken_image_leaves_a_gap_in_the_indices(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    for number in range(5):
        write_image(tmp_path / f"{number}.jpg", noise)
    whole = (tmp_path / "1.jpg").read_bytes()
    (tmp_path / "1.jpg").write_bytes(whole[: len(whole) // 2])
    write_image(tmp_path / "3.jpg", gray(0, width_px=32, height_px=20))
    with caplog.at_level(logging.WARNING):
        indices = [index for index, _ in open_footage(tmp_path)]
    assert indices == [0, 2, 4]
    assert "1.jpg' cannot be read" in caplog.text
    assert "3.jpg' is 32x20, the first one is 64x48: skipped" in caplog.text


def test_one_image_is_still_footage(tmp_path: Path) -> None:
    footage = open_footage(write_image(tmp_path / "photo.PNG", gray(7)))
    assert isinstance(footage, ImageFiles)
    assert (footage.is_still, footage.total_frames) == (True, 1)
    [(index, frame)] = footage
    assert (index, frame.stamp_ns, frame.rgb.shape) == (0, 0, (48, 64, 3))


def test_images_become_upright_8_bit_rgb(tmp_path: Path) -> None:
    assert read_image(write_image(tmp_path / "alpha.png", np.full((4, 6, 4), 9, np.uint8))).shape == (4, 6, 3)
    deep = write_image(tmp_path / "deep.png", np.full((4, 6), 0x8040, np.uint16))
    assert np.array_equal(read_image(deep), np.full((4, 6, 3), 0x80, np.uint8))
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (6, 4)).save(tmp_path / "turned.jpg", exif=turned)
    assert read_image(tmp_path / "turned.jpg").shape == (6, 4, 3)


def test_what_cannot_be_read_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"'.*nowhere\.mp4' does not exist: expected a video file, a folder of images"):
        open_footage(tmp_path / "nowhere.mp4")
    with pytest.raises(ImageError, match=r"holds no images: expected files that end in one of \.bmp, "):
        open_footage(tmp_path)
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(ImageError, match=r"text\.mp4' cannot be read as a video: expected a complete mp4, avi or mkv"):
        open_footage(tmp_path / "text.mp4")
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(ImageError, match=r"image '.*text\.png' cannot be read \(cannot identify image file"):
        list(open_footage(tmp_path / "text.png"))
    with pytest.raises(ImageError, match=r"none of the 1 images in '.*' can be read"):
        list(open_footage(tmp_path))


def test_odd_sizes_gain_a_row_and_a_column(tmp_path: Path) -> None:
    [(_, frame)] = open_footage(write_video(tmp_path / "odd.mp4", [gray(200, width_px=33, height_px=21)]))
    assert frame.rgb.shape == (22, 34, 3)
    assert frame.rgb[:20, :32].min() > 180


def test_the_video_is_h264_that_every_player_shows(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "clip.mp4", [gray(0)])
    probe = subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(clip)], capture_output=True, text=True)
    assert "h264" in probe.stderr
    assert "yuv420p" in probe.stderr


def test_an_interrupted_recording_can_be_played(tmp_path: Path) -> None:
    def record() -> None:
        with VideoWriter(tmp_path / "clip.mp4", 10.0) as writer:
            for level in range(5):
                writer.write(gray(level))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record()
    assert len(list(open_footage(tmp_path / "clip.mp4"))) == 5


def test_a_writer_without_frames_leaves_no_file(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", [])
    assert not list(tmp_path.iterdir())


def test_a_frame_of_another_kind_is_refused(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "clip.mp4", 10.0) as writer:
        with pytest.raises(ImageError, match=r"got a frame of float32 \(48, 64, 3\), expected uint8 \(48, 64, 3\)"):
            writer.write(gray(0).astype(np.float32))
        with pytest.raises(ImageError, match=r"got a frame of uint8 \(48, 64, 4\), expected uint8 \(48, 64, 3\)"):
            writer.write(np.zeros((48, 64, 4), np.uint8))
        writer.write(gray(0))
        with pytest.raises(ImageError, match="all frames of a video are 8-bit RGB of one size"):
            writer.write(gray(0, width_px=32))


def test_a_video_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"ffmpeg cannot write video '.*clip\.mp4' \(.*No such file"):
        write_video(tmp_path / "nowhere" / "clip.mp4", [gray(0)] * 3)


def test_times_always_rise_where_the_file_tells_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Timeless:
        def __init__(self) -> None:
            self.left = 3

        def get(self, _: int) -> float:
            return 0.0

        def read(self) -> tuple[bool, npt.NDArray[np.uint8] | None]:
            self.left -= 1
            return (True, gray(0)) if self.left >= 0 else (False, None)

        def isOpened(self) -> bool:  # noqa: N802
            return True

        def release(self) -> None:
            pass

    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: Timeless())
    footage = VideoFile(tmp_path / "raw.h264")
    assert (footage.rate_hz, footage.total_frames) == (NOMINAL_RATE_HZ, None)
    assert [frame.stamp_ns for _, frame in footage] == [0, 33_333_333, 66_666_666]
