"""What a training starts from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

from samwise_ros.model.build import find_weights
from samwise_ros.model.checkpoint import save_weights, tokenizer_path
from samwise_ros.model.refsam import RefSam
from samwise_ros.training.recipe import read_recipe
from samwise_ros.training.start import find_start_tokenizer, start_network
from samwise_ros.training.tokens import train_tokenizer

CONFIG = Path(__file__).parents[2] / "config"


@pytest.mark.parametrize("model", ["compact", "refsam_compact"])
def test_positions_start_as_waves_along_both_axes(model: str) -> None:
    network = start_network(read_recipe(CONFIG / f"train_{model}.yaml"))
    if isinstance(network, RefSam):
        embed = network.sam.pos_embed[0]
    else:
        embed = network.sam.image_encoder.trunk.pos_embed[0].permute(1, 2, 0)
    across, down = embed.chunk(2, -1)
    assert torch.equal(across, across[:1].expand_as(across))
    assert torch.equal(down, down[:, :1].expand_as(down))
    rows, columns = embed.shape[:2]
    assert len(embed.flatten(0, 1).unique(dim=0)) == rows * columns, "every cell knows where it is"
    sine, cosine = across[0, :, 0], across[0, :, across.shape[-1] // 2]
    angle = torch.pi / 2 * (torch.arange(columns) + 0.5) / columns
    assert torch.allclose(sine / cosine, angle.tan(), rtol=1e-4)


def test_the_tokenizer_is_that_of_the_weights_whatever_lies_there(tmp_path: Path) -> None:
    recipe = replace(read_recipe(CONFIG / "train_compact.yaml"), start_from=str(find_weights("compact", tmp_path)))
    network, weights = start_network(recipe), tmp_path / "compact.safetensors"
    tokenizer_path(weights).write_text("of an attempt from something else")
    tokenizer = find_start_tokenizer(recipe, network, weights, [])
    shipped = tokenizer_path(Path(recipe.start_from))
    assert tokenizer_path(weights).read_bytes() == shipped.read_bytes()
    assert tokenizer.get_vocab() == Tokenizer.from_file(str(shipped)).get_vocab()


def test_weights_that_lack_a_part_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recipe = read_recipe(CONFIG / "train_compact.yaml")
    path = tmp_path / "compact.safetensors"
    save_weights(start_network(replace(recipe, leave_out=("memory_check", "object_score"))), "compact", path)
    network = start_network(replace(recipe, start_from=str(path)))
    assert not network.config.memory_check
    assert "is without object_score, memory_check of compact: what is trained is so, too" in caplog.text
    caplog.clear()
    start_network(replace(recipe, start_from=str(find_weights("compact", tmp_path))))
    assert not caplog.text


def test_a_training_that_goes_on_keeps_its_tokenizer(tmp_path: Path) -> None:
    recipe = replace(read_recipe(CONFIG / "train_compact.yaml"), start_from=str(find_weights("compact", tmp_path)))
    network, weights = start_network(recipe), tmp_path / "compact.safetensors"
    train_tokenizer(["the red mug"], network.config.text.vocab_size, tokenizer_path(weights))
    began_with = tokenizer_path(weights).read_bytes()
    find_start_tokenizer(recipe, network, weights, [], resumed=True)
    assert tokenizer_path(weights).read_bytes() == began_with
    find_start_tokenizer(recipe, network, weights, [])
    assert tokenizer_path(weights).read_bytes() != began_with
    fresh = replace(recipe, start_from=None)
    tokenizer = find_start_tokenizer(fresh, network, weights, ["a purple cow"])
    assert "cow" in str(tokenizer.get_vocab()), "what lay there was of another attempt"
    again = find_start_tokenizer(fresh, network, weights, [], first=False)
    assert again.get_vocab() == tokenizer.get_vocab(), "another process takes what the first one made"
    assert [path.suffix for path in tmp_path.iterdir()] == [".json"]


def test_refsam_without_some_of_its_parts() -> None:
    recipe = read_recipe(CONFIG / "train_refsam_compact.yaml")
    network = start_network(replace(recipe, leave_out=("dense_attention", "tracking")))
    assert isinstance(network, RefSam)
    assert network.dense_attention is network.tracking is None
    assert network.hierarchical_attention is not None
