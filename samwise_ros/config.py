"""Model presets: every size that this package can build, as frozen dataclasses.

`model.build` turns a preset into a network, SAMWISE or RefSAM. SAMWISE's published sizes follow SAM 2.0's
configurations (`sam2_hiera_{t,b+,l}`) and RoBERTa-base, RefSAM's follow SAM's (`sam_vit_{b,l,h}`) and the encoder of
T5-3B. `compact` and `refsam_compact`, whose weights ship with the package, are this project's own small sizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

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

    special_ids: ClassVar[dict[str, int]] = {"<s>": 0, "<pad>": 1, "</s>": 2}
    """Ids that the tokenizer has to give."""

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
        image_side_px: side S of the square into which images are fitted, unless another one is asked for.
        hiera: image backbone.
        text: text encoder.
        width: channels of the neck, the memory attention and the mask decoder.
        memory_width: channels of a memory map.
        memory_layers: layers of the memory attention.
        memory_ffn: hidden width of the memory attention's feed-forward layers.
        adapter_width: hidden channels A of the Cross-Modal Temporal adapters.
        adapter_heads: heads of their attentions.
        frozen: parts whose pretrained weights stay as they are in training.
        vision_to_text: whether the adapters let the text look at the image, too.
        object_score: whether the network predicts if the object is in view (video) or takes it for granted (images).
        temporal_attention: whether the adapters have Hierarchical Selective Attention.
        memory_check: whether there is a Conditional Memory Encoder.
        pyramid: whether a convolutional pyramid helps the image backbone.
        frame_change: whether adapter 0 also compares each frame with the oldest of its window by convolutions.
        square: whether frames are padded to squares, as the original does, or only to whole patches, which costs less;
            see `image_step_px`.
        follow_edges: whether masks are upsampled along the edges of the picture; see `model.edges`.
        fine_side_px: the side where there is time for a larger one, on a GPU and for recordings; None for the same.

    `object_score`, `temporal_attention` and `memory_check` are False in the published single-image model; no published
    model lacks `vision_to_text`, which the paper's ablation leaves out, and none has a `pyramid` or `frame_change`, as
    `compact` has. A weights file says by its keys what it has.
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
    adapter_heads: int = 8
    frozen: tuple[str, ...] = ("text_encoder", "sam")
    vision_to_text: bool = True
    object_score: bool = True
    temporal_attention: bool = True
    memory_check: bool = True
    pyramid: bool = False
    frame_change: bool = False
    square: bool = True
    follow_edges: bool = False
    fine_side_px: int | None = None


OPTIONAL_PARTS = ("vision_to_text", "object_score", "temporal_attention", "memory_check", "pyramid", "frame_change")
"""Fields of ModelConfig that say whether a network has a part."""


@dataclass(frozen=True, slots=True)
class VitConfig:
    """SAM 1's image encoder, a Vision Transformer.

    Attributes:
        width: channels of a block.
        layers: number of blocks.
        heads: attention heads per block.
        global_blocks: indices of the blocks that attend to the whole map; the last block is one.
        patch_px: side of a patch.
        window: side of the other blocks' attention window, in cells.
    """

    width: int
    layers: int
    heads: int
    global_blocks: tuple[int, ...]
    patch_px: int = 16
    window: int = 14


@dataclass(frozen=True, slots=True)
class T5Config:
    """The encoder of T5.

    Attributes:
        vocab_size: number of token ids.
        width: channels of a token.
        layers: number of transformer layers.
        heads: attention heads per layer.
        head_width: channels of a head.
        ffn: hidden width of the feed-forward layers.
        gated: whether these are gated, as in T5 1.1 and FLAN-T5.
        max_tokens: longest token sequence, `</s>` included; longer expressions are cut.
    """

    special_ids: ClassVar[dict[str, int]] = {"<pad>": 0, "</s>": 1}
    """Ids that the tokenizer has to give."""

    vocab_size: int = 32128
    width: int = 1024
    layers: int = 24
    heads: int = 32
    head_width: int = 128
    ffn: int = 16384
    gated: bool = False
    max_tokens: int = 512


@dataclass(frozen=True, slots=True)
class RefSamConfig:
    """One size of RefSAM.

    Attributes:
        name: the preset's name.
        image_side_px: side S of the square image that the network sees.
        vit: image encoder.
        text: text encoder, the size of T5-3B's or another one; a weights file says by its keys which.
        width: channels of the image embedding, the prompts and the mask decoder.
        decoder_ffn: hidden width of the mask decoder's feed-forward layers.
        frozen: parts whose pretrained weights stay as they are in training.
        dense_attention: whether the words reach the final image embedding before the mask decoder.
        hierarchical_attention: whether they reach the maps of the earlier global blocks.
        tracking: whether there is an Implicit Tracking Module; without it each frame stands alone.
        pyramid: whether a convolutional pyramid tells the maps that meet the words what it recognises.
        follow_edges: whether masks are upsampled along the edges of the picture; see `model.edges`.

    The paper's ablation leaves out the attentions and the tracking. A weights file says by its keys what it has; no
    published one has a `pyramid`, as `refsam_compact` has.
    """

    name: str
    image_side_px: int
    vit: VitConfig
    text: TextConfig | T5Config = T5Config()
    width: int = 256
    decoder_ffn: int = 2048
    frozen: tuple[str, ...] = ("text_encoder", "sam.vision_encoder", "sam.prompt_encoder")
    dense_attention: bool = True
    hierarchical_attention: bool = True
    tracking: bool = True
    pyramid: bool = False
    follow_edges: bool = False


REFSAM_PARTS = ("dense_attention", "hierarchical_attention", "tracking", "pyramid")
"""Fields of RefSamConfig that say whether a network has a part."""

PATCH_PX = 64
"""Pixels along an edge of the patches of SAMWISE's temporal attention, at strides 8, 16 and 32."""

