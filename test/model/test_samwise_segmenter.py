"""SAMWISE step by step: its two modes, its memory, its targets."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from torch import Tensor

from samwise_ros.engine.memory import MemoryBank
from samwise_ros.engine.preprocess import rgb_to_input
from samwise_ros.engine.tracker import Tracker
from samwise_ros.model import sam2_steps as steps
from samwise_ros.model.edges import follow_edges
from samwise_ros.model.samwise import Memory, Samwise
from samwise_ros.model.samwise_segmenter import FusedFrames, SamwiseSegmenter
from samwise_ros.model.segmenter import Past, Prediction, Ring
from samwise_ros.model.text import tokenize
from samwise_ros.types import Frame

TEXTS = ("the red ball", "the mug", "the second mug on the left of it")
SIZES = ((60, 128), (128, 60), (120, 128))
"""Of a wide camera, a tall one, and one that needs the whole square; rows and columns."""


class Recorder(SamwiseSegmenter):
    """Keeps what it predicts, and how often the shared part ran."""

    def __init__(self, segmenter: SamwiseSegmenter, mode: str = "stream") -> None:
        super().__init__(segmenter.network, segmenter.tokenizer, mode)
        self.predictions: list[Prediction] = []
        self.encoded = 0

    def encode_images(self, images: Tensor):
        self.encoded += 1
        return super().encode_images(images)

    def decode(self, frames: FusedFrames, index: int, past: Past) -> Prediction:
        self.predictions.append(super().decode(frames, index, past))
        return self.predictions[-1]


@pytest.fixture(scope="module")
def segmenter(network: Samwise, tokenizer: Tokenizer) -> SamwiseSegmenter:
    return SamwiseSegmenter(network, tokenizer)


@pytest.fixture
def video() -> list[Frame]:
    rng = np.random.default_rng(0)
    return [Frame(rng.integers(0, 256, (96, 128, 3), np.uint8), stamp_ns=number) for number in range(40)]


@contextmanager
def undecided(network: Samwise, images: Sequence[Tensor], ids: Tensor) -> Iterator[None]:
    """Shift the CME's decision so that it switches on some frames and not on others."""
    with torch.inference_mode():
        frames = network(torch.stack(list(images[:12]), 1), ids).frames
    leads = [float(f.check.logits[0, 1] - f.check.logits[0, 0]) for f in frames if f.check is not None]
    before = network.cme.head.bias.data
    network.cme.head.bias.data = before - torch.tensor([0.0, sorted(leads)[len(leads) // 2]])
    try:
        yield
    finally:
        network.cme.head.bias.data = before


def run(segmenter: SamwiseSegmenter, images: Sequence[Tensor], text: str, spec: Mapping[str, Ring] | None = None):
    """Predictions of one target in stream mode, with the memory that `spec` asks for."""
    bank = MemoryBank(spec or segmenter.memory_spec)
    bank.select(["target"])
    encoded = segmenter.encode_text(text)
    for image in images:
        fused = segmenter.fuse(segmenter.encode_images(image), [encoded], bank.read())
        prediction = segmenter.decode(fused, 0, bank.read())
        bank.write(prediction.remember)
        yield prediction


@torch.inference_mode()
def plain_stream(network: Samwise, images: Sequence[Tensor], ids: Tensor) -> Iterator[tuple[Tensor, Tensor, bool]]:
    """Stream mode in the plainest way: everything is kept, every window is attended to as a whole, one target.

    Yields mask logits, object pointer and whether the memory was switched.
    """
    inputs: list[list[Tensor]] = [[], [], []]
    maps, pointers, last_switch = [], [], 0
    for t, image in enumerate(images):
        text = network.encode_text(ids)
        encoded = network.encode_images(image[None], network.make_tables())
        vision, tokens = encoded.stage1[0], text.tokens
        stages = [encoded.stage0.permute(0, 1, 4, 2, 3)]
        for k, adapter in enumerate(network.adapters):
            if k:
                vision = steps.run_stage(network.sam, k + 1, vision)
                cuts = network.config.text.cuts
                tokens = network.text_encoder.run_layers(tokens, text.padding, cuts[k], cuts[k + 1])
            inputs[k].append(adapter.reduce(vision))
            window = torch.stack(inputs[k][-8:], 1)
            x = (window + adapter.temporal(window, window.shape[1]))[:, -1:]
            if adapter.change is not None:
                both = torch.cat((window[:, -1], window[:, -1] - window[:, 0]), -1).permute(0, 3, 1, 2)
                x = x + adapter.change.tell(adapter.change.compare(both).relu()).permute(0, 2, 3, 1)
            vision_residual, text_residual = adapter.exchange(x, window.mean(1), tokens, text.padding)
            vision = vision + vision_residual[:, 0]
            tokens = tokens + text_residual
            stages.append(vision.permute(0, 3, 1, 2)[None])
        (features,) = steps.run_neck(network.sam, stages)
        memory = None
        if t:
            settling = not t - last_switch >= 3
            memory = Memory((t,), torch.stack(maps[-6:], 1), torch.stack(pointers[-15:], 1), torch.tensor([[settling]]))
        tracked = network.track(features, tokens[:, 0], memory, network.make_tables())
        if tracked.switched.item():
            last_switch = t
        maps.append(tracked.memory_map)
        pointers.append(tracked.pointer)
        yield follow_edges(tracked.mask_logits[0], image[0])[0], tracked.pointer[0], bool(tracked.switched)


def images_of(video: Sequence[Frame]) -> list[Tensor]:
    return [rgb_to_input(frame.rgb, (128, 128), torch.device("cpu")) for frame in video]


@torch.inference_mode()
def test_first_frame_of_a_stream_equals_a_clip_of_one_frame(segmenter: SamwiseSegmenter):
    image = torch.randn(1, 3, 128, 128)
    clip = segmenter.network(image[None], tokenize(segmenter.tokenizer, [TEXTS[0]]))
    (prediction,) = run(segmenter, [image], TEXTS[0])
    masks = follow_edges(clip.frames[0].mask_logits[:, 0], image[0])
    assert torch.allclose(prediction.mask_logits, masks, atol=1e-4)
    assert torch.allclose(prediction.score_logits[0], clip.frames[0].decoded.score_logits[0, 0], atol=1e-5)


def test_stream_equals_a_plain_implementation(segmenter: SamwiseSegmenter, video: list[Frame]):
    images, ids = images_of(video[:24]), tokenize(segmenter.tokenizer, [TEXTS[0]])
    with undecided(segmenter.network, images, ids):
        expected = list(plain_stream(segmenter.network, images, ids))
        ours = list(run(segmenter, images, TEXTS[0]))
    assert {switched for *_, switched in expected[5:]} == {True, False}
    for (mask_logits, pointer, switched), prediction in zip(expected, ours, strict=True):
        assert torch.allclose(prediction.mask_logits[0], mask_logits, atol=1e-4)
        assert torch.allclose(prediction.remember["pointer"][0], pointer, atol=1e-4)
        assert prediction.remember["switched"].tolist() == [switched]


def test_bounded_rings_equal_an_unbounded_memory(segmenter: SamwiseSegmenter, video: list[Frame]):
    assert (segmenter.memory_spec["map"].frames, segmenter.memory_spec["pointer"].frames) == (6, 15)
    everything = {
        name: ring if name == "switched" else replace(ring, frames=len(video))
        for name, ring in segmenter.memory_spec.items()
    }
    images = images_of(video)
    with undecided(segmenter.network, images, tokenize(segmenter.tokenizer, [TEXTS[1]])):
        bounded = run(segmenter, images, TEXTS[1])
        unbounded = run(segmenter, images, TEXTS[1], everything)
        for ours, theirs in zip(bounded, unbounded, strict=True):
            assert torch.equal(ours.mask_logits, theirs.mask_logits)


def test_targets_together_equal_targets_apart_each_with_its_own_age(segmenter: SamwiseSegmenter, video: list[Frame]):
    """Targets join at frames 0, 3 and 10, and the first leaves at frame 20."""
    joins, leaves = {0: TEXTS[0], 3: TEXTS[1], 10: TEXTS[2]}, {20: 1}
    images = images_of(video)
    with undecided(segmenter.network, images, tokenize(segmenter.tokenizer, [TEXTS[0]])):
        together = Recorder(segmenter)
        tracker = Tracker(together)
        for number, frame in enumerate(video):
            if number in joins:
                tracker.add(joins[number])
            if number in leaves:
                tracker.remove(leaves[number])
            tracker.step(frame)
        apart = {start: list(run(segmenter, images[start:], text)) for start, text in joins.items()}
    assert together.encoded == len(video)
    assert any(prediction.remember["switched"].any() for prediction in together.predictions)
    for number, prediction in enumerate(together.predictions):
        present = [start for start in joins if start <= number and not (start == 0 and number >= 20)]
        expected = [apart[start][number - start] for start in present]
        assert prediction.mask_logits.shape[0] == len(present)
        for name in ("mask_logits", "score_logits"):
            ours, theirs = getattr(prediction, name), torch.cat([getattr(single, name) for single in expected])
            assert torch.allclose(ours, theirs, atol=1e-4), (number, name)


def test_two_streams_on_one_model_do_not_touch_each_other(segmenter: SamwiseSegmenter, video: list[Frame]):
    shared = Recorder(segmenter)
    one, other = Tracker(shared), Tracker(shared)
    one.add(TEXTS[0])
    other.add(TEXTS[0])
    for number in range(10):
        one.step(video[number])
        other.step(video[39 - number])
    alone = list(run(segmenter, images_of(video[:10]), TEXTS[0]))
    for ours, theirs in zip(shared.predictions[::2], alone, strict=True):
        assert torch.equal(ours.mask_logits, theirs.mask_logits)


def test_clip_mode_equals_the_network_on_whole_windows(segmenter: SamwiseSegmenter, video: list[Frame]):
    clips = Recorder(segmenter, "clip")
    tracker = Tracker(clips)
    tracker.add(TEXTS[0])
    assert len(list(tracker.run(video[:8]))) == 8
    assert clips.encoded == 1
    with torch.inference_mode():
        images = torch.cat(images_of(video[:8]))[None]
        whole = segmenter.network(images, tokenize(segmenter.tokenizer, [TEXTS[0]])).frames
    for image, ours, theirs in zip(images[0], clips.predictions, whole, strict=True):
        assert torch.allclose(ours.mask_logits, follow_edges(theirs.mask_logits[:, 0], image), atol=1e-4)


def test_clip_mode_sees_the_future_of_its_window_and_stream_mode_does_not(
    segmenter: SamwiseSegmenter, video: list[Frame]
):
    changed = [*video[:7], video[20]]
    for mode, causal in (("stream", True), ("clip", False)):
        first = []
        for frames in (video[:8], changed):
            recorder = Recorder(segmenter, mode)
            tracker = Tracker(recorder)
            tracker.add(TEXTS[0])
            list(tracker.run(frames))
            first.append(recorder.predictions[0].mask_logits)
        assert torch.equal(*first) == causal, mode


def test_in_clip_mode_memory_crosses_windows_but_a_single_last_frame_is_on_its_own(
    segmenter: SamwiseSegmenter, video: list[Frame]
):
    def last(frames: list[Frame]) -> Tensor:
        recorder = Recorder(segmenter, "clip")
        tracker = Tracker(recorder)
        tracker.add(TEXTS[0])
        list(tracker.run(frames))
        return recorder.predictions[-1].mask_logits

    assert not torch.allclose(last(video[:10]), last(video[8:10]), atol=1e-3)
    assert torch.equal(last(video[:9]), last(video[8:9]))


def test_a_wide_image_is_the_upper_part_of_a_square(segmenter: SamwiseSegmenter):
    """Nothing is computed for what would be padding, and what has a place keeps it."""
    square = steps.make_tables(segmenter.network.sam)
    wide = square.crop(64, 128)
    assert torch.equal(wide.patch_position, square.patch_position[:, :16])
    for part, whole in (
        (wide.decoder_position[0], square.decoder_position[0]),
        (wide.memory.query_position, square.memory.query_position),
        (wide.memory.key_position[3], square.memory.key_position[3]),
        (wide.memory.rotation.sin, square.memory.rotation.sin),
    ):
        assert torch.equal(part.reshape(4, 8, -1), whole.reshape(8, 8, -1)[:4])
    tall = square.crop(128, 64)
    assert torch.equal(tall.memory.rotation.cos.reshape(8, 4, -1), square.memory.rotation.cos.reshape(8, 8, -1)[:, :4])


def test_images_are_as_large_as_the_camera_needs(segmenter: SamwiseSegmenter):
    recorder = Recorder(segmenter)
    tracker = Tracker(recorder)
    tracker.follow(TEXTS[:2])
    rng = np.random.default_rng(0)
    wide, tall, square = ([rng.integers(0, 256, (*size, 3), np.uint8) for _ in range(2)] for size in SIZES)
    for image in (*wide, *tall, *square):
        (found, _) = tracker.step(Frame(image)).objects
        assert found.mask.ndim == 2
    shapes = [tuple(prediction.mask_logits.shape) for prediction in recorder.predictions]
    assert shapes == [(2, 64, 128)] * 2 + [(2, 128, 64)] * 2 + [(2, 128, 128)] * 2


def test_another_camera_shape_starts_without_memory(segmenter: SamwiseSegmenter):
    rng = np.random.default_rng(0)
    wide, tall = (Frame(rng.integers(0, 256, (*size, 3), np.uint8)) for size in SIZES[:2])
    changed, fresh = Recorder(segmenter), Recorder(segmenter)
    for recorder, frames in ((changed, (wide, wide, tall)), (fresh, (tall,))):
        tracker = Tracker(recorder)
        tracker.follow(TEXTS[:1])
        for frame in frames:
            tracker.step(frame)
    assert torch.equal(changed.predictions[-1].mask_logits, fresh.predictions[-1].mask_logits)


def test_as_published_images_are_squares(network: Samwise, tokenizer: Tokenizer, segmenter: SamwiseSegmenter):
    assert segmenter.image_step_px == 64
    assert SamwiseSegmenter(network, tokenizer, "clip").image_step_px == 128
    published = Samwise(replace(network.config, square=True)).eval()
    assert SamwiseSegmenter(published, tokenizer).image_step_px == 128
