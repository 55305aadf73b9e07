"""Other words for an expression, of people who do not know the synthetic world's.

Called by `training.samples`, and by `evaluation.synthetic` for words that no training sees. The held-out phrasings of
`vocabulary` do not come up here.
"""

from __future__ import annotations

import re

import numpy as np

from samwise_ros.data.vocabulary import COLOUR_WORDS, COLOURS, pick

OTHER_NOUNS: dict[str, tuple[str, ...]] = {
    "ball": ("toy ball", "rubber ball", "tennis ball", "football", "orb"),
    "sphere": ("orb", "globe"),
    "block": ("toy block", "building block", "brick"),
    "cube": ("toy cube", "dice", "die"),
    "cylinder": ("tube", "drum", "canister"),
    "can": ("tin can", "soda can", "drinks can", "coke can"),
    "tin": ("tin can", "canister"),
    "cup": ("coffee cup", "teacup", "plastic cup", "paper cup", "tumbler", "beaker"),
    "mug": ("coffee mug", "tea mug"),
    "bottle": ("water bottle", "plastic bottle", "wine bottle", "flask"),
    "cone": ("traffic cone", "pylon"),
    "box": ("cardboard box", "package", "parcel", "crate", "packet"),
    "carton": ("cardboard carton", "package"),
    "book": ("notebook", "textbook", "novel"),
    "ring": ("hoop", "donut", "bracelet"),
    "bowl": ("soup bowl", "dish", "basin"),
    "object": ("item", "piece", "toy"),
    "thing": ("item", "toy"),
}
"""What else people call what has such a noun; all of them words that no other kind has."""

OTHER_PHRASES: dict[str, tuple[str, ...]] = {
    "on the left": ("to the left", "at the left", "on my left", "on the left hand"),
    "on the right": ("to the right", "at the right", "on my right", "on the right hand"),
    "in the middle": ("in the middle of the picture", "at the middle", "in the centre of the image"),
    "at the back": ("in the background", "in the rear"),
    "in the back": ("in the background", "in the rear"),
    "at the front": ("in the foreground",),
    "next to": ("close to", "by", "alongside"),
    "beside": ("close to", "by", "alongside"),
    "small": ("tiny",),
    "large": ("huge",),
    "big": ("huge",),
    "wooden": ("wood",),
}
"""What else people say for what else singles a thing out."""

NAMES = (
    *("cat", "dog", "bird", "cow", "sheep", "elephant", "bear", "fish", "duck", "rabbit", "mouse", "frog"),
    *("chair", "sofa", "lamp", "pillow", "towel", "clock", "vase", "candle", "basket", "bucket", "umbrella"),
    *("car", "truck", "bus", "train", "bicycle", "boat", "plane", "scooter", "tractor", "wheel", "helmet"),
    *("shoe", "hat", "shirt", "jacket", "glove", "sock", "bag", "backpack"),
    *("hammer", "screwdriver", "drill", "pliers", "screw", "cable", "plug", "switch", "battery", "remote control"),
    *("phone", "laptop", "keyboard", "camera", "monitor", "drone", "motor", "printer", "sensor"),
    *("apple", "banana", "lemon", "tomato", "carrot", "bread", "cake", "pizza", "plant", "flower", "tree", "stone"),
    *("pen", "pencil", "marker", "eraser", "knife", "fork", "spoon", "plate", "pan", "kettle", "sponge", "brush"),
)
"""Names of what the synthetic world does not have. Where its colour, size or place single a thing out, it may be called
by one of them: no list will have all that people say, and what they mean is there nevertheless."""

UNTRAINED_NAMES = ("horse", "animal", "machine", "trolley", "motorcycle", "lighter", "fruit", "gadget")
"""The same, for tests alone."""

ARTICLES = ("this", "that", "my", "your", "our", "his", "her", "some")

TRIMMINGS = ("nice", "plastic", "toy", "shiny", "new", "old", "pretty", "single", "lonely")
"""What people say of a thing that singles nothing out."""

UNTRAINED_TRIMMINGS = ("fancy", "ugly", "wonderful", "cheap", "spare", "heavy", "favourite", "lovely")
"""The same, for tests alone."""

SHADES = ("dark", "light", "bright", "pale", "deep")

OTHERS_SHADES = {
    "red": ("light", "pale"),
    "orange": ("dark", "deep"),
    "purple": ("light", "pale"),
    "violet": ("light", "pale"),
    "black": ("light", "bright", "pale"),
    "white": ("dark", "deep"),
}
"""Shades that have the name of another colour: pale red is pink, dark orange brown."""

AFTERWARDS = ("in", "which is", "coloured", "with the colour")
"""Before a colour that follows its noun."""

