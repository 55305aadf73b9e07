"""The language of the synthetic world: which sentences are true of exactly one object.

`synthetic.World` measures where its objects are over a range of frames (`Tracks`); `describe` finds every property
that singles an object out by a safe margin and puts it into words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from samwise_ros.data.shapes import COLOUR_HSV, SOLIDS

KINDS: tuple[str, ...] = tuple(SOLIDS)
COLOURS: tuple[str, ...] = tuple(COLOUR_HSV)
EXPRESSION_KINDS = ("colour", "shape", "size", "place", "motion")

MIN_VISIBLE_SHARE = 0.0015
"""Share of the picture that an object must show to be spoken of."""
MIN_WHOLE = 0.4
"""Share of its silhouette that an object must show once to be named, and always to be called small or large."""
MIN_WHOLE_TO_COMPARE = 0.7
"""Share of its silhouette that an object must show once for its size to be compared."""
MIN_SIZE_RATIO = 1.35
"""Ratio of apparent widths between the largest (smallest) object and the next."""
MIN_PLACE_GAP = 0.12
"""Gap between the leftmost (…) object and the next, as a share of the picture's width (height)."""
MIN_MOTION = 0.03
"""Way, as a share of the picture's width, that a moving object goes."""
MAX_REST = 0.025
"""Way, as a share of the picture's width, that a resting object may drift with the camera."""
MIN_MOTION_FRAMES = 4
"""Shortest range of frames in which motion is spoken of."""
MAX_PER_KIND = 4
"""Most expressions of one kind for one range of frames."""

NOUNS: dict[str, tuple[str, ...]] = {
    "ball": ("ball", "ball", "sphere"),
    "block": ("block", "block", "cube", "box"),
    "cylinder": ("cylinder", "can"),
    "cup": ("cup", "cup", "mug"),
    "cone": ("cone",),
    "bottle": ("bottle",),
    "ring": ("ring",),
    "bowl": ("bowl",),
}
PHRASES: dict[str, tuple[str, ...]] = {
    "colour": ("the {x}", "the {x}", "{x}"),
    "shape": ("the {x}", "the {x}", "{x}"),
    "small": ("the small {x}", "the smallest {x}", "the little {x}", "the smaller {x}"),
    "large": ("the large {x}", "the largest {x}", "the big {x}", "the biggest {x}", "the bigger {x}"),
    "left": ("the {x} on the left", "the leftmost {x}", "the left {x}", "the {x} on the left side"),
    "right": ("the {x} on the right", "the rightmost {x}", "the right {x}", "the {x} on the right side"),
    "middle": ("the {x} in the middle", "the middle {x}", "the {x} in the centre"),
    "top": ("the {x} at the top", "the {x} at the back", "the farthest {x}"),
    "bottom": ("the {x} at the bottom", "the {x} in front", "the nearest {x}", "the closest {x}"),
    "moving left": ("the {x} moving left", "the {x} going left", "the {x} moving to the left"),
    "moving right": ("the {x} moving right", "the {x} going right", "the {x} moving to the right"),
    "moving up": ("the {x} moving up", "the {x} moving away", "the {x} going away"),
    "moving down": ("the {x} moving down", "the {x} coming closer", "the {x} going down"),
    "moving": ("the moving {x}", "the {x} that moves", "the {x} that is moving"),
    "still": ("the still {x}", "the {x} that stands still", "the {x} standing still", "the {x} not moving"),
}
"""How each property is put; {x} stands for the noun, with or without a colour."""

PROPERTIES: dict[str, tuple[str, ...]] = {
    "size": ("small", "large"),
    "place": ("left", "right", "middle", "top", "bottom"),
    "motion": ("moving left", "moving right", "moving up", "moving down", "moving", "still"),
}
"""The properties that each comparing kind of expression tells apart."""


@dataclass(frozen=True, slots=True)
class SceneObject:
    """One object of a scene.

    Attributes:
        index: 1..N, also its value in the instance pictures.
        kind: one of KINDS.
        colour: one of COLOURS.
        size: "small", "medium" or "large".
    """

    index: int
    kind: str
    colour: str
    size: str


