"""What is true of exactly one thing of a clip, and what of none. Called by `data.expressions`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product

import numpy as np

from samwise_ros.data.tracks import (
    MIN_MOTION_FRAMES,
    MIN_PLACE_GAP,
    MIN_VISIBLE_SHARE,
    MIN_WHOLE,
    UNCLEAR,
    SceneObject,
    Tracks,
    members,
)
from samwise_ros.data.vocabulary import COLOURS, KINDS, MATERIALS, PHRASES, SIZES, is_called

NEAR_M = 0.16
"""Things at most so far apart are next to each other."""
NEAR_RATIO = 1.6
"""So many times farther are those that are not next to it."""
MIDDLE = 0.15
"""The middle reaches so far to both sides, as a share of the picture's width."""
MIDDLE_OF_TWO = 0.06
"""Where there are but two, one of which stands to a side."""
OF_THE_ROOM = 0.5
"""Share of the things asked for in vain that have a colour of the room, where it has some."""
SOLID_KINDS = tuple(kind for kind in KINDS if kind != "book")
"""What a flat patch of colour is not."""
MISNAMED = 2
"""So many wrong names stand for "thing" in what is true of a thing of some colour."""


@dataclass(frozen=True, slots=True)
class Noun:
    """What a thing may be called; an empty part is left open."""

    kind: str = ""
    colour: str = ""
    material: str = ""
    size: str = ""

    def fits(self, thing: SceneObject) -> bool:
        """Whether people might call the thing so."""
        return (
            (not self.kind or thing.odd or is_called(self.kind, thing.kind))
            and self.colour in ("", thing.colour)
            and (not self.material or thing.material in ("", self.material))
            and self.size in ("", thing.size)
        )

    @property
    def parts(self) -> int:
        """How many of its parts are said."""
        return sum(map(bool, (self.kind, self.colour, self.material, self.size)))


@dataclass(frozen=True, slots=True)
class Fact:
    """A property and whom it singles out.

    Attributes:
        kind: one of `vocabulary.EXPRESSION_KINDS`.
        group: key of `vocabulary.PHRASES`; empty where the noun says it all.
        name: the property, a key of that group.
        noun: what it is called.
        index: 1..N; 0 where it is true of nothing.
        landmark: what a relation refers to.
        since: first frame in which it is true.
    """

    kind: str
    group: str
    name: str
    noun: Noun
    index: int
    landmark: Noun | None = None
    since: int = 0


def true_facts(tracks: Tracks) -> Iterator[Fact]:
    """Yield everything that is clearly true of exactly one thing over the whole clip."""
    landmarks = list(_landmarks(tracks))
    for me in members(tracks.named):
        thing, others = tracks.objects[me], tracks.in_view & ~(1 << me)
        for noun in _nouns(thing):
            rivals = called(tracks, noun, others)
            if _another_is_one(tracks, thing, noun, others):
                continue
            if noun.size and not _size_is_clear(tracks, me, noun, others):
                continue
            if rivals:
                yield from _comparisons(tracks, me, rivals, noun, landmarks)
            elif noun.parts:
                kind = _kind_of_noun(tracks, noun, others)
                if kind:
                    yield Fact(kind, "", "", noun, thing.index)
    yield from _late_facts(tracks)


def _another_is_one(tracks: Tracks, me: SceneObject, noun: Noun, others: int) -> bool:
    """Whether a thing without a name would be called by a kind that something else really is of."""
    if not (me.odd and noun.kind):
        return False
    return any(not it.odd and is_called(noun.kind, it.kind) for it in (tracks.objects[i] for i in members(others)))


def _nouns(thing: SceneObject) -> Iterator[Noun]:
    materials = ("", thing.material) if thing.material in MATERIALS else ("",)
    sizes = ("", thing.size) if thing.size in SIZES else ("",)
    for kind, colour, material, size in product(("", thing.kind), ("", thing.colour), materials, sizes):
        yield Noun(kind, colour, material, size)


def called(tracks: Tracks, noun: Noun, among: int) -> int:
    """The set of those of some things that a noun fits; sets are as in `data.tracks`."""
    return sum(1 << i for i in members(among) if noun.fits(tracks.objects[i]))


def _size_is_clear(tracks: Tracks, me: int, noun: Noun, others: int) -> bool:
    """Whether those that share all but the size are there, and clearly of another size."""
    comparable = called(tracks, replace(noun, size=""), others)
    alike = called(tracks, noun, others)
    clear = (tracks.smaller if noun.size == "small" else tracks.larger)[me]
    unlike = comparable & ~alike
    return bool(tracks.steady >> me & 1 and unlike and unlike & ~clear == 0)


