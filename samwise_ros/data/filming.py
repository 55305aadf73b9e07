"""Films scenes: solids with materials in a room under a lamp. Gives light, and which pixel belongs to which thing.

`data.sensor` makes a camera's picture of the light.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from samwise_ros.data.cutouts import LIT, albedo_of, axes, stand, without
from samwise_ros.data.patterns import look_up, pattern_bank
from samwise_ros.data.photographs import Photographs, look_up_surface
from samwise_ros.data.raycaster import (
    Eyes,
    Sight,
    Things,
    columns,
    light_reaches,
    look,
    meet,
    normals,
    to_local,
    to_world,
)

LIFT = 2e-3
"""Shadow rays start this far above their surface, metres."""


@dataclass(frozen=True, slots=True)
class Materials:
    """What N surfaces in F frames are made of; colours are linear light, 0..1.

    Attributes:
        first: (F, N, 3) colour where the pattern is 0.
        second: (F, N, 3) colour where the pattern is 1.
        pattern: (F, N) int64, index into `patterns.PATTERNS`.
        sides_per_m: (F, N) how often the pattern repeats.
        gloss: (F, N) strength of the highlight, 0..1.
        photograph: (F, N) int64, index into the scene's photographs, of surfaces or of things; -1 for what is none.
        tinted: (F, N) bool, a photographed thing is the first colour in the photograph's shades.
    """

    first: Tensor
    second: Tensor
    pattern: Tensor
    sides_per_m: Tensor
    gloss: Tensor
    photograph: Tensor
    tinted: Tensor


@dataclass(frozen=True, slots=True)
class Planes:
    """M rectangles in F frames: table top, floor, walls. The first one keeps the light from what lies behind it.

    Attributes:
        place: (F, M, 3) their middles, metres.
        across: (F, M, 3) unit vectors along one edge.
        along: (F, M, 3) unit vectors along the other; the surface faces across x along.
        half: (F, M, 2) half extents, metres; may be infinite.
    """

    place: Tensor
    across: Tensor
    along: Tensor
    half: Tensor


@dataclass(frozen=True, slots=True)
class Lamp:
    """One far light and the light from everywhere.

    Attributes:
        direction: (F, 3) unit vectors towards the light.
        colour: (F, 3) its light.
        ambient: (F, 3) what comes from everywhere.
        softness: (F,) width of the shadows' edges, as an angle.
    """

    direction: Tensor
    colour: Tensor
    ambient: Tensor
    softness: Tensor


@dataclass(frozen=True, slots=True)
class Scene:
    """All that is filmed in F frames; some of it may be photographs."""

    things: Things
    skins: Materials
    planes: Planes
    walls: Materials
    lamp: Lamp
    photographs: Photographs | None = None


@dataclass(frozen=True, slots=True)
class Film:
    """F frames as they were filmed.

    Attributes:
        light: (F, H, W, 3) linear.
        owner: (F, H, W) uint8, 0 for the room, n + 1 for thing n.
        normal: (F, H, W, 3) unit vectors out of the things' surfaces, in the camera's coordinates (x right, y down, z
            forwards); 0 for the room and for photographs.
        silhouette: (F, N) int64, pixels that each thing would have if nothing stood before it.
    """

    light: Tensor
    owner: Tensor
    normal: Tensor
    silhouette: Tensor


@torch.no_grad()
def film(scene: Scene, eyes: Eyes) -> Film:
    """Film F frames of a scene with F cameras."""
    rays = eyes.rays()
    cutouts = scene.skins.photograph
    sight = look(without(scene.things, cutouts), eyes, rays)
    if scene.photographs is not None:
        sight = stand(scene.photographs, cutouts, scene.things, eyes, rays, sight)
    light, depth = _film_room(scene, eyes, rays, sight)
    seen = sight.depth < depth + LIFT
    frame, row, column = torch.nonzero(seen, as_tuple=True)
    light[frame, row, column], outward = _shade_things(scene, eyes, rays, sight, (frame, row, column))
    normal = torch.zeros_like(light)
    normal[frame, row, column] = torch.einsum("pij,pi->pj", eyes.turn[frame], outward)
    return Film(light, torch.where(seen, sight.thing + 1, 0).to(torch.uint8), normal, sight.silhouette)


def _film_room(scene: Scene, eyes: Eyes, rays: Tensor, sight: Sight) -> tuple[Tensor, Tensor]:
    """The room without its things but with their shadows: light (F, H, W, 3) and depth (F, H, W).

    Where things hide the room its light means nothing.
    """
    planes = scene.planes
    facing = torch.linalg.cross(planes.across, planes.along)
    way, u, v = meet(planes.place, planes.across, planes.along, eyes, rays)
    within = (u.abs() < planes.half[..., :1, None]) & (v.abs() < planes.half[..., 1:, None])
    way = torch.where(within & (way > 0.02), way, torch.inf)
    depth, nearest = way.min(1)

    frames, height, width = depth.shape
    frame = torch.arange(frames, device=depth.device)[:, None, None].expand_as(depth)
    points = eyes.place[:, None, None] + depth.clamp(max=50)[..., None] * rays
    slope = torch.einsum("fmi,fi->fm", facing, scene.lamp.direction).clamp(min=0)[frame, nearest]
    # Shadows are soft: half the resolution will do for them, and only near pixels that can show them.
    shows = torch.isfinite(depth) & (sight.depth >= depth + LIFT) & (slope > 0)
    near = F.max_pool2d(shows[:, None].float(), 6, 2, 2, ceil_mode=True)[:, 0] > 0
    half_frames = frame[:, ::2, ::2][near]
    half_points = points[:, ::2, ::2][near] + LIFT * facing[frame, nearest][:, ::2, ::2][near]
    passes = light_reaches(scene.things, half_frames, half_points, scene.lamp.direction, scene.lamp.softness)
    passes = passes * _passes_table(planes, half_frames, half_points, scene.lamp.direction)
    lit = torch.zeros(near.shape, device=depth.device).masked_scatter(near, passes)
    lit = F.interpolate(lit[:, None], (height, width), mode="bilinear")[:, 0]

    chosen = nearest[:, None]
    at = (u.gather(1, chosen)[:, 0].flatten(), v.gather(1, chosen)[:, 0].flatten())
    which = (frame.flatten(), nearest.flatten())
    colours = _colour(scene.walls, *which, *at)
    if scene.photographs is not None:
        colours = _hang(scene.photographs, scene.walls, *which, *at, colours)
    albedo = colours.reshape(frames, height, width, 3)
    light = albedo * (scene.lamp.ambient[:, None, None] + (slope * lit)[..., None] * scene.lamp.colour[:, None, None])
    return torch.where(torch.isfinite(depth)[..., None], light, scene.lamp.ambient[:, None, None]), depth


def _passes_table(planes: Planes, frame: Tensor, points: Tensor, light: Tensor) -> Tensor:
    """Whether light gets past the first plane to points (P, 3) on others: (P,) bool."""
    place, across, along = planes.place[frame, 0], planes.across[frame, 0], planes.along[frame, 0]
    facing = torch.linalg.cross(across, along)
    towards = light[frame]
    behind = ((points - place) * facing).sum(-1)
    way = -behind / (towards * facing).sum(-1).clamp(min=1e-3)
    crossing = points + way[:, None] * towards - place
    inside = ((crossing * across).sum(-1).abs() < planes.half[frame, 0, 0]) & (
        (crossing * along).sum(-1).abs() < planes.half[frame, 0, 1]
    )
    passes: Tensor = ~(inside & (behind < 0))
    return passes


def _shade_things(
    scene: Scene, eyes: Eyes, rays: Tensor, sight: Sight, pixels: tuple[Tensor, Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Light (P, 3) from the things at pixels (frame, row, column), and their normals there in the world (P, 3)."""
    frame, thing, ray = pixels[0], sight.thing[pixels], rays[pixels]
    points = eyes.place[frame] + sight.depth[pixels][:, None] * ray
    which = frame * scene.things.kind.shape[1] + thing
    x, y, z = to_local(scene.things, which, columns(points - scene.things.place[frame, thing]))
    normal = normals(scene.things, which, (x, y, z))
    outward = torch.stack(to_world(scene.things, which, normal), 1)
    beside, before, above = (axis.abs() for axis in normal)
    u = torch.where((beside >= before) & (beside >= above), y, x)
    v = torch.where((above > before) & (above > beside), y, z)
    albedo = _colour(scene.skins, frame, thing, u, v)

    lamp = scene.lamp
    towards = lamp.direction[frame]
    slope = (outward * towards).sum(-1).clamp(min=0)
    shows = slope > 0
    lifted = (points + LIFT * outward)[shows]
    solids = without(scene.things, scene.skins.photograph)
    passes = light_reaches(solids, frame[shows], lifted, lamp.direction, lamp.softness)
    lit = torch.zeros_like(slope).masked_scatter(shows, passes)
    # What comes from everywhere is darker from below, where the table is.
    ambient = lamp.ambient[frame] * (0.75 + 0.25 * outward[:, 2:])
    mirrored = (outward * F.normalize(towards - ray, dim=-1)).sum(-1).clamp(min=0)
    highlight = mirrored.square().square().square().square() ** 3 * lit
    shine = scene.skins.gloss[frame, thing] * highlight
    light = albedo * (ambient + (slope * lit)[:, None] * lamp.colour[frame]) + shine[:, None] * lamp.colour[frame]
    if scene.photographs is not None:
        _show_cutouts(scene, eyes, (frame, thing), points, light, outward)
    return light, outward


