"""Agreement of two masks. Called by `evaluation.synthetic` and the demo's report."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from samwise_ros.errors import ShapeError


def region_similarity(mask: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]) -> float:
    """Jaccard index J of two masks.

    Args:
        mask: (H, W) bool, predicted.
        truth: (H, W) bool.

    Returns:
        Intersection over union, 0..1; 1 where both are empty.

    Raises:
        ShapeError: the masks differ in shape or are not bool.

    Source: Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation" (DAVIS).
    """
    if mask.shape != truth.shape or mask.dtype != np.bool_ or truth.dtype != np.bool_:
        raise ShapeError(
            f"masks are {mask.dtype} {mask.shape} and {truth.dtype} {truth.shape}, expected bool of one shape: "
            "compare masks of the same frame"
        )
    union = np.count_nonzero(mask | truth)
    return 1.0 if union == 0 else np.count_nonzero(mask & truth) / union