def _kind_of_noun(tracks: Tracks, noun: Noun, others: int) -> str:
    """The kind of an expression that a noun alone is; empty where a part says nothing new."""

    def needed(**without: str) -> bool:
        return bool(called(tracks, replace(noun, **without), others))

    if noun.size:
        return "combined" if noun.material else "size"
    if noun.material:
        return "material" if needed(material="") or not noun.colour else ""
    if noun.colour:
        return "colour" if needed(colour="") or not noun.kind else "kind"
    return "kind"


def _comparisons(tracks: Tracks, me: int, rivals: int, noun: Noun, landmarks: list[tuple[Noun, int]]) -> Iterator[Fact]:
    """Yield the properties that tell `me` from its rivals."""
    index, both = tracks.objects[me].index, noun.size or noun.material
    for name in _motions(tracks, me, rivals, noun):
        yield Fact("combined" if both else "motion", "motion", name, noun, index)
    if not tracks.steady >> me & 1:
        return
    for name in _places(tracks, me, rivals):
        yield Fact("combined" if both else "place", "place", name, noun, index)
    if not both:
        for name in _orders(tracks, me, rivals, noun):
            yield Fact("order", "order", name, noun, index)
    for landmark, other in landmarks:
        if other != me and not (noun.parts == 0 and rivals == 1 << other):
            for name in _relations(tracks, me, rivals & ~(1 << other), other):
                yield Fact("combined" if both else "relation", "relation", name, noun, index, landmark)


def _places(tracks: Tracks, me: int, rivals: int) -> Iterator[str]:
    x, foot_y = tracks.x[:, me], tracks.foot_y[:, me]
    if rivals & ~tracks.left[me] == 0 and x.max() < 0.55:
        yield "left"
    if rivals & ~tracks.right[me] == 0 and x.min() > 0.45:
        yield "right"
    if rivals & ~tracks.farther[me] == 0 and foot_y.max() < 0.65:
        yield "back"
    if rivals & ~tracks.nearer[me] == 0 and foot_y.min() > 0.4:
        yield "front"
    off_middle = np.abs(tracks.x - 0.5)
    apart = off_middle[:, members(rivals)] - off_middle[:, [me]]
    between = rivals & tracks.left[me] and rivals & tracks.right[me]
    # Of two, "the left one" is as good a name for what is not quite in the middle.
    reach = MIDDLE_OF_TWO if len(members(rivals)) == 1 else MIDDLE if between else 0.0
    if off_middle[:, me].max() < reach and apart.min() >= MIN_PLACE_GAP:
        yield "middle"


def _orders(tracks: Tracks, me: int, rivals: int, noun: Noun) -> Iterator[str]:
    everyone = [me, *members(rivals)]
    superlatives = {
        "nearest": tracks.nearer,
        "farthest": tracks.farther,
        "tallest": tracks.taller,
        "smallest": tracks.smaller,
        "biggest": tracks.larger,
    }
    for name, clear in superlatives.items():
        if rivals & ~clear[me] == 0 and (len(everyone) > 2 or name in ("tallest", "nearest", "farthest")):
            yield name
    if len(everyone) < 3 or (1 << me | rivals) & ~tracks.steady:
        return
    in_order = sorted(everyone, key=lambda i: float(tracks.x[0, i]))
    if all(tracks.left[i] >> j & 1 for i, j in pairwise(in_order)):
        things = [tracks.objects[i] for i in everyone]
        # The first of those that might be called so is the first of those that are, the second may not be the second.
        counted = 3 if not noun.kind or all(not it.odd and it.kind == noun.kind for it in things) else 1
        from_left = in_order.index(me)
        from_right = len(in_order) - 1 - from_left
        for place, side, first in ((from_left, "left", "leftmost"), (from_right, "right", "rightmost")):
            if place < counted:
                yield (first, f"second from the {side}", f"third from the {side}")[place]


def _relations(tracks: Tracks, me: int, rivals: int, other: int) -> Iterator[str]:
    """The relations to `other` that `me` has and no rival might be said to have."""
    if not rivals:
        return
    everyone = members(rivals)
    if tracks.left[me] >> other & 1 and all(tracks.not_left[i] >> other & 1 for i in everyone):
        yield "left of"
    if tracks.right[me] >> other & 1 and all(tracks.not_right[i] >> other & 1 for i in everyone):
        yield "right of"
    beside = np.abs(tracks.x[:, me] - tracks.x[:, other]).max() < 0.25
    away = tracks.ground_m[..., 1]
    if beside and tracks.farther[me] >> other & 1 and (away[:, everyone] <= away[:, [other]]).all():
        yield "behind"
    if beside and tracks.nearer[me] >> other & 1 and (away[:, everyone] >= away[:, [other]]).all():
        yield "in front of"
    nearest = tracks.most_gap_m[:, other, me].max()
    others_gap = tracks.least_gap_m[:, other][:, everyone].min()
    if nearest <= NEAR_M and others_gap >= max(NEAR_RATIO * nearest, nearest + 0.05):
        yield "next to"