@dataclass(frozen=True, slots=True)
class Expression:
    """A referring expression and what it refers to.

    Attributes:
        text: lower case, without a verb.
        kind: one of EXPRESSION_KINDS: the property that singles the object out.
        object_index: the one object it is true of; 0: true of nothing in view.
    """

    text: str
    kind: str
    object_index: int


@dataclass(frozen=True, slots=True)
class Tracks:
    """Where N objects are over T frames. Positions and sizes are shares of the picture's width.

    Attributes:
        objects: the N objects.
        leaves: (N,) bool, the object leaves the picture now and then.
        share: (T, N) visible pixels as a share of the picture's.
        whole: (T, N) visible pixels as a share of the whole silhouette's, 0 hidden to 1 in full view.
        x: (T, N) centre of what is visible, 0..1 from the left; of the whole object where nothing is.
        y: (T, N) likewise from the top, as a share of the height.
        foot_y: (T, N) where the object stands, as a share of the height.
        size: (T, N) square root of the whole silhouette's area.
        extent: (T, N) larger side of the whole silhouette's box.
        way: (T, N, 2) centre of the whole object in the picture, both axes as shares of the width.
        own_way: (T, N, 2) likewise, without the camera's own movement.
    """

    objects: tuple[SceneObject, ...]
    leaves: npt.NDArray[np.bool_]
    share: npt.NDArray[np.float64]
    whole: npt.NDArray[np.float64]
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    foot_y: npt.NDArray[np.float64]
    size: npt.NDArray[np.float64]
    extent: npt.NDArray[np.float64]
    way: npt.NDArray[np.float64]
    own_way: npt.NDArray[np.float64]


def describe(tracks: Tracks, rng: np.random.Generator) -> tuple[Expression, ...]:
    """Say what can be said of the objects.

    Args:
        tracks: where they are.
        rng: chooses among phrasings, and which expressions stay where there are many.

    Returns:
        At most MAX_PER_KIND expressions of each kind, each true of exactly one object in every frame, and about
        one in ten that are true of nothing in view.
    """
    facts = list(_true_facts(tracks))
    found: list[Expression] = []
    for kind in EXPRESSION_KINDS:
        alike = [fact for fact in facts if fact.kind == kind]
        found += [_say(alike[i], rng) for i in rng.permutation(len(alike))[:MAX_PER_KIND]]
    absent = max(1, round(len(found) / 9))
    found += [_say(_false_fact(tracks, rng), rng) for _ in range(absent)]
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class _Fact:
    """A property and whom it singles out; an empty noun_kind or noun_colour leaves that part of the noun open."""

    kind: str
    name: str
    noun_kind: str
    noun_colour: str
    object_index: int


def _true_facts(tracks: Tracks) -> Iterator[_Fact]:
    """Yield everything that is true of exactly one object."""
    shown, entire = tracks.share >= MIN_VISIBLE_SHARE, tracks.whole >= MIN_WHOLE
    clear, mostly = entire.any(axis=0), shown.mean(axis=0) >= 0.5
    always = clear & shown.all(axis=0)
    tests = (
        ("size", _sizes, np.asarray(always & entire.all(axis=0), bool)),
        ("place", _places, np.asarray(always, bool)),
        ("motion", _motions, np.asarray(mostly & clear, bool)),
    )
    named = np.asarray(always | (mostly & clear & tracks.leaves), bool)
    for me, thing in enumerate(tracks.objects):
        for noun_kind, noun_colour in _groups(thing):
            rivals = [i for i in _members(tracks, noun_kind, noun_colour) if i != me]
            if rivals:
                for kind, test, fit in tests:
                    names = test(tracks, me, rivals) if fit[me] else ()
                    yield from (_Fact(kind, name, noun_kind, noun_colour, thing.index) for name in names)
            elif named[me] and (noun_kind or noun_colour):
                by_colour = bool(noun_colour) and set(_members(tracks, "", noun_colour)) <= {me}
                kind = "colour" if by_colour else "shape"
                yield _Fact(kind, kind, noun_kind, noun_colour, thing.index)


