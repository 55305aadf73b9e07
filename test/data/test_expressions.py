"""The language: every sentence is read again and judged from the masks, the objects and the places on the table."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import numpy as np
import pytest

from samwise_ros.data.expressions import MAX_PER_KIND, Expression
from samwise_ros.data.synthetic import Clip, render_clip
from samwise_ros.data.tracks import MIN_VISIBLE_SHARE, SceneObject
from samwise_ros.data.vocabulary import (
    COLOUR_WORDS,
    COLOURS,
    EXPRESSION_KINDS,
    HELD_OUT_PAIRS,
    MATERIALS,
    NOUN_PHRASES,
    NOUNS,
    PHRASES,
    SIZES,
    is_called,
    sample_texts,
)

SEEDS = range(40)
SIZE_PX = (72, 96)
FRAMES = 9
KIND_OF_NOUN = {noun: kind for kind, nouns in NOUNS.items() for noun in nouns}
COLOUR_OF_WORD = {word: colour for colour in COLOURS for word in COLOUR_WORDS.get(colour, (colour,))}
MATERIAL_OF_WORD = {
    word: material
    for material, phrases in MATERIALS.items()
    for phrase in phrases
    for word in phrase.replace("{x}", "").split()
    if word not in ("with", "made", "of")
}
SIZE_OF_WORD = {word: size for size, words in SIZES.items() for word in words}


@cache
def clip_of(seed: int, held_out: bool = False) -> Clip:
    """The clip of one seed."""
    return render_clip(seed, frames=FRAMES, height=SIZE_PX[0], width=SIZE_PX[1], held_out=held_out)


def fits(thing: SceneObject, words: list[str], *, sized: bool = False) -> bool:
    """Whether the words before any landmark fit a thing."""
    for word in words:
        if word in KIND_OF_NOUN and not is_called(KIND_OF_NOUN[word], thing.kind):
            return False
        if word in COLOUR_OF_WORD and COLOUR_OF_WORD[word] != thing.colour:
            return False
        if word in MATERIAL_OF_WORD and MATERIAL_OF_WORD[word] != thing.material:
            return False
        if sized and word in SIZE_OF_WORD and SIZE_OF_WORD[word] != thing.size:
            return False
    return True


def said(words: list[str]) -> list[str]:
    """The colour and the kind that words say, empty where they say none."""
    colours, kinds = ([names[word] for word in words if word in names] for names in (COLOUR_OF_WORD, KIND_OF_NOUN))
    return [(*colours, "")[0], (*kinds, "")[0]]


def head(text: str) -> list[str]:
    """The words of a sentence up to the landmark of a relation."""
    for relation in (" left of", " to the left of", " right of", " to the right of", " behind", " in front of"):
        text = text.split(relation)[0]
    for relation in (" next to", " beside", " near ", " closest to the "):
        text = text.split(relation)[0]
    return text.split()


def in_view(clip: Clip, words: list[str]) -> list[int]:
    return [one.index for one in clip.objects if fits(one, words) and (clip.instances == one.index).any()]


def sentences(*kinds: str, held_out: bool = False) -> list[tuple[Clip, Expression]]:
    """All sentences of some kinds over all seeds."""
    clips = [clip_of(seed, held_out) for seed in SEEDS]
    return [(clip, one) for clip in clips for one in clip.expressions if one.kind in kinds]


def centre_x(clip: Clip, index: int) -> np.ndarray:
    """Column of the visible pixels' centre in every frame, 0..1; NaN where there are none."""
    columns = [np.nonzero(frame == index)[1] for frame in clip.instances]
    return np.array([at.mean() / SIZE_PX[1] if len(at) else np.nan for at in columns])


def test_every_kind_is_frequent():
    clips_with = Counter(kind for seed in SEEDS for kind in {one.kind for one in clip_of(seed).expressions})
    rare = {"motion": 0.4, "late": 0.12, "size": 0.4}
    for kind in EXPRESSION_KINDS:
        assert clips_with[kind] >= rare.get(kind, 0.6) * len(SEEDS), (kind, clips_with)
    per_clip = Counter((seed, one.kind) for seed in SEEDS for one in clip_of(seed).expressions)
    assert max(per_clip.values()) == MAX_PER_KIND
    assert len({one.text for seed in SEEDS for one in clip_of(seed).expressions}) > 500


def test_every_property_is_said():
    said = " | ".join(one.text for seed in SEEDS for one in clip_of(seed).expressions)
    words = (
        "second",
        "third",
        "tallest",
        "behind",
        "in front of the",
        "rolling",
        "moving away",
        "striped",
        "wooden",
        "lifted",
    )
    assert [word for word in words if word not in said] == []


def test_sentences_are_short_and_plain():
    for clip, one in sentences(*EXPRESSION_KINDS):
        assert one.text == " ".join(one.text.lower().split())
        assert len(one.text.split()) <= 14
        assert " a o" not in f" {one.text}"
        assert 0 <= one.object_index <= len(clip.objects)
        assert (one.object_index == 0) == (one.kind == "absent")
        assert (one.since > 0) == (one.kind == "late")


def test_words_fit_the_thing_and_it_is_in_view():
    for clip, one in sentences(*(kind for kind in EXPRESSION_KINDS if kind != "absent")):
        assert fits(clip.objects[one.object_index - 1], head(one.text)), one
        shown = (clip.instances == one.object_index).mean((1, 2)) >= MIN_VISIBLE_SHARE
        assert shown.mean() >= (0.5 if one.kind != "late" else 0.1), one


