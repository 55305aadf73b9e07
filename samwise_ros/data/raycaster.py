"""Casts rays at scenes of solids: which thing every pixel shows, where, and how light falls on it.

Frames are a batch, on a CPU and on a GPU alike: what has to be looked at (a pixel and a thing that may cover it, a
point and a thing that may shade it) is one flat list over all frames, and each kind of solid walks its share of it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from samwise_ros.data.solids import SOLIDS, Solid, Vector, length

MARCH_STEPS = 40
SHADOW_STEPS = 20

SURFACE = 6e-4
"""A ray that is nearer to a thing than this has hit it, metres."""

_CHECKS = (3, 6, 10, 15, 21, 28)
"""Steps after which rays that are done are put aside."""


@dataclass(frozen=True, slots=True)
class Things:
    """N things in F frames; a thing that is not there has extent 0.

    Attributes:
        kind: (F, N) int64, index into SOLIDS.
        half: (F, N, 3) half extents, metres.
        place: (F, N, 3) centre, metres.
        turn: (F, N, 3, 3) rotation from the thing's coordinates to the world's.
    """

    kind: Tensor
    half: Tensor
    place: Tensor
    turn: Tensor

    @property
    def reach(self) -> Tensor:
        """(F, N) radius of a sphere around each thing."""
        reach: Tensor = self.half.norm(dim=-1)
        return reach


@dataclass(frozen=True, slots=True)
class Eyes:
    """F pinhole cameras.

    Attributes:
        place: (F, 3), metres.
        turn: (F, 3, 3) rotation from the camera's coordinates (x right, y down, z forwards) to the world's (z up).
        focal_px: (F,) focal length.
        height: rows of the picture.
        width: columns of the picture.
    """

    place: Tensor
    turn: Tensor
    focal_px: Tensor
    height: int
    width: int

    def project(self, points: Tensor) -> Tensor:
        """Where points (F, P, 3) of the world are in the picture: (F, P, 2) column and row in pixels.

        A point behind the camera comes out far outside of the picture.
        """
        seen = torch.einsum("fji,fpj->fpi", self.turn, points - self.place[:, None])
        middle = torch.tensor([self.width / 2, self.height / 2], device=points.device)
        return self.focal_px[:, None, None] * seen[..., :2] / seen[..., 2:].clamp(min=1e-3) + middle

    def rays(self) -> Tensor:
        """(F, H, W, 3) unit directions in the world."""
        device = self.place.device
        rows = torch.arange(self.height, device=device) + 0.5 - self.height / 2
        columns = torch.arange(self.width, device=device) + 0.5 - self.width / 2
        x = columns[None, None, :] / self.focal_px[:, None, None]
        y = rows[None, :, None] / self.focal_px[:, None, None]
        x, y = torch.broadcast_tensors(x, y)
        seen = torch.stack((x, y, torch.ones_like(x)), -1)
        rays: Tensor = torch.einsum("fij,fhwj->fhwi", self.turn, F.normalize(seen, dim=-1))
        return rays


@dataclass(frozen=True, slots=True)
class Sight:
    """What the rays hit first.

    Attributes:
        thing: (F, H, W) int64, index of the thing, -1 where there is none.
        depth: (F, H, W) way along the ray, metres, infinite where there is none.
        silhouette: (F, N) int64, pixels that each thing would have if nothing stood before it.
    """

    thing: Tensor
    depth: Tensor
    silhouette: Tensor


@torch.no_grad()
def look(things: Things, eyes: Eyes, rays: Tensor) -> Sight:
    """Find the nearest thing along every ray.

    Args:
        things: the scene in F frames.
        eyes: the cameras.
        rays: their rays.

    Returns:
        What each pixel shows.
    """
    which, pixel = _pairs_in_view(things, eyes)
    start_at = at_things(torch.einsum("fnji,fnj->fni", things.turn, eyes.place[:, None] - things.place), which)
    heading = to_local(things, which, _pick(columns(rays.reshape(-1, 3)), pixel))
    depth = _walk(things, which, start_at, heading, MARCH_STEPS)[0]

    total = things.kind.shape[0] * eyes.height * eyes.width
    nearest = depth.new_full((total,), torch.inf).scatter_reduce(0, pixel, depth, "amin")
    owner = torch.full((total,), -1, dtype=torch.long, device=depth.device)
    won = torch.isfinite(depth) & (depth == nearest[pixel])
    owner[pixel[won]] = which[won] % things.kind.shape[1]
    shape = (things.kind.shape[0], eyes.height, eyes.width)
    silhouette = torch.zeros(things.kind.numel(), dtype=torch.long, device=depth.device)
    silhouette.index_add_(0, which, torch.isfinite(depth).long())
    return Sight(owner.reshape(shape), nearest.reshape(shape), silhouette.reshape(things.kind.shape))


def meet(place: Tensor, across: Tensor, along: Tensor, eyes: Eyes, rays: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where rays meet planes.

    Args:
        place: (F, M, 3) a point of each plane.
        across: (F, M, 3) unit vectors in it.
        along: (F, M, 3) unit vectors in it, across the others.
        eyes: the cameras.
        rays: (F, H, W, 3) their rays.

    Returns:
        (F, M, H, W) each: the way along the ray, negative where the plane is behind the camera, and where it meets the
        plane, as seen from `place`, across and along.
    """
    facing = torch.linalg.cross(across, along)
    offset = place - eyes.place[:, None]
    steep = torch.einsum("fmi,fhwi->fmhw", facing, rays)
    way = (offset * facing).sum(-1)[..., None, None] / torch.where(steep.abs() < 1e-6, 1e-6, steep)
    u, v = (
        way * torch.einsum("fmi,fhwi->fmhw", axis, rays) - (offset * axis).sum(-1)[..., None, None]
        for axis in (across, along)
    )
    return way, u, v


