"""The stream of training samples."""

from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from photo_folder import make_photographs

from samwise_ros.data.expressions import Expression
from samwise_ros.data.facts import Noun
from samwise_ros.data.synthetic import Clip, World, render_clip
from samwise_ros.data.tracks import MOTIONS
from samwise_ros.data.vocabulary import COLOURS, EXPRESSION_KINDS, KINDS, sample_texts
from samwise_ros.engine.preprocess import normalise
from samwise_ros.errors import DatasetError
from samwise_ros.training import samples as module
from samwise_ros.training.samples import (
    Sample,
    SyntheticSamples,
    clip_to_sample,
    denies_held_out,
    draw_expressions,
    mirror,
    pad_clip,
    samples_to_batch,
)

WEIGHTS = {"colour": 1.0, "kind": 1.0, "place": 2.0}


@pytest.fixture(autouse=True)
def _small_buffer(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "BUFFER_FRAMES", 8)


def first_samples(count: int, **changes: object) -> list[module.Sample]:
    settings = {"side_px": 64, "frames": 2, "expressions": 2, "zoom": 1.0, "weights": WEIGHTS} | changes
    return list(islice(SyntheticSamples(**settings), count))


def test_samples_are_the_same_every_time_and_their_worlds_differ():
    first, again = first_samples(10), first_samples(10)
    assert all(np.array_equal(a.rgb, b.rgb) and a.texts == b.texts for a, b in zip(first, again, strict=True))
    others = first_samples(10, first_world=100)
    assert not any(np.array_equal(a.rgb, b.rgb) for a in first for b in others)


def test_every_sample_has_as_many_expressions_as_asked():
    for sample in first_samples(8, expressions=3):
        assert sample.masks.shape == (3, 2, 64, 64)
        assert sample.masks.dtype == np.bool_
        assert len(set(sample.texts)) == 3


