"""Measure `compact` on real footage of coloured things and write the part of docs/results.md that tells.

    python tools/footage.py FOLDER                      # three quarters of an hour on one CPU core
    python tools/footage.py FOLDER --weights FILE       # prints only: other weights than those that ship

FOLDER holds the videos of `CLIPS` and `UNSEEN`, which belong to others and are not in the project: download each from
its source, github.com/<source>, and give it the name that it has here. Nobody has drawn masks for them. But in each the
described thing is the largest of its hue, or the outermost, so that a threshold of colour says where it is.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from results import write_part

from samwise_ros.data.video import VideoFile
from samwise_ros.data.vocabulary import COLOURS
from samwise_ros.evaluation.jf import region_similarity
from samwise_ros.evaluation.synthetic import track_texts
from samwise_ros.model.build import build_segmenter

FRAMES = 24
"""Of each clip, up to every fourth frame of the video; of long videos after their first sixth."""

SIDES_PX = (320, 448)
"""Sides of the network's image: `compact`'s own, and a larger one, for small things."""

MIN_SHARE = 1e-3
"""Where the thing covers less of the picture than this, as it enters or leaves, the frame does not count."""


@dataclass(frozen=True, slots=True)
class Hue:
    """What pixels of a thing look like.

    Attributes:
        degrees: lowest and highest hue; the lowest may be below 0.
        saturation: least, 0..1.
        value: least and greatest, 0..1.
        side: "left" or "right" where it is the outermost of several; else it is the largest.
    """

    degrees: tuple[float, float]
    saturation: float
    value: tuple[float, float] = (0.25, 1.0)
    side: str = ""


@dataclass(frozen=True, slots=True)
class Clip:
    """One video.

    Attributes:
        name: of the file in FOLDER.
        source: repository and path on GitHub.
        things: expressions, and what the things look like.
        absent: expressions that are true of nothing in it.
        frames: most frames of it; as long as what is said is true.
    """

    name: str
    source: str
    things: dict[str, Hue]
    absent: tuple[str, ...]
    frames: int = FRAMES


RED, BLUE = Hue((-20, 16), 0.47, (0.24, 1.0)), Hue((184, 224), 0.5, (0.16, 1.0))
"""Of the cups in a toy sink."""

OPENVLA = "openvla/openvla.github.io, static/videos"

CLIPS = (
    Clip(
        "cloth.mp4",
        "chethan749/object_tracking, data/ball.mp4",
        {"the green ball": Hue((115, 155), 0.35)},
        ("the red ball",),
    ),
    Clip(
        "bounce.mp4",
        "IzhanAlam/Object-Tracking-With-Kalman-Filter, ball.mp4",
        {"the orange ball": Hue((14, 38), 0.5, (0.5, 1.0))},
        ("the green ball",),
    ),
    Clip(
        "tiles.mp4",
        "nihal-2001/ball-detection, ball.mp4",
        {"the pink ball": Hue((-45, -15), 0.5, (0.4, 1.0)), "the orange ball": Hue((2, 30), 0.5, (0.5, 1.0))},
        ("the blue ball",),
    ),
    Clip(
        "blocks.mp4",
        "shailjadav/train_yolo_with_sam2, blocks.mp4",
        {
            "the green block": Hue((145, 172), 0.55, (0.25, 0.8)),
            "the blue block": Hue((210, 236), 0.6),
            "the orange block": Hue((14.1, 34), 0.75, (0.6, 1.0)),
            "the red block": Hue((0, 13.9), 0.72, (0.6, 1.0)),
        },
        ("the yellow block", "the purple block"),
    ),
    Clip(
        "wall.mp4",
        "trflorian/ball-tracking-live-plot, media/ball2.mp4",
        {"the green ball": Hue((70, 130), 0.2, (0.18, 1.0))},
        ("the red ball",),
    ),
    Clip(
        "pale.mp4",
        "trflorian/ball-tracking-live-plot, media/ball4.mp4",
        {"the green ball": Hue((64, 170), 0.12, (0.15, 0.9))},
        ("the blue ball",),
    ),
    Clip(
        "pendulum.mp4",
        "necrosskull/opencv_pendulum, ball.mp4",
        {"the red ball": Hue((0, 22), 0.4, (0.3, 1.0))},
        ("the green ball",),
    ),
    Clip(
        "mug.mp4",
        "facebookresearch/sam2, demo/data/gallery/04_coffee.mp4",
        {"the blue mug": Hue((196, 230), 0.59, (0.23, 1.0))},
        ("the red mug", "the green cup"),
    ),
    Clip(
        "red_cup.mp4",
        f"{OPENVLA}/qualitative_results/good_lang_cond/openvla--put_pink_cup_on_plate.mp4",
        {"the red cup": RED, "the blue cup": BLUE},
        ("the green cup", "the yellow cup"),
    ),
    Clip(
        "blue_cup.mp4",
        f"{OPENVLA}/qualitative_results/good_lang_cond/openvla--put_blue_cup_on_plate.mp4",
        {"the red cup": RED},
        ("the green cup",),
    ),
    Clip(
        "again.mp4",
        f"{OPENVLA}/qualitative_results/reattempt/openvla--put_blue_cup_on_plate--reattempt.mp4",
        {"the red cup": RED, "the blue cup": BLUE},
        ("the green cup",),
    ),
    Clip(
        "stack.mp4",
        f"{OPENVLA}/carousel/bridge_stack.mp4",
        {"the red cup": Hue((-20, 16), 0.39, (0.24, 1.0)), "the blue cup": Hue((184, 224), 0.47, (0.16, 1.0))},
        ("the green cup",),
    ),
    Clip(
        "corn.mp4",
        f"{OPENVLA}/qualitative_results/correct_target/openvla--put_corn_on_plate--clutter.mp4",
        {"the red block": Hue((-16, 12), 0.67, (0.1, 0.9))},
        ("the green block",),
    ),
    Clip(
        "knock.mp4",
        f"{OPENVLA}/carousel/franka_knock.mp4",
        {"the red cup": Hue((-24, 16), 0.47, (0.31, 1.0)), "the yellow toy": Hue((44, 72), 0.35, (0.43, 1.0))},
        ("the blue cup",),
    ),
    Clip(
        "bowl.mp4",
        f"{OPENVLA}/comparisons_with_baselines/franka_tabletop/openvla--put_carrot.mp4",
        {"the red bowl": Hue((-30, 8), 0.55, (0.24, 1.0)), "the orange carrot": Hue((8, 32), 0.66, (0.43, 1.0))},
        ("the blue bowl",),
    ),
    Clip(
        "board.mp4",
        "octo-models/octo-models.github.io, static/videos/out_fmb.mp4",
        {"the red block": Hue((-20, 12), 0.59, (0.31, 1.0)), "the blue box": Hue((210, 250), 0.55, (0.16, 1.0))},
        ("the green block",),
    ),
    Clip(
        "cube.mp4",
        "octo-models/octo-models.github.io, static/videos/out_rpt.mp4",
        {"the yellow cube": Hue((44, 84), 0.43, (0.31, 1.0))},
        ("the red cube",),
    ),
    Clip(
        "apple.mp4",
        "facebookresearch/co-tracker, assets/apple.mp4",
        {"the red apple": Hue((-40, 16), 0.43, (0.12, 1.0))},
        ("the green apple",),
    ),
    Clip(
        "cups.mp4",
        "facebookresearch/sam2, demo/data/gallery/02_cups.mp4",
        {
            "the red cup on the left": Hue((-30, 10), 0.6, (0.3, 1.0), side="left"),
            "the red cup on the right": Hue((-30, 10), 0.6, (0.3, 1.0), side="right"),
        },
        ("the blue cup on the left", "the green cup"),
        frames=12,
    ),
    Clip(
        "corners.mp4",
        "interactive-language/interactive-language.github.io, video/colors_to_corners_0.mp4",
        {"the red block on the right": Hue((-20, 14), 0.6, (0.4, 1.0), side="right")},
        ("the purple block on the right",),
        frames=16,
    ),
    Clip(
        "pick.mp4",
        "CLASS-Robot/class-robot.github.io, static/videos/stack.mp4",
        {"the green block": Hue((120, 170), 0.4), "the red block": Hue((-40, 5), 0.5, (0.3, 1.0))},
        ("the yellow block",),
    ),
    Clip(
        "noodles.mp4",
        "octo-models/octo-models.github.io, static/videos/out_ur5.mp4",
        {"the red bowl": Hue((-20, 16), 0.4, (0.2, 0.8))},
        ("the green bowl",),
    ),
    Clip(
        "pot.mp4",
        f"{OPENVLA}/qualitative_results/correct_target/openvla--put_eggplant_into_pot--clutter.mp4",
        {
            "the purple eggplant": Hue((245, 310), 0.35, (0.15, 0.8)),
            "the orange carrot": Hue((10, 30), 0.7, (0.6, 1.0)),
        },
        ("the purple cup",),
    ),
    Clip(
        "road.mp4",
        "Steedalion/Demonstration-Tracking, ball_video.mp4",
        {"the blue ball": Hue((190, 222), 0.45, (0.3, 1.0))},
        ("the red ball",),
        frames=19,
    ),
    Clip(
        "tennis.mp4",
        "EdwinTSalcedo/deep-video, videos/ball.mp4",
        {"the green ball": Hue((46, 100), 0.4, (0.1, 1.0))},
        ("the blue ball",),
    ),
    Clip(
        "party.mp4",
        "JohnYao93/johnyao93.github.io, static/videos/cups_720.mp4",
        {"the red cup": Hue((-30, 20), 0.4, (0.25, 1.0))},
        ("the blue cup",),
    ),
    Clip(
        "ducks.mp4",
        "3d-diffuser-actor/3d-diffuser-actor.github.io, static/videos/realworld/new_duck_in_bowls_2.mp4",
        {
            "the green bowl": Hue((75, 115), 0.5, (0.25, 1.0)),
            "the purple bowl": Hue((245, 275), 0.4, (0.15, 1.0)),
            "the red apple": Hue((-30, 14), 0.42, (0.08, 0.8)),
        },
        ("the red bowl",),
    ),
    Clip(
        "tumblers.mp4",
        "3d-diffuser-actor/3d-diffuser-actor.github.io, static/videos/realworld/new_stack_cups_1.mp4",
        {
            "the green cup": Hue((75, 115), 0.5, (0.2, 1.0)),
            "the blue cup": Hue((200, 225), 0.5, (0.25, 1.0)),
            "the purple cup": Hue((285, 335), 0.4, (0.2, 1.0)),
        },
        ("the white cup",),
        frames=14,
    ),
    Clip(
        "peppers.mp4",
        "openvla-oft/openvla-oft.github.io, static/videos/openvla_oft--put_green_pepper_into_pot--rollout--5x.mov",
        {"the green bowl": Hue((80, 125), 0.55, (0.3, 1.0)), "the orange bowl": Hue((8, 30), 0.7, (0.5, 1.0))},
        ("the blue bowl",),
    ),
    Clip(
        "book.mp4",
        "moka-manipulation/moka-manipulation.github.io, videos/moka_task_a0.mp4",
        {"the blue book": Hue((200, 235), 0.5, (0.15, 1.0))},
        ("the green book",),
    ),
    Clip(
        "smile.mp4",
        "interactive-language/interactive-language.github.io, video/smiley_1_sped_up.mp4",
        {
            "the yellow block on the left": Hue((26, 56), 0.36, (0.5, 1.0), side="left"),
            "the yellow block on the right": Hue((26, 56), 0.36, (0.5, 1.0), side="right"),
            "the red block on the right": Hue((-20, 14), 0.6, (0.4, 1.0), side="right"),
        },
        ("the purple block on the left",),
    ),
    Clip(
        "greens.mp4",
        "interactive-language/interactive-language.github.io, video/smiley_2_sped_up.mp4",
        {
            "the green block on the left": Hue((115, 175), 0.4, (0.2, 1.0), side="left"),
            "the yellow block on the left": Hue((26, 56), 0.36, (0.5, 1.0), side="left"),
            "the yellow block on the right": Hue((26, 56), 0.36, (0.5, 1.0), side="right"),
        },
        ("the purple block on the right",),
    ),
    Clip(
        "sides.mp4",
        "interactive-language/interactive-language.github.io, video/smiley_0_sped_up.mp4",
        {
            "the red block on the left": Hue((-20, 14), 0.6, (0.4, 1.0), side="left"),
            "the yellow block on the right": Hue((26, 56), 0.36, (0.5, 1.0), side="right"),
        },
        ("the purple block on the left",),
        frames=16,
    ),
    Clip(
        "cube2.mp4",
        "sam2act/sam2act.github.io, static/videos/comparison/stack_cube/vid_sam2act_in_distribution_ep0.mp4",
        {"the blue cube": Hue((200, 255), 0.35, (0.06, 1.0))},
        ("the green cube",),
    ),
    Clip(
        "pour.mp4",
        f"{OPENVLA}/carousel/franka_pour_corn.mp4",
        {"the red bowl": Hue((-20, 12), 0.6, (0.2, 1.0))},
        ("the green bowl",),
    ),
    Clip(
        "hand.mp4",
        "peract/peract.github.io, media/intro/6_blocks.mp4",
        {"the yellow block": Hue((30, 56), 0.6, (0.4, 1.0)), "the red block": Hue((-16, 14), 0.6, (0.3, 1.0))},
        ("the white block", "the pink block"),
    ),
    Clip(
        "dishes.mp4",
        "embodied-fsd/embodied-fsd.github.io, videos/fsd/move strawberry on the left of brown basket.mp4",
        {
            "the yellow plate": Hue((44, 64), 0.3, (0.6, 1.0)),
            "the pink plate": Hue((-40, 8), 0.21, (0.6, 1.0)),
            "the blue cup": Hue((203, 232), 0.25, (0.3, 1.0)),
        },
        ("the purple cup",),
    ),
    Clip(
        "solo.mp4",
        "wangyian-me/LuciBot, static/videos/realcup_real.mp4",
        {"the red cup": Hue((-30, 12), 0.5, (0.3, 1.0))},
        ("the blue cup", "the green cup"),
    ),
    Clip(
        "bunch.mp4",
        "hamster-robot/hamster-robot.github.io, figs/3d_vid_2.mp4",
        {
            "the red bowl": Hue((-20, 12), 0.6, (0.2, 1.0)),
            "the red bowl on the right": Hue((-20, 12), 0.6, (0.2, 1.0), side="right"),
            "the purple grapes": Hue((240, 300), 0.3, (0.08, 1.0)),
        },
        ("the blue bowl",),
    ),
    Clip(
        "tea.mp4",
        "robopen/robopen.github.io, media/make_tea/unlid_cropped.mp4",
        {"the yellow cup": Hue((48, 68), 0.5, (0.3, 1.0))},
        ("the purple cup",),
    ),
    Clip(
        "trays.mp4",
        "transporternets/transporternets.github.io, images/real-stack-plates.mp4",
        {
            "the green plate": Hue((80, 130), 0.4, (0.3, 1.0)),
            "the orange plate": Hue((20, 46), 0.6, (0.3, 1.0)),
        },
        ("the blue plate", "the purple plate"),
    ),
    Clip(
        "pair.mp4",
        "rovi-aug/rovi-aug.github.io, "
        "static/videos/pysical-experiment/same-camera-view/target-result/cup_ur5_success.mp4",
        {
            "the orange cup": Hue((-5, 30), 0.45, (0.3, 1.0)),
            "the yellow cup": Hue((32, 80), 0.35, (0.3, 1.0)),
        },
        ("the blue cup", "the purple cup"),
        frames=13,
    ),
    Clip(
        "books.mp4",
        "redsriracha/CV_assign2, book.mp4",
        {"the blue book": Hue((200, 225), 0.55, (0.58, 1.0))},
        ("the green book",),
    ),
    Clip(
        "chest.mp4",
        "robot-see-robot-do/robot-see-robot-do.github.io, data/demo_vids/buddha_empty_close.mp4",
        {"the red box": Hue((-30, 14), 0.6, (0.15, 1.0))},
        ("the blue box", "the green box"),
    ),
    Clip(
        "tank.avi",
        "akdenizz/ball_segmentation, ball.avi",
        {"the yellow ball": Hue((34, 56), 0.88, (0.3, 1.0))},
        ("the blue ball",),
    ),
    Clip(
        "basket.mov",
        "soniarosenberger/ECE483_FINALPROJECT, ball.mov",
        {"the orange ball": Hue((0, 24), 0.4, (0.2, 1.0))},
        ("the blue ball",),
    ),
    Clip(
        "fence.mp4",
        "arghasen10/object_tracking_with_two_drones, green.mp4",
        {"the green ball": Hue((140, 180), 0.4, (0.2, 1.0))},
        ("the red ball",),
    ),
    Clip(
        "duo.mp4",
        "contractive-diffusion/contractive-diffusion.github.io, static/videos/stack.mp4",
        {
            "the red block": Hue((-20, 14), 0.6, (0.3, 1.0)),
            "the green block": Hue((140, 180), 0.5, (0.1, 1.0)),
            "the red block on the right": Hue((-20, 14), 0.6, (0.3, 1.0), side="right"),
        },
        ("the yellow block", "the blue block on the left"),
    ),
    Clip(
        "mat.mp4",
        "text-to-reward/text-to-reward.github.io, static/videos/real-stack2.mp4",
        {
            "the red cube": Hue((-20, 16), 0.6, (0.25, 1.0)),
            "the blue cube": Hue((205, 240), 0.55, (0.2, 1.0)),
        },
        ("the yellow cube",),
    ),
    Clip(
        "peg.mp4",
        "implicitbc/implicitbc.github.io, images/insertion-sideview-1top.mp4",
        {"the blue block": Hue((195, 225), 0.55, (0.3, 1.0))},
        ("the red block",),
        frames=22,
    ),
    Clip(
        "tripod.mp4",
        "lift3d-web/lift3d-web.github.io, static/videos/pandp.mp4",
        {"the blue bowl": Hue((205, 240), 0.2, (0.45, 1.0))},
        ("the green bowl",),
    ),
    Clip(
        "desk.mp4",
        "simpler-env/simpler-env.github.io, static/videos/paired_videos/stack_green_cube_on_yellow_cube_real_2.mp4",
        {"the green cube": Hue((105, 195), 0.12, (0.13, 0.8)), "the yellow cube": Hue((32, 66), 0.2, (0.5, 1.0))},
        ("the red cube", "the blue cube"),
    ),
    Clip(
        "triple.mp4",
        "robotic-view-transformer/robotic-view-transformer.github.io, real_world/videos_crf_27/block_succ_1.mp4",
        {
            "the yellow block": Hue((40, 60), 0.5, (0.35, 1.0)),
            "the blue block": Hue((205, 230), 0.55, (0.25, 0.95)),
            "the red block": Hue((-15, 15), 0.5, (0.3, 1.0)),
        },
        ("the green block",),
    ),
    Clip(
        "dinner.mp4",
        "GR1-Manipulation/GR1-Manipulation.github.io, "
        "static/videos/real_exp/normal_put_the_eggplant_onto_the_plate.mp4",
        {"the red plate": Hue((-30, 12), 0.5, (0.3, 1.0)), "the orange pepper": Hue((14, 36), 0.6, (0.5, 1.0))},
        ("the blue plate", "the red pepper"),
    ),
    Clip(
        "felt.mp4",
        "rise-policy/rise-policy.github.io, static/videos/collect-cups/2-1-final.mp4",
        {"the blue cup": Hue((190, 220), 0.5, (0.25, 1.0)), "the green cup": Hue((113, 140), 0.45, (0.3, 1.0))},
        ("the red cup",),
    ),
    Clip(
        "slab.mp4",
        "r3d-policy/r3d-policy.github.io, assets/6.real_exp/episode_000041_cam_right.mp4",
        {"the red tray": Hue((-20, 16), 0.6, (0.2, 1.0)), "the green banana": Hue((140, 175), 0.5, (0.15, 1.0))},
        ("the blue tray",),
        frames=13,
    ),
    Clip(
        "rose.mp4",
        "r3d-policy/r3d-policy.github.io, assets/6.real_exp/episode_000001_cam_right.mp4",
        {"the pink cup": Hue((-20, 20), 0.28, (0.3, 1.0))},
        ("the blue cup",),
    ),
    Clip(
        "arms.mp4",
        "tiny-vla/tiny-vla.github.io, static/videos/origin_tasks/stack_cube.mp4",
        {
            "the purple cube": Hue((240, 285), 0.35, (0.15, 0.9)),
            "the orange cube": Hue((0, 28), 0.45, (0.4, 1.0)),
            "the cube on the left": Hue((240, 285), 0.35, (0.15, 0.9)),
        },
        ("the green cube",),
        frames=13,
    ),
    Clip(
        "roll.avi",
        "peterAdongo/tracking, ball.avi",
        {"the yellow ball": Hue((28, 54), 0.85, (0.4, 1.0))},
        ("the blue ball",),
        frames=11,
    ),
    Clip(
        "bins.mp4",
        "diffusion-vla/diffusion-vla.github.io, static/videos/origin_tasks/cube_to_right_box.mp4",
        {
            "the blue box": Hue((170, 215), 0.15, (0.3, 1.0)),
            "the yellow box": Hue((54, 76), 0.45, (0.3, 1.0)),
            "the purple cube": Hue((240, 285), 0.35, (0.15, 0.8)),
        },
        ("the red box", "the yellow cube"),
    ),
    Clip(
        "rig.mp4",
        "novaflow-autonomous-manipulation/novaflow-autonomous-manipulation.github.io, "
        "assets/wandb/media/real_experiment/cup_on_plate/hjiux8ft/"
        "real_experiement_camera_0_cup_on_plate_seed_48_2x.mp4",
        {"the red plate": Hue((-20, 34), 0.3, (0.4, 1.0))},
        ("the green plate",),
        frames=17,
    ),
    Clip(
        "marker.mp4",
        "robotic-view-transformer-2/robotic-view-transformer-2.github.io, "
        "real_world/put_blue_marker_in_bowl_success_2.mp4",
        {"the orange bowl": Hue((4, 30), 0.55, (0.5, 1.0)), "the green cup": Hue((100, 160), 0.12, (0.4, 1.0))},
        ("the blue bowl",),
    ),
    Clip(
        "throw.mp4",
        "binghao-huang/Dynamic_Handover, static/videos/ball4~1.mp4",
        {"the red ball": Hue((-25, 15), 0.35, (0.4, 1.0))},
        ("the yellow ball",),
    ),
    Clip(
        "check.mp4",
        "3d-foundation-policy/3d-foundation-policy.github.io, static/videos/video15.mp4",
        {"the red cup": Hue((-10, 18), 0.6, (0.3, 1.0))},
        ("the green cup",),
    ),
    Clip(
        "saucer.mp4",
        "umi-gripper/umi-gripper.github.io, videos/comparison_cup_ur5.mp4",
        {"the blue cup": Hue((176, 208), 0.1, (0.3, 0.955))},
        ("the red cup",),
    ),
    Clip(
        "duck.mp4",
        "ricl-vla/ricl-vla.github.io, static/videos_cropped/pokeball_ricl.mp4",
        {"the yellow duck": Hue((24, 64), 0.4, (0.25, 1.0))},
        ("the blue duck",),
    ),
    Clip(
        "kitchen.mp4",
        "rail-berkeley/bridgedata, teaser_videos/bridge_data_v1_berkeley_toykitchen6_put_beet_in_pot_sink.mp4",
        {"the red pot": Hue((-20, 20), 0.5, (0.15, 1.0))},
        ("the blue pot",),
        frames=17,
    ),
    Clip(
        "counter.mp4",
        "rail-berkeley/bridgedata, teaser_videos/bridge_data_v1_berkeley_toykitchen1_put_banana_on_plate.mp4",
        {"the green plate": Hue((70, 110), 0.25, (0.3, 1.0))},
        ("the red plate",),
    ),
    Clip(
        "banana.mp4",
        "tracevla/tracevla.github.io, static/videos/banana_openvla.mp4",
        {"the yellow banana": Hue((40, 66), 0.6, (0.3, 1.0)), "the red plate": Hue((-20, 18), 0.4, (0.4, 1.0))},
        ("the yellow plate", "the blue bowl"),
    ),
    Clip(
        "aubergine.mp4",
        "tracevla/tracevla.github.io, static/videos/eggplant_openvla.mp4",
        {"the purple eggplant": Hue((218, 285), 0.26, (0.13, 1.0))},
        ("the yellow eggplant",),
    ),
    Clip(
        "letter.mp4",
        "robotics-transformer-x/robotics-transformer-x.github.io, "
        "video/move_red_pepper_to_A_trimmed_cropped_removed.mp4",
        {"the red pepper": Hue((-20, 16), 0.55, (0.3, 1.0))},
        ("the green pepper", "the red cup"),
    ),
    Clip(
        "mustard.mp4",
        "robotics-transformer2/robotics-transformer2.github.io, videos/langtable/successes/01_ketchup_mustard.mp4",
        {"the yellow bottle": Hue((32, 56), 0.8, (0.35, 1.0))},
        ("the yellow block", "the purple bottle"),
    ),
    Clip(
        "gamepad.mp4",
        "robotics-transformer2/robotics-transformer2.github.io, videos/langtable/successes/04_red_controller.mp4",
        {
            "the purple controller": Hue((230, 280), 0.35, (0.15, 1.0)),
            "the red star": Hue((-20, 16), 0.7, (0.5, 1.0)),
            "the green star": Hue((70, 115), 0.5, (0.3, 1.0)),
        },
        ("the blue block", "the purple star"),
    ),
    Clip(
        "crates.mp4",
        "uma-manipulation/uma-manipulation.github.io, static/videos/additional/toycar_2x.mp4",
        {"the orange box": Hue((4, 26), 0.55, (0.4, 1.0)), "the yellow box": Hue((32, 62), 0.4, (0.2, 1.0))},
        ("the blue box", "the green box"),
    ),
    Clip(
        "lamp.m4v",
        "Streaming-Diffusion-Policy/streaming-diffusion-policy.github.io, "
        "videos/real_tasks/block_stacking_compressed.m4v",
        {
            "the red block on the right": Hue((-20, 10), 0.7, (0.3, 1.0), side="right"),
            "the blue block": Hue((180, 230), 0.35, (0.1, 1.0)),
        },
        ("the green block",),
    ),
    Clip(
        "plates.mp4",
        "BridgeVLA/BridgeVLA.github.io, static/videos/real_reduce_size/background/"
        "background_place_the_red_block_in_the_blue_plate_1_41_caption.mp4",
        {
            "the purple plate": Hue((255, 300), 0.3, (0.3, 1.0)),
            "the blue plate": Hue((195, 225), 0.5, (0.4, 1.0)),
            "the plate on the right": Hue((145, 180), 0.3, (0.4, 1.0)),
        },
        ("the red plate", "the purple block"),
    ),
    Clip(
        "towel.mp4",
        "XR-1-VLA/XR-1-VLA.github.io, static/videos/TK1-PickWipeTowel.mp4",
        {"the pink box": Hue((-30, 16), 0.3, (0.4, 1.0)), "the blue towel": Hue((195, 232), 0.42, (0.12, 1.0))},
        ("the blue box",),
    ),
    Clip(
        "palm.mp4",
        "Belal-Elshinnawey/Embedded_Software_Lab, ball_tracking.mp4",
        {"the green ball": Hue((130, 175), 0.45, (0.1, 1.0))},
        ("the red ball", "the green cup"),
    ),
    Clip(
        "snacks.mp4",
        "droid-dataset/droid-dataset.github.io, videos/droid_eval_videos/chips_ood_droid.mp4",
        {"the green bag": Hue((70, 130), 0.3, (0.3, 1.0))},
        ("the blue bag", "the green bowl"),
    ),
    Clip(
        "jar.mp4",
        "rt-hierarchy/rt-hierarchy.github.io, videos/RT-H/apple_in_jar_better_trimmed_faster_cropped.mp4",
        {"the red apple": Hue((-30, 14), 0.45, (0.2, 1.0))},
        ("the green apple", "the red cup"),
    ),
    Clip(
        "beakers.mp4",
        "bidex-teleop/bidex-teleop.github.io, resources/5/stack_cup.mp4",
        {
            "the green cup": Hue((75, 115), 0.5, (0.3, 1.0)),
            "the cup on the left": Hue((-50, -5), 0.5, (0.15, 1.0)),
        },
        ("the blue cup", "the green bowl"),
        frames=18,
    ),
    Clip(
        "turnip.mp4",
        "lerftogo/lerftogo.github.io, data/carousel/turnip_pickplace.mp4",
        {"the orange pot": Hue((6, 28), 0.86, (0.6, 1.0))},
        ("the blue pot", "the orange bottle"),
    ),
    Clip(
        "jug.mp4",
        "f3rm/f3rm.github.io, src/pages/videos/language_results/carousel/water_jug.mp4",
        {"the blue jug": Hue((200, 235), 0.5, (0.2, 1.0))},
        ("the red jug", "the blue bowl"),
    ),
)
"""Videos on which samples, trainings and weights were chosen."""

UNSEEN = (
    Clip(
        "basin.mp4",
        "correctvla/correctvla.github.io, static/videos/real-robot/pi05_failure_cube.mp4",
        {"the blue cube": Hue((205, 240), 0.5, (0.2, 1.0)), "the bowl": Hue((165, 190), 0.5, (0.2, 1.0))},
        ("the yellow cube", "the blue bottle"),
    ),
    Clip(
        "scoop.mp4",
        "dexterousfinetuning/dexterousfinetuning.github.io, static/videos/scoop_grape.mp4",
        {"the yellow bowl": Hue((44, 70), 0.3, (0.4, 1.0))},
        ("the blue bowl", "the yellow cup"),
    ),
    Clip(
        "rings.mp4",
        "gen2sim/gen2sim.github.io, static/videos/push.mp4",
        {
            "the green ring": Hue((70, 110), 0.4, (0.3, 1.0)),
            "the blue ring": Hue((195, 225), 0.5, (0.3, 1.0)),
            "the duck": Hue((40, 65), 0.5, (0.25, 1.0)),
        },
        ("the red ring", "the green duck"),
    ),
    Clip(
        "gift.mp4",
        "greenvla/greenvla.github.io, assets/videos/inference_giftbox.mp4",
        {"the red box": Hue((-20, 14), 0.5, (0.6, 1.0))},
        ("the purple box", "the red ball"),
    ),
    Clip(
        "balance.mp4",
        "python-dontrepeatyourself/Color-Based-Object-Detection-with-OpenCV-and-Python, examples/1.mp4",
        {
            "the blue ball": Hue((200, 225), 0.6, (0.12, 1.0)),
            "the ball on the right": Hue((35, 62), 0.5, (0.3, 1.0)),
        },
        ("the red ball", "the blue cube"),
    ),
    Clip(
        "lid.mp4",
        "robo-affordances/robo-affordances.github.io, resources/lid.mp4",
        {"the red box": Hue((-16, 10), 0.75, (0.3, 1.0))},
        ("the purple box", "the red mug"),
    ),
    Clip(
        "crimson.mp4",
        "robopoint/robopoint.github.io, static/videos/results/manipulation/robopoint.mp4",
        {"the plate": Hue((-40, 0), 0.5, (0.15, 1.0))},
        ("the blue plate", "the red ball"),
    ),
    Clip(
        "drawer.mp4",
        "robotics-transformer1/robotics-transformer1.github.io, "
        "videos/scene4/place_blue_plastic_bottle_into_middle_drawer.mp4",
        {"the green bag": Hue((28, 110), 0.35, (0.2, 1.0)), "the fruit": Hue((0, 20), 0.6, (0.35, 1.0))},
        ("the blue bag", "the green cup"),
    ),
    Clip(
        "handle.mp4",
        "shapegrasp/shapegrasp.github.io, static/cropped_videos/mug_handle.mp4",
        {"the blue mug": Hue((175, 230), 0.15, (0.3, 1.0))},
        ("the red mug", "the blue ball"),
    ),
    Clip(
        "dustpan.mp4",
        "voxposer/voxposer.github.io, media/videos/sweep-the-trash-into-the-dustpan.mp4",
        {"the blue dustpan": Hue((200, 218), 0.5, (0.3, 1.0))},
        ("the purple dustpan", "the blue cup"),
    ),
    Clip(
        "thirst.mp4",
        "pivot-prompt/pivot-prompt.github.io, vids/demo_rpg.mp4",
        {"the orange": Hue((4, 24), 0.7, (0.4, 1.0))},
        ("the blue can", "the orange cup"),
    ),
    Clip(
        "pots.mp4",
        "gen2sim/gen2sim.github.io, static/videos/pick_place.mp4",
        {
            "the yellow banana": Hue((40, 66), 0.5, (0.25, 1.0)),
            "the orange cup": Hue((8, 28), 0.6, (0.25, 1.0)),
            "the fruit on the left": Hue((-20, 7), 0.5, (0.1, 1.0)),
        },
        ("the purple cup", "the yellow cup"),
    ),
    Clip(
        "fruits.mp4",
        "flow-diffusion/flow-diffusion.github.io, img/Real/put_apple_in_plate.mp4",
        {
            "the fruit on the left": Hue((38, 62), 0.5, (0.4, 1.0)),
            "the orange": Hue((6, 26), 0.7, (0.5, 1.0)),
            "the red apple": Hue((-25, 4), 0.6, (0.4, 1.0)),
        },
        ("the purple banana", "the red cup"),
    ),
    Clip(
        "cover.mp4",
        "grate-vla/grate-vla.github.io, assets/img/openvla--cover_white_bowl_with_towel.mp4",
        {"the pink bowl": Hue((-25, 12), 0.25, (0.35, 1.0)), "the blue towel": Hue((190, 225), 0.3, (0.1, 0.6))},
        ("the yellow bowl", "the pink ball"),
    ),
    Clip(
        "carrot.mp4",
        "grate-vla/grate-vla.github.io, assets/img/openvla--put_carrot.mp4",
        {"the bowl": Hue((-20, 7), 0.6, (0.15, 1.0)), "the orange carrot": Hue((8, 30), 0.6, (0.4, 1.0))},
        ("the purple bowl", "the red ball"),
    ),
    Clip(
        "pumpkin.mp4",
        "dexwild/dexwild.github.io, resources/ours/toy/toy_itwx_cafeteria_ours_sdr.mp4",
        {"the orange pumpkin": Hue((20, 42), 0.75, (0.5, 1.0))},
        ("the purple pumpkin", "the orange cup"),
    ),
    Clip(
        "lobby.mp4",
        "dexwild/dexwild.github.io, resources/ours/pour/pour_itwx_wean_prima_sdr.mp4",
        {"the red bowl": Hue((-28, -4), 0.6, (0.2, 1.0))},
        ("the red bottle",),
    ),
    Clip(
        "humanoid.mp4",
        "humanoid-manipulation/humanoid-manipulation.github.io, videos/video_success_failure/pour_origin_idp3.mp4",
        {"the blue cup": Hue((190, 214), 0.36, (0.4, 1.0))},
        ("the green cup", "the blue plate"),
    ),
    Clip(
        "serve.mp4",
        "chatvla/chatvla.github.io, static/videos/other/3-2.mp4",
        {"the ball": Hue((55, 85), 0.5, (0.25, 1.0))},
        ("the red ball", "the green bowl"),
        frames=20,
    ),
    Clip(
        "chips.mp4",
        "robotics-transformer1/robotics-transformer1.github.io, "
        "videos/scene2/pick_orange_from_top_drawer_and_place_on_counter_2.mp4",
        {"the orange": Hue((0, 18), 0.6, (0.35, 1.0))},
        ("the pink bag", "the orange cup"),
    ),
)
"""Videos that had no part in choosing samples, trainings and weights."""


def main() -> None:
    """Measure, print, and write where the weights are those that ship."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the videos are")
    parser.add_argument("--weights", type=Path, help="weights file (default: those that ship)")
    options = parser.parse_args()
    segmenters = [build_segmenter("compact", weights=options.weights, image_side_px=side) for side in SIDES_PX]
    chosen, unseen = (measure(clips, options.folder, segmenters) for clips in (CLIPS, UNSEEN))
    text = (
        f"Videos on which samples, trainings and weights were chosen:\n\n{chosen}\n\n"
        f"Videos that had no part in choosing samples and trainings:\n\n{unseen}"
    )
    print(text)
    if options.weights is None:
        write_part("tools/footage.py", text)