def test_what_the_noun_fits_is_told_and_what_it_is_compared_with():
    compared = 0
    for clip, one in sentences(*EXPRESSION_KINDS):
        words = head(one.text)
        rest = one.text.removeprefix(" ".join(words)).split()
        assert list(one.called) == [i for i in in_view(clip, words) if fits(clip.objects[i - 1], words, sized=True)], (
            one
        )
        assert one.object_index in (0, *one.called)
        assert [one.noun.colour, one.noun.kind] == said(words), one
        assert bool(one.landmark) == bool(rest and rest[-1] != "camera"), one
        if one.landmark:
            assert in_view(clip, rest) == [one.landmark], one
            assert [one.landmark_noun.colour, one.landmark_noun.kind] == said(rest), one
            compared += 1
    assert compared > 50


def test_what_names_alone_single_out_has_no_rival():
    for clip, one in sentences("colour", "kind", "material"):
        assert in_view(clip, head(one.text)) == [one.object_index], one


def test_a_size_is_told_among_rivals_of_other_sizes():
    for clip, one in sentences("size"):
        rivals = [index for index in in_view(clip, head(one.text)) if index != one.object_index]
        me = clip.objects[one.object_index - 1]
        assert rivals
        assert fits(me, head(one.text), sized=True)
        assert all(clip.objects[index - 1].size != me.size for index in rivals), one


def test_left_and_right_are_true_in_every_frame():
    checked = 0
    for clip, one in sentences("place", "order"):
        sign = 1 if "leftmost" in one.text or "on the left" in one.text else 0
        sign = -1 if "rightmost" in one.text or "on the right" in one.text else sign
        if not sign:
            continue
        me = centre_x(clip, one.object_index)
        for index in in_view(clip, head(one.text)):
            if index != one.object_index:
                gap = sign * (centre_x(clip, index) - me)
                assert not (gap < 0.05).any(), one
                checked += 1
    assert checked > 30


def test_what_is_true_of_nothing_has_no_pixel_and_no_thing():
    motions = {word for phrases in PHRASES["motion"].values() for phrase in phrases.usual for word in phrase.split()}
    for clip, one in sentences("absent"):
        assert not clip.mask(one).any()
        if not motions & set(one.text.split()) - {"the", "{x}", "up", "closer", "away", "left", "right", "to"}:
            assert not in_view(clip, head(one.text)), one


def test_late_masks_are_empty_until_the_sentence_is_true():
    found = sentences("late")
    for clip, one in found:
        mask = clip.mask(one)
        assert not mask[: one.since].any()
        assert mask[one.since :].any((1, 2)).mean() > 0.6
    assert any((clip.instances[0] == one.object_index).any() for clip, one in found), "something that begins to move"
    assert any(not (clip.instances[0] == one.object_index).any() for clip, one in found), "something that enters"


def test_held_out_clips_speak_of_held_out_pairs_in_held_out_phrases():
    said = (re.escape(phrase.removeprefix("the ")) for phrase in phrases_of("held_out"))
    patterns = [phrase.replace(r"\{x\}", "(.+)").replace(r"\{y\}", "(.+)") for phrase in said]
    for clip, one in sentences(*EXPRESSION_KINDS, held_out=True):
        if one.object_index:
            me = clip.objects[one.object_index - 1]
            assert (me.colour, me.kind) in HELD_OUT_PAIRS
        assert any(re.fullmatch(pattern, one.text.removeprefix("the ")) for pattern in patterns), one
    kinds = {one.kind for _, one in sentences(*EXPRESSION_KINDS, held_out=True)}
    assert kinds >= set(EXPRESSION_KINDS) - {"late"}


def phrases_of(part: str) -> set[str]:
    properties = [phrases for of_kind in PHRASES.values() for phrases in of_kind.values()]
    return {phrase for phrases in (NOUN_PHRASES, *properties) for phrase in getattr(phrases, part)}


def test_held_out_phrases_are_new_and_their_words_are_not():
    usual, held_out = phrases_of("usual"), phrases_of("held_out")
    assert not {phrase.removeprefix("the ") for phrase in usual} & {phrase.removeprefix("the ") for phrase in held_out}
    new = {word for phrase in held_out for word in phrase.split()} - {word for it in usual for word in it.split()}
    assert new == {"one"}


def test_training_never_sees_a_held_out_pair():
    for seed in SEEDS:
        assert not {(thing.colour, thing.kind) for thing in clip_of(seed).objects} & HELD_OUT_PAIRS
    assert len({colour for colour, _ in HELD_OUT_PAIRS}) == len(HELD_OUT_PAIRS) == len(NOUNS)


@pytest.mark.parametrize("word", [*KIND_OF_NOUN, *COLOUR_OF_WORD, *SIZE_OF_WORD, *MATERIAL_OF_WORD])
def test_the_tokenizers_corpus_has_every_word(word: str):
    assert any(word in text.split() for text in sample_texts())


def test_the_same_clip_has_the_same_sentences():
    assert clip_of(3).expressions == render_clip(3, frames=FRAMES, height=SIZE_PX[0], width=SIZE_PX[1]).expressions
