"""Tracks of things whose places are given by hand, for the tests of language."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from samwise_ros.data.tracks import SceneObject, Tracks

FRAMES = 6


def thing(
    index: int, kind: str = "ball", colour: str = "red", size: str = "medium", material: str = "plain"
) -> SceneObject:
    return SceneObject(index, kind, colour, size, material)


def tracks_of(*things: SceneObject, x: list[float], away: list[float] | None = None, frames: int = FRAMES) -> Tracks:
    """Things in full view that rest at columns x (0..1) and, in metres, `away` from the camera; 1 m is the width."""
    count = len(things)
    away = away or [0.0] * count
    columns = np.tile(np.array(x, float), (frames, 1))
    depth = np.tile(np.array(away, float), (frames, 1))
    way = np.stack((columns, 0.5 - depth), -1)
    scale = np.array([{"small": 0.75, "medium": 1.1, "large": 1.6}[one.size] for one in things])
    return Tracks(
        objects=things,
        share=np.full((frames, count), 0.02),
        whole=np.ones((frames, count)),
        x=columns,
        foot_y=0.6 - depth,
        size=np.tile(0.1 * scale, (frames, 1)),
        ground_m=np.stack((columns, depth, np.zeros_like(depth)), -1),
        half_m=np.repeat(0.04 * scale[:, None], 3, 1),
        way=way,
        own_way=way.copy(),
        spins=np.zeros((frames, count), bool),
        may_spin=np.zeros((frames, count), bool),
        rolls=np.array([one.kind == "ball" for one in things]),
        arm_moves=False,
    )


def moved(tracks: Tracks, i: int, right: float = 0.0, away: float = 0.0, up: float = 0.0, since: int = 0) -> Tracks:
    """Let thing i go on by so much each frame, from frame `since` on; 1 m is the picture's width."""
    gone = np.maximum(np.arange(len(tracks.share)) - since, 0.0)[:, None]
    ground, ways = tracks.ground_m.copy(), tracks.way.copy()
    ground[:, i] += gone * [right, away, up]
    ways[:, i] += gone * [right, -away - up]
    x, foot_y = tracks.x.copy(), tracks.foot_y.copy()
    x[:, i] += gone[:, 0] * right
    foot_y[:, i] -= gone[:, 0] * away
    return replace(tracks, ground_m=ground, way=ways, own_way=ways.copy(), x=x, foot_y=foot_y)
