"""Stages: what is on the table, and how it moves."""

import numpy as np
import torch

from samwise_ros.data.staging import Stage

CPU = torch.device("cpu")


def test_a_stage_is_a_function_of_its_seed():
    moments = np.array([0.0, 7.0])
    first, again, other = (Stage(seed).film(moments, 48, 64, CPU) for seed in (3, 3, 4))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1].owner, again[1].owner)
    assert not torch.equal(first[0], other[0])


def test_a_moment_is_the_same_whatever_else_is_filmed():
    stage = Stage(5)
    alone, together = stage.film(np.array([9.0]), 48, 64, CPU), stage.film(np.array([2.0, 9.0, 30.0]), 48, 64, CPU)
    assert torch.equal(alone[1].owner[0], together[1].owner[1])
    assert (alone[0][0].int() - together[0][1].int()).abs().max() <= 1


def test_pictures_show_the_objects_and_arms_come_last():
    pictures, share = [], []
    for seed in range(12):
        stage = Stage(seed)
        rgb, filmed = stage.film(np.array([0.0, 12.0]), 64, 64, CPU)
        assert rgb.dtype == filmed.owner.dtype == torch.uint8
        assert 3 <= len(stage.objects) <= 8
        assert [thing.index for thing in stage.objects] == list(range(1, len(stage.objects) + 1))
        assert filmed.owner.max() <= len(stage.props)
        pictures.append(rgb.float().mean().item())
        share.append(((filmed.owner > 0) & (filmed.owner <= len(stage.objects))).float().mean().item())
    assert 0.03 < np.mean(share) < 0.4
    assert 70 < np.mean(pictures) < 190, "exposed neither too dark nor too bright"
    assert any(prop.thing is None for seed in range(12) for prop in Stage(seed).props)
