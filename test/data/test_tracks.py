"""What can clearly be said of things whose places are given by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hand_tracks import FRAMES, moved, thing, tracks_of

from samwise_ros.data.tracks import MOTIONS, members


def test_left_is_a_clear_gap_in_every_frame():
    tracks = tracks_of(thing(1), thing(2), thing(3), x=[0.2, 0.25, 0.5])
    assert [members(group) for group in tracks.left] == [[2], [2], []]
    assert [members(group) for group in tracks.right] == [[], [], [0, 1]]
    assert members(moved(tracks, 0, right=0.06).left[0]) == []


def test_nearer_needs_a_gap_on_the_table_and_in_the_picture():
    tracks = tracks_of(thing(1), thing(2), x=[0.2, 0.5], away=[0.0, 0.2])
    assert members(tracks.nearer[0]) == [1]
    assert members(tracks.farther[1]) == [0]
    assert members(replace(tracks, foot_y=np.full((FRAMES, 2), 0.5)).nearer[0]) == []


def test_larger_needs_the_eye_and_the_truth():
    tracks = tracks_of(thing(1, size="large"), thing(2, size="small"), x=[0.2, 0.6])
    assert members(tracks.larger[0]) == [1]
    assert members(tracks.smaller[1]) == [0]
    assert members(tracks.taller[0]) == [1]
    assert members(replace(tracks, size=np.full((FRAMES, 2), 0.1)).larger[0]) == []


@pytest.mark.parametrize(
    ("step", "names"),
    [
        ({}, {"still"}),
        ({"right": 0.03}, {"moving", "rolling", "moving right"}),
        ({"right": -0.03}, {"moving", "rolling", "moving left"}),
        ({"away": 0.03}, {"moving", "rolling", "moving away", "perhaps moving up"}),
        ({"away": -0.03}, {"moving", "rolling", "coming closer", "perhaps moving down"}),
        ({"up": 0.03}, {"moving", "rolling", "moving up"}),
        ({"right": 0.03, "up": 0.005}, {"moving", "rolling", "moving right"}),
        ({"right": 0.03, "up": 0.01}, {"moving", "rolling", "moving right", "perhaps moving up"}),
        ({"right": 0.03, "away": 0.03}, {"moving", "rolling", "turning"}),
        ({"right": 0.002}, {"unclear"}),
        ({"right": 0.03, "since": 3}, {"unclear"}),
    ],
)
def test_motion_is_named_by_its_main_direction(step: dict[str, float], names: set[str]):
    tracks = moved(tracks_of(thing(1), x=[0.5]), 0, **step)
    assert tracks.motions == [names]
    # Of what can be said of it, what says the most.
    (main,) = tracks.main_motions
    assert main == next((name for name in names if name in MOTIONS), "")
    assert main in ("", *MOTIONS)


def test_motion_under_a_moving_camera_is_unclear():
    tracks = tracks_of(thing(1), x=[0.3])
    swept = tracks.way + np.linspace(0, 0.1, FRAMES)[:, None, None]
    assert replace(tracks, way=swept).motions == [{"unclear"}]


def test_short_clips_show_no_motion():
    assert tracks_of(thing(1), x=[0.3], frames=3).motions == [{"unclear"}]


def test_what_spins_is_neither_still_nor_moving():
    spins = np.ones((FRAMES, 1), bool)
    assert replace(tracks_of(thing(1), x=[0.3]), spins=spins).motions == [{"spinning"}]
    assert replace(tracks_of(thing(1), x=[0.3]), may_spin=spins).motions == [{"unclear"}]


def test_what_begins_to_move_or_to_spin_is_neither_still_nor_moving_nor_spinning():
    tracks = tracks_of(thing(1), thing(2), x=[0.3, 0.6], frames=12)
    spins = np.zeros((12, 2), bool)
    spins[5:, 0] = True
    tracks = moved(replace(tracks, spins=spins), 1, right=0.03, since=1)
    assert tracks.motions == [{"unclear"}, {"unclear"}]
    assert tracks.motion(0, 5, 12) == {"spinning"}


def test_what_leaves_is_named_but_not_steady():
    tracks = tracks_of(thing(1), thing(2), thing(3), x=[0.2, 0.5, 0.8])
    share = tracks.share.copy()
    share[4:, 1] = 0
    share[:, 2] = 0
    tracks = replace(tracks, share=share)
    assert (members(tracks.in_view), members(tracks.named), members(tracks.steady)) == ([0, 1], [0, 1], [0])
