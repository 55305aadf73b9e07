"""The network on clips."""

from dataclasses import replace

import pytest
import torch

from samwise_ros.model.sam2_steps import NO_OBJECT_LOGIT
from samwise_ros.model.samwise import Memory, Samwise, may_check_memory

IDS = torch.tensor([[0, 300, 310, 2, 1], [0, 5, 6, 7, 2]])


@torch.inference_mode()
def test_a_batch_equals_its_clips_one_by_one(network: Samwise):
    images = torch.randn(2, 3, 3, 128, 128)
    both = network(images, IDS)
    # The first text is shorter, so alone it has no padding.
    for index, ids in enumerate((IDS[:1, :4], IDS[1:])):
        alone = network(images[index : index + 1], ids)
        for ours, single in zip(both.frames, alone.frames, strict=True):
            assert torch.allclose(ours.mask_logits[index], single.mask_logits[0], atol=1e-4)
            assert torch.allclose(ours.pointer[index], single.pointer[0], atol=1e-4)


@torch.inference_mode()
def test_text_and_memory_reach_the_mask(network: Samwise):
    images = torch.randn(1, 2, 3, 128, 128)
    one, other = (network(images, IDS[i : i + 1]).frames for i in range(2))
    assert not torch.allclose(one[0].decoded.mask_logits, other[0].decoded.mask_logits, atol=1e-3)
    swapped = network(images.flip(1), IDS[:1]).frames
    # The second frame as a first one has no memory to read.
    assert not torch.allclose(one[1].decoded.mask_logits, swapped[0].decoded.mask_logits, atol=1e-3)


def test_memory_is_checked_after_four_frames_and_not_soon_after_a_switch():
    assert [may_check_memory(t, []) for t in range(7)] == [False] * 5 + [True] * 2
    assert not may_check_memory(9, [True, False])
    assert not may_check_memory(9, [False, True])
    assert may_check_memory(9, [False, False])


@pytest.fixture
def frame(network: Samwise):
    """Features, sentence vector and memory of one frame."""
    with torch.inference_mode():
        fused = network.fuse(network.encode_images(torch.randn(1, 3, 128, 128)), network.encode_text(IDS[1:]))
        memory = Memory(torch.randn(2, 1, 16, 8, 8), torch.randn(2, 1, 64))
        return network.features(fused), fused.text_state, memory


@torch.inference_mode()
def test_a_switch_changes_the_memory_and_not_the_mask(network: Samwise, frame, monkeypatch: pytest.MonkeyPatch):
    # The head's bias decides whatever the tokens are; the score's bias keeps the object in view.
    monkeypatch.setattr(network.sam.sam_mask_decoder.pred_obj_score_head.layers[2].bias, "data", torch.tensor([9.0]))
    results = {}
    for switch in (False, True):
        bias = torch.tensor([0.0, 99.0 if switch else -99.0])
        monkeypatch.setattr(network.cme.head.bias, "data", bias)
        results[switch] = network.track(*frame, check_memory=True)
        assert results[switch].switched.tolist() == [switch]
    assert (results[True].memoryless.mask_logits > 0).any()
    assert torch.equal(results[False].mask_logits, results[True].mask_logits)
    assert torch.equal(results[False].pointer, results[True].pointer)
    assert not torch.allclose(results[False].memory_map, results[True].memory_map, atol=1e-4)


@torch.inference_mode()
def test_object_out_of_view_has_no_mask(network: Samwise, frame, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(network.sam.sam_mask_decoder.pred_obj_score_head.layers[2].bias, "data", torch.tensor([-99.0]))
    tracked = network.track(*frame, check_memory=False)
    assert (tracked.mask_logits == NO_OBJECT_LOGIT).all()
    assert torch.equal(tracked.pointer, network.sam.no_obj_ptr)


@torch.inference_mode()
def test_another_image_side_equals_a_network_built_for_it(network: Samwise):
    larger = Samwise(replace(network.config, image_side_px=192)).eval()
    larger.load_state_dict(network.state_dict())
    resized = Samwise(network.config).eval()
    resized.load_state_dict(network.state_dict())
    resized.set_image_side(192)
    images = torch.randn(1, 2, 3, 192, 192)
    ours, theirs = (built(images, IDS[1:]).frames[1].mask_logits for built in (resized, larger))
    assert torch.equal(ours, theirs)
