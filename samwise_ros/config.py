"""Model presets: every size that this package can build, as frozen dataclasses.

`model.build` turns a preset into a network. The published sizes follow SAM 2.0's configurations (`sam2_hiera_{t,b+,l}`)
and RoBERTa-base; `compact` is this project's own small size, whose weights ship with the package.
"""

from __future__ import annotations

from dataclasses import dataclass

from samwise_ros.errors import ConfigError


@dataclass(frozen=True, slots=True)
class HieraConfig:
    """SAM 2's image backbone.

    Attributes:
        embed_dim: channels of the first stage; each later stage doubles them.
        heads: attention heads of the first stage; each later stage doubles them.
        stages: number of blocks in each of the four stages (strides 4, 8, 16, 32).
        global_blocks: indices of the blocks that attend to the whole map.
        windows: side of the attention window in each stage, in cells.
        pos_embed_side: side of the learned background position embedding, in cells.
    """

    embed_dim: int
    heads: int
    stages: tuple[int, int, int, int]
    global_blocks: tuple[int, ...]
    windows: tuple[int, int, int, int] = (8, 4, 14, 7)
    pos_embed_side: int = 14


@dataclass(frozen=True, slots=True)
class TextConfig:
    """The RoBERTa text encoder.

    Attributes:
        vocab_size: number of token ids.
        width: channels of a token.
        layers: number of transformer layers.
        heads: attention heads per layer.
        ffn: hidden width of the feed-forward layers.
        cuts: layers done after each of the four fusion steps; the last equals `layers`.
        max_tokens: longest token sequence, `<s>` and `</s>` included; longer expressions are cut.
    """

    vocab_size: int = 50265
    width: int = 768
    layers: int = 12
    heads: int = 12
    ffn: int = 3072
    cuts: tuple[int, int, int, int] = (1, 4, 8, 12)
    max_tokens: int = 512


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """One size of SAMWISE.

    Attributes:
        name: the preset's name.
        image_side_px: side S of the square image that the network sees.
        hiera: image backbone.
        text: text encoder.
        width: channels of the neck, the memory attention and the mask decoder.
        memory_width: channels of a memory map.
        memory_layers: layers of the memory attention.
        memory_ffn: hidden width of the memory attention's feed-forward layers.
        adapter_width: hidden channels A of the Cross-Modal Temporal adapters.
        frozen: parts whose pretrained weights stay as they are in training.
        vision_to_text: whether the adapters let the text look at the image, too.
        object_score: whether the network predicts if the object is in view (video) or takes it for granted (images).
        temporal_attention: whether the adapters have Hierarchical Selective Attention.
        memory_check: whether there is a Conditional Memory Encoder.

    The last three are False in the published single-image model; no published model lacks `vision_to_text`, which the
    paper's ablation leaves out. A weights file says by its keys what it has.
    """

    name: str
    image_side_px: int
    hiera: HieraConfig
    text: TextConfig = TextConfig()
    width: int = 256
    memory_width: int = 64
    memory_layers: int = 4
    memory_ffn: int = 2048
    adapter_width: int = 256
    frozen: tuple[str, ...] = ("text_encoder", "sam")
    vision_to_text: bool = True
    object_score: bool = True
    temporal_attention: bool = True
    memory_check: bool = True


OPTIONAL_PARTS = ("vision_to_text", "object_score", "temporal_attention", "memory_check")
"""Fields of ModelConfig that say whether a network has a part."""

PRESETS: dict[str, ModelConfig] = {
    config.name: config
    for config in (
        ModelConfig(
            name="compact",
            image_side_px=256,
            hiera=HieraConfig(
                embed_dim=32, heads=1, stages=(1, 2, 4, 1), global_blocks=(4, 6), windows=(8, 4, 8, 4), pos_embed_side=8
            ),
            text=TextConfig(vocab_size=2048, width=128, layers=4, heads=4, ffn=512, cuts=(1, 2, 3, 4), max_tokens=64),
            width=64,
            memory_width=16,
            memory_layers=2,
            memory_ffn=256,
            adapter_width=64,
            frozen=(),
        ),
        ModelConfig(
            name="tiny",
            image_side_px=1024,
            hiera=HieraConfig(embed_dim=96, heads=1, stages=(1, 2, 7, 2), global_blocks=(5, 7, 9), pos_embed_side=7),
        ),
        ModelConfig(
            name="base_plus",
            image_side_px=1024,
            hiera=HieraConfig(embed_dim=112, heads=2, stages=(2, 3, 16, 3), global_blocks=(12, 16, 20)),
        ),
        ModelConfig(
            name="large",
            image_side_px=1024,
            hiera=HieraConfig(
                embed_dim=144,
                heads=2,
                stages=(2, 6, 36, 4),
                global_blocks=(23, 33, 43),
                windows=(8, 4, 16, 8),
                pos_embed_side=7,
            ),
        ),
    )
}
"""Every preset by name. `tiny`, `base_plus` and `large` are the published sizes."""


def preset(name: str) -> ModelConfig:
    """Look a preset up.

    Args:
        name: one of `PRESETS`.

    Returns:
        The preset's configuration.

    Raises:
        ConfigError: there is no preset of that name.
    """
    if name not in PRESETS:
        raise ConfigError(f"model preset is {name!r}, expected one of {', '.join(PRESETS)}: choose one of these")
    return PRESETS[name]