MAX_SIDE_PX = 2048
"""Largest side of the network's image."""

_SMALL_TEXT = TextConfig(vocab_size=2048, width=128, layers=4, heads=4, ffn=512, cuts=(1, 2, 3, 4), max_tokens=64)

AnyConfig: TypeAlias = ModelConfig | RefSamConfig

PRESETS: dict[str, AnyConfig] = {
    config.name: config
    for config in (
        ModelConfig(
            name="compact",
            image_side_px=320,
            hiera=HieraConfig(
                embed_dim=32, heads=1, stages=(1, 2, 4, 1), global_blocks=(4, 6), windows=(8, 4, 8, 4), pos_embed_side=8
            ),
            text=_SMALL_TEXT,
            width=64,
            memory_width=16,
            memory_layers=2,
            memory_ffn=256,
            adapter_width=64,
            adapter_heads=4,
            frozen=(),
            pyramid=True,
            frame_change=True,
            square=False,
            follow_edges=True,
            fine_side_px=448,
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
        RefSamConfig(
            name="refsam_compact",
            image_side_px=256,
            vit=VitConfig(width=96, layers=6, heads=2, global_blocks=(1, 3, 5), patch_px=8, window=8),
            text=_SMALL_TEXT,
            width=64,
            decoder_ffn=256,
            frozen=(),
            pyramid=True,
            follow_edges=True,
        ),
        RefSamConfig("refsam_b", 1024, VitConfig(width=768, layers=12, heads=12, global_blocks=(2, 5, 8, 11))),
        RefSamConfig("refsam_l", 1024, VitConfig(width=1024, layers=24, heads=16, global_blocks=(5, 11, 17, 23))),
        RefSamConfig("refsam_h", 1024, VitConfig(width=1280, layers=32, heads=16, global_blocks=(7, 15, 23, 31))),
    )
}
"""Every preset by name. All but `compact` and `refsam_compact` are published sizes."""


def image_step_px(config: AnyConfig) -> int:
    """What height and width of the network's images are multiples of: its whole side where they are squares."""
    return PATCH_PX if isinstance(config, ModelConfig) and not config.square else config.image_side_px


def fine_side_px(config: AnyConfig) -> int:
    """Side of the network's image where there is time for a larger one: on a GPU, and for recordings."""
    return (config.fine_side_px if isinstance(config, ModelConfig) else None) or config.image_side_px


def check_image_side(side_px: int) -> None:
    """Refuse a side of the network's image that no preset can have.

    Args:
        side_px: side S of the square into which images are fitted.

    Raises:
        ConfigError: it is not a multiple of PATCH_PX up to MAX_SIDE_PX.
    """
    if side_px % PATCH_PX or not PATCH_PX <= side_px <= MAX_SIDE_PX:
        near = min(max(round(side_px / PATCH_PX), 1), MAX_SIDE_PX // PATCH_PX) * PATCH_PX
        raise ConfigError(
            f"image_side_px is {side_px}, expected a multiple of {PATCH_PX} from {PATCH_PX} to {MAX_SIDE_PX}: "
            f"take {near}"
        )


def preset(name: str) -> AnyConfig:
    """Look a preset up.

    Args:
        name: one of `PRESETS`.

    Returns:
        The preset's configuration.

    Raises:
        ConfigError: there is no preset of that name.
    """
    if name not in list(PRESETS):  # by equality, which a list in a recipe has, too
        raise ConfigError(f"model preset is {name!r}, expected one of {', '.join(PRESETS)}: choose one of these")
    return PRESETS[name]
