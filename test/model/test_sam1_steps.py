"""SAM 1 step by step, with RefSAM's adapters and prompts."""

from dataclasses import replace

import pytest
import torch
from metas_sam import encode_image, metas_state
from torch import Tensor, nn
from transformers import SamConfig, SamMaskDecoderConfig, SamModel, SamPromptEncoderConfig, SamVisionConfig

from samwise_ros.config import VitConfig, preset
from samwise_ros.model import sam1_steps as steps
from samwise_ros.model.refsam import RefSam
from samwise_ros.model.sam1_bridge import Sam1
from samwise_ros.model.sam1_released import translate


@torch.inference_mode()
def test_windows_that_stick_out_and_maps_of_the_global_blocks():
    torch.manual_seed(2)
    vision = SamVisionConfig(
        hidden_size=16,
        output_channels=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=64,
        patch_size=8,
        window_size=3,
        global_attn_indexes=[0, 1, 3],
        num_pos_feats=8,
    )
    prompt = SamPromptEncoderConfig(hidden_size=16, image_size=64, patch_size=8)
    decoder = SamMaskDecoderConfig(hidden_size=16, mlp_dim=32, iou_head_hidden_dim=16)
    theirs = SamModel(SamConfig(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder)).eval()
    for value in theirs.parameters():
        value.normal_(0, 0.3)
    config = replace(
        preset("refsam_compact"),
        image_side_px=64,
        vit=VitConfig(width=16, layers=4, heads=2, global_blocks=(0, 1, 3), patch_px=8, window=3),
        width=16,
        decoder_ffn=32,
        dense_attention=False,
        hierarchical_attention=False,
    )
    sam = Sam1(config)
    sam.load_state_dict(translate(theirs.state_dict()))
    image = torch.randn(1, 3, 64, 64)
    first, second, embedding = steps.run_encoder(sam, [], image)
    by_hand = encode_image(metas_state(theirs), image, heads=2, window=3, global_blocks=(0, 1, 3))
    assert torch.allclose(embedding, by_hand, atol=1e-4)
    outputs = theirs.vision_encoder(image, output_hidden_states=True).hidden_states
    for ours, index in ((first, 0), (second, 1)):
        after = [state for state in outputs if torch.allclose(state.permute(0, 3, 1, 2), ours, atol=1e-4)]
        assert after, f"output of block {index}"


def test_positions_of_cells_are_those_of_transformers(refsam: RefSam):
    config = SamConfig(
        vision_config=SamVisionConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, num_pos_feats=32),
        prompt_encoder_config=SamPromptEncoderConfig(hidden_size=64, image_size=64, patch_size=8),
        mask_decoder_config=SamMaskDecoderConfig(hidden_size=64),
    )
    theirs = SamModel(config)
    theirs.shared_image_embedding.positional_embedding.data = refsam.sam.prompt_encoder.positions
    ours = refsam.sam.prompt_encoder.embed_grid(8, 8)
    assert torch.allclose(ours, theirs.get_image_wide_positional_embeddings(), atol=1e-4)


