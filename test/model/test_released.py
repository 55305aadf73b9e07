"""The original's names."""

import json

import pytest
import torch
from reference import SHIPPED
from released import released_state

from samwise_ros.config import preset
from samwise_ros.errors import CheckpointError
from samwise_ros.model.build import empty_network
from samwise_ros.model.released import is_released, translate
from samwise_ros.model.samwise import Samwise


@pytest.mark.parametrize(("size", "name"), [("tiny", "tiny"), ("base", "base_plus"), ("large", "large")])
def test_every_key_of_every_published_size_fits(size: str, name: str):
    keys = json.loads((SHIPPED / f"checkpoint_keys_{size}.json").read_text())
    theirs = translate({key: torch.empty(shape, device="meta") for key, (shape, _) in keys.items()})
    ours = empty_network(preset(name)).state_dict()
    assert {key: value.shape for key, value in theirs.items()} == {key: value.shape for key, value in ours.items()}


@pytest.mark.parametrize("prefix", ["", "module."])
def test_every_value_arrives_where_it_belongs(network: Samwise, prefix: str):
    translated = translate({prefix + key: value for key, value in released_state(network).items()})
    own = network.state_dict()
    assert translated.keys() == own.keys()
    assert all(torch.equal(translated[key], own[key]) for key in own)


def test_what_is_in_no_table_keeps_its_name(network: Samwise):
    state = released_state(network) | {"sam.sam_prompt_encoder.project_motion_prompts.layers.0.bias": torch.zeros(1)}
    assert "sam.sam_prompt_encoder.project_motion_prompts.layers.0.bias" in translate(state)


def test_a_key_with_and_without_prefix():
    with pytest.raises(CheckpointError, match=r"key module\.sam\.a comes twice, expected each key once"):
        translate({"sam.a": torch.zeros(1), "module.sam.a": torch.ones(1)})


def test_what_counts_as_released():
    assert is_released({"module.cmt_adapters.0.hsa.linear.bias": torch.zeros(1)})
    assert not is_released({"adapters.0.temporal.out.bias": torch.zeros(1)})
