"""From light to pictures."""

import cv2
import numpy as np
import pytest
import torch

from samwise_ros.data.sensor import Sensor, expose


def sensor(frames: int = 1, **habits: float) -> Sensor:
    values = {"blur_px": 0.0, "noise": 0.0, "quality": 0.0, "vignette": 0.0} | habits
    gain = torch.full((frames, 3), values.pop("gain", 1.0))
    return Sensor(gain, **{name: torch.full((frames,), value) for name, value in values.items()})


def take(light: torch.Tensor, **habits: float) -> torch.Tensor:
    noise = torch.randn(light.shape, generator=torch.Generator().manual_seed(0))
    return expose(light, sensor(len(light), **habits), noise)


def test_linear_light_becomes_srgb():
    light = torch.tensor([0.0, 0.001, 0.2140, 1.0, 3.0]).repeat_interleave(3).reshape(1, 1, 5, 3)
    assert take(light)[0, 0, :, 0].tolist() == [0, 3, 127, 255, 255]


def test_gain_is_exposure_and_white_balance():
    gain = torch.tensor([[2.0, 1.0, 0.5]])
    light = torch.full((1, 4, 4, 3), 0.2140)
    habits = Sensor(gain, *(torch.zeros(1) for _ in range(4)))
    red, green, blue = expose(light, habits, torch.zeros(light.shape))[0, 0, 0].tolist()
    assert (red, green) == (175, 127)
    assert blue < 100


def test_blur_spreads_a_point_and_keeps_a_flat_picture():
    light = torch.zeros(1, 15, 15, 3)
    light[0, 7, 7] = 0.9
    sharp, soft = take(light), take(light, blur_px=1.0)
    assert (sharp > 0).sum() == 3
    assert (soft > 0).sum() > 3 * 20
    assert (take(torch.full((1, 9, 9, 3), 0.5), blur_px=1.0) == 188).all()


def test_noise_is_as_strong_as_asked_and_the_same_again():
    light = torch.full((1, 64, 64, 3), 0.25)
    noisy = take(light, noise=0.05)
    assert 5 < noisy.float().std() < 20
    assert torch.equal(noisy, take(light, noise=0.05))
    assert take(light).float().std() == 0


def test_corners_are_darker():
    picture = take(torch.full((1, 33, 33, 3), 0.5), vignette=0.5)[0, :, :, 0]
    assert picture[16, 16] > picture[0, 16] > picture[0, 0]


def test_frames_have_habits_of_their_own():
    light = torch.zeros(2, 16, 16, 3)
    light[:, 8, 8] = 0.9
    habits = Sensor(torch.ones(2, 3), torch.tensor([0.0, 1.0]), torch.zeros(2), torch.zeros(2), torch.zeros(2))
    pictures = expose(light, habits, torch.zeros(light.shape))
    assert torch.equal(pictures[0], take(light[:1])[0])
    assert torch.equal(pictures[1], take(light[:1], blur_px=1.0)[0])


@pytest.mark.parametrize("size", [(64, 64), (50, 61)])
def test_compression_loses_about_what_jpeg_loses(size: tuple[int, int]):
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.integers(0, 256, (*size, 1), np.uint8), (0, 0), 2)
    picture = np.repeat(cv2.normalize(picture, None, 0, 255, cv2.NORM_MINMAX)[..., None], 3, 2)
    linear = torch.from_numpy((picture / 255.0) ** 2.2).float()[None]
    plain, ours = take(linear)[0].float(), take(linear, quality=1.0)[0].float()
    coded = cv2.imencode(".jpg", take(linear)[0].numpy(), [cv2.IMWRITE_JPEG_QUALITY, 50])[1]
    theirs = torch.from_numpy(cv2.imdecode(coded, cv2.IMREAD_COLOR)).float()
    assert (ours - plain).abs().mean() == pytest.approx(float((theirs - plain).abs().mean()), rel=0.35)
