"""From mask logits to objects in camera pixels."""

import numpy as np
import torch

from samwise_ros.engine.postprocess import NUMBERS, logits_to_camera, pack_result, predictions_to_result
from samwise_ros.model.segmenter import Prediction
from samwise_ros.types import Frame, Target

SIDE = 64


def block(rows: slice, columns: slice, logit: float = 5.0, score: float = 2.0) -> tuple[torch.Tensor, float]:
    logits = torch.full((16, 16), -5.0)
    logits[rows, columns] = logit
    return logits, score


def result(*blocks: tuple[torch.Tensor, float], height: int = 48, width: int = 64):
    frame = Frame(np.zeros((height, width, 3), np.uint8))
    targets = [Target(10 + i, f"thing {i}") for i in range(len(blocks))]
    if not blocks:
        return predictions_to_result(frame, (), None, SIDE)
    logits, scores = zip(*blocks, strict=True)
    return predictions_to_result(frame, targets, Prediction(torch.stack(logits), torch.tensor(scores), {}), SIDE)


def test_padding_is_cut_off_before_resizing():
    logits = torch.full((1, 16, 16), -5.0)
    logits[:, 12:] = 5.0  # below row 48 of 64: padding of a 4:3 image
    camera = logits_to_camera(logits, SIDE, 480, 640)
    assert camera.shape == (1, 480, 640)
    assert (camera[:, :440] < 0).all()


def test_logits_of_a_wide_image():
    square = torch.full((1, 16, 16), -5.0)
    square[:, 2:6, 4:12] = 5.0
    wide, whole = (logits_to_camera(logits, SIDE, 480, 640) for logits in (square[:, :12], square))
    assert torch.equal(wide, whole)


def test_box_centroid_area_and_crop_agree():
    found = result(block(slice(2, 6), slice(4, 12))).objects[0]
    left, top, right, bottom = found.box_xyxy_px
    # A block of stride-4 cells: rows 8..24, columns 16..48, whose edges bilinear upsampling leaves in place.
    assert (left, top, right, bottom) == (16, 8, 48, 24)
    assert found.mask.shape == (bottom - top, right - left)
    assert found.area_px == np.count_nonzero(found.mask)
    assert found.mask[:, 0].any()
    assert found.mask[-1].any()
    assert np.allclose(found.centroid_xy_px, (31.5, 15.5), atol=0.01)
    assert found.visible


def test_labels_hold_the_larger_logit_where_masks_overlap_and_objects_keep_their_own():
    whole = result(block(slice(0, 8), slice(0, 8), 3.0), block(slice(4, 12), slice(0, 8), 6.0))
    assert whole.labels.dtype == np.uint8
    assert whole.labels[4, 10] == 1
    assert whole.labels[24, 10] == 2
    assert whole.labels[44, 60] == 0
    # Half way between 3 and -5 the logit is below 0, so the box ends before the cells do.
    assert whole.objects[0].box_xyxy_px == (0, 0, 31, 31)


def test_ten_objects_keep_their_own_masks():
    # More than there are bits in a byte; each is one cell larger than the one before, all lie on one another.
    whole = result(*(block(slice(0, 16), slice(0, n), 1.0 + n) for n in range(1, 11)))
    for n, found in enumerate(whole.objects, start=1):
        left, top, right, bottom = found.box_xyxy_px
        assert (left, top, bottom) == (0, 0, 48)
        assert 4 * n - 2 <= right <= 4 * n + 2
        assert found.mask.all()
        assert found.area_px == found.mask.size == 48 * right
    assert (whole.labels[:, 0] == 10).all()


def test_nothing_waits_for_the_device_until_all_is_packed():
    # Tensors that have shapes and no values: whoever looks at a value fails.
    prediction = Prediction(torch.zeros(3, 16, 16, device="meta"), torch.zeros(3, device="meta"), {})
    packed = pack_result(prediction, SIDE, 48, 64)
    assert packed.shape == (3 * len(NUMBERS) * 8 + 2 * 48 * 64,)


def test_object_out_of_view_has_no_box():
    found = result(block(slice(0, 0), slice(0, 0), score=-3.0)).objects[0]
    assert not found.visible
    assert found.box_xyxy_px is None
    assert found.centroid_xy_px is None
    assert found.mask.shape == (0, 0)
    assert 0 < found.score < 0.1


def test_without_targets_all_is_background():
    empty = result()
    assert empty.objects == ()
    assert empty.labels.shape == (48, 64)
    assert not empty.labels.any()