def _landmarks(tracks: Tracks) -> Iterator[tuple[Noun, int]]:
    """Names that single out a thing well in view, without a comparison."""
    for i in members(tracks.steady):
        thing = tracks.objects[i]
        for noun in (Noun(thing.kind), Noun(thing.kind, thing.colour), Noun(colour=thing.colour)):
            others = tracks.in_view & ~(1 << i)
            if not called(tracks, noun, others) and not _another_is_one(tracks, thing, noun, others):
                yield noun, i
                break


def _motions(tracks: Tracks, me: int, rivals: int, noun: Noun) -> Iterator[str]:
    """The motions that `me` has and no rival might be said to have, nor an arm where anything is a thing."""
    if len(tracks.share) < MIN_MOTION_FRAMES or (1 << me | rivals) & ~tracks.named:
        return
    theirs = [tracks.motions[i] for i in members(rivals)]
    if any(UNCLEAR in motion for motion in theirs):
        return
    for name in sorted(tracks.motions[me] & PHRASES["motion"].keys()):
        if tracks.arm_moves and noun.parts == 0 and name != "still":
            continue
        if not any(may_be_said(name, motion) for motion in theirs):
            yield name


def may_be_said(name: str, motion: frozenset[str]) -> bool:
    """Whether a thing that moves like this may be said to do `name`."""
    if name in motion or UNCLEAR in motion or f"perhaps {name}" in motion:
        return True
    if name in ("moving", "still"):
        return "spinning" in motion
    if name == "spinning":  # also said as "turning around"
        return not motion.isdisjoint(("turning", "rolling"))
    return "turning" in motion and name != "rolling"


def _late_facts(tracks: Tracks) -> Iterator[Fact]:
    """Yield what becomes true after a look-alike was there: something enters, or begins to move."""
    for me in members(tracks.in_view):
        thing, others = tracks.objects[me], tracks.in_view & ~(1 << me)
        if first := _enters(tracks, me):
            for noun in (Noun(thing.kind, thing.colour), Noun(thing.kind), Noun(colour=thing.colour)):
                alike = [i for i in members(others) if _looks_alike(thing, tracks.objects[i])]
                before = any(tracks.share[0, i] >= MIN_VISIBLE_SHARE for i in alike)
                if before and not called(tracks, noun, others) and not _another_is_one(tracks, thing, noun, others):
                    yield Fact("late", "", "", noun, thing.index, since=first)
        yield from _late_motions(tracks, me, others)


def _enters(tracks: Tracks, me: int) -> int:
    """The frame in which a thing comes into view, to stay and to be recognised; 0 where it does not."""
    shown, frames = tracks.share[:, me], len(tracks.share)
    first = int((shown > 0).argmax())
    if not 0 < first <= frames - 2 or tracks.whole[first:, me].max() < MIN_WHOLE:
        return 0
    return first if (shown[first + 1 :] >= MIN_VISIBLE_SHARE).mean() >= 0.7 else 0


def _looks_alike(thing: SceneObject, other: SceneObject) -> bool:
    """Whether another thing has the same colour or kind."""
    return other.colour == thing.colour or is_called(other.kind, thing.kind)


def _late_motions(tracks: Tracks, me: int, others: int) -> Iterator[Fact]:
    frames, thing = len(tracks.share), tracks.objects[me]
    going = np.abs(np.diff(tracks.ground_m[:, me], axis=0)).max(1) > 1e-5
    if not going.any() or not tracks.steady >> me & 1:
        return
    last_rest = int(going.argmax())
    if not 1 <= last_rest <= frames - MIN_MOTION_FRAMES:
        return
    names = tracks.motion(me, last_rest, frames) & PHRASES["motion"].keys()
    for noun in (Noun(thing.kind), Noun(colour=thing.colour), Noun(thing.kind, thing.colour), Noun()):
        rivals = called(tracks, noun, others)
        if _another_is_one(tracks, thing, noun, others):
            continue
        if tracks.arm_moves and noun.parts == 0:
            continue
        if rivals and rivals & ~tracks.steady == 0 and all("still" in tracks.motions[i] for i in members(rivals)):
            for name in sorted(names):
                yield Fact("late", "motion", name, noun, thing.index, since=last_rest + 1)


