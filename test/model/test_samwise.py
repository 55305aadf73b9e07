"""The network on clips."""

from dataclasses import replace

import pytest
import torch

from samwise_ros.model.sam2_steps import NO_OBJECT_LOGIT
from samwise_ros.model.samwise import CME_WINDOW, Memory, Samwise

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


@pytest.fixture
def frame(network: Samwise):
    """Features and sentence vector of one frame."""
    with torch.inference_mode():
        fused = network.fuse(
            network.encode_images(torch.randn(1, 1, 3, 128, 128), network.make_tables()), network.encode_text(IDS[1:])
        )
        return network.features(fused)[0], fused.text_state


def memory_of_age(age: int, switched: tuple[bool, bool] = (False, False)) -> Memory:
    return Memory((age,), torch.randn(1, 6, 16, 8, 8), torch.randn(1, 15, 64), torch.tensor([switched]))


@torch.inference_mode()
def test_memory_is_checked_after_four_frames_and_not_soon_after_a_switch(network: Samwise, frame):
    checks = [network.track(*frame, memory_of_age(age), network.make_tables()).check for age in range(1, 8)]
    assert [check is not None for check in checks] == [age > CME_WINDOW for age in range(1, 8)]
    for switched, due in (((True, False), False), ((False, True), False), ((False, False), True)):
        assert network.track(*frame, memory_of_age(9, switched), network.make_tables()).check.due.tolist() == [due]


@torch.inference_mode()
def test_a_switch_changes_the_memory_and_not_the_mask(network: Samwise, frame, monkeypatch: pytest.MonkeyPatch):
    # The head's bias decides whatever the tokens are; the score's bias keeps the object in view.
    monkeypatch.setattr(network.sam.sam_mask_decoder.pred_obj_score_head.layers[2].bias, "data", torch.tensor([9.0]))
    results, memory = {}, memory_of_age(9)
    for switch in (False, True):
        bias = torch.tensor([0.0, 99.0 if switch else -99.0])
        monkeypatch.setattr(network.cme.head.bias, "data", bias)
        results[switch] = network.track(*frame, memory, network.make_tables())
        assert results[switch].switched.tolist() == [switch]
    assert (results[True].check.memoryless.mask_logits > 0).any()
    assert torch.equal(results[False].mask_logits, results[True].mask_logits)
    assert torch.equal(results[False].pointer, results[True].pointer)
    assert not torch.allclose(results[False].memory_map, results[True].memory_map, atol=1e-4)
    # A switch has to settle before the next.
    assert network.track(
        *frame, replace(memory, switched=torch.tensor([[False, True]])), network.make_tables()
    ).switched.tolist() == [False]


@torch.inference_mode()
def test_without_the_optional_parts_it_runs_and_takes_the_object_for_granted(network: Samwise):
    config = replace(network.config, object_score=False, temporal_attention=False, memory_check=False)
    plain = Samwise(config).eval()
    assert not any("cme." in key or ".temporal." in key or "obj_score" in key for key in plain.state_dict())
    frames = plain(torch.randn(1, 7, 3, 128, 128), IDS[1:]).frames
    assert all(frame.decoded.score_logits.item() == 10.0 for frame in frames)
    assert all(frame.check is None for frame in frames)
    assert not (frames[-1].mask_logits == NO_OBJECT_LOGIT).any()


@torch.inference_mode()
def test_object_out_of_view_has_no_mask(network: Samwise, frame, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(network.sam.sam_mask_decoder.pred_obj_score_head.layers[2].bias, "data", torch.tensor([-99.0]))
    tracked = network.track(*frame, None, network.make_tables())
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