ENDINGS = (
    "on the table",
    "on the desk",
    "on the floor",
    "on the ground",
    "lying on the table",
    "sitting there",
    "lying around",
    "over there",
    "there",
    "here",
    "in the room",
    "in the picture",
    "in the image",
    "in the scene",
    "in view",
    "you can see",
    "please",
)
"""What can be said of everything in view; among it nothing of places in the picture."""

UNTRAINED_ENDINGS = (
    "on the shelf",
    "on my workbench",
    "over by me",
    "of mine",
    "that i like",
    "for the robot",
    "as usual",
)
"""The same, for tests alone."""

_COLOURS = "|".join((*COLOURS, *(word for words in COLOUR_WORDS.values() for word in words)))
_NOUN = re.compile(rf"\b(?:{'|'.join(OTHER_NOUNS)})\b")
_PHRASE = re.compile(rf"\b(?:{'|'.join(OTHER_PHRASES)})\b")
_NAMELESS = re.compile(r"\b(?:object|thing)\b")
_COLOUR = re.compile(rf"\b(?:{_COLOURS})\b")
_COLOURED = re.compile(rf"\b({_COLOURS}) ({'|'.join(OTHER_NOUNS)})\b")


def reword(text: str, rng: np.random.Generator) -> str:
    """Put an expression in other words that mean the same.

    Args:
        text: an expression of the synthetic world.
        rng: decides which words change, if any do.

    Returns:
        The expression, with other nouns and phrases, its colours afterwards or in shades, another article, a word more
        that singles nothing out, be it one that does not exist, or an ending that is true of everything; what is only
        a thing may have any name.
    """
    if rng.random() < 0.12:
        text = _COLOURED.sub(lambda both: f"{both[2]} {pick(AFTERWARDS, rng)} {both[1]}", text)
    text = _PHRASE.sub(lambda said: pick(OTHER_PHRASES[said[0]], rng) if rng.random() < 0.4 else said[0], text)
    text = _NAMELESS.sub(lambda noun: _any_name(rng) if rng.random() < 0.5 else noun[0], text)
    text = _NOUN.sub(lambda noun: pick(OTHER_NOUNS[noun[0]], rng) if rng.random() < 0.4 else noun[0], text)
    text = _COLOUR.sub(lambda colour: _shade(colour[0], rng) if rng.random() < 0.25 else colour[0], text)
    article, words = _split_article(text)
    if rng.random() < 0.35:
        words.insert(0, pick(TRIMMINGS, rng) if rng.random() < 0.5 else invent_word(rng))
    if article and rng.random() < 0.3:
        article = pick(ARTICLES, rng)
    ending = pick(ENDINGS, rng) if rng.random() < 0.3 else ""
    return " ".join(word for word in (article, *words, ending) if word)


def reword_untrained(text: str, rng: np.random.Generator) -> str:
    """Add two words or phrases to an expression that no training sees and that change nothing of what it means.

    What is only a thing gets a name that no training sees either.

    Args:
        text: an expression of the synthetic world.
        rng: decides which ones.

    Returns:
        "the red cup" as "the fancy red cup on the shelf", "the red thing" as "the cheap red horse as usual".
    """
    text = _NAMELESS.sub(lambda _: pick(UNTRAINED_NAMES, rng), text)
    article, words = _split_article(text)
    return " ".join([article or "the", pick(UNTRAINED_TRIMMINGS, rng), *words, pick(UNTRAINED_ENDINGS, rng)])


def invent_word(rng: np.random.Generator) -> str:
    """A word of two to four syllables that no language has to have."""
    syllables = zip(rng.choice(list("bdfgklmnprstvz"), 4), rng.choice(list("aeiou"), 4), strict=True)
    return "".join(f"{onset}{vowel}" for onset, vowel in list(syllables)[: int(rng.integers(2, 5))])


def _any_name(rng: np.random.Generator) -> str:
    """A name of nothing in the synthetic world, perhaps of nothing at all."""
    return pick(NAMES, rng) if rng.random() < 0.7 else invent_word(rng)


def _split_article(text: str) -> tuple[str, list[str]]:
    """The article, empty where there is none, and all other words."""
    first, *words = text.split(" ")
    return (first, words) if first in ("the", "a", "an") else ("", [first, *words])


def _shade(colour: str, rng: np.random.Generator) -> str:
    """A shade of a colour, or that it is one."""
    if rng.random() < 0.3:
        return f"{colour} {pick(('coloured', 'colored'), rng)}"
    return f"{pick([shade for shade in SHADES if shade not in OTHERS_SHADES.get(colour, ())], rng)} {colour}"
