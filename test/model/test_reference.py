"""The network computes what the original implementation computes, with any checkpoint of its own format."""

from pathlib import Path

import pytest
from reference import TOLERANCES, compare, golden_files


@pytest.mark.parametrize("golden", golden_files(), ids=lambda golden: golden.stem)
def test_equals_the_original(golden: Path, tmp_path: Path):
    differences = compare(golden, tmp_path)
    # Written so that a NaN fails.
    assert not {name: value for name, value in differences.items() if not value <= TOLERANCES[name]}