@pytest.mark.parametrize("asked", [{"weights": {"motion": 1.0}, "frames": 1, "expressions": 1}, {"expressions": 60}])
def test_what_no_world_can_be_asked_is_told(asked: dict[str, object], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MAX_USELESS", 3)
    with pytest.raises(DatasetError, match=r"of 3 worlds none has .* expressions .* ask fewer expressions, weigh more"):
        first_samples(1, **asked)


def test_held_out_pairs_are_not_denied(monkeypatch: pytest.MonkeyPatch):
    absent = Expression("the red cup", "absent", 0, noun=Noun("cup", "red"))
    assert denies_held_out(absent)
    assert not denies_held_out(replace(absent, object_index=1)), "a wrong name"
    assert not denies_held_out(replace(absent, noun=Noun("cup", "blue")))
    assert not denies_held_out(replace(absent, noun=None))
    clips = World.clips
    monkeypatch.setattr(
        World,
        "clips",
        lambda *args: [replace(clip, expressions=(*clip.expressions, absent)) for clip in clips(*args)],
    )
    texts = {text for sample in first_samples(20, weights={"absent": 1.0, "colour": 0.01}) for text in sample.texts}
    assert texts
    assert absent.text not in texts


def test_an_unknown_material_has_no_name():
    clip = World(3, height=64, width=64).clip(0, 1)
    things = tuple(replace(thing, material="") for thing in clip.objects)
    sample = clip_to_sample(replace(clip, objects=things), [])
    assert set(np.unique(sample.shown[:, 3])) == {-1}
    assert sample.shown[:, 1].max() >= 0, "their colours are known"


@pytest.mark.parametrize("varied", [0.0, 1.0])
def test_photographs_come_into_varied_worlds_alone(varied: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "VARIED", varied)
    folder = make_photographs(tmp_path)
    usual, pictured = (first_samples(6, frames=1, photographs=given) for given in (None, folder))
    same = [np.array_equal(one.rgb, other.rgb) for one, other in zip(usual, pictured, strict=True)]
    assert all(same) if not varied else not all(same)


def test_a_share_of_the_expressions_is_reworded():
    usual, some, every = (first_samples(12, frames=1, expressions=4, reworded=share) for share in (0.0, 0.5, 1.0))
    known = {word for text in sample_texts() for word in text.split(" ")} | {"an"}
    new = [
        sum(not set(text.split(" ")) <= known for one in samples for text in one.texts)
        for samples in (usual, some, every)
    ]
    assert new[0] == 0
    assert 6 < new[1] < new[2] < 48
    assert any(np.array_equal(usual[0].masks, one.masks) for one in every), "words alone change"


def test_a_sample_tells_what_every_pixel_shows():
    clip = render_clip(5, frames=1, height=64, width=64)
    asked = [e for e in clip.expressions if e.object_index][:2]
    assert asked[0].object_index != asked[1].object_index
    sample = clip_to_sample(clip, asked)
    for expression, mask in zip(asked, sample.masks, strict=True):
        thing = clip.objects[expression.object_index - 1]
        assert mask.any()
        assert set(sample.shown[:, 0][mask]) == {thing.index}
        assert set(sample.shown[:, 1][mask]) == {COLOURS.index(thing.colour)}
        assert set(sample.shown[:, 2][mask]) == {KINDS.index(thing.kind)}
        assert np.array_equal(sample.shown[:, 5:].transpose(0, 2, 3, 1)[mask], clip.normals[mask])
    assert set(sample.shown[:, 2][clip.instances == 0]) == {-1}
    assert set(sample.shown[:, 4].flat) == {-1}, "one frame tells no motion"


def test_what_has_no_name_is_of_no_kind():
    clip = render_clip(5, frames=1, height=64, width=64)
    first, *others = clip.objects
    sample = clip_to_sample(replace(clip, objects=(replace(first, odd=True), *others)), [])
    seen = clip.instances == first.index
    assert seen.any()
    assert set(sample.shown[:, 2][seen]) == {-1}
    assert set(sample.shown[:, 1][seen]) == {COLOURS.index(first.colour)}


def test_a_sample_tells_how_things_move():
    clip = render_clip(5, frames=6, height=64, width=64)
    assert "still" in clip.motions
    assert "" in clip.motions
    for sample, motions in ((clip_to_sample(clip, []), clip.motions), (clip_to_sample(mirror(clip), []), None)):
        for thing, motion in zip(clip.objects, motions or mirror(clip).motions, strict=True):
            of_thing = sample.shown[:, 0] == thing.index
            assert set(sample.shown[:, 4][of_thing]) <= {MOTIONS.index(motion) if motion else -1}


def test_a_sample_tells_which_things_an_expression_speaks_of():
    clip = render_clip(5, frames=1, height=64, width=64)
    cup, ball = Noun("cup"), Noun("ball", "red")
    asked = [
        Expression("the cup left of the red ball", "relation", 1, 0, (1, 3), 2, cup, ball),
        Expression("a mug", "absent", 0, noun=cup),
    ]
    sample = clip_to_sample(clip, asked)
    kind, red_ball = KINDS.index("cup"), [COLOURS.index("red"), KINDS.index("ball")]
    assert sample.things.tolist() == [[[0b1010, -1, kind], [0b100, *red_ball]], [[0, -1, kind], [0, -1, -1]]]
    assert samples_to_batch([sample, sample], 64).things.tolist() == 2 * sample.things.tolist()


def test_a_mask_begins_when_its_expression_becomes_true():
    clip = render_clip(5, frames=3, height=64, width=64)
    index = int(np.bincount(clip.instances[clip.instances > 0]).argmax())
    always, late, absent = (Expression("it", "late", *what) for what in ((index, 0), (index, 2), (0, 0)))
    sample = clip_to_sample(clip, [always, late, absent])
    assert sample.masks[0].any((1, 2)).all()
    assert sample.masks[1].any((1, 2)).tolist() == [False, False, True]
    assert np.array_equal(sample.masks[1, 2], sample.masks[0, 2])
    assert not sample.masks[2].any()


def test_late_expressions_reach_the_samples():
    late = first_samples(3, frames=6, expressions=1, weights={"late": 1.0})
    for sample in late:
        seen = sample.masks[0].any((1, 2))
        assert not seen[0]
        assert seen.any()


def test_in_an_eventful_clip_something_happens(monkeypatch):
    monkeypatch.setattr(module, "EVENTFUL", 1.0)
    rng = np.random.default_rng(0)
    clips = SyntheticSamples(side_px=64, frames=5, expressions=1, zoom=1.0, weights=WEIGHTS)
    eventful = 0
    for seed in range(12):
        world = World(seed, height=64, width=64)
        for stride in (1, 3):
            start = clips._choose_start(world, stride, rng)
            if world.events:
                assert any(start < event <= start + 4 * stride for event in world.events)
                eventful += 1
    assert eventful > 10


def test_padding_is_no_object_and_normalises_to_about_zero():
    asked = [Expression("x", "place", 1), Expression("y", "place", 2)]
    clip = pad_clip(render_clip(5, frames=2, height=48, width=64), 64)
    batch = samples_to_batch([clip_to_sample(clip, asked) for _ in range(3)], 64)
    assert batch.rgb.shape == (3, 2, 64, 64, 3)
    assert batch.shown.shape == (6, 8, 64, 64)
    assert batch.mask.shape == (12, 64, 64)
    assert batch.texts == ["x", "y"] * 3
    assert not batch.mask[:, 48:].any()
    assert (batch.shown[:, 1:5, 48:] == -1).all()
    assert not batch.shown[:, [0, 5, 6, 7], 48:].any()
    assert normalise(batch.rgb[0])[:, :, 48:].abs().max() < 0.02


def test_what_is_padding_in_all_clips_is_left_out():
    wide, tall = (render_clip(5, frames=2, height=height, width=width) for height, width in ((48, 64), (64, 48)))
    asked = [Expression("x", "place", 1)]

    def samples(*clips: Clip) -> list[Sample]:
        return [clip_to_sample(pad_clip(clip, 64), asked, clip.instances.shape[1:]) for clip in clips]

    batch = samples_to_batch(samples(wide, wide), 32)
    assert batch.rgb.shape == (2, 2, 64, 64, 3), "48 rows are more than 32"
    batch = samples_to_batch(samples(wide, wide), 16)
    assert batch.rgb.shape == (2, 2, 48, 64, 3)
    assert batch.mask.shape == (4, 48, 64)
    assert batch.shown.shape == (4, 8, 48, 64)
    assert np.array_equal(batch.rgb[0].numpy(), wide.rgb)
    assert np.array_equal(batch.mask[:2].numpy(), wide.instances == 1)
    assert samples_to_batch(samples(wide, tall), 16).rgb.shape == (2, 2, 64, 64, 3)


def test_rows_of_a_batch_are_clip_by_clip_expression_by_expression_frame_by_frame():
    clip = render_clip(5, frames=2, height=64, width=64)
    asked = [Expression(f"{index}", "place", index) for index in (1, 2)]
    mirrored = mirror(clip)
    batch = samples_to_batch([clip_to_sample(clip, asked), clip_to_sample(mirrored, asked)], 16)
    expected = [one.mask(expression)[t] for one in (clip, mirrored) for expression in asked for t in range(2)]
    assert np.array_equal(batch.mask.numpy(), np.stack(expected))


def test_kinds_are_drawn_by_weight_and_nothing_twice():
    expressions = tuple(Expression(f"{kind} {i}", kind, 1) for kind in WEIGHTS for i in range(3))
    rng = np.random.default_rng(0)
    drawn = Counter(draw_expressions(expressions, WEIGHTS, 1, rng)[0].kind for _ in range(800))
    assert drawn["place"] == pytest.approx(400, abs=60)
    assert drawn["colour"] == pytest.approx(200, abs=60)
    assert len(set(draw_expressions(expressions, WEIGHTS, 20, rng))) == 9
    assert draw_expressions(expressions, {"motion": 1.0}, 3, rng) == []
    assert set(WEIGHTS) <= set(EXPRESSION_KINDS)


def test_a_mirrored_clip_has_its_words_mirrored():
    clip = render_clip(5, frames=1, height=64, width=64)
    words = Expression("the leftmost cup right of the ball on the left", "place", 1)
    mirrored = mirror(replace(clip, expressions=(words,), motions=("moving left", "coming closer", "")))
    assert mirrored.motions == ("moving right", "coming closer", "")
    assert mirrored.expressions[0].text == "the rightmost cup left of the ball on the right"
    assert np.array_equal(mirrored.rgb[:, :, 0], clip.rgb[:, :, -1])
    assert np.array_equal(mirrored.mask(words), clip.mask(words)[:, :, ::-1])
    assert np.array_equal(mirrored.normals[:, :, 0], clip.normals[:, :, -1] * np.array([-1, 1, 1]))
    assert mirror(mirrored).expressions == (words,)


def test_samples_without_expressions_are_single_frames_shown_several_times_in_other_ways(monkeypatch):
    filmed = []
    stills = World.stills
    monkeypatch.setattr(World, "stills", lambda *args: filmed.extend(stills(*args)) or filmed[-len(args[1]) :])
    plain = first_samples(24, frames=1, expressions=0)
    assert all(sample.texts == () and sample.masks.shape == (0, 1, 64, 64) for sample in plain)
    assert all(sample.rgb.shape == (1, 64, 64, 3) and (sample.shown[:, 0] > 0).any() for sample in plain)
    assert len(filmed) - module.BUFFER_FRAMES <= len(plain) / module.SHOWINGS + module.NAMED_FRAMES_AT_ONCE
    assert len({sample.rgb.tobytes() for sample in plain}) == len(plain)


def test_a_described_clip_is_shown_several_times_with_other_words(monkeypatch):
    filmed = []
    clips = World.clips
    monkeypatch.setattr(World, "clips", lambda *args: filmed.extend(clips(*args)) or filmed[-len(args[1]) :])
    shown = first_samples(60)
    assert len(filmed) - module.BUFFER_FRAMES <= len(shown) / module.DESCRIBED_SHOWINGS + module.FRAMES_AT_ONCE
    # Sides may differ from one showing to the next.
    owners = [sample.shown[:, 0, :, : sample.size_px[1]] for sample in shown]
    pictures = {tuple(sorted((one.tobytes(), one[:, :, ::-1].tobytes()))) for one in owners}
    assert len(pictures) < 0.7 * len(shown)
    assert len({(sample.rgb.tobytes(), sample.texts) for sample in shown}) > 0.9 * len(shown)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """How each world is made from here on; each is shown once."""
    worlds: list[dict[str, Any]] = []
    init = World.__init__
    monkeypatch.setattr(World, "__init__", lambda world, seed, **how: worlds.append(how) or init(world, seed, **how))
    for name in ("BUFFER_FRAMES", "SHOWINGS", "DESCRIBED_SHOWINGS", "FRAMES_AT_ONCE", "NAMED_FRAMES_AT_ONCE"):
        monkeypatch.setattr(module, name, 1)
    return worlds


@pytest.mark.parametrize("expressions", [0, 2])
def test_worlds_are_squashed_and_varied_and_things_held(
    expressions: int, made: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "ASPECTS", {(4, 3): 1.0})
    samples = first_samples(30, frames=1, expressions=expressions)
    assert all(sample.rgb.shape == (1, 64, 64, 3) for sample in samples)
    if expressions:
        assert {sample.size_px for sample in samples} == {(48, 64)}, "whatever was filmed"
    widths = {how["width"] for how in made}
    assert min(widths) < 64 < max(widths)
    assert 64 in widths
    varied, plain = ([how for how in made if how["varied"] is varied] for varied in (True, False))
    assert {how["grip"] for how in varied} == {False, True}
    assert {(how["grip"], how["zoom"], how["width"], how["height"]) for how in plain} == {(False, 1.0, 64, 48)}


def test_what_is_not_varied_looks_as_the_tests_do(made: list[dict[str, Any]]):
    first_samples(20, frames=1, zoom=3.0)
    varied, plain = (
        {(how["zoom"], how["width"], how["height"]) for how in made if how["varied"] is varied}
        for varied in (True, False)
    )
    assert plain == {(1.0, 64, 48)}
    assert len({zoom for zoom, _, _ in varied}) > 3
    assert len({height for _, _, height in varied}) > 1, "other cameras"


@pytest.mark.parametrize("varied", [True, False])
def test_the_light_of_some_varied_samples_is_changed(varied: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "VARIED", float(varied))
    monkeypatch.setattr(module, "ASPECTS", {(4, 3): 1.0})
    monkeypatch.setattr(module, "RETONED", 0.0)
    (plain,) = first_samples(1)
    monkeypatch.setattr(module, "RETONED", 1.0)
    monkeypatch.setattr(module, "retone", lambda rgb, rng: 255 - rgb)
    (changed,) = first_samples(1)
    seen = plain.rgb[:, :48, :48]
    assert np.array_equal(changed.rgb[:, :48, :48], 255 - seen if varied else seen)


def test_clips_without_expressions_tell_motions(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "retone", lambda rgb, rng: pytest.fail("their light is changed in each showing"))
    clips = first_samples(12, frames=5, expressions=0)
    assert all(sample.texts == () and sample.masks.shape == (0, 5, 64, 64) for sample in clips)
    assert all(sample.shown.shape == (5, 8, 64, 64) for sample in clips)
    motions = {MOTIONS[index] for sample in clips for index in np.unique(sample.shown[:, 4]) if index >= 0}
    assert {"still"} < motions