def _members(tracks: Tracks, noun_kind: str, noun_colour: str) -> list[int]:
    """The objects of a kind and colour of which anything is in view."""
    in_view = np.asarray((tracks.share > 0).any(axis=0), bool)
    return [
        i
        for i, thing in enumerate(tracks.objects)
        if in_view[i] and noun_kind in ("", thing.kind) and noun_colour in ("", thing.colour)
    ]


def _groups(thing: SceneObject) -> tuple[tuple[str, str], ...]:
    """The (kind, colour) nouns that fit an object; an empty string leaves the property open."""
    return (("", ""), (thing.kind, ""), ("", thing.colour), (thing.kind, thing.colour))


def _sizes(tracks: Tracks, me: int, rivals: list[int]) -> Iterator[str]:
    """Yield the size properties that hold of `me` alone."""
    size, extent = tracks.size, tracks.extent
    smaller = (size[:, rivals] / size[:, [me]]).min(), (extent[:, rivals] / extent[:, [me]]).min()
    larger = (size[:, [me]] / size[:, rivals]).min(), (extent[:, [me]] / extent[:, rivals]).min()
    if (tracks.whole[:, [me, *rivals]].max(axis=0) < MIN_WHOLE_TO_COMPARE).any():
        return
    if smaller[0] >= MIN_SIZE_RATIO and smaller[1] >= 1.15:
        yield "small"
    if larger[0] >= MIN_SIZE_RATIO and larger[1] >= 1.15:
        yield "large"


def _places(tracks: Tracks, me: int, rivals: list[int]) -> Iterator[str]:
    """Yield the places that hold of `me` alone, in every frame."""
    x, y, foot_y = tracks.x, tracks.y, tracks.foot_y
    rightward, downward = x[:, rivals] - x[:, [me]], y[:, rivals] - y[:, [me]]
    nearer = foot_y[:, rivals] - foot_y[:, [me]]
    if rightward.min() >= MIN_PLACE_GAP and x[:, me].max() < 0.55:
        yield "left"
    if rightward.max() <= -MIN_PLACE_GAP and x[:, me].min() > 0.45:
        yield "right"
    off_centre = np.abs(x - 0.5)
    flanked = (rightward <= -MIN_PLACE_GAP).any(axis=1).all() and (rightward >= MIN_PLACE_GAP).any(axis=1).all()
    apart = (off_centre[:, rivals] - off_centre[:, [me]]).min() >= MIN_PLACE_GAP
    if flanked and apart and off_centre[:, me].max() < 0.17:
        yield "middle"
    if min(downward.min(), nearer.min()) >= MIN_PLACE_GAP:
        yield "top"
    if max(downward.max(), nearer.max()) <= -MIN_PLACE_GAP:
        yield "bottom"


def _motions(tracks: Tracks, me: int, rivals: list[int]) -> Iterator[str]:
    """Yield the motions that hold of `me` alone."""
    if len(tracks.share) < MIN_MOTION_FRAMES:
        return
    mine, theirs = _motion_of(tracks, me), [_motion_of(tracks, int(i)) for i in rivals]
    if any(motion == "unclear" for motion in (mine, *theirs)):
        return
    for name in PROPERTIES["motion"]:
        shared = any(_moves(motion, name) for motion in theirs)
        # A thing that turns goes this way for a while, too.
        partly = "moving" in theirs and name.startswith("moving ")
        if _moves(mine, name) and not shared and not partly:
            yield name


def _moves(motion: str, name: str) -> bool:
    """Whether something with this motion may be said to move (or stand) as `name` says."""
    return motion == name or (name == "moving" and motion != "still")