def false_facts(
    tracks: Tracks,
    rng: np.random.Generator,
    count: int,
    *,
    misnamed: bool = False,
    room_colours: Sequence[str] = (),
) -> Iterator[Fact]:
    """Yield some things that are true of nothing in view.

    Args:
        tracks: where everything is.
        rng: chooses.
        count: how many to try; fewer come where a draft may be true of something after all.
        misnamed: leave out what `misnamed_facts` may take to be true.
        room_colours: of walls, mats and sleeves, which are no things: with these "the blue cup" is often one of those
            that are true of nothing.
    """
    unmoved = list(_false_motions(tracks))
    here = [tracks.objects[i] for i in members(tracks.in_view)]
    for _ in range(count):
        if unmoved and rng.random() < 0.25:
            yield unmoved[int(rng.integers(len(unmoved)))]
            continue
        noun = _draft_noun(here, rng)
        if room_colours and rng.random() < OF_THE_ROOM:
            noun = Noun(str(rng.choice(SOLID_KINDS)), str(rng.choice(room_colours)))
        if any(noun.fits(thing) for thing in here) or (misnamed and _is_misnomer(noun, here)):
            continue
        if noun.kind not in SOLID_KINDS and noun.colour in room_colours:
            continue
        group = str(rng.choice(("place", "order", "motion"))) if rng.random() < 0.35 else ""
        name = str(rng.choice(list(PHRASES[group]))) if group else ""
        yield Fact("absent", group, name, noun, 0)


def misnamed_facts(tracks: Tracks, facts: list[Fact], rng: np.random.Generator) -> Iterator[Fact]:
    """Yield what is true for those who do not mind the name: "the red cup on the left", where nothing is a cup.

    Things in the world have more shapes than words have.

    Args:
        tracks: where everything is.
        facts: what is true of it.
        rng: chooses the names.
    """
    here = [tracks.objects[i] for i in members(tracks.in_view)]
    for fact in facts:
        if fact.noun.kind or not fact.noun.colour:
            continue
        me = next(thing for thing in here if thing.index == fact.index)
        kinds = [KINDS[index] for index in rng.permutation(len(KINDS))]
        nouns = [replace(fact.noun, kind=kind) for kind in kinds if not (fact.landmark and fact.landmark.kind == kind)]
        for noun in [noun for noun in nouns if _is_misnomer(noun, here) and _may_be_its(noun, me, here)][:MISNAMED]:
            yield replace(fact, noun=noun)


def _may_be_its(noun: Noun, me: SceneObject, here: list[SceneObject]) -> bool:
    """Whether a wrong name is not rather that of another thing: of one of this colour that may be called anything."""
    name = Noun(noun.kind, noun.colour)
    return name.fits(me) or not any(name.fits(thing) for thing in here)


def _is_misnomer(noun: Noun, here: list[SceneObject]) -> bool:
    """Whether something has a noun's colour, and nothing its kind."""
    coloured = any(thing.colour == noun.colour for thing in here)
    named = any(not thing.odd and is_called(noun.kind, thing.kind) for thing in here)
    return bool(noun.kind) and not noun.material and coloured and not named


def _draft_noun(here: list[SceneObject], rng: np.random.Generator) -> Noun:
    """A noun that is like something in view in one part and unlike in another, or unlike all."""
    thing = here[int(rng.integers(len(here)))] if here else None
    kind, colour = str(rng.choice(KINDS)), str(rng.choice(COLOURS))
    draw = rng.random()
    if thing is None or draw < 0.15:
        return Noun(kind) if rng.random() < 0.5 else Noun(kind, colour)
    if draw < 0.25:
        return Noun(colour=colour)
    if draw < 0.55:
        return Noun(thing.kind, colour)
    if draw < 0.85:
        return Noun(kind, thing.colour)
    return Noun(thing.kind, material=str(rng.choice(list(MATERIALS))))


def _false_motions(tracks: Tracks) -> Iterator[Fact]:
    """Yield motions that nothing of some noun has, though there are such things."""
    if len(tracks.share) < MIN_MOTION_FRAMES:
        return
    for me in members(tracks.in_view):
        thing = tracks.objects[me]
        for noun in (Noun(thing.kind), Noun(thing.kind, thing.colour)):
            group = called(tracks, noun, tracks.in_view)
            for name in PHRASES["motion"]:
                if not any(may_be_said(name, tracks.motions[i]) for i in members(group)):
                    yield Fact("absent", "motion", name, noun, 0)
