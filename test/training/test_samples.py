"""The stream of training samples."""

from collections import Counter
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from samwise_ros.data.synthetic import COLOURS, KINDS, Expression, render_clip
from samwise_ros.training import samples as module
from samwise_ros.training.samples import (
    SyntheticSamples,
    clip_to_sample,
    draw_expressions,
    mirror,
    pad_clip,
    samples_to_batch,
)

WEIGHTS = {"colour": 1.0, "shape": 1.0, "place": 2.0}


@pytest.fixture(autouse=True)
def _small_buffer(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "BUFFER_SIZE", 8)


def test_samples_are_the_same_every_time_and_their_worlds_differ():
    first, again = (list(islice(SyntheticSamples(side_px=64, frames=2, weights=WEIGHTS), 20)) for _ in range(2))
    assert all(np.array_equal(a.rgb, b.rgb) and a.text == b.text for a, b in zip(first, again, strict=True))
    others = list(islice(SyntheticSamples(side_px=64, frames=2, weights=WEIGHTS, first_world=100), 20))
    assert not any(np.array_equal(a.rgb, b.rgb) for a in first for b in others)


def test_a_sample_names_colour_and_kind_of_every_pixel():
    clip = render_clip(5, frames=1, height=64, width=64)
    expression = next(e for e in clip.expressions if e.object_index)
    sample = clip_to_sample(clip, expression)
    thing = clip.objects[expression.object_index - 1]
    assert sample.mask.any()
    assert set(sample.colour[sample.mask]) == {COLOURS.index(thing.colour)}
    assert set(sample.kind[sample.mask]) == {KINDS.index(thing.kind)}
    assert set(sample.kind[clip.instances == 0]) == {-1}


def test_padding_is_no_object_and_normalises_to_about_zero():
    from samwise_ros.engine.preprocess import normalise

    batch = samples_to_batch(
        [
            clip_to_sample(pad_clip(render_clip(5, frames=2, height=48, width=64), 64), Expression("x", "place", 1))
            for _ in range(3)
        ]
    )
    assert batch.rgb.shape == (3, 2, 64, 64, 3)
    assert batch.mask.shape == batch.colour.shape == batch.kind.shape == (6, 64, 64)
    assert not batch.mask[:, 48:].any()
    assert (batch.kind[:, 48:] == -1).all()
    assert normalise(batch.rgb[0])[:, :, 48:].abs().max() < 0.02


def test_kinds_are_drawn_by_weight_and_nothing_twice():
    expressions = tuple(Expression(f"{kind} {i}", kind, 1) for kind in WEIGHTS for i in range(3))
    rng = np.random.default_rng(0)
    drawn = Counter(draw_expressions(expressions, WEIGHTS, 1, rng)[0].kind for _ in range(800))
    assert drawn["place"] == pytest.approx(400, abs=60)
    assert drawn["colour"] == pytest.approx(200, abs=60)
    assert len(set(draw_expressions(expressions, WEIGHTS, 20, rng))) == 9
    assert draw_expressions(expressions, {"motion": 1.0}, 3, rng) == []


def test_a_mirrored_clip_has_its_words_mirrored():
    clip = render_clip(5, frames=1, height=64, width=64)
    words = Expression("the leftmost cup right of the ball on the left", "place", 1)
    mirrored = mirror(replace(clip, expressions=(words,)))
    assert mirrored.expressions[0].text == "the rightmost cup left of the ball on the right"
    assert np.array_equal(mirrored.rgb[:, :, 0], clip.rgb[:, :, -1])
    assert np.array_equal(mirrored.mask(words), clip.mask(words)[:, :, ::-1])
    assert mirror(mirrored).expressions == (words,)
