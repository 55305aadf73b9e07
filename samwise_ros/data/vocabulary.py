"""The words of the synthetic world, and which of them no training sees.

Called by `data.expressions` and `data.wording`.

A held-out combination is a pair of colour and kind, a variant of a pattern, or a phrasing. The words of a held-out
phrasing are known from others, but for "one": what is tested is their combination.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from samwise_ros.data.colours import COLOUR_HSV

COLOURS: tuple[str, ...] = tuple(COLOUR_HSV)

NOUNS: dict[str, tuple[str, ...]] = {
    "ball": ("ball", "ball", "sphere"),
    "block": ("block", "block", "cube"),
    "cylinder": ("cylinder", "can", "tin"),
    "cup": ("cup", "mug"),
    "bottle": ("bottle",),
    "cone": ("cone",),
    "box": ("box", "box", "carton"),
    "book": ("book",),
    "ring": ("ring",),
    "bowl": ("bowl",),
}
"""What people call each kind; the more usual word twice."""

KINDS: tuple[str, ...] = tuple(NOUNS)

CONFUSED: frozenset[frozenset[str]] = frozenset((frozenset(("block", "box")), frozenset(("book", "box"))))
"""Kinds that people call by each other's name, so that neither name singles one out where the other is around."""

ANYTHING = ("object", "object", "thing")

COLOUR_WORDS: dict[str, tuple[str, ...]] = {"purple": ("purple", "violet"), "grey": ("grey", "gray")}
"""Where a colour has more words than its name."""

MATERIALS: dict[str, tuple[str, ...]] = {
    "wood": ("wooden {x}", "wooden {x}", "{x} made of wood"),
    "stripes": ("striped {x}", "striped {x}", "{x} with stripes"),
    "spots": ("spotted {x}", "dotted {x}", "{x} with spots", "{x} with dots"),
    "checks": ("checked {x}", "checkered {x}", "{x} with checks"),
}
"""Patterns that have a word, and how they are put."""

SIZES: dict[str, tuple[str, ...]] = {
    "small": ("small", "small", "little", "smaller"),
    "large": ("large", "big", "big", "bigger"),
}


@dataclass(frozen=True, slots=True)
class Phrases:
    """How a property is put; {x} stands for the noun and {y} for another object's.

    Attributes:
        usual: for training and for tests.
        held_out: for tests of held-out combinations alone.
    """

    usual: tuple[str, ...]
    held_out: tuple[str, ...]


NOUN_PHRASES = Phrases(("the {x}", "the {x}", "{x}", "a {x}"), ("the one {x}",))

