"""Other words for an expression."""

import re
from itertools import chain

import numpy as np
import pytest

from samwise_ros.data import wording
from samwise_ros.data.vocabulary import COLOUR_WORDS, COLOURS, NOUN_PHRASES, NOUNS, PHRASES, is_called
from samwise_ros.data.wording import invent_word, reword, reword_untrained
from samwise_ros.training.vary import swap_sides


def reworded(text: str, count: int = 400) -> list[str]:
    rng = np.random.default_rng(0)
    return [reword(text, rng) for _ in range(count)]


def test_words_repeat_and_differ():
    assert reworded("the red cup left of the blue ball") == reworded("the red cup left of the blue ball")
    assert len(set(reworded("the red cup left of the blue ball"))) > 200


def test_every_edit_happens_where_it_fits():
    texts = reworded("the red cup left of the blue ball")
    edits = ("teacup left", "tennis ball", "dark red", "blue coloured", "my ", " toy ", "over there", "cup in red")
    for part in ("the red cup", *edits):
        assert any(part in text for text in texts), part
    assert all(" left of the " in text for text in texts)


@pytest.mark.parametrize("text", ["ball", "left cup", "second thing from the left"])
def test_without_an_article_none_is_added(text: str):
    assert not {new.split(" ")[0] for new in reworded(text)} & {"the", *wording.ARTICLES}


def test_no_word_of_another_kind_and_no_word_that_means_something_is_added():
    kinds = {noun: kind for kind, nouns in NOUNS.items() for noun in nouns}
    meaning = {"left", "right", "middle", "front", "back", "far", "near", "next", "still", "standing", "moving", "one"}
    for noun, others in wording.OTHER_NOUNS.items():
        for word in chain.from_iterable(other.split(" ") for other in others):
            assert word not in kinds or is_called(kinds[word], kinds.get(noun, "")), (noun, word)
    added = [*wording.TRIMMINGS, *wording.ENDINGS, *wording.ARTICLES, *wording.SHADES]
    added += [*wording.UNTRAINED_TRIMMINGS, *wording.UNTRAINED_ENDINGS]
    assert not meaning & set(chain.from_iterable(text.split(" ") for text in added))


def test_no_shade_is_another_colour():
    said = " ".join(reworded("the red cup", 1000) + reworded("the orange cup", 1000) + reworded("the black cup", 1000))
    assert {"dark red", "light orange", "dark black"} <= set(re.findall(r"\w+ (?:red|orange|black)", said))
    assert not re.search("(pale|light) red|(dark|deep) orange|(light|pale|bright) black", said)


def test_all_nouns_of_the_world_have_other_words():
    assert set(wording.OTHER_NOUNS) == {*chain.from_iterable(NOUNS.values()), "object", "thing"}


def test_what_is_only_a_thing_may_have_any_name():
    texts = reworded("the red thing", 2000)
    assert {"the red dog", "the red remote control", "the red thing", "the red toy"} <= set(texts)
    assert not [text for text in reworded("the red cup", 2000) if text.split(" ")[-1] in wording.NAMES]


def test_names_are_of_nothing_that_the_world_has():
    known = {*NOUNS, *chain.from_iterable(NOUNS.values()), *COLOURS, *chain.from_iterable(COLOUR_WORDS.values())}
    known |= set(chain.from_iterable(wording.OTHER_NOUNS.values()))
    names = {*wording.NAMES, *wording.UNTRAINED_NAMES}
    assert not names & known
    assert len(names) == len(wording.NAMES) + len(wording.UNTRAINED_NAMES)


def test_places_and_sizes_have_other_phrases():
    texts = {*reworded("the small cup on the left", 2000), *reworded("the small cup at the back", 2000)}
    assert {"the tiny cup to the left", "the small cup in the background"} <= texts
    swapped = [swap_sides(phrase) for phrase in wording.OTHER_PHRASES["on the left"]]
    assert swapped == list(wording.OTHER_PHRASES["on the right"])


def test_held_out_phrasings_do_not_come_up():
    every = [phrases for of_kind in PHRASES.values() for phrases in of_kind.values()]
    usual = [phrase.format(x="cup", y="ball") for phrases in (NOUN_PHRASES, *every) for phrase in phrases.usual]
    texts = set(chain.from_iterable(reworded(text, 40) for text in usual))
    assert not [text for text in texts if re.search(r"\bone\b|that is (?!moving)|nearest to", text)]


def test_words_for_tests_are_not_trained_on():
    rng = np.random.default_rng(0)
    texts = {reword_untrained("the red cup", rng) for _ in range(999)}
    assert "the fancy red cup on the shelf" in texts
    assert len(texts) == len(wording.UNTRAINED_TRIMMINGS) * len(wording.UNTRAINED_ENDINGS)
    assert reword_untrained("cup", rng).startswith("the ")
    named = {reword_untrained("the red thing", rng).split(" ")[3] for _ in range(999)}
    assert named == {name.split(" ")[0] for name in wording.UNTRAINED_NAMES}
    trained = " ".join(reworded("the red cup") + reworded("the red thing", 2000)) + " "
    untrained = wording.UNTRAINED_TRIMMINGS + wording.UNTRAINED_ENDINGS + wording.UNTRAINED_NAMES
    assert not [word for word in untrained if f" {word} " in trained]


def test_invented_words_are_words():
    rng = np.random.default_rng(0)
    words = {invent_word(rng) for _ in range(300)}
    assert len(words) > 200
    assert all(4 <= len(word) <= 8 and word.isalpha() for word in words)