@torch.no_grad()
def normals(things: Things, which: Tensor, points: Vector) -> Vector:
    """Outward normals of things at points on them.

    Args:
        things: the scene.
        which: (P,) int64, index into the things of all frames.
        points: in the things' own coordinates.

    Returns:
        Unit vectors in the same.
    """
    result = torch.zeros(3, len(which), device=which.device)
    for solid, rows in _by_solid(things, which):
        half, at = at_things(things.half, which[rows]), _pick(points, rows)
        step = 1e-3 * half[0].clamp(min=1e-3)
        # Four corners of a tetrahedron give the gradient.
        for x, y, z in ((1.0, -1.0, -1.0), (-1.0, -1.0, 1.0), (-1.0, 1.0, -1.0), (1.0, 1.0, 1.0)):
            there = solid((at[0] + x * step, at[1] + y * step, at[2] + z * step), half)
            for axis, side in zip(result, (x, y, z), strict=True):
                axis[rows] += side * there
    x, y, z = F.normalize(result, dim=0)
    return x, y, z


@torch.no_grad()
def light_reaches(things: Things, frame: Tensor, points: Tensor, light: Tensor, softness: Tensor) -> Tensor:
    """How much of a far light reaches points past the things of the scene.

    Args:
        things: the scene.
        frame: (P,) int64.
        points: (P, 3) world, a little above the surfaces they belong to.
        light: (F, 3) unit vectors towards the light.
        softness: (F,) width of the shadows' edges, as an angle; 0.03 is a lamp, 0.15 a clouded sky.

    Returns:
        (P,) 0 in full shadow to 1.
    """
    x, y, z = (axis[frame] - at[:, None] for axis, at in zip(things.place.unbind(-1), columns(points), strict=True))
    to_x, to_y, to_z = (axis[frame][:, None] for axis in light.unbind(-1))
    along = x * to_x + y * to_y + z * to_z
    aside = x * x + y * y + z * z - along * along
    reach = things.reach[frame]
    wide = reach + softness[frame][:, None] * along.clamp(min=0)
    point, thing = torch.nonzero((aside < wide * wide) & (along > -reach) & (reach > 0), as_tuple=True)
    frame = frame[point]
    which = frame * things.kind.shape[1] + thing
    start_at = to_local(things, which, (-x[point, thing], -y[point, thing], -z[point, thing]))
    heading = at_things(torch.einsum("fnji,fj->fni", things.turn, light), which)
    _, clear = _walk(things, which, start_at, heading, SHADOW_STEPS, softness=softness[frame])
    lit = torch.ones(len(points), device=points.device)
    return lit.scatter_reduce(0, point, clear, "amin")