PHRASES: dict[str, dict[str, Phrases]] = {
    "place": {
        "left": Phrases(
            ("the {x} on the left", "the left {x}", "the {x} on the left side", "{x} on the left"),
            ("the {x} that is on the left",),
        ),
        "right": Phrases(
            ("the {x} on the right", "the right {x}", "the {x} on the right side", "{x} on the right"),
            ("the {x} that is on the right",),
        ),
        "middle": Phrases(
            ("the {x} in the middle", "the middle {x}", "the {x} in the centre", "the {x} in the center"),
            ("the {x} that is in the middle",),
        ),
        "back": Phrases(
            ("the {x} at the back", "the {x} in the back", "the {x} far away", "the {x} at the top"),
            ("the {x} that is at the back",),
        ),
        "front": Phrases(
            ("the {x} in front", "the {x} at the front", "the front {x}", "the {x} at the bottom"),
            ("the {x} that is in front",),
        ),
    },
    "order": {
        "leftmost": Phrases(("the leftmost {x}", "the first {x} from the left"), ("the {x} that is leftmost",)),
        "rightmost": Phrases(("the rightmost {x}", "the first {x} from the right"), ("the {x} that is rightmost",)),
        "second from the left": Phrases(("the second {x} from the left",), ("second {x} from left",)),
        "second from the right": Phrases(("the second {x} from the right",), ("second {x} from right",)),
        "third from the left": Phrases(("the third {x} from the left",), ("third {x} from left",)),
        "third from the right": Phrases(("the third {x} from the right",), ("third {x} from right",)),
        "nearest": Phrases(
            ("the nearest {x}", "the closest {x}", "the {x} closest to the camera"), ("the {x} nearest to the camera",)
        ),
        "farthest": Phrases(("the farthest {x}", "the {x} farthest away"), ("the {x} that is farthest away",)),
        "tallest": Phrases(("the tallest {x}",), ("the {x} that is tallest",)),
        "smallest": Phrases(("the smallest {x}",), ("the {x} that is smallest",)),
        "biggest": Phrases(("the biggest {x}", "the largest {x}"), ("the {x} that is biggest",)),
    },
    "relation": {
        "left of": Phrases(
            ("the {x} left of the {y}", "the {x} to the left of the {y}"), ("the {x} that is left of the {y}",)
        ),
        "right of": Phrases(
            ("the {x} right of the {y}", "the {x} to the right of the {y}"), ("the {x} that is right of the {y}",)
        ),
        "behind": Phrases(("the {x} behind the {y}",), ("the {x} that is behind the {y}",)),
        "in front of": Phrases(("the {x} in front of the {y}",), ("the {x} that is in front of the {y}",)),
        "next to": Phrases(
            ("the {x} next to the {y}", "the {x} beside the {y}", "the {x} near the {y}", "the {x} closest to the {y}"),
            ("the {x} that is next to the {y}",),
        ),
    },
    "motion": {
        "moving left": Phrases(
            ("the {x} moving left", "the {x} going left", "the {x} moving to the left"), ("the {x} that moves left",)
        ),
        "moving right": Phrases(
            ("the {x} moving right", "the {x} going right", "the {x} moving to the right"),
            ("the {x} that moves right",),
        ),
        "moving away": Phrases(("the {x} moving away", "the {x} going away"), ("the {x} that moves away",)),
        "coming closer": Phrases(
            ("the {x} coming closer", "the {x} moving towards the camera", "the {x} moving towards us"),
            ("the {x} that is coming closer",),
        ),
        "moving up": Phrases(
            ("the {x} moving up", "the {x} going up", "the {x} being lifted"), ("the {x} that is going up",)
        ),
        "moving": Phrases(
            ("the moving {x}", "the {x} that moves", "the {x} that is moving"), ("the {x} that is moving around",)
        ),
        "rolling": Phrases(("the rolling {x}", "the {x} that rolls"), ("the {x} that is rolling",)),
        "spinning": Phrases(("the spinning {x}", "the {x} turning around"), ("the {x} that is spinning",)),
        "still": Phrases(
            ("the still {x}", "the {x} that stands still", "the {x} standing still", "the {x} not moving"),
            ("the {x} that is still",),
        ),
    },
}
"""By kind of expression, each property and how it is put."""

EXPRESSION_KINDS = (
    "colour",
    "kind",
    "size",
    "material",
    "place",
    "relation",
    "order",
    "motion",
    "combined",
    "late",
    "absent",
)
"""What singles the object out; `combined`: two at once; `late`: true from a later frame on; `absent`: nothing does."""

HELD_OUT_PAIRS: frozenset[tuple[str, str]] = frozenset(
    (COLOURS[(3 * place + 2) % len(COLOURS)], kind) for place, kind in enumerate(KINDS)
)
"""One colour of each kind that no training shows. Its words may name what has the colour and another kind; see
`facts.misnamed_facts`."""


def pick(words: Sequence[str], rng: np.random.Generator) -> str:
    """One of some words, all equally likely."""
    return words[int(rng.integers(len(words)))]


def is_called(kind: str, other: str) -> bool:
    """Whether people might call something of kind `other` what they call `kind`."""
    return kind == other or frozenset((kind, other)) in CONFUSED


def sample_texts() -> list[str]:
    """Texts with every word, for a tokenizer to be made from: each phrase with each noun."""
    texts = []
    for nouns in (*NOUNS.values(), ANYTHING):
        for noun in nouns:
            properties = [phrases for of_kind in PHRASES.values() for phrases in of_kind.values()]
            for phrases in (NOUN_PHRASES, *properties):
                texts += [phrase.format(x=noun, y=noun) for phrase in (*phrases.usual, *phrases.held_out)]
            for words in MATERIALS.values():
                texts += [word.format(x=noun) for word in words]
            for colour in COLOURS:
                texts += [f"the {word} {noun}" for word in COLOUR_WORDS.get(colour, (colour,))]
            texts += [f"the {word} {noun}" for words in SIZES.values() for word in words]
    return texts
