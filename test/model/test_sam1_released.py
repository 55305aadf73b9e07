"""SAM 1's checkpoints, by Meta's names and by those of transformers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from metas_sam import decode_mask, encode_image, metas_state
from torch import Tensor
from transformers import SamConfig, SamMaskDecoderConfig, SamModel, SamPromptEncoderConfig, SamVisionConfig

from samwise_ros.config import preset
from samwise_ros.errors import CheckpointError
from samwise_ros.model import sam1_steps as steps
from samwise_ros.model.build import empty_network
from samwise_ros.model.checkpoint import load_state
from samwise_ros.model.pretrained import read_sam
from samwise_ros.model.sam1_bridge import Sam1
from samwise_ros.model.sam1_released import translate


@pytest.fixture(scope="module")
def theirs() -> SamModel:
    """SAM of transformers, of the small size, with weights that make every part matter."""
    torch.manual_seed(3)
    config = SamConfig(
        vision_config=SamVisionConfig(
            hidden_size=96,
            output_channels=64,
            num_hidden_layers=6,
            num_attention_heads=2,
            image_size=256,
            patch_size=8,
            window_size=8,
            global_attn_indexes=[1, 3, 5],
            num_pos_feats=32,
        ),
        prompt_encoder_config=SamPromptEncoderConfig(hidden_size=64, image_size=256, patch_size=8),
        mask_decoder_config=SamMaskDecoderConfig(hidden_size=64, mlp_dim=256, iou_head_hidden_dim=64),
    )
    model = SamModel(config).eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.normal_(1 if "norm" in name and name.endswith("weight") else 0, 0.3 if value.ndim < 2 else 0.12)
        model.shared_image_embedding.positional_embedding.normal_()
    return model


@pytest.fixture(scope="module")
def image() -> Tensor:
    return torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(4))


@pytest.fixture(scope="module")
def prompts() -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(5)
    return torch.randn(1, 3, 64, generator=random), torch.randn(1, 64, 32, 32, generator=random)


def sam_of(path: Path) -> Sam1:
    found = read_sam(path)
    assert found.config == preset("refsam_compact")
    sam = empty_network(found.config).sam
    load_state(sam, found.state, path)
    return sam.eval()


@pytest.fixture(scope="module")
def metas(theirs: SamModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("meta") / "sam_vit_small.pth"
    torch.save(metas_state(theirs), path)
    return path


@pytest.fixture(scope="module")
def folder(theirs: SamModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("transformers")
    theirs.save_pretrained(path)
    return path


@torch.inference_mode()
def test_both_formats_compute_what_sam_computes(
    theirs: SamModel, metas: Path, folder: Path, image: Tensor, prompts: tuple[Tensor, Tensor]
):
    sparse, dense = prompts
    embedding = theirs.vision_encoder(image).last_hidden_state
    place = theirs.get_image_wide_positional_embeddings()
    (masks, _) = theirs.mask_decoder(embedding, place, sparse[None], dense, multimask_output=False)
    written = metas_state(theirs)
    by_hand = encode_image(written, image, heads=2, window=8, global_blocks=(1, 3, 5))
    mask_by_hand = decode_mask(written, embedding, dense, sparse[0], heads=8)
    assert torch.allclose(by_hand, embedding, atol=1e-4)
    assert torch.allclose(mask_by_hand, masks[0, 0, 0], atol=1e-4)
    assert embedding.std() > 0.1
    assert masks.std() > 0.1
    for path in (metas, folder, folder / "model.safetensors"):
        sam = sam_of(path)
        ours = steps.run_encoder(sam, [], image)[-1]
        decoded = steps.decode_mask(sam, ours, dense, sparse, None)
        assert torch.allclose(ours, by_hand, atol=1e-4), path
        assert torch.allclose(decoded.mask_logits[0, 0], mask_by_hand, atol=1e-4), path


def test_every_value_of_both_formats_arrives(theirs: SamModel):
    own = empty_network(preset("refsam_compact")).sam.state_dict()
    no_mask = {"prompt_encoder.no_mask_embed.weight"}
    for state in (theirs.state_dict(), metas_state(theirs)):
        ours = translate(state)
        assert ours.keys() == own.keys() | no_mask
        assert all(ours[key].shape == value.shape for key, value in own.items())


@pytest.mark.parametrize(("name", "blocks", "width"), [("refsam_b", 12, 768), ("refsam_h", 32, 1280)])
def test_published_sizes_have_metas_shapes(name: str, blocks: int, width: int):
    own = empty_network(preset(name)).sam.state_dict()
    assert own["vision_encoder.pos_embed"].shape == (1, 64, 64, width)
    assert own[f"vision_encoder.layers.{blocks - 1}.attn.rel_pos_h"].shape == (127, 80 if name == "refsam_h" else 64)
    assert own["vision_encoder.layers.0.attn.rel_pos_h"].shape[0] == 27
    assert own["prompt_encoder.positions"].shape == (2, 128)
    assert own["mask_decoder.output_hypernetworks_mlps.3.proj_out.weight"].shape == (32, 256)
    assert f"vision_encoder.layers.{blocks}.attn.rel_pos_h" not in own


def test_a_key_too_few_or_too_many_is_refused(theirs: SamModel, tmp_path: Path):
    state = metas_state(theirs)
    state["image_encoder.neck.9.weight"] = state.pop("image_encoder.neck.2.weight")
    torch.save(state, tmp_path / "sam.pth")
    message = r"1 missing \(vision_encoder\.neck\.conv2\.weight\); 1 unknown \(image_encoder\.neck\.9\.weight\)"
    with pytest.raises(CheckpointError, match=message):
        sam_of(tmp_path / "sam.pth")


def test_a_key_that_comes_twice(theirs: SamModel):
    state = metas_state(theirs)
    state["shared_image_embedding.positional_embedding"] = torch.zeros(2, 32)
    with pytest.raises(CheckpointError, match=r"key shared_image_embedding.* comes twice"):
        translate(state)


def test_a_size_that_nobody_knows(theirs: SamModel, tmp_path: Path):
    state = {key: value for key, value in metas_state(theirs).items() if ".blocks.5." not in key}
    torch.save(state, tmp_path / "sam.pth")
    message = r"width 96 with 5 blocks, expected one of refsam_compact 96/6, refsam_b 768/12, "
    with pytest.raises(CheckpointError, match=message):
        read_sam(tmp_path / "sam.pth")
