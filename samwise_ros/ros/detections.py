"""Between the engine's values and `vision_msgs`, the messages that other packages read. `outputs` calls it.

`vision_msgs` is part of every ROS 2 distribution but may not be installed: nothing here loads it before it is used, and
`vision_msgs_available` says whether it is there. Layouts are those of version 4, in ROS 2 Humble and later.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from geometry_msgs.msg import Point, Pose, PoseWithCovariance, Vector3
from std_msgs.msg import Header

from samwise_ros.types import FrameResult, Target, TrackedObject

if TYPE_CHECKING:
    from vision_msgs.msg import Detection2DArray, Detection3DArray, LabelInfo, ObjectHypothesisWithPose

    from samwise_ros.engine.lift import Box3D

_MASK_THRESHOLD = 0.5
"""A pixel belongs to a mask from this probability on: where its logit is above 0."""


def vision_msgs_available() -> bool:
    """Whether the package `vision_msgs` can be loaded; without it the functions below raise ImportError."""
    try:
        import vision_msgs.msg  # noqa: F401
    except ImportError:
        return False
    return True


def result_to_detections(result: FrameResult, header: Header) -> Detection2DArray:
    """Describe the targets of a frame that are visible.

    Args:
        result: what the tracker says.
        header: the source image's, which array and detections carry unchanged.

    Returns:
        One detection per visible target, in the order of `result.objects`: `id` is the target's number, `class_id` its
        text, the box spans `center` - `size` / 2 to `center` + `size` / 2 in pixels from the image's top left corner.
    """
    from vision_msgs.msg import BoundingBox2D, Detection2D, Detection2DArray, Point2D, Pose2D

    detections = []
    for found in result.objects:
        if found.box_xyxy_px is not None:
            left, top, right, bottom = found.box_xyxy_px
            center = Pose2D(position=Point2D(x=(left + right) / 2, y=(top + bottom) / 2))
            box = BoundingBox2D(center=center, size_x=float(right - left), size_y=float(bottom - top))
            hypothesis = _to_hypothesis(found, Pose())
            detections.append(Detection2D(header=header, results=[hypothesis], bbox=box, id=str(found.target.id)))
    return Detection2DArray(header=header, detections=detections)


def boxes_to_detections_3d(result: FrameResult, boxes: Sequence[Box3D | None], header: Header) -> Detection3DArray:
    """Describe the targets of a frame that were found in space.

    Args:
        result: what the tracker says.
        boxes: N, one per object of the result, as `engine.lift.lift_result` returns them.
        header: the source image's, its `frame_id` the camera's optical frame.

    Returns:
        One detection per box, in order, `id` and `class_id` as in `result_to_detections`. Boxes lie along the axes of
        the optical frame; the hypothesis has the box's pose, its covariance is not known and all zero.
    """
    from vision_msgs.msg import BoundingBox3D, Detection3D, Detection3DArray

    detections = []
    for found, box in zip(result.objects, boxes, strict=True):
        if box is not None:
            x, y, z = box.center_xyz_m
            width, height, depth = box.size_xyz_m
            pose = Pose(position=Point(x=x, y=y, z=z))
            bounds = BoundingBox3D(center=pose, size=Vector3(x=width, y=height, z=depth))
            hypothesis = _to_hypothesis(found, pose)
            detections.append(Detection3D(header=header, results=[hypothesis], bbox=bounds, id=str(found.target.id)))
    return Detection3DArray(header=header, detections=detections)


def targets_to_label_info(targets: Sequence[Target], header: Header) -> LabelInfo:
    """Name the values of the label image.

    Args:
        targets: what is followed, in the order of the label image.
        header: of the image from which on this holds.

    Returns:
        One class per target: the n-th target's text under n. The background, 0, is not among them.
    """
    from vision_msgs.msg import LabelInfo, VisionClass

    classes = [VisionClass(class_id=label, class_name=target.text) for label, target in enumerate(targets, start=1)]
    return LabelInfo(header=header, class_map=classes, threshold=_MASK_THRESHOLD)


def _to_hypothesis(found: TrackedObject, pose: Pose) -> ObjectHypothesisWithPose:
    """One reading of a detection: the target's text, its score, and where it is."""
    from vision_msgs.msg import ObjectHypothesis, ObjectHypothesisWithPose

    return ObjectHypothesisWithPose(
        hypothesis=ObjectHypothesis(class_id=found.target.text, score=found.score), pose=PoseWithCovariance(pose=pose)
    )
