"""From masks and depth to boxes in space, on scenes whose geometry is known."""

import math

import cv2
import numpy as np
import pytest

from samwise_ros.engine.lift import MIN_PIXELS, Box3D, Intrinsics, lift_object, lift_result
from samwise_ros.errors import ConfigError, ShapeError
from samwise_ros.types import Frame, FrameResult, Target, TrackedObject

HEIGHT, WIDTH = 240, 320
CAMERA = Intrinsics(fx_px=300.0, fy_px=280.0, cx_px=161.5, cy_px=117.0)
WALL_M = 2.5
SPHERE_M, RADIUS_M = np.array((0.15, -0.1, 1.2)), 0.12


def rays(camera: Intrinsics = CAMERA):
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    return np.dstack(
        [(columns - camera.cx_px) / camera.fx_px, (rows - camera.cy_px) / camera.fy_px, np.ones((HEIGHT, WIDTH))]
    )


def sphere():
    """A sphere before a wall: depth and mask."""
    ray = rays()
    along, square = ray @ SPHERE_M, (ray**2).sum(2)
    root = along**2 - square * (SPHERE_M @ SPHERE_M - RADIUS_M**2)
    mask = root > 0
    depth = np.where(mask, (along - np.sqrt(np.maximum(root, 0))) / square, WALL_M)
    return depth.astype(np.float32), mask


def plate(center_m=(-0.2, 0.1, 0.9), width_m=0.3, height_m=0.2, slant=0.0):
    """A plate before a wall whose depth grows by `slant` metres per metre to the right: depth and mask."""
    ray, (x, y, z) = rays(), center_m
    depth = (z - slant * x) / (1 - slant * ray[:, :, 0])
    point = ray * depth[:, :, None]
    mask = (np.abs(point[:, :, 0] - x) < width_m / 2) & (np.abs(point[:, :, 1] - y) < height_m / 2)
    return np.where(mask, depth, WALL_M).astype(np.float32), mask


def crop(mask):
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    left, top, right, bottom = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    return mask[top:bottom, left:right], (left, top, right, bottom)


def lift(depth, mask, camera=CAMERA):
    return lift_object(*crop(mask), depth, camera)


def expect_sphere(box):
    """The cap that the camera sees: percentiles cut some of its rim off, which is thin and far."""
    depth, mask = sphere()
    points = (rays() * depth[:, :, None])[mask]
    low, high = points.min(0), points.max(0)
    assert box.center_xyz_m == pytest.approx((low + high) / 2, abs=RADIUS_M / 5)
    share = np.array(box.size_xyz_m) / (high - low)
    assert (share > (0.8, 0.8, 0.6)).all()
    assert (share < 1.02).all()


def test_a_sphere_is_where_it_is():
    expect_sphere(lift(*sphere()))


def test_a_plate_is_where_it_is():
    box = lift(*plate())
    assert box.center_xyz_m == pytest.approx((-0.2, 0.1, 0.9), abs=0.003)
    assert box.size_xyz_m == pytest.approx((0.3 * 0.96, 0.2 * 0.96, 0), abs=0.01)


def test_a_slanted_plate_has_its_depth():
    box = lift(*plate(width_m=0.4, slant=1.0))
    assert box.center_xyz_m == pytest.approx((-0.2, 0.1, 0.9), abs=0.01)
    assert box.size_xyz_m == pytest.approx((0.4 * 0.96, 0.2 * 0.96, 0.4 * 0.96), abs=0.03)


def test_axes_are_those_of_the_optical_frame():
    depth, mask = plate(center_m=(0.3, -0.2, 1.5))
    x, y, z = lift(depth, mask).center_xyz_m
    assert (x > 0, y < 0, z > 0) == (True, True, True)
    rows, columns = np.nonzero(mask)
    assert columns.mean() > CAMERA.cx_px
    assert rows.mean() < CAMERA.cy_px


def test_holes_noise_and_strays_change_little():
    rng = np.random.default_rng(1)
    depth, mask = sphere()
    depth += rng.normal(0, 0.004, depth.shape).astype(np.float32)
    depth[rng.random(depth.shape) < 0.1] = WALL_M
    depth[rng.random(depth.shape) < 0.05] = 0.3
    depth[rng.random(depth.shape) < 0.3] = np.nan
    depth[rng.random(depth.shape) < 0.02] = 0.0
    depth[rng.random(depth.shape) < 0.02] = -1.0
    depth[rng.random(depth.shape) < 0.02] = np.inf
    expect_sphere(lift(depth, mask))


@pytest.mark.parametrize("unknown", [np.nan, np.inf, -np.inf, 0.0, -1.0])
def test_unknown_depths_do_not_count_even_where_they_are_most(unknown):
    depth, mask = plate()
    depth[np.random.default_rng(2).random(depth.shape) < 0.6] = unknown
    assert lift(depth, mask).center_xyz_m == pytest.approx((-0.2, 0.1, 0.9), abs=0.003)


def test_a_flat_thing_counts_whole_though_most_of_its_depths_are_equal():
    depth, mask = plate()
    depth[:, np.flatnonzero(mask.any(0))[60] :] += 0.004  # one step of a depth camera's scale
    assert lift(depth, mask).size_xyz_m == pytest.approx((0.3 * 0.96, 0.2 * 0.96, 0.004), abs=0.01)


