"""RefSAM as a whole: its size, its parts, its clips."""

import re
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from samwise_ros.config import REFSAM_PARTS, RefSamConfig, preset
from samwise_ros.model import sam1_steps as steps
from samwise_ros.model.build import empty_network
from samwise_ros.model.refsam import RefSam

IDS = torch.tensor([[0, 40, 50, 60, 2], [0, 41, 2, 1, 1], [0, 42, 43, 2, 1], [0, 44, 2, 1, 1]])


def refsam_config(name: str) -> RefSamConfig:
    config = preset(name)
    assert isinstance(config, RefSamConfig)
    return config


@pytest.mark.parametrize(
    ("name", "total", "adapters", "reduce"),
    [("refsam_b", 9.9, 3.55, 0.59), ("refsam_l", 19.1, 12.61, 0.79), ("refsam_h", 33.0, 26.27, 0.98)],
)
def test_trainable_parameters_are_the_published_ones(name: str, total: float, adapters: float, reduce: float):
    network = empty_network(refsam_config(name))

    def millions(*parts: str) -> float:
        modules = [network.get_submodule(part) for part in parts]
        return sum(value.numel() for part in modules for value in part.parameters() if value.requires_grad) / 1e6

    assert millions("") == pytest.approx(total, rel=0.02)
    assert millions("adapters") == pytest.approx(adapters, abs=0.005)
    assert millions("sam") == millions("sam.mask_decoder") == pytest.approx(4.06, abs=0.005)
    assert millions("cross_modal_mlp") == pytest.approx(0.92, abs=0.005)
    assert millions("dense_attention", "hierarchical_attention.attention") == pytest.approx(0.26, abs=0.005)
    assert millions("hierarchical_attention.reduce") == pytest.approx(reduce, abs=0.005)
    assert millions("tracking") == pytest.approx(0.53, abs=0.005)
    assert millions("text_encoder") == 0


def test_the_small_size_learns_as_a_whole():
    network = empty_network(refsam_config("refsam_compact"))
    (frozen,) = [name for name, value in network.named_parameters() if not value.requires_grad]
    assert frozen.endswith("token_type_embeddings.weight"), "RoBERTa has one type only"
    assert sum(value.numel() for value in network.parameters()) < 4.5e6


@torch.inference_mode()
def test_words_and_sentence_have_length_one(refsam: RefSam):
    text = refsam.encode_text(IDS)
    assert text.sentence.shape == (4, 64)
    assert text.words.shape == (4, 5, 64)
    assert torch.equal(text.padding, IDS == 1)
    for vectors in (text.sentence, text.words):
        assert torch.allclose(vectors.norm(dim=-1), torch.ones(vectors.shape[:-1]))