def _show_cutouts(
    scene: Scene, eyes: Eyes, pixels: tuple[Tensor, Tensor], points: Tensor, light: Tensor, outward: Tensor
) -> None:
    """Write what photographs show at points (P, 3), of frames and things (P,), into light and normals (P, 3)."""
    assert scene.photographs is not None
    cut = scene.skins.photograph[pixels] >= 0
    frame, thing = (index[cut] for index in pixels)
    across, up = axes(scene.things, eyes, frame, thing)
    away, half = points[cut] - scene.things.place[frame, thing], scene.things.half[frame, thing]
    places = (away * across).sum(-1) / half[:, 0], (away * up).sum(-1) / half[:, 2]
    skins, lamp = scene.skins, scene.lamp
    which, tinted = skins.photograph[frame, thing], skins.tinted[frame, thing]
    seen = albedo_of(scene.photographs, which, places, skins.first[frame, thing], tinted)
    light[cut] = seen * (lamp.ambient[frame] + LIT * lamp.colour[frame])
    outward[cut] = 0


def _colour(materials: Materials, frame: Tensor, index: Tensor, u_m: Tensor, v_m: Tensor) -> Tensor:
    """Albedo (P, 3) of surfaces at places on them, metres."""
    scale = materials.sides_per_m[frame, index]
    bank = pattern_bank(u_m.device)
    mixed = look_up(bank, materials.pattern[frame, index], u_m * scale, v_m * scale)
    return torch.lerp(materials.first[frame, index], materials.second[frame, index], mixed[:, None])


def _hang(
    photographs: Photographs, walls: Materials, frame: Tensor, index: Tensor, u_m: Tensor, v_m: Tensor, colours: Tensor
) -> Tensor:
    """Albedo (P, 3) of surfaces of which some are photographs; `colours` is that of the others."""
    which, scale = walls.photograph[frame, index], walls.sides_per_m[frame, index]
    shown = which >= 0
    colours[shown] = look_up_surface(photographs, which[shown], (u_m * scale)[shown], (v_m * scale)[shown])
    return colours