def test_a_mask_that_spills_onto_the_wall_changes_little():
    depth, mask = sphere()
    spilt = cv2.dilate(mask.astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool)
    assert spilt.sum() > 1.2 * mask.sum()
    expect_sphere(lift(depth, spilt))


def test_mixed_depth_on_the_edge_does_not_count():
    depth, mask = plate(slant=1.0)
    clean = lift(depth, mask)
    inside = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    mixed = np.where(mask & ~inside, depth + 0.1, depth).astype(np.float32)  # near enough to pass for the plate's
    assert lift(mixed, mask) == clean


def test_a_mask_at_the_image_border():
    depth = np.full((HEIGHT, WIDTH), 2.0, np.float32)
    box = lift(depth, np.ones((HEIGHT, WIDTH), bool))
    assert box.size_xyz_m == pytest.approx((0.96 * WIDTH / 150, 0.96 * HEIGHT / 140, 0), rel=0.02)


def test_a_near_object_of_many_pixels_is_measured_as_well_as_a_far_one():
    height, width = 1080, 1920
    camera = Intrinsics(1000.0, 1000.0, (width - 1) / 2, (height - 1) / 2)
    box = lift(np.full((height, width), 0.5, np.float32), np.ones((height, width), bool), camera)
    assert box.center_xyz_m == pytest.approx((0, 0, 0.5), abs=0.005)
    assert box.size_xyz_m == pytest.approx((0.96 * 0.96, 0.96 * 0.54, 0), rel=0.02)


@pytest.mark.parametrize("known", [0, MIN_PIXELS - 1])
def test_too_few_depths_give_no_box(known):
    depth, mask = plate()
    rows, columns = np.nonzero(cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)))
    sparse = np.full_like(depth, np.nan)
    sparse[rows[:known], columns[:known]] = depth[rows[:known], columns[:known]]
    assert lift(sparse, mask) is None
    more = slice(known, MIN_PIXELS)
    sparse[rows[more], columns[more]] = depth[rows[more], columns[more]]
    assert lift(sparse, mask) is not None


def test_depths_without_a_middle_give_no_box():
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[10:17, 10:17] = True  # 5 x 5 pixels within the edge
    depth = np.full((HEIGHT, WIDTH), 1.0, np.float32)
    depth[11:13, 10:17] = 5.0
    assert lift(depth, mask) is None


def test_a_thin_object_gives_no_box():
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[10:200, 50:52] = True
    assert lift(np.full((HEIGHT, WIDTH), 1.0, np.float32), mask) is None


def result(*objects, height=HEIGHT, width=WIDTH):
    return FrameResult(
        Frame(np.zeros((height, width, 3), np.uint8)), tuple(objects), np.zeros((height, width), np.uint8)
    )


def found(number, mask):
    cropped, box = crop(mask)
    return TrackedObject(Target(number, "x"), 0.9, box, cropped, (0.0, 0.0), int(mask.sum()))


HIDDEN = TrackedObject(Target(2, "y"), 0.1, None, np.zeros((0, 0), bool), None, 0)


def test_a_result_has_one_box_per_object_and_none_for_the_hidden():
    depth, mask = plate()
    small = np.zeros_like(mask)
    small[:3, :3] = True
    assert lift_result(result(found(1, mask), HIDDEN, found(3, small)), depth, CAMERA) == (
        lift(depth, mask),
        None,
        None,
    )
    assert lift_result(result(), depth, CAMERA) == ()


def test_depth_of_another_size_is_refused():
    with pytest.raises(
        ShapeError, match="depth image is 160 x 120 pixels, expected 320 x 240 as the camera image: pub"
    ):
        lift_result(result(HIDDEN), np.ones((120, 160), np.float32), CAMERA)
    with pytest.raises(ShapeError, match="depth image is 1 x 320 x 240 pixels, expected 320 x 240"):
        lift_result(result(), np.ones((HEIGHT, WIDTH, 1), np.float32), CAMERA)


@pytest.mark.parametrize("box", [(0, 0, 5, 4), (-1, 0, 3, 4), (318, 0, 322, 4), (0, 238, 4, 242)])
def test_mask_and_box_that_do_not_fit_are_refused(box):
    with pytest.raises(ShapeError, match=r"mask is \(4, 4\) for the box .* in a depth image \(240, 320\), expected"):
        lift_object(np.ones((4, 4), bool), box, np.ones((HEIGHT, WIDTH), np.float32), CAMERA)


@pytest.mark.parametrize("values", [(0, 0, 0, 0), (300, -1, 160, 120), (300, 300, math.nan, 1), (math.inf, 1, 1, 1)])
def test_an_uncalibrated_camera_is_refused(values):
    with pytest.raises(
        ConfigError, match=r"camera has fx .* px, expected finite values with fx, fy above 0: calibrate"
    ):
        Intrinsics(*values)


def test_values_are_plain_numbers():
    box = lift(*plate())
    assert isinstance(box, Box3D)
    assert {type(value) for value in (*box.center_xyz_m, *box.size_xyz_m)} == {float}
