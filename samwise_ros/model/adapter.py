"""Cross-Modal Temporal adapter: where text and image meet inside the two encoders.

Called by `model.fusion` after each of the last three backbone stages.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from samwise_ros.model.attention import Attention
from samwise_ros.model.host_memory import in_strips


def time_phases(frames: int, width: int, device: torch.device) -> Tensor:
    """Sine embedding of a frame's place in its window.

    Args:
        frames: number of frames n in the window.
        width: channels A.
        device: where the result lives.

    Returns:
        (n, A) float32. Frame i = 1..n has phase i / (n + 1e-6) * 2 pi; channel c divides it by
        10000^(2 floor(c / 2) / A) and takes the sine where c is even, the cosine where c is odd.
    """
    phase = torch.arange(1, frames + 1, device=device, dtype=torch.float32) / (frames + 1e-6) * (2 * math.pi)
    channel = torch.arange(width, device=device, dtype=torch.float32)
    angle = phase[:, None] / 10000.0 ** (2 * (channel // 2) / width)
    return torch.where(channel.long() % 2 == 0, angle.sin(), angle.cos())


def image_to_patches(x: Tensor, side: int) -> Tensor:
    """Cut maps into square patches.

    Args:
        x: (B, T, h, w, A); h and w divide by `side`.
        side: cells along a patch's edge, P.

    Returns:
        (B, N, T, P*P, A), patches and the cells in them in row-major order.
    """
    b, t, h, w, a = x.shape
    x = x.reshape(b, t, h // side, side, w // side, side, a)
    return x.permute(0, 2, 4, 1, 3, 5, 6).reshape(b, (h // side) * (w // side), t, side * side, a)


def patches_to_image(x: Tensor, height: int, width: int) -> Tensor:
    """Undo `image_to_patches`.

    Args:
        x: (B, N, T, P*P, A).
        height: h of the map, in cells.
        width: w of the map, in cells.

    Returns:
        (B, T, h, w, A).
    """
    b, _, t, cells, a = x.shape
    side = math.isqrt(cells)
    x = x.reshape(b, height // side, width // side, t, side, side, a)
    return x.permute(0, 3, 1, 4, 2, 5, 6).reshape(b, t, height, width, a)


class HierarchicalSelectiveAttention(nn.Module):
    """Self-attention among the positions of one patch through time.

    Args:
        width: channels A.
        heads: attention heads.
        patch_side: cells along a patch's edge, P.

    Source: SAMWISE, section "Hierarchical Selective Attention".

    Differs: queries may be the last frames only of a longer window of keys, which is how a stream runs; with all frames
    as queries it is the published form.
    """

    def __init__(self, width: int, heads: int, patch_side: int) -> None:
        super().__init__()
        self.patch_side = patch_side
        self.spatial_embed = nn.Parameter(torch.zeros(patch_side * patch_side, width))
        nn.init.trunc_normal_(self.spatial_embed, std=0.02)
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.out = nn.Linear(width, width)

    def forward(self, window: Tensor, queries: int) -> Tensor:
        """Attend.

        Args:
            window: (B, n, h, w, A), the window's frames, oldest first.
            queries: q, how many of the last frames ask.

        Returns:
            (B, q, h, w, A), what to add to the last q frames.
        """
        keys_bytes = 2 * window.numel() * window.element_size()  # and as many values
        return in_strips(lambda strip: self._attend(strip, queries), window, 2, self.patch_side, keys_bytes)

    def _attend(self, window: Tensor, queries: int) -> Tensor:
        b, n, h, w, a = window.shape
        x = image_to_patches(window, self.patch_side)
        place = time_phases(n, a, x.device).to(x.dtype)[:, None] + self.spatial_embed
        # One sequence per patch: (B * N, n * P*P, A).
        keys = self.norm(x + place).flatten(0, 1).flatten(1, 2)
        asked = keys[:, (n - queries) * self.patch_side**2 :]
        y = self.out(self.attention(asked, keys))
        return patches_to_image(y.reshape(b, -1, queries, self.patch_side**2, a), h, w)


class FrameChange(nn.Module):
    """What has become different since the window's oldest frame.

    Attention would first have to find out where in the older frames a thing was; to convolutions over both frames its
    motion is a pattern like any other.

    Args:
        width: channels A.

    Source: none; SAMWISE leaves motion to Hierarchical Selective Attention (docs/decisions/0009).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.compare = nn.Conv2d(2 * width, width // 2, 3, padding=1)
        self.tell = nn.Conv2d(width // 2, width, 3, padding=1)
        nn.init.zeros_(self.tell.weight)  # an adapter that was trained without is at first left as it is
        nn.init.zeros_(self.tell.bias)  # type: ignore[arg-type]

    def forward(self, window: Tensor, queries: int) -> Tensor:
        """Compare.

        Args:
            window: (B, n, h, w, A), the window's frames, oldest first.
            queries: q, how many of the last frames are compared with the oldest.

        Returns:
            (B, q, h, w, A), what to add to the last q frames.
        """
        new = window[:, window.shape[1] - queries :]
        both = torch.cat((new, new - window[:, :1]), -1).flatten(0, 1)
        told = self.tell(torch.relu(self.compare(both.permute(0, 3, 1, 2)))).permute(0, 2, 3, 1)
        change: Tensor = told.unflatten(0, new.shape[:2])
        return change


class CrossModalTemporalAdapter(nn.Module):
    """Exchanges what the text says and what the frames show; both get a residual back.

    Its three steps are called one by one, since the first two do not depend on the text where the stage's map does not.

    Args:
        vision_width: channels C of the backbone stage.
        text_width: channels D of the text tokens.
        width: hidden channels A.
        heads: attention heads.
        patch_side: cells along an edge of the temporal attention's patches.
        temporal: whether there is temporal attention.
        vision_to_text: whether the text looks at the image, too; if not, it goes on as it came.
        change: whether frames are compared with the window's oldest, too.

    Source: SAMWISE, section "Cross-Modal Temporal Adapter".

    Differs: the visual attention skips padded text tokens. The original has none, since it runs one expression at a
    time; for one expression the two are equal.
    """

    def __init__(
        self,
        vision_width: int,
        text_width: int,
        width: int,
        heads: int,
        patch_side: int,
        *,
        temporal: bool = True,
        vision_to_text: bool = True,
        change: bool = False,
    ) -> None:
        super().__init__()
        self.vision_down = nn.Conv2d(vision_width, width, 1, bias=False)
        self.vision_down_norm = nn.BatchNorm2d(width)
        self.vision_up = nn.ConvTranspose2d(width, vision_width, 1, bias=False)
        self.vision_up_norm = nn.BatchNorm2d(vision_width)
        self.text_down = nn.Linear(text_width, width, bias=False)
        self.text_up = nn.Linear(width, text_width, bias=False) if vision_to_text else None
        self.text_to_vision = Attention(width, heads)
        self.vision_to_text = Attention(width, heads) if vision_to_text else None
        self.temporal = HierarchicalSelectiveAttention(width, heads, patch_side) if temporal else None
        self.change = FrameChange(width) if change else None

    def reduce(self, vision: Tensor) -> Tensor:
        """The stage's map in the adapter's width, which a stream keeps for its window.

        Args:
            vision: (N, h, w, C), as the backbone's blocks give it.

        Returns:
            (N, h, w, A), not negative.
        """
        reduced = torch.relu(self.vision_down_norm(self.vision_down(vision.permute(0, 3, 1, 2))))
        return reduced.permute(0, 2, 3, 1)

    def look_back(self, window: Tensor, queries: int) -> Tensor:
        """Let the last frames of a window look at all of it.

        Args:
            window: (B, n, h, w, A) from `reduce`, oldest frame first.
            queries: q, how many of the last frames are being processed.

        Returns:
            (B, q, h, w, A).
        """
        seen = window[:, window.shape[1] - queries :]
        if self.temporal is not None:
            seen = seen + self.temporal(window, queries)
        if self.change is not None:
            seen = seen + self.change(window, queries)
        return seen

    def exchange(self, x: Tensor, scene: Tensor, text: Tensor, text_padding: Tensor | None) -> tuple[Tensor, Tensor]:
        """Let frames and text attend to each other.

        Args:
            x: (R, q, h, w, A) from `look_back`; R is B, or 1 where all texts look at the same frames.
            scene: (R, h, w, A) mean of the window.
            text: (B, L, D) tokens.
            text_padding: (B, L) bool, True where a token is padding; None where none is.

        Returns:
            (B, q, h, w, C) to add to those frames' stage maps and (B, L, D) to add to the tokens.
        """
        b = text.shape[0]
        _, q, h, w, a = x.shape
        tokens = self.text_down(text)
        # Attention has no order among queries, so all frames of one target can ask its tokens in one go.
        asked = x.reshape(-1, q * h * w, a)
        answer = self.text_to_vision(asked, tokens, text_padding)
        mixed = (asked * answer).reshape(b * q, h, w, a).permute(0, 3, 1, 2)
        vision_residual = torch.relu(self.vision_up_norm(self.vision_up(mixed)))
        vision_residual = vision_residual.permute(0, 2, 3, 1).unflatten(0, (b, q))
        if self.vision_to_text is None or self.text_up is None:
            return vision_residual, torch.zeros_like(text)

        seen = scene.flatten(1, 2)
        text_residual = self.text_up(tokens * self.vision_to_text(tokens, seen))
        return vision_residual, text_residual
