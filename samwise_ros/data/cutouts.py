"""Things that are photographs: upright pictures that always face the camera. Called by `data.staging`, `data.filming`.

What was behind a photographed thing is cut away, and its shadow with it; in its place a solid of its size keeps the
light from the stage.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from samwise_ros.data.photographs import LUMINANCE, Photographs, look_up_thing
from samwise_ros.data.props import SIZES, Prop
from samwise_ros.data.raycaster import Eyes, Sight, Things, meet
from samwise_ros.data.vocabulary import HELD_OUT_PAIRS

SHARE = 0.4
"""Share of the things of varied stages that are photographs, where there are any."""

OWN_COLOUR = 0.35
"""Share of these that have the colour they were photographed in; the others have their shades alone from it."""

HALF_M = 0.052
"""Half the side of a square as large as the picture of a thing of medium size, and how much that varies."""
VARIES = (0.8, 1.25)

GAINS = (0.75, 1.1)
"""Range of the factors on the light of what has its own colour."""

SHADES = (0.3, 1.6)
"""Range of the brightness of what has its shades alone, over its mean: a white thing stays white."""

LIT = 0.6
"""Share of the lamp's light that falls on it; its shades are those of another light."""


def cut_out(rng: np.random.Generator, prop: Prop, photographs: Photographs) -> Prop:
    """Put a photograph in the place of a thing now and then; no kind's name fits it, and any material's may."""
    assert prop.thing is not None
    if rng.random() >= SHARE:
        return prop
    held_out = {colour for colour, kind in HELD_OUT_PAIRS if kind == prop.thing.kind}
    named = [index for index, colour in enumerate(photographs.colours) if colour and colour not in held_out]
    own = bool(named) and rng.random() < OWN_COLOUR
    which = int(rng.choice(named if own else len(photographs.colours)))
    thing = replace(prop.thing, odd=True, material="")
    side = HALF_M * SIZES[thing.size] * rng.uniform(*VARIES)
    wide = side * math.sqrt(photographs.aspects[which])
    first = prop.first
    if own:
        thing = replace(thing, colour=photographs.colours[which])
        first = np.full(3, rng.uniform(*GAINS))
    return replace(
        prop,
        thing=thing,
        kind="cylinder",
        half_m=(wide, wide, side**2 / wide),
        first=first,
        photograph=which,
        tinted=not own,
        route=replace(prop.route, rolls=False, spin=0.0, tilt=0.0),
    )


def without(things: Things, photograph: Tensor) -> Things:
    """The things but for photographs: (F, N) int64, -1 for solids."""
    return replace(things, half=torch.where(photograph[..., None] >= 0, 0.0, things.half))


def stand(
    photographs: Photographs, photograph: Tensor, things: Things, eyes: Eyes, rays: Tensor, sight: Sight
) -> Sight:
    """Put photographs among the solids that are seen.

    Args:
        photographs: all there are.
        photograph: (F, N) int64, which of them a thing is in all frames; -1 for solids.
        things: the scene.
        eyes: the cameras.
        rays: their rays.
        sight: of the solids alone.

    Returns:
        What the rays hit first.
    """
    thing, depth, silhouette = sight.thing.clone(), sight.depth.clone(), sight.silhouette.clone()
    every = torch.arange(len(depth), device=depth.device)
    for index in torch.nonzero(photograph[0] >= 0).flatten().tolist():
        across, up = axes(things, eyes, every, torch.full_like(every, index))
        met = meet(things.place[:, index, None], across[:, None], up[:, None], eyes, rays)
        way, u, v = (part[:, 0] for part in met)
        u, v = (at / things.half[:, index, extent, None, None] for at, extent in ((u, 0), (v, 2)))
        within = (u.abs() < 1) & (v.abs() < 1) & (way > 0.02)
        frame, row, column = torch.nonzero(within, as_tuple=True)
        _, shows = look_up_thing(photographs, photograph[frame, index], (1 + u[within]) / 2, (1 - v[within]) / 2)
        frame, row, column = frame[shows], row[shows], column[shows]
        silhouette[:, index] = torch.bincount(frame, minlength=len(depth))
        nearer = way[frame, row, column] < depth[frame, row, column]
        pixels = frame[nearer], row[nearer], column[nearer]
        depth[pixels], thing[pixels] = way[pixels], index
    return Sight(thing, depth, silhouette)


def axes(things: Things, eyes: Eyes, frame: Tensor, thing: Tensor) -> tuple[Tensor, Tensor]:
    """Unit vectors (P, 3) of photographs (P,) in frames (P,), which face the camera: to their right, and up."""
    facing = F.normalize(eyes.place[frame] - things.place[frame, thing], dim=-1)
    upright = torch.zeros_like(facing)
    upright[:, 2] = 1
    across = F.normalize(torch.linalg.cross(upright, facing), dim=-1)
    return across, torch.linalg.cross(facing, across)


def albedo_of(
    photographs: Photographs, which: Tensor, places: tuple[Tensor, Tensor], colour: Tensor, tinted: Tensor
) -> Tensor:
    """Albedo (P, 3) of photographs.

    Args:
        photographs: all there are.
        which: (P,) int64.
        places: (P,) each, to the right and up from the middle, in half extents.
        colour: (P, 3) linear; of what is tinted, else a factor on its own.
        tinted: (P,) bool, it has its shades alone from the photograph.
    """
    u, v = places
    own, _ = look_up_thing(photographs, which, (1 + u) / 2, (1 - v) / 2)
    shade = own @ own.new_tensor(LUMINANCE) / photographs.brightness[which]
    seen = torch.where(tinted[:, None], shade.clamp(*SHADES)[:, None], own)
    return (colour * seen).clamp(0, 1)
