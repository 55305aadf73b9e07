"""RefSAM's text encoders and the tokens that belong to them."""

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import T5EncoderModel

from samwise_ros.config import T5Config, TextConfig, preset
from samwise_ros.errors import CheckpointError
from samwise_ros.model.recognise import text_encoder_of
from samwise_ros.model.refsam_text import RobertaEncoder, T5Encoder, build_text_encoder, mean_word, t5_sizes
from samwise_ros.model.text import load_tokenizer, tokenize

SMALL = T5Config(vocab_size=50, width=16, layers=2, heads=2, head_width=4, ffn=32)
IDS = torch.tensor([[7, 8, 9, 10, 1], [7, 8, 1, 0, 0]])


@pytest.mark.parametrize("gated", [False, True])
@torch.inference_mode()
def test_t5_is_that_of_transformers(gated: bool):
    config = T5Config(vocab_size=50, width=16, layers=2, heads=2, head_width=4, ffn=32, gated=gated)
    ours = T5Encoder(config).eval()
    theirs = T5EncoderModel(t5_sizes(config)).eval()
    for value in theirs.parameters():
        value.normal_(0, 0.5)
    ours.t5.load_state_dict(theirs.encoder.state_dict())
    padding = IDS == 0
    expected = theirs(input_ids=IDS, attention_mask=(~padding).long()).last_hidden_state
    assert torch.allclose(ours(IDS, padding)[~padding], expected[~padding], atol=1e-5)


@torch.inference_mode()
def test_roberta_runs_from_end_to_end():
    config = preset("refsam_compact").text
    encoder = build_text_encoder(config).eval()
    assert isinstance(encoder, RobertaEncoder)
    ids = torch.tensor([[0, 40, 50, 60, 2], [0, 40, 2, 1, 1]])
    padding = ids == config.special_ids["<pad>"]
    expected = encoder.roberta(input_ids=ids, attention_mask=(~padding).long()).last_hidden_state
    assert torch.allclose(encoder(ids, padding)[~padding], expected[~padding], atol=1e-5)


def test_the_sentence_is_the_mean_of_the_words_without_padding():
    words = torch.tensor([[[1.0, 2], [3, 4], [99, 99]], [[1, 0], [2, 0], [3, 3]]])
    padding = torch.tensor([[False, False, True], [False] * 3])
    assert torch.equal(mean_word(words, padding), torch.tensor([[2.0, 3], [2, 1]]))


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        T5Config(vocab_size=50, width=16, layers=1, heads=4, head_width=8, ffn=24, gated=True),
        preset("compact").text,
        TextConfig(vocab_size=60, width=128, layers=5, heads=2, ffn=200, cuts=(1, 4, 8, 5), max_tokens=30),
    ],
)
def test_sizes_show_in_the_shapes(config: TextConfig | T5Config):
    state = {f"text_encoder.{key}": value for key, value in build_text_encoder(config).state_dict().items()}
    assert text_encoder_of(state, preset("compact").text) == config


def test_where_nothing_shows_it_is_the_usual_one():
    assert text_encoder_of({"text_encoder.t5.embed_tokens.weight": torch.zeros(3, 4)}, SMALL) is SMALL
    assert text_encoder_of({}, SMALL) is SMALL


@pytest.fixture
def t5_tokenizer(tmp_path: Path) -> Path:
    tokenizer = Tokenizer(models.WordLevel({"<pad>": 0, "</s>": 1, "<unk>": 2, "the": 3, "ball": 4}, "<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def test_t5s_tokens_end_and_are_padded_as_t5_wants(t5_tokenizer: Path):
    tokenizer = load_tokenizer(t5_tokenizer, SMALL)
    assert tokenize(tokenizer, ["the ball", "ball"]).tolist() == [[3, 4, 1], [4, 1, 0]]


def test_a_tokenizer_of_the_other_encoder(t5_tokenizer: Path):
    message = r"with \{'<s>': None, '<pad>': 0, '</s>': 1\}, expected \{'<s>': 0, '<pad>': 1, '</s>': 2\}"
    with pytest.raises(CheckpointError, match=message):
        load_tokenizer(t5_tokenizer, TextConfig())
