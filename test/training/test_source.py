"""The synthetic world as a source of batches."""

import torch

from samwise_ros.training import source
from samwise_ros.training.recipe import read_recipe
from samwise_ros.training.source import SyntheticSource


def test_samples_do_not_depend_on_where_a_run_was_resumed(write_recipe, small_run, monkeypatch):
    monkeypatch.setattr(source, "PART_STEPS", 3)
    made = SyntheticSource(read_recipe(write_recipe()))
    whole = [batch for step in (0, 3, 4) for batch in made.batches(step, 1)]
    assert len(whole) == 6
    for step in (1, 2, 5):
        batch = next(made.batches(step, 1))
        assert torch.equal(batch.rgb, whole[step].rgb)
        assert batch.texts == whole[step].texts
    assert not any(torch.equal(whole[a].rgb[0], whole[b].rgb[0]) for a in range(4) for b in range(a))
