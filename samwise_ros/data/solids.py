"""The shapes of the world's things, as signed distances. Called by `data.raycaster`.

Each function takes points in a thing's own coordinates (z up, centre at 0) and its half extents, and gives a distance
that is never larger than the true one, so that a ray may go that far. Points and extents are three tensors (P,) each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

Vector: TypeAlias = tuple[Tensor, Tensor, Tensor]
Solid: TypeAlias = Callable[[Vector, Vector], Tensor]


def ball(p: Vector, half: Vector) -> Tensor:
    """A sphere of radius half[2]."""
    return length(*p) - half[2]


def block(p: Vector, half: Vector) -> Tensor:
    """A cuboid with rounded edges."""
    return _cuboid(p, half, 0.12)


def box(p: Vector, half: Vector) -> Tensor:
    """A cuboid with sharp edges."""
    return _cuboid(p, half, 0.02)


def cylinder(p: Vector, half: Vector) -> Tensor:
    """An upright cylinder with slightly rounded rims."""
    return _tube(torch.hypot(p[0], p[1]), p[2], half[0], half[2], 0.08)


def cone(p: Vector, half: Vector) -> Tensor:
    """An upright cone, its tip at half[2]."""
    slant = torch.hypot(half[0], 2 * half[2])
    side = (torch.hypot(p[0], p[1]) * 2 * half[2] + (p[2] - half[2]) * half[0]) / slant
    return torch.maximum(side, -half[2] - p[2])


def cup(p: Vector, half: Vector) -> Tensor:
    """A hollow, slightly tapered cylinder with a handle on the side of +x."""
    x, y, z = p
    radius = 0.62 * half[0]
    rho = torch.hypot(x, y)
    # The taper bends distances a little; the factor keeps them below the true ones.
    wide = radius * (0.9 + 0.1 * z / half[2])
    outside = 0.98 * _tube(rho, z, wide, half[2], 0.04)
    inside = torch.maximum(rho - 0.86 * wide, -(z + 0.8 * half[2]))
    body = torch.maximum(outside, -inside)
    loop = torch.hypot(torch.hypot(x - radius, z) - 0.3 * half[0], y) - 0.07 * half[0]
    return torch.minimum(body, torch.maximum(loop, 0.9 * wide - rho))


def bottle(p: Vector, half: Vector) -> Tensor:
    """A cylinder that narrows to a neck."""
    rho, z = torch.hypot(p[0], p[1]), p[2]
    body = _tube(rho, z + 0.35 * half[2], half[0], 0.65 * half[2], 0.15)
    neck = _tube(rho, z - 0.5 * half[2], 0.36 * half[0], 0.5 * half[2], 0.05)
    blend = 0.25 * half[0]
    gap = (blend - (body - neck).abs()).clamp(min=0)
    return torch.minimum(body, neck) - gap * gap / (4 * blend)


def ring(p: Vector, half: Vector) -> Tensor:
    """A torus that lies flat; half[2] is the radius of its tube."""
    return torch.hypot(torch.hypot(p[0], p[1]) - (half[0] - half[2]), p[2]) - half[2]


def bowl(p: Vector, half: Vector) -> Tensor:
    """The lower half of a thick spherical shell, open at the top."""
    x, y, z = p
    lifted = z - half[2]
    shell = (length(x, y, lifted) - 0.93 * half[0]).abs() - 0.07 * half[0]
    return torch.maximum(shell, lifted)


def arm(p: Vector, half: Vector) -> Tensor:
    """A forearm along x with a hand at its end, three fingers and a thumb; half has to be as 1 : 0.34 : 0.25."""
    x, y, z = (axis / half[0] for axis in p)
    forearm = _capsule(x, y, z, (-0.78, 0.0, 0.0), (0.35, 0.0, 0.0)) - (0.17 - 0.05 * (x + 0.3).clamp(-0.6, 0.6))
    palm = length((x - 0.52) / 1.5, y, z / 0.7) * 0.7 - 0.13
    fingers = [
        _capsule(x, y, z, (0.6, 0.1 * k, 0.0), (0.95 - 0.04 * abs(k), 0.13 * k, -0.1)) - 0.05 for k in (-1, 0, 1)
    ]
    thumb = _capsule(x, y, z, (0.45, 0.1, 0.0), (0.68, 0.27, -0.06)) - 0.055
    distance = torch.minimum(forearm, palm)
    for part in (*fingers, thumb):
        distance = torch.minimum(distance, part)
    return 0.8 * distance * half[0]


def gripper(p: Vector, half: Vector) -> Tensor:
    """A robot's forearm along x with two fingers at its end, apart along y; half as an arm's."""
    x, y, z = (axis / half[0] for axis in p)
    distance = _capsule(x, y, z, (-0.8, 0.0, 0.0), (0.2, 0.0, 0.0)) - 0.19
    for middle, extents in (
        ((0.32, 0.0), (0.12, 0.3, 0.14)),
        ((0.69, 0.21), (0.26, 0.05, 0.09)),
        ((0.69, -0.21), (0.26, 0.05, 0.09)),
    ):
        wide, deep, high = (torch.full_like(x, extent) for extent in extents)
        part = _cuboid((x - middle[0], y - middle[1], z), (wide, deep, high), 0.15)
        distance = torch.minimum(distance, part)
    return distance * half[0]


def tumbler(p: Vector, half: Vector) -> Tensor:
    """A hollow cylinder that widens upwards, without a handle."""
    rho, z = torch.hypot(p[0], p[1]), p[2]
    return _hollow(rho, z, half[0] * (0.84 + 0.16 * z / half[2]), half[2], 0.9)


def goblet(p: Vector, half: Vector) -> Tensor:
    """A hollow cylinder with a waist."""
    rho, z = torch.hypot(p[0], p[1]), p[2]
    return _hollow(rho, z, half[0] * (0.72 + 0.28 * (z / half[2]).clamp(-1, 1) ** 2), half[2], 0.7)


def hourglass(p: Vector, half: Vector) -> Tensor:
    """A solid body with a narrow waist."""
    rho, level = torch.hypot(p[0], p[1]), (p[2] / half[2]).clamp(-1, 1)
    return torch.maximum(0.7 * (rho - half[0] * (0.45 + 0.55 * level * level)), p[2].abs() - half[2])


def pear(p: Vector, half: Vector) -> Tensor:
    """A ball that goes over into a smaller one above it."""
    rho, radius = torch.hypot(p[0], p[1]), torch.minimum(half[0], 0.62 * half[2])
    lower = torch.hypot(rho, p[2] + half[2] - radius) - radius
    upper = torch.hypot(rho, p[2] - half[2] + 0.5 * radius) - 0.5 * radius
    gap = (radius - (lower - upper).abs()).clamp(min=0)
    return torch.minimum(lower, upper) - gap * gap / (4 * radius)


def sausage(p: Vector, half: Vector) -> Tensor:
    """A lying cylinder with round ends; half[2] is its radius."""
    along = (p[0].abs() - (half[0] - half[2]).clamp(min=0)).clamp(min=0)
    return length(along, p[1], p[2]) - torch.minimum(half[2], half[0])


def pyramid(p: Vector, half: Vector) -> Tensor:
    """A pyramid of four sides, its tip at half[2]."""
    slant = torch.hypot(half[0], 2 * half[2])
    side = (torch.maximum(p[0].abs(), p[1].abs()) * 2 * half[2] + (p[2] - half[2]) * half[0]) / slant
    return torch.maximum(side, -half[2] - p[2])


def cross(p: Vector, half: Vector) -> Tensor:
    """Two bars that cross."""
    x, y, z = half
    return torch.minimum(_cuboid(p, (x, 0.35 * y, z), 0.1), _cuboid(p, (0.35 * x, y, z), 0.1))


def star(p: Vector, half: Vector) -> Tensor:
    """A prism with eight points."""
    side, turned = 0.7 * half[0], (0.7071 * (p[0] + p[1]), 0.7071 * (p[0] - p[1]), p[2])
    cuboid = (side, side, half[2])
    return torch.minimum(_cuboid(p, cuboid, 0.05), _cuboid(turned, cuboid, 0.05))


def animal(p: Vector, half: Vector) -> Tensor:
    """A body on four legs with a head; half has to be as 1 : 0.45 : 0.8."""
    x, y, z = (axis / half[0] for axis in p)
    distance = _capsule(x, y, z, (-0.6, 0.0, 0.0), (0.35, 0.0, 0.0)) - 0.32
    distance = torch.minimum(distance, length(x - 0.66, y, z - 0.46) - 0.32)
    for side in (-0.24, 0.24):
        for end in (-0.62, 0.38):
            distance = torch.minimum(distance, _capsule(x, y, z, (end, side, -0.1), (end, side, -0.68)) - 0.12)
    return distance * half[0]


SOLIDS: dict[str, Solid] = {
    "ball": ball,
    "block": block,
    "cylinder": cylinder,
    "cup": cup,
    "bottle": bottle,
    "cone": cone,
    "box": box,
    "book": box,
    "ring": ring,
    "bowl": bowl,
    "arm": arm,
    "tumbler": tumbler,
    "goblet": goblet,
    "hourglass": hourglass,
    "pear": pear,
    "sausage": sausage,
    "pyramid": pyramid,
    "cross": cross,
    "star": star,
    "animal": animal,
    "gripper": gripper,
}
"""Every shape by name; a shape's index is its place here."""


