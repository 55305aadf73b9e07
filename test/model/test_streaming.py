"""SAMWISE one frame at a time."""

from pathlib import Path

import pytest
import torch

from samwise_ros.engine.memory import MemoryBank
from samwise_ros.model.samwise import Samwise
from samwise_ros.model.streaming import SamwiseSegmenter
from samwise_ros.model.text import load_tokenizer, tokenize
from samwise_ros.training.tokens import train_tokenizer


@pytest.fixture(scope="module")
def segmenter(network: Samwise, tmp_path_factory: pytest.TempPathFactory) -> SamwiseSegmenter:
    path: Path = tmp_path_factory.mktemp("tokens") / "tokenizer.json"
    train_tokenizer(["the red ball", "the mug on the left"] * 5, 300, path)
    return SamwiseSegmenter(network, load_tokenizer(path, 64))


@torch.inference_mode()
def test_first_frame_equals_a_clip_of_one_frame(segmenter: SamwiseSegmenter):
    image = torch.randn(1, 3, 128, 128)
    clip = segmenter.network(image[None], tokenize(segmenter.tokenizer, ["the red ball"]))
    bank = MemoryBank(segmenter.memory_spec)
    prediction = segmenter.predict(segmenter.encode_image(image), segmenter.encode_text("the red ball"), bank.read())
    assert torch.allclose(prediction.mask_logits, clip.frames[0].mask_logits[0, 0], atol=1e-5)
    assert torch.allclose(prediction.score_logit, clip.frames[0].decoded.score_logits[0, 0], atol=1e-5)


@torch.inference_mode()
def test_a_bounded_memory_equals_an_unbounded_one(segmenter: SamwiseSegmenter):
    text = segmenter.encode_text("the mug")
    bounded, kept = MemoryBank(segmenter.memory_spec), []
    for frame in range(20):
        image = segmenter.encode_image(torch.randn(1, 3, 128, 128))
        prediction = segmenter.predict(image, text, bounded.read())
        everything = MemoryBank(dict.fromkeys(segmenter.memory_spec, 99))
        for remembered in kept:
            everything.write(remembered)
        past = everything.read()
        cut = {name: past.tensors[name][-length:] for name, length in segmenter.memory_spec.items() if kept}
        again = segmenter.predict(image, text, type(past)(frame, cut))
        assert torch.equal(prediction.mask_logits, again.mask_logits)
        bounded.write(prediction.remember)
        kept.append(prediction.remember)


@torch.inference_mode()
def test_what_is_remembered_is_what_the_spec_names(segmenter: SamwiseSegmenter):
    bank = MemoryBank(segmenter.memory_spec)
    prediction = segmenter.predict(
        segmenter.encode_image(torch.randn(1, 3, 128, 128)), segmenter.encode_text("it"), bank.read()
    )
    assert prediction.remember.keys() == segmenter.memory_spec.keys()
    assert segmenter.memory_spec["map"] == 6
    assert segmenter.memory_spec["pointer"] == 15
    assert all(segmenter.memory_spec[f"adapter{k}"] == 7 for k in range(3))
