"""RefSAM step by step: its one token of memory, its targets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from samwise_ros.config import T5Config
from samwise_ros.engine.memory import MemoryBank
from samwise_ros.engine.preprocess import rgb_to_input
from samwise_ros.engine.tracker import Tracker
from samwise_ros.model.edges import follow_edges
from samwise_ros.model.refsam import EncodedText, RefSam
from samwise_ros.model.refsam_segmenter import AskedImages, RefSamSegmenter, stack_texts, sureness
from samwise_ros.model.segmenter import Past, Prediction, Ring
from samwise_ros.model.text import load_tokenizer, tokenize
from samwise_ros.training.tokens import train_tokenizer
from samwise_ros.types import Frame

TEXTS = ("the red ball", "the mug", "the second mug on the left of it")


class Recorder(RefSamSegmenter):
    """Keeps what it predicts, and counts how often images and texts were encoded."""

    def __init__(self, segmenter: RefSamSegmenter) -> None:
        super().__init__(segmenter.network, segmenter.tokenizer)
        self.predictions: list[Prediction] = []
        self.pasts: list[Past] = []
        self.encoded = 0
        self.texts: list[str] = []

    def encode_text(self, text: str) -> EncodedText:
        self.texts.append(text)
        return super().encode_text(text)

    def encode_images(self, images: Tensor):
        self.encoded += 1
        assert len(images) == 1, "targets share the image"
        return super().encode_images(images)

    def decode(self, frames: AskedImages, index: int, past: Past) -> Prediction:
        self.pasts.append(past)
        self.predictions.append(super().decode(frames, index, past))
        return self.predictions[-1]


@pytest.fixture(scope="module")
def segmenter(refsam: RefSam, tmp_path_factory: pytest.TempPathFactory) -> RefSamSegmenter:
    path = tmp_path_factory.mktemp("tokens") / "tokenizer.json"
    train_tokenizer([*TEXTS] * 5, 300, path)
    return RefSamSegmenter(refsam, load_tokenizer(path, refsam.config.text))


@pytest.fixture
def video() -> list[Frame]:
    rng = np.random.default_rng(0)
    return [Frame(rng.integers(0, 256, (48, 64, 3), np.uint8), stamp_ns=number) for number in range(12)]


def images_of(video: list[Frame]) -> list[Tensor]:
    return [rgb_to_input(frame.rgb, (64, 64), torch.device("cpu")) for frame in video]


def run(segmenter: RefSamSegmenter, images: list[Tensor], text: str) -> list[Prediction]:
    """One target alone."""
    bank = MemoryBank(segmenter.memory_spec)
    bank.select(["target"])
    encoded, predictions = segmenter.encode_text(text), []
    for image in images:
        asked = segmenter.fuse(segmenter.encode_images(image), [encoded], bank.read())
        predictions.append(segmenter.decode(asked, 0, bank.read()))
        bank.write(predictions[-1].remember)
    return predictions


def test_a_stream_equals_the_network_on_the_whole_clip(segmenter: RefSamSegmenter, video: list[Frame]):
    images = images_of(video)
    with torch.inference_mode():
        clip = segmenter.network(torch.cat(images)[None], tokenize(segmenter.tokenizer, [TEXTS[0]]))
    for image, ours, theirs in zip(images, run(segmenter, images, TEXTS[0]), clip.frames, strict=True):
        masks = follow_edges(theirs.decoded.mask_logits[:, 0], image[0])
        assert torch.allclose(ours.mask_logits, masks, atol=1e-3)
        assert torch.allclose(ours.remember["track"], theirs.track, atol=1e-4)


def test_targets_together_equal_targets_apart_each_with_its_own_age(segmenter: RefSamSegmenter, video: list[Frame]):
    """Targets join at frames 0, 3 and 4, and the first leaves at frame 8; expressions are of different length."""
    joins, leaves = {0: TEXTS[0], 3: TEXTS[1], 4: TEXTS[2]}, {8: 1}
    together = Recorder(segmenter)
    tracker = Tracker(together)
    for number, frame in enumerate(video):
        if number in joins:
            tracker.add(joins[number])
        if number in leaves:
            tracker.remove(leaves[number])
        tracker.step(frame)
    images = images_of(video)
    apart = {start: run(segmenter, images[start:], text) for start, text in joins.items()}
    assert together.encoded == len(video)
    assert together.texts == [*joins.values()], "each expression once"
    apart_by: list[float] = []
    for number, prediction in enumerate(together.predictions):
        present = [start for start in joins if start <= number and not (start == 0 and number >= 8)]
        expected = [apart[start][number - start] for start in present]
        assert prediction.mask_logits.shape == (len(present), 64, 64)
        masks, scores = (
            torch.cat([getattr(one, name) for one in expected]) for name in ("mask_logits", "score_logits")
        )
        assert torch.allclose(prediction.mask_logits, masks, atol=1e-4), number
        apart_by += (prediction.score_logits - scores).abs().tolist()
    # A score is a mean over the mask. Where a pixel's logit is nearly zero, it may be in one mask and not in the other.
    assert sum(difference > 1e-4 for difference in apart_by) <= 1
    assert max(apart_by) < 1e-2


def test_all_it_remembers_of_a_target_is_one_token(segmenter: RefSamSegmenter, video: list[Frame]):
    recorder = Recorder(segmenter)
    tracker = Tracker(recorder)
    for text in TEXTS:
        tracker.add(text)
    for frame in video:
        tracker.step(frame)
    assert recorder.memory_spec == {"track": Ring(1)}
    assert recorder.pasts[0].tensors == {}
    assert all(past.tensors["track"].shape == (3, 1, 64) for past in recorder.pasts[1:])
    assert torch.equal(recorder.pasts[-1].tensors["track"][:, 0], recorder.predictions[-2].remember["track"])


def test_a_text_that_changes_starts_a_new_target_and_leaves_the_others_alone(
    segmenter: RefSamSegmenter, video: list[Frame]
):
    recorder = Recorder(segmenter)
    tracker = Tracker(recorder)
    tracker.follow([TEXTS[0], TEXTS[1]])
    for number, frame in enumerate(video[:8]):
        if number == 4:
            tracker.follow([TEXTS[0], TEXTS[2]])
        assert [found.target.id for found in tracker.step(frame).objects] == ([1, 2] if number < 4 else [1, 3])
    images = images_of(video[:8])
    stays, changes = run(segmenter, images, TEXTS[0]), run(segmenter, images[4:], TEXTS[2])
    assert torch.allclose(recorder.predictions[7].mask_logits[0], stays[7].mask_logits[0], atol=1e-4)
    assert torch.allclose(recorder.predictions[7].mask_logits[1], changes[3].mask_logits[0], atol=1e-4)


def test_two_streams_on_one_model_do_not_touch_each_other(segmenter: RefSamSegmenter, video: list[Frame]):
    shared = Recorder(segmenter)
    one, other = Tracker(shared), Tracker(shared)
    one.add(TEXTS[0])
    other.add(TEXTS[0])
    for number in range(6):
        one.step(video[number])
        other.step(video[11 - number])
    alone = run(segmenter, images_of(video[:6]), TEXTS[0])
    for ours, theirs in zip(shared.predictions[::2], alone, strict=True):
        assert torch.equal(ours.mask_logits, theirs.mask_logits)


def test_without_the_tracking_module_each_frame_stands_alone(segmenter: RefSamSegmenter, video: list[Frame]):
    network = RefSam(replace(segmenter.network.config, tracking=False)).eval()
    state = {key: value for key, value in segmenter.network.state_dict().items() if not key.startswith("tracking.")}
    network.load_state_dict(state)
    plain = Recorder(RefSamSegmenter(network, segmenter.tokenizer))
    assert plain.memory_spec == {}
    tracker = Tracker(plain)
    tracker.add(TEXTS[0])
    for frame in (video[0], video[1], video[0]):
        tracker.step(frame)
    assert torch.equal(plain.predictions[0].mask_logits, plain.predictions[2].mask_logits)


def test_texts_of_one_length_need_no_padding():
    def text(words: int) -> EncodedText:
        return EncodedText(torch.ones(1, 4), torch.ones(1, words, 4), None)

    assert stack_texts([text(3), text(3)]).padding is None
    stacked = stack_texts([text(2), text(4)])
    assert stacked.padding.tolist() == [[False, False, True, True], [False] * 4]
    assert stacked.words.sum((1, 2)).tolist() == [8, 16]


def test_a_mask_is_as_sure_as_its_pixels():
    logits = torch.tensor([[[4.0, 2], [-9, -9]], [[-3, -1], [-2, -5]]])
    assert sureness(logits).tolist() == [3, -1]


def test_a_t5_computes_in_bfloat16_where_the_rest_does_in_float16(segmenter: RefSamSegmenter, refsam: RefSam):
    text = T5Config(vocab_size=2048, width=16, layers=1, heads=2, head_width=8, ffn=32)
    network = RefSam(replace(refsam.config, text=text)).eval()
    half = RefSamSegmenter(network, segmenter.tokenizer, torch.float16).network
    kinds = {name.startswith("text_encoder."): value.dtype for name, value in half.named_parameters()}
    assert kinds == {True: torch.bfloat16, False: torch.float16}
    assert {value.dtype for name, value in half.named_parameters() if "text_encoder." not in name} == {torch.float16}
    assert half.encode_text(torch.tensor([[5, 6, 1]])).sentence.dtype == torch.float16


def test_a_large_mask_is_as_sure_in_half_precision():
    assert sureness(torch.full((1, 256, 256), 1.5, dtype=torch.float16)).tolist() == [1.5]


def test_the_tracker_sees_the_square_and_the_device_of_the_network(segmenter: RefSamSegmenter):
    assert (segmenter.image_side_px, segmenter.frames_per_step) == (64, 1)
    assert segmenter.device == torch.device("cpu")
