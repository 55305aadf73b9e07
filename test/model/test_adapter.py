"""The Cross-Modal Temporal adapter."""

import math

import pytest
import torch

from samwise_ros.model import host_memory
from samwise_ros.model.adapter import (
    CrossModalTemporalAdapter,
    FrameChange,
    HierarchicalSelectiveAttention,
    image_to_patches,
    patches_to_image,
    time_phases,
)


def test_patches_hold_neighbouring_cells_in_row_major_order():
    x = torch.arange(16.0).reshape(1, 1, 4, 4, 1)
    patches = image_to_patches(x, 2)
    assert patches.shape == (1, 4, 1, 4, 1)
    assert patches[0, 1, 0, :, 0].tolist() == [2, 3, 6, 7]


def test_patches_go_back_to_the_image():
    x = torch.randn(2, 3, 8, 12, 5)
    assert torch.equal(patches_to_image(image_to_patches(x, 4), 8, 12), x)


def test_time_phases_follow_the_formula():
    phases = time_phases(3, 6, torch.device("cpu"))
    for i in range(1, 4):
        for c in range(6):
            angle = i / (3 + 1e-6) * 2 * math.pi / 10000 ** (2 * (c // 2) / 6)
            expected = math.sin(angle) if c % 2 == 0 else math.cos(angle)
            assert abs(phases[i - 1, c].item() - expected) < 1e-5


def test_asking_for_the_last_frame_only_gives_what_asking_for_all_gives_it():
    attention = HierarchicalSelectiveAttention(16, 8, 2).eval()
    window = torch.randn(2, 5, 4, 4, 16)
    assert torch.allclose(attention(window, 1), attention(window, 5)[:, -1:], atol=1e-6)


def test_a_patch_does_not_see_another_patch():
    attention = HierarchicalSelectiveAttention(16, 8, 2).eval()
    window = torch.randn(1, 2, 4, 4, 16)
    changed = window.clone()
    changed[:, :, :2, :2] += 1
    difference = (attention(window, 2) - attention(changed, 2)).abs().amax((0, 1, 4))
    assert difference[:2, :2].min() > 0
    assert difference[2:].max() == difference[:, 2:].max() == 0


def test_patches_are_attended_to_in_strips(monkeypatch: pytest.MonkeyPatch):
    attention = HierarchicalSelectiveAttention(16, 8, 2).eval()
    window, calls = torch.randn(2, 5, 8, 4, 16), []
    attention.out.register_forward_hook(lambda *_: calls.append(1))
    with torch.inference_mode():
        whole = attention(window, 2)
        monkeypatch.setattr(host_memory, "LARGEST_KEPT_BYTES", 1)
        assert torch.allclose(attention(window, 2), whole, atol=1e-6)
    assert len(calls) == 1 + 4


def test_padded_tokens_change_nothing_in_the_image():
    adapter = CrossModalTemporalAdapter(12, 20, 16, 8, 2).eval()
    x, text = torch.randn(1, 3, 4, 4, 16), torch.randn(1, 4, 20)
    alone, _ = adapter.exchange(x, x.mean(1), text, torch.zeros(1, 4, dtype=torch.bool))
    padded = torch.cat((text, torch.randn(1, 2, 20)), 1)
    padding = torch.tensor([[False] * 4 + [True] * 2])
    assert torch.allclose(adapter.exchange(x, x.mean(1), padded, padding)[0], alone, atol=1e-6)


def test_shapes_of_the_residuals():
    adapter = CrossModalTemporalAdapter(12, 20, 16, 8, 2).eval()
    window = torch.stack([adapter.reduce(torch.randn(5, 4, 6, 12)) for _ in range(2)])
    x = adapter.look_back(window, 2)
    vision, text = adapter.exchange(x, window.mean(1), torch.randn(2, 7, 20), torch.zeros(2, 7, dtype=torch.bool))
    assert vision.shape == (2, 2, 4, 6, 12)
    assert text.shape == (2, 7, 20)
    assert vision.min() >= 0


def test_one_row_of_frames_serves_several_texts():
    adapter = CrossModalTemporalAdapter(12, 20, 16, 8, 2).eval()
    x, text, padding = torch.randn(1, 2, 4, 4, 16), torch.randn(3, 7, 20), torch.zeros(3, 7, dtype=torch.bool)
    shared = adapter.exchange(x, x.mean(1), text, padding)
    repeated = adapter.exchange(x.expand(3, -1, -1, -1, -1), x.mean(1).expand(3, -1, -1, -1), text, padding)
    for ours, theirs in zip(shared, repeated, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_without_temporal_attention_a_frame_sees_itself_alone():
    adapter = CrossModalTemporalAdapter(12, 20, 16, 8, 2, temporal=False).eval()
    window = torch.randn(1, 3, 4, 4, 16)
    assert torch.equal(adapter.look_back(window, 2), window[:, 1:])


def test_without_vision_to_text_the_text_goes_on_as_it_came():
    adapter = CrossModalTemporalAdapter(12, 20, 16, 8, 2, vision_to_text=False).eval()
    x, text = torch.randn(1, 1, 4, 4, 16), torch.randn(2, 5, 20)
    vision_residual, text_residual = adapter.exchange(x, x.mean(1), text, torch.zeros(2, 5, dtype=torch.bool))
    assert vision_residual.shape == (2, 1, 4, 4, 12)
    assert torch.equal(text_residual, torch.zeros_like(text))


def test_frames_are_compared_with_the_oldest_of_the_window():
    change = FrameChange(16)
    window = torch.randn(2, 4, 6, 8, 16)
    assert not change(window, 3).any(), "a fresh one says nothing"
    torch.nn.init.normal_(change.tell.weight)
    told = change(window, 3)
    assert told.shape == (2, 3, 6, 8, 16)
    between, oldest = window.clone(), window.clone()
    between[:, 1:3] += 1
    oldest[:, 0] += 1
    assert torch.allclose(change(between, 3)[:, -1], told[:, -1], atol=1e-5)
    assert not torch.allclose(change(oldest, 3)[:, -1], told[:, -1], atol=1e-2)
    assert torch.allclose(change(window, 1), told[:, -1:], atol=1e-5)


def test_the_change_is_added_to_what_attention_finds():
    adapter = CrossModalTemporalAdapter(12, 20, 16, 8, 2, change=True).eval()
    torch.nn.init.normal_(adapter.change.tell.weight)
    window = torch.randn(1, 3, 4, 4, 16)
    parts = window[:, 1:] + adapter.temporal(window, 2) + adapter.change(window, 2)
    assert torch.allclose(adapter.look_back(window, 2), parts, atol=1e-6)