@dataclass
class Found:
    """What one model found in some clips.

    Attributes:
        scores: mean J per expression.
        misnamed: per frame in which what is asked for is not there but its colour is, whether there is a mask.
        missing: per frame in which neither is there.
    """

    scores: list[float] = field(default_factory=list)
    misnamed: list[bool] = field(default_factory=list)
    missing: list[bool] = field(default_factory=list)


def measure(clips: tuple[Clip, ...], folder: Path, segmenters: Sequence[Any]) -> str:
    """A table of some clips, a column for each model, and how often something has a mask that is not there."""
    heads = ("clip", "source", "expression", "frames", *(f"J, {one.image_side_px} px" for one in segmenters))
    rows, models = [row(heads), row(["---"] * len(heads))], [Found() for _ in segmenters]
    for clip in clips:
        frames = read_frames(folder / clip.name)[: clip.frames]
        truths = [np.stack([find_hue(frame, hue) for frame in frames]) for hue in clip.things.values()]
        there = [truth.mean((1, 2)) >= MIN_SHARE for truth in truths]
        seen = set().union(*map(colours, clip.things))
        for segmenter, model in zip(segmenters, models, strict=True):
            masks, _ = track_texts(segmenter, frames, (*clip.things, *clip.absent))
            for found, truth, times in zip(masks, truths, there, strict=False):
                pairs = zip(found[times], truth[times], strict=True)
                model.scores.append(float(np.mean([region_similarity(*pair) for pair in pairs])))
            for text, found in zip(clip.absent, masks[len(clip.things) :], strict=True):
                (model.misnamed if colours(text) & seen else model.missing).extend(found.any((1, 2)).tolist())
        count = len(clip.things)
        for i, (text, times) in enumerate(zip(clip.things, there, strict=True)):
            scores = [f"{model.scores[i - count]:.2f}" for model in models]
            rows.append(row([clip.name, clip.source, text, str(int(times.sum())), *scores]))
    rows.append(row(["", "", "**all**", "", *(f"**{np.mean(model.scores):.2f}**" for model in models)]))
    misnamed, missing = (
        " and ".join(
            f"{sum(frames)} ({side.image_side_px} px)" for side, frames in zip(segmenters, counted, strict=True)
        )
        for counted in ([model.misnamed for model in models], [model.missing for model in models])
    )
    first = models[0]
    answered = (
        f"Of {len(first.misnamed)} frames in which something is asked for that is not there, while one of the things "
        f"above has its colour, {misnamed} have a mask; of the {len(first.missing)} others {missing}."
    )
    return "\n".join(rows) + f"\n\n{answered}"


