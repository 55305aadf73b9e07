"""Reading the memory gives what SAM 2's own modules give."""

from functools import partial

import pytest
import torch
from sam2.modeling.position_encoding import apply_rotary_enc, compute_axial_cis
from torch import Tensor

from samwise_ros.model import memory_attention, onednn
from samwise_ros.model.memory_attention import make_memory_tables, make_rotation, read_memory
from samwise_ros.model.samwise import Samwise
from samwise_ros.model.traces import make_trace


def read(network: Samwise, top: Tensor, maps: Tensor, pointers: Tensor) -> Tensor:
    return read_memory(network.sam, make_memory_tables(network.sam), top, maps, pointers)


def read_as_sam2(network: Samwise, top: Tensor, maps: Tensor, pointers: Tensor) -> Tensor:
    """`MemoryAttention.forward` on sequences put together as SAM 2's tracker does it."""
    sam, (n, c, h, w) = network.sam, top.shape
    frames, width = maps.shape[1:3]
    tokens = pointers.flip(1).reshape(n, -1, width).transpose(0, 1)
    memory, position = [], []
    for index in range(frames):
        sine = sam.memory_encoder.position_encoding(maps[:, index]).flatten(2).permute(2, 0, 1)
        memory.append(maps[:, index].flatten(2).permute(2, 0, 1))
        position.append(sine + sam.maskmem_tpos_enc[frames - 1 - index])
    fused = sam.memory_attention(
        curr=top.flatten(2).permute(2, 0, 1),
        curr_pos=sam.image_encoder.neck.position_encoding(top).flatten(2).permute(2, 0, 1),
        memory=torch.cat((*memory, tokens)),
        memory_pos=torch.cat((*position, torch.zeros_like(tokens))),
        num_obj_ptr_tokens=len(tokens),
    )
    return fused.permute(1, 2, 0).reshape(n, c, h, w)


@pytest.mark.parametrize(("frames", "pointers"), [(1, 1), (3, 4), (6, 15)])
def test_equals_sam2(network: Samwise, frames: int, pointers: int):
    inputs = torch.randn(2, 64, 8, 8), torch.randn(2, frames, 16, 8, 8), torch.randn(2, pointers, 64)
    assert torch.allclose(read(network, *inputs), read_as_sam2(network, *inputs), atol=1e-5)


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize(("frames", "pointers"), [(1, 1), (3, 4), (6, 15)])
def test_equals_sam2_in_parts_by_onednn(
    network: Samwise, frames: int, pointers: int, traced: bool, monkeypatch: pytest.MonkeyPatch
):
    if not onednn.HAS_ONEDNN:
        pytest.skip("this PyTorch is built without oneDNN")
    monkeypatch.setattr(onednn, "WORTH_IT", 1)
    monkeypatch.setattr(memory_attention, "LARGEST_KEPT_BYTES", 25 * 4 * 64)  # 23 queries of 68 keys, 3 of 444
    inputs = torch.randn(2, 64, 8, 8), torch.randn(2, frames, 16, 8, 8), torch.randn(2, pointers, 64)
    wanted, asked = read_as_sam2(network, *inputs), []
    plain = memory_attention._read_one
    monkeypatch.setattr(memory_attention, "_read_one", lambda *tensors: asked.append(tensors) or plain(*tensors))
    with torch.inference_mode():
        found = make_trace(partial(read, network), inputs)(*inputs) if traced else read(network, *inputs)
    assert len(asked) == 2 * len(network.sam.memory_attention.layers)
    assert torch.allclose(found, wanted, atol=1e-5)


def test_rotation_is_sam2_s_without_complex_numbers():
    x = torch.randn(2, 3 * 16, 24)
    theirs = compute_axial_cis(dim=24, end_x=4, end_y=4)
    _, expected = apply_rotary_enc(x[:, None, :16], x[:, None], theirs, repeat_freqs_k=True)
    assert torch.allclose(make_rotation(4, 24, x.device).turn(x), expected[:, 0], atol=1e-6)


def test_depends_on_the_order_of_maps_and_not_of_pointers(network: Samwise):
    top, maps, pointers = torch.randn(2, 64, 8, 8), torch.randn(2, 3, 16, 8, 8), torch.randn(2, 4, 64)
    whole = read(network, top, maps, pointers)
    assert not torch.allclose(read(network, top, maps.flip(1), pointers), whole, atol=1e-4)
    # Pointers carry no time in SAMWISE's configuration.
    assert torch.allclose(read(network, top, maps, pointers.flip(1)), whole, atol=1e-5)
    assert torch.allclose(read(network, top[1:], maps[1:], pointers[1:]), whole[1:], atol=1e-5)