def _motion_of(tracks: Tracks, i: int) -> str:
    """One object's motion: "still", "moving left" (…), "moving" where it turns, "unclear" where it hardly moves."""
    way, own = tracks.way[:, i], tracks.own_way[:, i]
    drift = np.ptp(way - own, axis=0).max()
    if np.ptp(own, axis=0).max() < 1e-6:
        return "still" if np.ptp(way, axis=0).max() <= MAX_REST else "unclear"
    reach = np.ptp(way, axis=0)
    if reach.max() < max(MIN_MOTION, 2 * drift):
        return "unclear"
    axis = int(reach.argmax())
    steps = np.diff(own[:, axis])
    if not (np.all(steps > 0) or np.all(steps < 0)) or reach[1 - axis] > 0.5 * reach[axis]:
        return "moving"
    return (("moving left", "moving right"), ("moving up", "moving down"))[axis][int(steps[0] > 0)]


def _say(fact: _Fact, rng: np.random.Generator) -> Expression:
    """Put a fact into words."""
    if fact.name == "colour" and not fact.noun_kind and rng.random() < 0.2:
        return Expression(f"something {fact.noun_colour}", fact.kind, fact.object_index)
    nouns = NOUNS.get(fact.noun_kind, ("object", "thing", "one") if fact.noun_colour else ("object", "object", "thing"))
    noun = f"{fact.noun_colour} {_pick(nouns, rng)}".strip()
    phrase = _pick(PHRASES[fact.name], rng)
    if noun.endswith(" one") and phrase == "{x}":
        phrase = "the {x}"
    return Expression(phrase.format(x=noun), fact.kind, fact.object_index)


def _pick(words: Sequence[str], rng: np.random.Generator) -> str:
    """One of some words, all equally likely."""
    return words[int(rng.integers(len(words)))]


def _false_fact(tracks: Tracks, rng: np.random.Generator) -> _Fact:
    """Something that is true of nothing in view: a motion that nothing has, or a noun that nothing fits."""
    unmoved = list(_false_motions(tracks))
    if unmoved and rng.random() < 0.2:
        return unmoved[int(rng.integers(len(unmoved)))]
    here = {(thing.kind, thing.colour) for thing in tracks.objects}
    other_kinds = [kind for kind in KINDS if all(kind != there for there, _ in here)]
    other_colours = [colour for colour in COLOURS if all(colour != there for _, there in here)]
    draw, noun_kind, noun_colour = rng.random(), "", ""
    if draw < 0.3 and other_kinds:
        noun_kind = _pick(other_kinds, rng)
    elif draw < 0.6 and other_colours:
        noun_colour = _pick(other_colours, rng)
    else:
        pairs = [(kind, colour) for kind in KINDS for colour in COLOURS if (kind, colour) not in here]
        swapped = [pair for pair in pairs if pair[0] not in other_kinds and pair[1] not in other_colours]
        noun_kind, noun_colour = (swapped or pairs)[int(rng.integers(len(swapped or pairs)))]
    if rng.random() < 0.4:
        kinds = EXPRESSION_KINDS[2:] if len(tracks.share) >= MIN_MOTION_FRAMES else EXPRESSION_KINDS[2:4]
        kind = _pick(kinds, rng)
        return _Fact(kind, _pick(PROPERTIES[kind], rng), noun_kind, noun_colour, 0)
    kind = "colour" if noun_colour in other_colours else "shape"
    return _Fact(kind, kind, noun_kind, noun_colour, 0)


def _false_motions(tracks: Tracks) -> Iterator[_Fact]:
    """Yield motions that nothing of some noun has, though there are such things."""
    if len(tracks.share) < MIN_MOTION_FRAMES:
        return
    for thing in tracks.objects:
        for noun_kind, noun_colour in _groups(thing)[1:]:
            motions = {_motion_of(tracks, i) for i in _members(tracks, noun_kind, noun_colour)}
            if motions and not motions & {"unclear", "moving"}:
                for name in PROPERTIES["motion"]:
                    if not any(_moves(motion, name) for motion in motions):
                        yield _Fact("motion", name, noun_kind, noun_colour, 0)