@torch.inference_mode()
def test_a_batch_equals_its_clips_one_by_one(refsam: RefSam):
    images = torch.randn(2, 3, 3, 64, 64)
    together = refsam(images, IDS)
    assert [tuple(level.shape) for level in together.maps] == [(6, width, 8, 8) for width in (32, 32, 64, 64)]
    assert len(together.frames) == 3
    for row, ids in enumerate(IDS):
        alone = refsam(images[row // 2, None], ids[None, ids != 1])
        for ours, theirs in zip(together.frames, alone.frames, strict=True):
            assert ours.decoded.mask_logits.shape == (4, 1, 32, 32)
            assert torch.allclose(ours.decoded.mask_logits[row], theirs.decoded.mask_logits[0], atol=1e-4)
            assert torch.allclose(ours.track[row], theirs.track[0], atol=1e-4)


def spy(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Tensor, Tensor, Tensor, Tensor | None]]:
    """What the mask decoder is given: embedding, dense, sparse, hidden."""
    given: list[tuple[Tensor, Tensor, Tensor, Tensor | None]] = []
    run = steps.decode_mask
    monkeypatch.setattr(steps, "decode_mask", lambda sam, *rest: given.append(rest) or run(sam, *rest))
    return given


@torch.inference_mode()
def test_the_first_frame_has_no_track_token_and_later_ones_have_it_before_the_words(
    refsam: RefSam, monkeypatch: pytest.MonkeyPatch
):
    given = spy(monkeypatch)
    clip = refsam(torch.randn(1, 3, 3, 64, 64), IDS[:1])
    words = clip.text.words
    assert [sparse.shape[1] for _, _, sparse, _ in given] == [5, 6, 6]
    assert torch.equal(given[0][2], words)
    for number in (1, 2):
        assert torch.equal(given[number][2], torch.cat((clip.frames[number - 1].track[:, None], words), 1))
    tracks = [frame.track for frame in clip.frames]
    tokens = [frame.decoded.mask_token for frame in clip.frames]
    assert torch.equal(tracks[0], refsam.tracking(tokens[0], None))
    assert torch.equal(tracks[2], refsam.tracking(tokens[2], tracks[1]))


@torch.inference_mode()
def test_a_new_target_among_old_ones_is_as_on_a_first_frame(refsam: RefSam):
    images = refsam.encode_images(torch.randn(1, 3, 64, 64))
    text = refsam.encode_text(IDS[:1].expand(2, -1))
    track = torch.cat((torch.randn(1, 64), torch.zeros(1, 64)))
    both = refsam.track(images, text, track, torch.tensor([False, True]))
    first = refsam.track(images, text, None)
    assert torch.allclose(both.decoded.mask_logits[1], first.decoded.mask_logits[1], atol=1e-4)
    assert torch.allclose(both.track[1], first.track[1], atol=1e-4)
    assert not torch.allclose(both.decoded.mask_logits[0], first.decoded.mask_logits[0], atol=1e-2)


@torch.inference_mode()
def test_the_dense_prompt_is_the_sum_of_both_attentions_and_the_embedding_keeps_its_scale(
    refsam: RefSam, monkeypatch: pytest.MonkeyPatch
):
    given = spy(monkeypatch)
    image = torch.randn(1, 3, 64, 64)
    maps, text = refsam.see(image), refsam.encode_text(IDS[:1])
    refsam.track(refsam.encode_images(image), text, None)
    tokens = torch.cat((text.sentence[:, None], text.words), 1)
    middle = refsam.hierarchical_attention.reduce(torch.cat(maps[:3], 1))
    expected = refsam.dense_attention(maps[3], tokens, None) + refsam.hierarchical_attention(middle, tokens, None)
    assert torch.equal(given[0][0], maps[3])
    assert torch.allclose(given[0][1], expected, atol=1e-6)


@pytest.mark.parametrize("part", REFSAM_PARTS)
@torch.inference_mode()
def test_each_part_can_be_left_out_and_matters(refsam: RefSam, part: str):
    plain = RefSam(replace(refsam.config, **{part: False})).eval()
    state = {key: value for key, value in refsam.state_dict().items() if not key.startswith(f"{part}.")}
    assert len(state) < len(refsam.state_dict())
    if part == "pyramid":  # whose map is the last of the middle ones
        state["hierarchical_attention.reduce.weight"] = state["hierarchical_attention.reduce.weight"][:, :64]
    plain.load_state_dict(state)
    images = torch.randn(1, 2, 3, 64, 64)
    masks = [network(images, IDS[:1]).frames[1].decoded.mask_logits for network in (plain, refsam)]
    assert not torch.allclose(*masks, atol=1e-3)


@torch.inference_mode()
def test_without_dense_attention_sam_has_its_own_prompt_for_no_mask(refsam: RefSam, monkeypatch: pytest.MonkeyPatch):
    plain = RefSam(replace(refsam.config, **dict.fromkeys(REFSAM_PARTS, False))).eval()
    given = spy(monkeypatch)
    clip = plain(torch.randn(1, 2, 3, 64, 64), IDS[:2])
    assert torch.equal(given[1][1][0, :, 0, 0], plain.sam.prompt_encoder.no_mask_embed.weight[0])
    assert clip.frames[1].decoded.mask_logits.shape == (2, 1, 32, 32)
    assert clip.frames[1].track is None


@torch.inference_mode()
def test_another_image_side_changes_no_weight(refsam: RefSam):
    other = RefSam(refsam.config).eval()
    other.load_state_dict(refsam.state_dict())
    other.set_image_side(96)
    assert other.config.image_side_px == 96
    clip = other(torch.randn(1, 1, 3, 96, 96), IDS[:1])
    assert clip.frames[0].decoded.mask_logits.shape == (1, 1, 48, 48)
    assert clip.frames[0].decoded.mask_logits.isfinite().all()


def test_every_weight_that_is_used_learns(refsam: RefSam):
    network = RefSam(refsam.config)
    torch.nn.init.normal_(network.pyramid.hand_over[0].weight, 0, 0.05)
    clip = network(torch.randn(1, 2, 3, 64, 64), IDS[:2])
    torch.stack([frame.decoded.mask_logits for frame in clip.frames]).square().mean().backward()
    learning = {name for name, value in network.named_parameters() if value.grad is not None and value.grad.any()}
    idle = {name for name, value in network.named_parameters() if value.requires_grad} - learning
    # What SAM has for other masks and for its own score, and what comes before the zeros that adapters start with.
    expected = r"\.(iou_prediction_head|output_hypernetworks_mlps\.[123])\.|\.(after_attention|beside_mlp)\.0\."
    assert idle == {name for name in dict(network.named_parameters()) if re.search(expected, name)}


def test_a_fresh_published_size_trains_what_the_paper_trains(refsam: RefSam):
    config = replace(refsam.config, frozen=refsam_config("refsam_b").frozen, pyramid=False)
    learns = {name.split(".")[0] for name, value in RefSam(config).named_parameters() if value.requires_grad}
    assert learns == {"sam", "adapters", "cross_modal_mlp", "dense_attention", "hierarchical_attention", "tracking"}
    assert all(
        name.startswith("sam.mask_decoder.")
        for name, value in RefSam(config).named_parameters()
        if value.requires_grad and name.startswith("sam.")
    )