def _pairs_in_view(things: Things, eyes: Eyes) -> tuple[Tensor, Tensor]:
    """Every pixel that the cuboid around a thing may cover: which thing and pixel of all frames', (P,) int64 each."""
    signs = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=3)), device=things.half.device)
    corners = things.place[:, :, None] + torch.einsum("fnij,fncj->fnci", things.turn, things.half[:, :, None] * signs)
    seen = torch.einsum("fji,fncj->fnci", eyes.turn, corners - eyes.place[:, None, None])
    focal, depth = eyes.focal_px[:, None, None], seen[..., 2].clamp(min=0.02)
    column, row = focal * seen[..., 0] / depth + eyes.width / 2, focal * seen[..., 1] / depth + eyes.height / 2
    left, right = (column.amin(-1) - 1).clamp(0, eyes.width).long(), (column.amax(-1) + 2).clamp(0, eyes.width).long()
    top, bottom = (row.amin(-1) - 1).clamp(0, eyes.height).long(), (row.amax(-1) + 2).clamp(0, eyes.height).long()
    beside = seen[..., 2].amin(-1) < 0.02  # where a corner is behind the camera an outline is anywhere
    left, top = left.masked_fill(beside, 0), top.masked_fill(beside, 0)
    right, bottom = right.masked_fill(beside, eyes.width), bottom.masked_fill(beside, eyes.height)
    there = (things.half[..., 0] > 0) & (seen[..., 2].amax(-1) > 0)
    columns = right - left
    count = (columns * (bottom - top) * there).flatten()

    frames, number = things.kind.shape
    pair = torch.repeat_interleave(torch.arange(frames * number, device=count.device), count)
    offset = torch.arange(len(pair), device=count.device) - (count.cumsum(0) - count)[pair]
    wide = columns.flatten()[pair]
    y, x = top.flatten()[pair] + offset // wide, left.flatten()[pair] + offset % wide
    return pair, (pair // number * eyes.height + y) * eyes.width + x


def _walk(
    things: Things, which: Tensor, start_at: Vector, heading: Vector, steps: int, *, softness: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Sphere-trace P rays, each at one thing, in whose coordinates it begins and goes.

    Returns:
        (P,) way to the surface, infinite where the ray misses; and (P,) how clear of the thing it stays, 0..1, where
        `softness` is given.
    """
    half = at_things(things.half, which)
    # Between the planes of the cuboid around the thing; for a soft shadow a little around it too.
    around = 0.0 if softness is None else softness * length(*start_at)
    start = torch.zeros_like(start_at[0])
    stop = torch.full_like(start, torch.inf)
    depth, clear = stop.clone(), torch.ones_like(start)
    for at, way, extent in zip(start_at, heading, half, strict=True):
        inverse = 1 / torch.where(way.abs() < 1e-6, 1e-6, way)
        wall = extent * 1.001 + around
        one, other = (-wall - at) * inverse, (wall - at) * inverse
        start, stop = torch.maximum(start, torch.minimum(one, other)), torch.minimum(stop, torch.maximum(one, other))
    for solid, rows in _by_solid(things, which, start < stop):
        depth[rows], clear[rows] = _march(
            solid,
            _pick(start_at, rows),
            _pick(heading, rows),
            _pick(half, rows),
            start[rows],
            stop[rows],
            steps,
            None if softness is None else softness[rows],
        )
    return depth, clear


def _march(
    solid: Solid,
    origin: Vector,
    heading: Vector,
    half: Vector,
    start: Tensor,
    stop: Tensor,
    steps: int,
    softness: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Go along rays by the distance that is free; rays that are done are put aside now and then."""
    depth = torch.full_like(start, torch.inf)
    clear = torch.ones_like(start)
    alive = torch.arange(len(start), device=start.device)
    way, least = start.clone(), torch.ones_like(start)
    for step in range(steps):
        at = tuple(o + way * h for o, h in zip(origin, heading, strict=True))
        free = solid((at[0], at[1], at[2]), half)
        if softness is not None:
            least = torch.minimum(least, free / (softness * way.clamp(min=0.02)))
        hit = free < SURFACE
        way = torch.where(hit, way, way + free)
        if step in _CHECKS or step == steps - 1:
            done = hit | (way > stop)
            if softness is None:
                depth[alive[hit]] = way[hit]
            clear[alive] = torch.where(hit, 0, least.clamp(0, 1))
            keep = torch.nonzero(~done).squeeze(1)
            if not len(keep):
                break
            alive, way, least, stop = alive[keep], way[keep], least[keep], stop[keep]
            softness = None if softness is None else softness[keep]
            origin, heading, half = (_pick(vector, keep) for vector in (origin, heading, half))
    return depth, clear


def _by_solid(things: Things, which: Tensor, near: Tensor | None = None) -> list[tuple[Solid, Tensor]]:
    """The rows of a list that each solid has to answer for; where `near` (P,) is given, only those where it is true."""
    kind = things.kind.flatten()[which]
    if near is not None:
        kind = torch.where(near, kind, -1)
    solids = list(SOLIDS.values())
    present = things.kind.unique().tolist()
    return [(solids[index], torch.nonzero(kind == index).squeeze(1)) for index in present]


def at_things(values: Tensor, which: Tensor) -> Vector:
    """What things have, as columns: (F, N, 3) → three tensors (P,).

    Columns, since sums over a last dimension of three and rows picked by two indices take a CPU several times as long.
    """
    x, y, z = (column.index_select(0, which) for column in values.flatten(0, 1).unbind(-1))
    return x, y, z


def columns(rows: Tensor) -> Vector:
    """(P, 3) → three tensors (P,)."""
    x, y, z = rows.T.contiguous()
    return x, y, z


def to_local(things: Things, which: Tensor, vector: Vector) -> Vector:
    """Turn vectors of the world into the coordinates of their things."""
    x, y, z = (at_things(things.turn[..., row, :], which) for row in range(3))
    return _add_up(vector, x, y, z)


def to_world(things: Things, which: Tensor, vector: Vector) -> Vector:
    """Turn vectors in the coordinates of their things into the world's."""
    x, y, z = (at_things(things.turn[..., column], which) for column in range(3))
    return _add_up(vector, x, y, z)


def _add_up(vector: Vector, x: Vector, y: Vector, z: Vector) -> Vector:
    """The sum of three vectors, each as long as `vector` says."""
    a, b, c = (vector[0] * x[axis] + vector[1] * y[axis] + vector[2] * z[axis] for axis in range(3))
    return a, b, c


def _pick(vector: Vector, rows: Tensor) -> Vector:
    return vector[0][rows], vector[1][rows], vector[2][rows]
