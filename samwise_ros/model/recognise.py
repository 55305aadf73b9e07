"""What a file of weights holds shows in its keys and shapes. Called by `model.checkpoint` and `model.pretrained`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torch import Size, Tensor

from samwise_ros.config import PRESETS, AnyConfig, ModelConfig, RefSamConfig, T5Config, TextConfig
from samwise_ros.errors import CheckpointError

ROBERTA_HEAD_WIDTH = 64
"""Channels of an attention head in every published RoBERTa; no shape tells."""


def is_sam2(state: Mapping[str, Tensor]) -> bool:
    """Whether a state dict has SAM 2's own names."""
    return "image_encoder.trunk.patch_embed.proj.weight" in state


def samwise_of_size(sam: Mapping[str, Tensor], path: Path) -> ModelConfig:
    """Find the SAMWISE preset that has an image backbone of some size.

    Args:
        sam: weights by SAM 2's names.
        path: where they come from, for the error's text.

    Returns:
        The preset.

    Raises:
        CheckpointError: there is none.
    """
    known = [config for config in PRESETS.values() if isinstance(config, ModelConfig)]
    sizes = {(config.hiera.embed_dim, sum(config.hiera.stages)): config for config in known}
    patches, blocks = "image_encoder.trunk.patch_embed.proj.weight", "image_encoder.trunk.blocks."
    return sizes[_size_of(sam, patches, blocks, sizes, path)]


def refsam_of_size(sam: Mapping[str, Tensor], path: Path) -> RefSamConfig:
    """Find the RefSAM preset that has an image encoder of some size.

    Args:
        sam: weights by the names of `sam1_bridge.Sam1`.
        path: where they come from, for the error's text.

    Returns:
        The preset.

    Raises:
        CheckpointError: there is none.
    """
    known = [config for config in PRESETS.values() if isinstance(config, RefSamConfig)]
    sizes = {(config.vit.width, config.vit.layers): config for config in known}
    patches, blocks = "vision_encoder.patch_embed.projection.weight", "vision_encoder.layers."
    return sizes[_size_of(sam, patches, blocks, sizes, path)]


def parts_of(config: AnyConfig, state: Mapping[str, Tensor]) -> AnyConfig:
    """Find out which optional parts a network has; the published single-image SAMWISE lacks some.

    Args:
        config: the preset.
        state: the whole network's weights by our names.

    Returns:
        The preset with those parts, and in RefSAM with the text encoder, that the weights are of.
    """
    if isinstance(config, RefSamConfig):
        return replace(
            config,
            text=text_encoder_of(state, config.text),
            dense_attention=any(key.startswith("dense_attention.") for key in state),
            hierarchical_attention=any(key.startswith("hierarchical_attention.") for key in state),
            tracking=any(key.startswith("tracking.") for key in state),
            pyramid=any(key.startswith("pyramid.") for key in state),
        )
    return replace(
        config,
        vision_to_text=any(".vision_to_text." in key for key in state),
        object_score="sam.sam_mask_decoder.obj_score_token.weight" in state,
        temporal_attention=any(".temporal." in key for key in state),
        memory_check=any(key.startswith("cme.") for key in state),
        pyramid=any(key.startswith("pyramid.") for key in state),
        frame_change=any(".change." in key for key in state),
    )


def text_encoder_of(state: Mapping[str, Tensor], usual: TextConfig | T5Config) -> TextConfig | T5Config:
    """Find out the size of a text encoder.

    Args:
        state: weights whose keys start with `text_encoder.`; other keys do not matter.
        usual: what it is if its shapes do not say something else.

    Returns:
        Its sizes, `usual` where a shape that would tell is missing.
    """
    prefix = "text_encoder."
    shapes = {key.removeprefix(prefix): value.shape for key, value in state.items() if key.startswith(prefix)}
    try:
        return _t5_of(shapes) if "t5.embed_tokens.weight" in shapes else _roberta_of(shapes, usual)
    except KeyError:  # what is missing is named when the weights are loaded
        return usual


def _t5_of(shapes: Mapping[str, Size]) -> T5Config:
    attention, feed = "t5.block.0.layer.0.SelfAttention.", "t5.block.0.layer.1.DenseReluDense."
    vocab_size, width = shapes["t5.embed_tokens.weight"]
    heads = shapes[f"{attention}relative_attention_bias.weight"][1]
    gated = f"{feed}wi_0.weight" in shapes
    return T5Config(
        vocab_size=vocab_size,
        width=width,
        layers=_count(shapes, "t5.block."),
        heads=heads,
        head_width=shapes[f"{attention}q.weight"][0] // heads,
        ffn=shapes[f"{feed}wi_0.weight" if gated else f"{feed}wi.weight"][0],
        gated=gated,
    )


def _roberta_of(shapes: Mapping[str, Size], usual: TextConfig | T5Config) -> TextConfig:
    vocab_size, width = shapes["roberta.embeddings.word_embeddings.weight"]
    layers = _count(shapes, "roberta.encoder.layer.")
    if isinstance(usual, TextConfig) and (vocab_size, width, layers) == (usual.vocab_size, usual.width, usual.layers):
        return usual
    return replace(
        TextConfig(),
        vocab_size=vocab_size,
        width=width,
        layers=layers,
        heads=width // ROBERTA_HEAD_WIDTH,
        ffn=shapes["roberta.encoder.layer.0.intermediate.dense.weight"][0],
        cuts=(*TextConfig().cuts[:3], layers),
        max_tokens=shapes["roberta.embeddings.position_embeddings.weight"][0] - 2,
    )


def _count(keys: Mapping[str, object], prefix: str) -> int:
    """How many different numbers follow a prefix."""
    return len({key.removeprefix(prefix).split(".")[0] for key in keys if key.startswith(prefix)})


def _size_of(
    sam: Mapping[str, Tensor], patches: str, blocks: str, sizes: Mapping[tuple[int, int], AnyConfig], path: Path
) -> tuple[int, int]:
    """Width and number of blocks of an image backbone, of the sizes that are known."""
    embedding = sam.get(patches)
    size = (0 if embedding is None else embedding.shape[0], _count(sam, blocks))
    if size not in sizes:
        known = ", ".join(f"{config.name} {width}/{count}" for (width, count), config in sizes.items())
        raise CheckpointError(
            f"weights file {path} has an image backbone of width {size[0]} with {size[1]} blocks, expected one of "
            f"{known}: this size is not supported"
        )
    return size
