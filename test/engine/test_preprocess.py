"""From a camera image to the network's input."""

import numpy as np
import pytest
import torch
from PIL import Image

from samwise_ros.engine.preprocess import MEAN, STD, fitted_size, normalise, padded_size, rgb_to_input

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("size", "fitted"),
    [((480, 640), (192, 256)), ((640, 480), (256, 192)), ((100, 100), (252, 252)), ((1, 4000), (1, 256))],
)
def test_the_long_side_becomes_the_networks(size: tuple[int, int], fitted: tuple[int, int]):
    assert fitted_size(*size, 256) == fitted


def test_normalised_values():
    rgb = torch.tensor([0, 128, 255], dtype=torch.uint8).reshape(1, 1, 1, 3)
    for channel, value in enumerate((0, 128, 255)):
        expected = (value / 255 - MEAN[channel]) / STD[channel]
        assert normalise(rgb)[0, channel, 0, 0].item() == pytest.approx(expected, abs=1e-5)


def test_padding_is_zero_at_the_bottom_and_right():
    wide = rgb_to_input(np.full((48, 64, 3), 255, np.uint8), (128, 128), CPU)
    assert wide.shape == (1, 3, 128, 128)
    assert (wide[..., 96:, :] == 0).all()
    assert (wide[..., :96, :] > 1).all()
    tall = rgb_to_input(np.full((64, 48, 3), 255, np.uint8), (128, 128), CPU)
    assert (tall[..., 96:] == 0).all()
    assert (tall[..., :96] > 1).all()


def test_no_more_is_padded_than_the_step_asks_for():
    sizes = [padded_size(*size, 256, 64) for size in ((480, 640), (640, 480), (720, 1280), (480, 480), (10, 1000))]
    assert sizes == [(192, 256), (256, 192), (192, 256), (256, 256), (64, 256)]
    image = rgb_to_input(np.full((40, 128, 3), 255, np.uint8), padded_size(40, 128, 128, 64), CPU)
    assert image.shape == (1, 3, 64, 128)
    assert (image[..., :40, :] > 1).all()
    assert (image[..., 40:, :] == 0).all()


def test_resizes_and_normalises():
    rgb = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    # Pillow resizes whole levels, too, bilinearly with antialiasing.
    small = np.asarray(Image.fromarray(rgb).resize((64, 48), Image.Resampling.BILINEAR))
    assert torch.allclose(
        rgb_to_input(rgb, (64, 64), CPU)[:, :, :48], normalise(torch.from_numpy(small.copy())[None]), atol=1e-5
    )


def test_read_only_and_strided_images_are_taken_and_left_alone():
    rgb = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    before = rgb.copy()
    view = rgb[:, ::-1]
    rgb.setflags(write=False)
    assert torch.equal(rgb_to_input(rgb, (64, 64), CPU), rgb_to_input(before, (64, 64), CPU))
    assert torch.equal(rgb_to_input(view, (64, 64), CPU), rgb_to_input(np.ascontiguousarray(view), (64, 64), CPU))
    assert np.array_equal(rgb, before)