def length(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """How long vectors are, (P,)."""
    return torch.sqrt(x * x + y * y + z * z)


def _cuboid(p: Vector, half: Vector, rounding: float) -> Tensor:
    radius = rounding * torch.minimum(torch.minimum(half[0], half[1]), half[2])
    x, y, z = (axis.abs() - (extent - radius) for axis, extent in zip(p, half, strict=True))
    outside = length(x.clamp(min=0), y.clamp(min=0), z.clamp(min=0))
    return outside + torch.maximum(torch.maximum(x, y), z).clamp(max=0) - radius


def _hollow(rho: Tensor, z: Tensor, radius: Tensor, half: Tensor, factor: float) -> Tensor:
    """A vessel of a radius that depends on z; the factor keeps the bent distances below the true ones."""
    outside = torch.maximum(factor * (rho - radius), z.abs() - half)
    inside = torch.maximum(factor * (rho - 0.88 * radius), -(z + 0.85 * half))
    return torch.maximum(outside, -inside)


def _tube(rho: Tensor, z: Tensor, radius: Tensor, half: Tensor, rounding: float) -> Tensor:
    """A cylinder in (rho, z), its rims rounded by a share of the smaller extent."""
    edge = rounding * torch.minimum(radius, half)
    across, along = rho - (radius - edge), z.abs() - (half - edge)
    outside = torch.hypot(across.clamp(min=0), along.clamp(min=0))
    return outside + torch.maximum(across, along).clamp(max=0) - edge


def _capsule(
    x: Tensor, y: Tensor, z: Tensor, start: tuple[float, float, float], stop: tuple[float, float, float]
) -> Tensor:
    """Distance to a line segment."""
    ax, ay, az = (b - a for a, b in zip(start, stop, strict=True))
    px, py, pz = x - start[0], y - start[1], z - start[2]
    along = ((px * ax + py * ay + pz * az) / (ax * ax + ay * ay + az * az)).clamp(0, 1)
    return length(px - along * ax, py - along * ay, pz - along * az)
