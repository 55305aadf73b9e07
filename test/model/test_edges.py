"""Masks that follow the edges of the picture."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from samwise_ros.engine.preprocess import normalise
from samwise_ros.model.build import build_model, wrap_network
from samwise_ros.model.edges import SOFTNESS, follow_edges
from samwise_ros.model.sam2_steps import NO_OBJECT_LOGIT
from samwise_ros.model.segmenter import Past


def two_halves(edge: int, height: int = 64, width: int = 96) -> torch.Tensor:
    """A normalised image: reddish left of a column, bluish from it on, with a little noise."""
    torch.manual_seed(0)
    image = 0.02 * torch.randn(3, height, width)
    image[0, :, :edge] += 1.0
    image[2, :, edge:] += 0.7
    return image


@pytest.mark.parametrize("edge", [38, 41, 43])
def test_a_mask_ends_where_the_colour_does(edge: int):
    """Cells of four pixels; the logits have their edge up to a cell away, and hardly know."""
    cells = (10 - torch.arange(24.0)).clamp(-2, 2).expand(1, 16, 24)
    mask = follow_edges(cells, two_halves(edge)) > 0
    assert mask.shape == (1, 64, 96)
    assert ((mask[0].sum(1) - edge).abs() <= 1).all()
    plain = F.interpolate(cells[None], (64, 96), mode="bilinear")[0] > 0
    assert not ((plain[0].sum(1) - edge).abs() <= 0).all()


def test_without_edges_a_mask_stays():
    rows, columns = torch.meshgrid(torch.arange(16.0), torch.arange(24.0), indexing="ij")
    cells = 3 * (5 - torch.hypot(rows - 8, columns - 12))[None]
    mask = follow_edges(cells, torch.zeros(3, 64, 96)) > 0
    plain = F.interpolate(cells[None], (64, 96), mode="bilinear")[0] > 0
    assert (mask & plain).sum() > 0.93 * (mask | plain).sum()


def test_a_mask_that_is_a_function_of_the_colour_is_found_exactly():
    torch.manual_seed(0)
    image = F.interpolate(torch.rand(1, 3, 8, 8), (64, 64), mode="nearest")[0] * 2
    wanted = 0.2 * image[0] - 0.1 * image[1] + 0.05 * image[2] - 0.15
    cells = F.interpolate(wanted[None, None], (16, 16), mode="area")[0]
    found = follow_edges(SOFTNESS * torch.logit(cells + 0.5), image) / 4
    assert (found - wanted).abs().max() < 0.01


def test_grey_pictures_lose_nothing_in_rounding():
    """Their colours are of one dimension, so that what explains a mask by three is nearly undetermined."""
    torch.manual_seed(0)
    texture = F.interpolate((torch.rand(1, 1, 16, 16) > 0.5).float(), (256, 256), mode="nearest")[0]
    rows, columns = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    disc = torch.hypot(rows - 120, columns - 130)[None] < 60
    pixels = (255 * torch.where(disc, 0.5, texture)).to(torch.uint8)[0, :, :, None].expand(-1, -1, 3)
    image = normalise(pixels[None])[0]
    cells = F.avg_pool2d(disc.float(), 4) * 8 - 4
    ours = follow_edges(cells, image)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, "float", torch.Tensor.double)
        exact = follow_edges(cells.double(), image.double())
    assert exact.dtype == torch.float64
    assert (ours - exact).abs().max() < 0.05


def test_what_is_not_there_stays_away():
    cells = torch.full((2, 16, 24), NO_OBJECT_LOGIT)
    assert (follow_edges(cells, two_halves(41)) < 0).all()


def test_targets_do_not_mix():
    cells = torch.stack([(10 - torch.arange(24.0)).expand(16, 24), (torch.arange(24.0) - 5).expand(16, 24)])
    image = two_halves(41)
    both = follow_edges(cells, image)
    assert torch.allclose(both[1], follow_edges(cells[1:], image)[0], atol=1e-5)


@pytest.mark.parametrize("preset", ["compact", "refsam_compact"])
def test_our_presets_masks_are_as_fine_as_the_image(preset: str, tokenizer):
    segmenter = wrap_network(build_model(preset).eval(), tokenizer)
    side = segmenter.image_side_px
    image = torch.randn(1, 3, side, side)
    past = Past((0,), {})
    seen = segmenter.encode_images(image)
    prediction = segmenter.decode(segmenter.fuse(seen, [segmenter.encode_text("the red ball")], past), 0, past)
    assert prediction.mask_logits.shape == (1, side, side)