def row(cells: Sequence[str]) -> str:
    """A row of a table."""
    return f"| {' | '.join(cells)} |"


def colours(text: str) -> set[str]:
    """The colours that an expression names."""
    return set(text.split()) & set(COLOURS)


def read_frames(path: Path) -> npt.NDArray[np.uint8]:
    """The frames of a clip, (T, H, W, 3) RGB; in two passes, as long videos do not fit into memory."""
    count = sum(1 for _ in VideoFile(path))
    first = count // 6 if count > 300 else 0
    frames = (frame.rgb for _, frame in VideoFile(path))
    stride = max(1, min(4, count // FRAMES))
    return np.stack(list(islice(frames, first, first + stride * FRAMES, stride)))


def find_hue(rgb: npt.NDArray[np.uint8], hue: Hue) -> npt.NDArray[np.bool_]:
    """The largest or outermost part of a picture (H, W, 3) that looks like this, without holes: (H, W)."""
    hsv = cv2.cvtColor(cv2.GaussianBlur(rgb, (0, 0), 1.2).astype(np.float32) / 255, cv2.COLOR_RGB2HSV)
    low, high = hue.degrees
    fits = ((hsv[..., 0] - low) % 360 <= high - low) & (hsv[..., 1] >= hue.saturation)
    fits &= (hsv[..., 2] >= hue.value[0]) & (hsv[..., 2] <= hue.value[1])
    opened = cv2.morphologyEx(fits.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    closed = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    outlines, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(closed.shape, np.uint8)
    if outlines:
        cv2.drawContours(filled, [choose(outlines, hue.side)], -1, 1, -1)
    return filled > 0


def choose(outlines: Sequence[npt.NDArray[np.generic]], side: str) -> npt.NDArray[np.generic]:
    """The largest, or of those at least a quarter as large the outermost on a side."""
    largest = max(outlines, key=cv2.contourArea)
    if not side:
        return largest
    large = [outline for outline in outlines if cv2.contourArea(outline) >= cv2.contourArea(largest) / 4]
    return (min if side == "left" else max)(large, key=lambda outline: float(outline[..., 0].mean()))


if __name__ == "__main__":
    main()
