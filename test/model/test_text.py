"""The text encoder and its tokens."""

import pytest
import torch

from samwise_ros.errors import CheckpointError
from samwise_ros.model.samwise import Samwise
from samwise_ros.model.text import PAD_ID, load_tokenizer, tokenize
from samwise_ros.training.tokens import train_tokenizer


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("tokens") / "t.json"
    train_tokenizer(["the red ball", "the blue mug"] * 5, 300, path)
    return path


def test_ids_are_framed_and_padded_as_roberta_wants(path):
    ids = tokenize(load_tokenizer(path, 16), ["the red ball", "red"])
    assert ids[:, 0].tolist() == [0, 0]
    assert ids[0, -1] == 2
    assert ids[1, 2:].tolist() == [2] + [PAD_ID] * (ids.shape[1] - 3)


def test_case_and_spaces_do_not_matter(path):
    ids = tokenize(load_tokenizer(path, 16), ["The RED ball ", "the red ball"])
    assert torch.equal(ids[0], ids[1])


def test_any_script_has_ids(path):
    ids = tokenize(load_tokenizer(path, 64), ["die rote Tasse ☕", "赤いボール"])
    assert (ids != 3).all(), "byte-level tokens never fall back to <unk>"


def test_long_texts_are_cut(path):
    ids = tokenize(load_tokenizer(path, 16), ["the red ball " * 100])
    assert ids.shape == (1, 16)
    assert ids[0, -1] == 2


def test_missing_and_broken_tokenizers(tmp_path):
    with pytest.raises(CheckpointError, match=r"t\.json is missing, expected a tokenizer\.json"):
        load_tokenizer(tmp_path / "t.json", 16)
    (tmp_path / "t.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"cannot be read .* replace it"):
        load_tokenizer(tmp_path / "t.json", 16)


@torch.inference_mode()
def test_layers_in_parts_equal_roberta_as_a_whole(network: Samwise):
    ids = torch.tensor([[0, 40, 50, 60, 2], [0, 40, 2, PAD_ID, PAD_ID]])
    encoder, padding = network.text_encoder, ids == PAD_ID
    x = encoder.embed(ids)
    for first, last in ((0, 1), (1, 3), (3, 4)):
        x = encoder.run_layers(x, padding, first, last)
    whole = encoder.roberta(input_ids=ids, attention_mask=(~padding).long()).last_hidden_state
    assert torch.allclose(x[~padding], whole[~padding], atol=1e-5)