class Times(nn.Module):
    """An adapter that multiplies."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


@torch.inference_mode()
def test_one_adapter_is_after_attention_with_a_skip_and_one_beside_the_mlp_halved(refsam: RefSam):
    block = refsam.sam.blocks[1]
    x = torch.randn(1, 8, 8, 32)
    pair = nn.Module()
    pair.after_attention, pair.beside_mlp = Times(3.0), Times(10.0)
    seen = steps.attend_map(block.attn, block.layer_norm1(x))
    y = x + (seen + 3 * seen)
    normed = block.layer_norm2(y)
    assert torch.allclose(steps.run_block(block, x, pair), y + block.mlp(normed) + 5 * normed, atol=1e-4)


@torch.inference_mode()
def test_adapters_are_in_the_last_blocks(refsam: RefSam):
    images = torch.randn(1, 3, 64, 64)
    assert len(refsam.adapters) == 2 == len(refsam.sam.blocks) // 2
    plain = steps.run_encoder(refsam.sam, [], images)
    adapted = steps.run_encoder(refsam.sam, [*refsam.adapters], images)
    last = steps.run_encoder(refsam.sam, [refsam.adapters[1]], images)
    assert all(torch.equal(*maps) for maps in zip(plain[:2], adapted[:2], strict=True)), "blocks 0 and 1 have none"
    assert not torch.allclose(plain[2], last[2], atol=1e-2)
    assert not torch.allclose(last[2], adapted[2], atol=1e-2)


def test_relative_embeddings_are_of_the_distance_and_stretch():
    table = torch.arange(-2.0, 3)[:, None]
    assert torch.equal(steps.relative_embeddings(table, 3)[:, 0], torch.tensor([[0.0, -1, -2], [1, 0, -1], [2, 1, 0]]))
    stretched = steps.relative_embeddings(table, 5)[:, 0]
    assert stretched.shape == (5, 5)
    assert torch.allclose(stretched.diagonal(), torch.zeros(5), atol=1e-6)
    assert (stretched.diff(dim=0) > 0)[1:-1].all()
    assert stretched[4, 0] <= 2


def test_positions_are_stretched_only_where_they_do_not_fit():
    positions = torch.arange(16.0).reshape(1, 4, 4, 1)
    assert steps.stretch_positions(positions, 4, 4) is positions
    assert steps.stretch_positions(positions, 8, 2).shape == (1, 8, 2, 1)


@pytest.fixture
def prompts() -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    return tuple(torch.randn(*shape, generator=random) for shape in ((1, 64, 8, 8), (2, 64, 8, 8), (2, 5, 64)))


@torch.inference_mode()
def test_hidden_prompts_do_not_count_and_one_image_serves_all_targets(refsam: RefSam, prompts):
    embedding, dense, sparse = prompts
    hidden = torch.tensor([[False] * 5, [True] + [False] * 2 + [True] * 2])
    together = steps.decode_mask(refsam.sam, embedding, dense, sparse, hidden)
    assert together.mask_logits.shape == (2, 1, 32, 32)
    for row, kept in enumerate((slice(0, 5), slice(1, 3))):
        alone = steps.decode_mask(refsam.sam, embedding, dense[row, None], sparse[row, None, kept], None)
        assert torch.allclose(together.mask_logits[row], alone.mask_logits[0], atol=1e-4)
        assert torch.allclose(together.mask_token[row], alone.mask_token[0], atol=1e-4)


@torch.inference_mode()
def test_the_decoder_takes_its_own_tokens_first_and_answers_with_mask_token_0(
    refsam: RefSam, prompts, monkeypatch: pytest.MonkeyPatch
):
    embedding, dense, sparse = prompts
    decoder, taken = refsam.sam.mask_decoder, []
    run = steps.run_two_way
    monkeypatch.setattr(steps, "run_two_way", lambda *given: taken.append(given) or run(*given))
    decoded = steps.decode_mask(refsam.sam, embedding, dense, sparse, None)
    own = torch.cat((decoder.iou_token.weight, decoder.mask_tokens.weight))
    assert own.shape == (5, 64)
    assert torch.equal(taken[0][1], torch.cat((own.expand(2, -1, -1), sparse), 1))
    assert torch.equal(taken[0][2], (embedding + dense).flatten(2).transpose(1, 2))
    assert all(torch.equal(given[3], taken[0][1]) for given in taken), "tokens stand for their positions in each layer"
    weights = decoder.output_hypernetworks_mlps[0](decoded.mask_token)
    before = decoded.mask_logits.clone()
    for index in (1, 2, 3):
        for value in decoder.output_hypernetworks_mlps[index].parameters():
            monkeypatch.setattr(value, "data", torch.randn_like(value))
    assert weights.shape == (2, 8)
    assert torch.equal(steps.decode_mask(refsam.sam, embedding, dense, sparse, None).mask_logits, before)
