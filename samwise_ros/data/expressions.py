"""Puts facts into words: the referring expressions of a clip. Called by `data.synthetic`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from samwise_ros.data.facts import Fact, Noun, called, false_facts, misnamed_facts, true_facts
from samwise_ros.data.tracks import Tracks, members
from samwise_ros.data.vocabulary import (
    ANYTHING,
    COLOUR_WORDS,
    EXPRESSION_KINDS,
    HELD_OUT_PAIRS,
    MATERIALS,
    NOUN_PHRASES,
    NOUNS,
    PHRASES,
    SIZES,
    pick,
)

MAX_PER_KIND = 4
"""Most expressions of one kind for one clip."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A referring expression and what it refers to.

    Attributes:
        text: lower case, without a verb.
        kind: one of `vocabulary.EXPRESSION_KINDS`: what singles the thing out.
        object_index: the one thing it is true of; 0: true of nothing in view.
        since: first frame of the clip in which it is true; above 0 for the kind `late` alone.
        called: indices of the things in view that its noun fits, "cup" in "the cup left of the ball".
        landmark: index of the thing that it compares with, the ball there; 0 where there is none.
        noun: what it calls the thing; None where that was not told.
        landmark_noun: what it calls the one it compares with; None where there is none.
    """

    text: str
    kind: str
    object_index: int
    since: int = 0
    called: tuple[int, ...] = ()
    landmark: int = 0
    noun: Noun | None = None
    landmark_noun: Noun | None = None


def describe(
    tracks: Tracks,
    rng: np.random.Generator,
    *,
    held_out: bool = False,
    misnamed: bool = False,
    room_colours: Sequence[str] = (),
) -> tuple[Expression, ...]:
    """Say what can be said of a clip.

    Args:
        tracks: where its things are.
        rng: chooses among phrasings, and which expressions stay where there are many.
        held_out: use the held-out phrasings, and speak only of things that are held-out pairs of colour and kind.
        misnamed: things may be called by a kind that they do not have; see `facts.misnamed_facts`.
        room_colours: of what nobody means; see `facts.false_facts`.

    Returns:
        At most MAX_PER_KIND expressions of each kind, each clearly true of exactly one thing, or of none, in every
        frame from `since` on.
    """
    facts = list(true_facts(tracks))
    if held_out:
        wanted = {thing.index for thing in tracks.objects if (thing.colour, thing.kind) in HELD_OUT_PAIRS}
        facts = [fact for fact in facts if fact.index in wanted]
    if misnamed:
        facts += list(misnamed_facts(tracks, facts, rng))
    facts += false_facts(tracks, rng, MAX_PER_KIND, misnamed=misnamed, room_colours=room_colours)
    found: list[Expression] = []
    for kind in EXPRESSION_KINDS:
        chosen = _choose([fact for fact in facts if fact.kind == kind], rng)
        found += [_say(fact, tracks, rng, held_out) for fact in chosen]
    return tuple(dict.fromkeys(found))


def _choose(alike: list[Fact], rng: np.random.Generator) -> list[Fact]:
    """MAX_PER_KIND facts, each of another property as far as there are others: no frequent one crowds the rest out."""
    drawn = [alike[i] for i in rng.permutation(len(alike))]
    seen: dict[str, int] = {}
    turns: list[tuple[int, int]] = []
    for place, fact in enumerate(drawn):
        seen[fact.name] = seen.get(fact.name, 0) + 1
        turns.append((seen[fact.name], place))
    return [drawn[place] for _, place in sorted(turns)[:MAX_PER_KIND]]


def _say(fact: Fact, tracks: Tracks, rng: np.random.Generator, held_out: bool) -> Expression:
    """Put a fact into words."""
    phrases = PHRASES[fact.group][fact.name] if fact.group else NOUN_PHRASES
    phrase = pick(phrases.held_out if held_out else phrases.usual, rng)
    landmark = _call(fact.landmark, rng) if fact.landmark else ""
    text = phrase.format(x=_call(fact.noun, rng), y=landmark)
    if text.startswith("a o"):  # objects and orange things
        text = f"an {text[2:]}"
    if text.startswith("the ") and rng.random() < 0.1:
        text = text.removeprefix("the ")
    (landmark_index,) = _who(fact.landmark, tracks) if fact.landmark else (0,)
    called_so = _who(fact.noun, tracks)
    if fact.index and fact.index not in called_so:  # it is called by a name that nothing has
        called_so = _who(replace(fact.noun, kind=""), tracks)
    return Expression(text, fact.kind, fact.index, fact.since, called_so, landmark_index, fact.noun, fact.landmark)


def _who(noun: Noun, tracks: Tracks) -> tuple[int, ...]:
    """Indices of the things in view that a noun fits."""
    return tuple(tracks.objects[i].index for i in members(called(tracks, noun, tracks.in_view)))


def _call(noun: Noun, rng: np.random.Generator) -> str:
    """Say a noun with its size, colour and material."""
    words = pick(NOUNS.get(noun.kind, ANYTHING), rng)
    if noun.material:
        words = pick(MATERIALS[noun.material], rng).format(x=words)
    if noun.colour:
        words = f"{pick(COLOUR_WORDS.get(noun.colour, (noun.colour,)), rng)} {words}"
    if noun.size:
        words = f"{pick(SIZES[noun.size], rng)} {words}"
    return words
