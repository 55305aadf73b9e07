"""Our way through SAM 2's parts gives what SAM 2's own way gives."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from samwise_ros.model import host_memory
from samwise_ros.model import sam2_steps as steps
from samwise_ros.model.sam2_bridge import build_hiera
from samwise_ros.model.samwise import Samwise


def test_stages_and_neck_equal_the_image_encoder(network: Samwise):
    images = torch.randn(2, 3, 128, 128)
    whole = network.sam.image_encoder(images)["backbone_fpn"]
    x, stages = steps.embed_patches(network.sam, network.make_tables(), images), []
    for stage in range(4):
        x = steps.run_stage(network.sam, stage, x)
        stages.append(x.permute(0, 3, 1, 2)[:, None])
    (features,) = steps.run_neck(network.sam, stages)
    decoder = network.sam.sam_mask_decoder
    assert torch.allclose(features.stride4, decoder.conv_s0(whole[0]), atol=1e-5)
    assert torch.allclose(features.stride8, decoder.conv_s1(whole[1]), atol=1e-5)
    assert torch.allclose(features.top, whole[2], atol=1e-5)


def test_stages_in_strips_are_the_same(network: Samwise, monkeypatch: pytest.MonkeyPatch):
    # Windows of 6 cells do not divide the maps, so that the last ones reach beyond.
    config = replace(network.config.hiera, windows=(6, 4, 6, 2))
    sam = SimpleNamespace(image_encoder=SimpleNamespace(trunk=build_hiera(config).eval()))
    x, calls = torch.randn(1, 32, 24, config.embed_dim), []
    sam.image_encoder.trunk.blocks[0].register_forward_hook(lambda *_: calls.append(1))

    def run(kept_bytes: int) -> list[torch.Tensor]:
        monkeypatch.setattr(host_memory, "LARGEST_KEPT_BYTES", kept_bytes)
        maps = [x]
        for stage in range(4):
            maps.append(steps.run_stage(sam, stage, maps[-1]))
        return maps

    with torch.inference_mode():
        whole, strips = run(1 << 25), run(1 << 15)
    assert len(calls) > 4
    for one, other in zip(whole, strips, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_decoder_equals_sam2_with_an_empty_point(network: Samwise):
    sam = network.sam
    features = steps.Features(torch.randn(2, 8, 32, 32), torch.randn(2, 16, 16, 16), torch.randn(2, 64, 8, 8))
    prompt = torch.randn(2, 64)
    points = (torch.zeros(2, 1, 2), -torch.ones(2, 1, dtype=torch.int32))
    sparse, dense = sam.sam_prompt_encoder(points=points, boxes=None, masks=None)
    masks, iou, tokens, scores = sam.sam_mask_decoder(
        image_embeddings=features.top,
        image_pe=sam.sam_prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=torch.cat((sparse, prompt[:, None]), 1),
        dense_prompt_embeddings=dense,
        multimask_output=False,
        repeat_image=False,
        high_res_features=[features.stride4, features.stride8],
    )
    decoded = steps.decode_mask(sam, network.make_tables(), features, features.top, prompt)
    assert torch.allclose(decoded.mask_logits, masks, atol=1e-4)
    assert torch.allclose(decoded.iou, iou, atol=1e-5)
    assert torch.allclose(decoded.mask_token, tokens[:, 0], atol=1e-5)
    assert torch.allclose(decoded.score_logits, scores, atol=1e-5)


def test_neck_gives_the_frames_of_each_clip(network: Samwise):
    widths, side = [32, 64, 128, 256], 32
    stages = [torch.randn(2, 3, width, side >> k, side >> k) for k, width in enumerate(widths)]
    frames = steps.run_neck(network.sam, stages)
    assert len(frames) == 3
    (alone,) = steps.run_neck(network.sam, [stage[1:, 2:] for stage in stages])
    for level in ("stride4", "stride8", "top"):
        assert torch.allclose(getattr(frames[2], level)[1:], getattr(alone, level), atol=1e-5), level


def test_absent_object_has_the_learned_pointer(network: Samwise):
    token = torch.randn(2, 64)
    scores = torch.tensor([[1.0], [-1.0]])
    decoded = steps.Decoded(torch.zeros(2, 1, 32, 32), scores, token, token, torch.zeros(2, 1))
    pointer = steps.object_pointer(network.sam, decoded)
    assert torch.equal(pointer[1], network.sam.no_obj_ptr[0])
    assert not torch.allclose(pointer[0], pointer[1])
