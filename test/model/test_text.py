"""The text encoder and its tokens."""

import logging
from dataclasses import replace

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import BPE

from samwise_ros.config import TextConfig, preset
from samwise_ros.errors import CheckpointError
from samwise_ros.model.samwise import Samwise
from samwise_ros.model.text import PAD_ID, load_tokenizer, stack_tokens, tokenize
from samwise_ros.training.tokens import train_tokenizer

SHORT = replace(preset("compact").text, max_tokens=16)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("tokens") / "t.json"
    train_tokenizer(["the red ball", "the blue mug"] * 5, 300, path)
    return path


def test_ids_are_framed_and_padded_as_roberta_wants(path):
    ids = tokenize(load_tokenizer(path, SHORT), ["the red ball", "red"])
    assert ids[:, 0].tolist() == [0, 0]
    assert ids[0, -1] == 2
    assert ids[1, 2:].tolist() == [2] + [PAD_ID] * (ids.shape[1] - 3)


def test_case_and_spaces_do_not_matter(path):
    ids = tokenize(load_tokenizer(path, SHORT), ["The RED ball ", "the red ball"])
    assert torch.equal(ids[0], ids[1])


def test_any_script_has_ids(path):
    ids = tokenize(load_tokenizer(path, preset("compact").text), ["die rote Tasse ☕", "赤いボール"])
    assert (ids != 3).all(), "byte-level tokens never fall back to <unk>"


@pytest.mark.parametrize(("config", "length"), [(SHORT, 16), (TextConfig(), 512)])
def test_long_texts_are_cut_and_the_log_says_so(
    path, caplog: pytest.LogCaptureFixture, config: TextConfig, length: int
):
    tokenizer = load_tokenizer(path, config)
    with caplog.at_level(logging.WARNING):
        ids = tokenize(tokenizer, ["the red ball " * 1000, "the red ball"])
    assert ids.shape == (2, length)
    assert ids[0, -1] == 2
    (record,) = caplog.records
    assert "'the red ball the red ball" in record.getMessage()
    assert f"is cut after {length} tokens" in record.getMessage()


@torch.inference_mode()
def test_emoji_as_long_as_an_expression_may_be_pass_the_text_encoder(path, network: Samwise):
    ids = tokenize(load_tokenizer(path, preset("compact").text), ["🦀🧑🏽‍🚀" * 200])
    assert network.encode_text(ids).tokens.isfinite().all()


def test_tokenizer_of_another_model(path, tmp_path):
    with pytest.raises(CheckpointError, match=r"tokens with .*, expected \{'<s>': 0, .* and at most 10 tokens"):
        load_tokenizer(path, replace(SHORT, vocab_size=10))
    other = Tokenizer(BPE({"[CLS]": 0, "a": 1}, []))
    other.save(str(tmp_path / "t.json"))
    with pytest.raises(CheckpointError, match=r"has 2 tokens with \{'<s>': None.*: use the tokenizer that belongs"):
        load_tokenizer(tmp_path / "t.json", SHORT)


def test_missing_and_broken_tokenizers(tmp_path):
    with pytest.raises(CheckpointError, match=r"t\.json is missing, .* run `samwise download roberta`"):
        load_tokenizer(tmp_path / "t.json", SHORT)
    (tmp_path / "t.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"cannot be read .* replace it"):
        load_tokenizer(tmp_path / "t.json", SHORT)


@torch.inference_mode()
def test_layers_in_parts_equal_roberta_as_a_whole(network: Samwise):
    ids = torch.tensor([[0, 40, 50, 60, 2], [0, 40, 2, PAD_ID, PAD_ID]])
    encoder, padding = network.text_encoder, ids == PAD_ID
    x = encoder.embed(ids)
    for first, last in ((0, 1), (1, 3), (3, 4)):
        x = encoder.run_layers(x, padding, first, last)
    whole = encoder.roberta(input_ids=ids, attention_mask=(~padding).long()).last_hidden_state
    assert torch.allclose(x[~padding], whole[~padding], atol=1e-5)


def test_stacked_tokens_are_padded_only_where_they_have_to_be():
    two, four = torch.ones(1, 2, 3), torch.ones(1, 4, 3)
    marked = torch.tensor([[False, True]])
    assert stack_tokens([(two, None), (two, None)])[1] is None
    stacked, padding = stack_tokens([(two, None), (four, None)])
    assert padding.tolist() == [[False, False, True, True], [False] * 4]
    assert stacked.sum((1, 2)).tolist() == [6, 12]
    assert stack_tokens([(two, marked), (two, None)])[1].tolist() == [[False, True], [False, False]]
    stacked, padding = stack_tokens([(two, marked), (two, None)], 3)
    assert stacked.shape == (2, 3, 3)
    assert padding.tolist() == [[False, True, True], [False, False, True]]
    assert stack_tokens([(two, None)], 2)[1].tolist() == [[False, False]]
