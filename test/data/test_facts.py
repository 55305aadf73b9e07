"""What is true of exactly one thing, in scenes that are put together by hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from hand_tracks import moved, thing, tracks_of

from samwise_ros.data.facts import MISNAMED, SOLID_KINDS, Noun, false_facts, may_be_said, misnamed_facts, true_facts
from samwise_ros.data.tracks import SceneObject, Tracks


def said(tracks: Tracks, kind: str, noun: Noun | None = None) -> set[tuple[str, int]]:
    """(property, thing) of all facts of a kind, about one noun or any."""
    return {(fact.name, fact.index) for fact in true_facts(tracks) if fact.kind == kind and noun in (None, fact.noun)}


def nouns(tracks: Tracks, kind: str) -> set[tuple[Noun, int]]:
    return {(fact.noun, fact.index) for fact in true_facts(tracks) if fact.kind == kind}


def test_a_colour_singles_out_where_the_kind_does_not():
    tracks = tracks_of(thing(1, colour="red"), thing(2, colour="blue"), thing(3, "cup", "green"), x=[0.2, 0.5, 0.8])
    assert (Noun("ball", "red"), 1) in nouns(tracks, "colour")
    assert (Noun("cup"), 3) in nouns(tracks, "kind")
    assert not any(noun == Noun("ball") for noun, _ in nouns(tracks, "kind"))


def test_a_kind_singles_out_where_the_colour_does_not():
    tracks = tracks_of(thing(1, "ball", "red"), thing(2, "cup", "red"), x=[0.2, 0.7])
    assert (Noun("cup", "red"), 2) in nouns(tracks, "kind")
    assert not nouns(tracks, "colour")


def test_kinds_that_people_mix_up_do_not_single_out():
    tracks = tracks_of(thing(1, "block", "red"), thing(2, "box", "blue"), x=[0.2, 0.7])
    assert not any(noun.kind and not noun.colour for noun, _ in nouns(tracks, "kind"))


def test_what_has_no_name_may_be_called_anything():
    tracks = tracks_of(replace(thing(1, "cup", "red"), odd=True), thing(2, "ball", "blue"), x=[0.2, 0.7])
    assert (Noun("cup", "red"), 1) in nouns(tracks, "kind") | nouns(tracks, "colour"), "what it is called"
    assert (Noun("cup"), 1) in nouns(tracks, "kind"), "the other is none"
    assert not any(noun == Noun("ball") for noun, _ in nouns(tracks, "kind")), "it might be one, too"
    # Whatever stands still is said not to move, too.
    absent = [fact.noun for fact in false_facts(tracks, np.random.default_rng(0), 400) if fact.group != "motion"]
    assert len(absent) > 50
    assert not any(noun.colour in ("", "red") and not noun.material for noun in absent)


def test_the_wrong_name_is_taken_where_nothing_has_it():
    red, blue, cup = thing(1, "ball", "red"), thing(2, "ball", "blue"), thing(3, "cup", "green")

    def meant(*things: SceneObject) -> set[tuple[str, str, str, int]]:
        tracks = tracks_of(*things, x=[0.2, 0.5, 0.8][: len(things)])
        true = list(true_facts(tracks))
        facts = [fact for seed in range(20) for fact in misnamed_facts(tracks, true, np.random.default_rng(seed))]
        unnamed = [fact for fact in true if fact.noun.colour and not fact.noun.kind]
        assert len(facts) <= 20 * MISNAMED * len(unnamed)
        assert {replace(fact, noun=replace(fact.noun, kind="")) for fact in facts} <= set(unnamed), (
            "true of it as a thing"
        )
        wrong = {(fact.noun.colour, fact.noun.kind) for fact in facts}
        false = [fact.noun for fact in false_facts(tracks, np.random.default_rng(0), 2000, misnamed=True)]
        assert not {(noun.colour, noun.kind) for noun in false if not noun.material} & wrong
        return {(fact.name, fact.noun.colour, fact.noun.kind, fact.index) for fact in facts}

    alone = meant(red, blue)
    assert ("", "red", "cup", 1) in alone
    assert ("", "blue", "cup", 2) in alone
    compared = tracks_of(red, replace(blue, colour="red"), replace(cup, odd=True), x=[0.2, 0.8, 0.5])
    beside = [fact for fact in true_facts(compared) if fact.landmark == Noun("cup")]
    wrong = [fact for seed in range(20) for fact in misnamed_facts(compared, beside, np.random.default_rng(seed))]
    assert len({fact.noun.kind for fact in wrong}) > 5
    assert not any(fact.noun.kind == "cup" for fact in wrong), "the red cup left of the cup"
    assert not any(kind == "ball" or colour not in ("red", "blue") for _, colour, kind, _ in alone)
    assert not any(kind == "cup" for _, _, kind, _ in meant(red, blue, cup)), "a cup is there, of another colour"
    two = meant(red, replace(blue, colour="red"))
    assert {("left", "red", "cup", 1), ("right", "red", "cup", 2)} <= two, "a place tells them apart"
    assert not any(name == "" for name, *_ in two), "two are red"


def test_what_is_of_an_unknown_material_may_be_of_any():
    things = thing(1, material="stripes"), replace(thing(2), material="", odd=True)
    tracks = tracks_of(*things, x=[0.2, 0.8])
    assert not nouns(tracks, "material")
    denied = [fact.noun for seed in range(60) for fact in false_facts(tracks, np.random.default_rng(seed), 20)]
    assert not any(noun.material and noun.colour in ("", "red") and not noun.size for noun in denied)


def test_a_material_singles_out():
    tracks = tracks_of(thing(1, material="stripes"), thing(2, material="spots"), thing(3), x=[0.2, 0.5, 0.8])
    assert (Noun("ball", material="stripes"), 1) in nouns(tracks, "material")
    assert not any(index == 3 for _, index in nouns(tracks, "material"))


def test_a_size_is_told_among_clearly_different_ones():
    tracks = tracks_of(thing(1, size="small"), thing(2, size="large"), thing(3, "cup", size="small"), x=[0.2, 0.5, 0.8])
    assert (Noun("ball", size="small"), 1) in nouns(tracks, "size")
    assert (Noun(size="large"), 2) in nouns(tracks, "size")
    alike = replace(tracks, size=np.full_like(tracks.size, 0.1))
    assert not nouns(alike, "size")


def test_places_and_orders_among_balls():
    balls = [thing(i) for i in (1, 2, 3, 4)]
    tracks = tracks_of(*balls, x=[0.7, 0.1, 0.9, 0.4])
    assert said(tracks, "place", Noun("ball")) == {("left", 2), ("right", 3), ("middle", 4)}
    assert said(tracks, "order", Noun("ball")) == {
        ("leftmost", 2),
        ("second from the left", 4),
        ("third from the left", 1),
        ("rightmost", 3),
        ("second from the right", 1),
        ("third from the right", 4),
    }


def test_the_middle_has_things_on_both_sides():
    balls = tracks_of(thing(1), thing(2), thing(3), x=[0.1, 0.28, 0.48])
    assert not any(name == "middle" for name, _ in said(balls, "place", Noun("ball")))
    assert ("middle", 2) in said(tracks_of(thing(1), thing(2), x=[0.1, 0.48]), "place", Noun("ball"))
    assert not any(name == "middle" for name, _ in said(tracks_of(thing(1), thing(2), x=[0.1, 0.6]), "place"))


def test_a_direction_is_not_denied_of_what_goes_that_way_too():
    tracks = moved(tracks_of(thing(1), thing(2, "cup"), x=[0.2, 0.8]), 0, right=0.03, away=0.012)
    assert "moving right" in tracks.motions[0]
    denied = {
        fact.name
        for seed in range(20)
        for fact in false_facts(tracks, np.random.default_rng(seed), 40)
        if fact.noun == Noun("ball")
    }
    assert "moving left" in denied
    assert not {"moving right", "moving away", "moving up"} & denied


def test_nothing_is_counted_that_may_be_called_so_or_not():
    first = {("leftmost", 1), ("rightmost", 3)}
    blocks = tracks_of(thing(1, "block"), thing(2, "box"), thing(3, "box"), x=[0.1, 0.5, 0.9])
    assert said(blocks, "order", Noun("box")) == {("rightmost", 3)}
    assert first < said(blocks, "order", Noun(colour="red")), "as red things they are three"
    odd = tracks_of(replace(thing(1, "ring"), odd=True), thing(2), thing(3), x=[0.1, 0.5, 0.9])
    assert said(odd, "order", Noun("ball")) == {("rightmost", 3)}


def test_what_has_no_name_is_not_called_by_that_of_another():
    odd, cup = replace(thing(1, "cup", "red"), odd=True), thing(2, "cup", "blue")
    facts = list(true_facts(tracks_of(odd, cup, x=[0.2, 0.8])))
    assert not any(fact.index == 1 and fact.noun.kind for fact in facts)
    assert any(fact.index == 1 and fact.noun == Noun(colour="red") for fact in facts)

    ball = thing(3, "ball", "green")
    beside = list(true_facts(tracks_of(odd, cup, ball, replace(ball, index=4), x=[0.5, 0.95, 0.2, 0.7])))
    landmarks = {(fact.landmark, fact.index) for fact in beside if fact.name == "left of"}
    assert (Noun(colour="red"), 3) in landmarks
    assert Noun("cup", "red") not in {landmark for landmark, _ in landmarks}

    entered = tracks_of(odd, cup, thing(3, "ball", "red"), x=[0.2, 0.5, 0.8])
    entered.share[:2, 0] = 0
    assert not any(fact.kind == "late" and fact.index == 1 and fact.noun.kind for fact in true_facts(entered))


def test_a_wrong_name_is_not_that_of_what_may_be_called_anything():
    ball, odd = thing(1, "ball", "red"), replace(thing(2, "cup", "red"), odd=True)
    still = tracks_of(ball, odd, thing(3, "ball", "red"), x=[0.1, 0.4, 0.9])
    rolling = moved(tracks_of(ball, odd, x=[0.1, 0.4]), 0, right=0.03)
    for tracks in (still, rolling):
        true = list(true_facts(tracks))
        every = [fact for seed in range(20) for fact in misnamed_facts(tracks, true, np.random.default_rng(seed))]
        assert every
        assert {fact.index for fact in every if fact.noun == Noun("cup", "red")} <= {2}, "the odd one is its cup"
        false = set(false_facts(tracks, np.random.default_rng(0), 400, misnamed=True))
        denied = {(fact.group, fact.name, fact.noun) for fact in false}
        assert not {(fact.group, fact.name, fact.noun) for fact in every} & denied


def test_no_order_where_two_stand_close():
    assert not said(tracks_of(thing(1), thing(2), thing(3), x=[0.2, 0.25, 0.8]), "order", Noun("ball"))


def test_front_and_back():
    tracks = tracks_of(thing(1), thing(2), x=[0.4, 0.6], away=[0.0, 0.2])
    assert {("front", 1), ("back", 2)} <= said(tracks, "place", Noun("ball"))
    assert {("nearest", 1), ("farthest", 2)} <= said(tracks, "order", Noun("ball"))


def test_relations_to_a_thing_with_a_name():
    tracks = tracks_of(thing(1), thing(2), thing(3, "cup"), x=[0.2, 0.85, 0.7])
    relations = {(fact.name, fact.index) for fact in true_facts(tracks) if fact.landmark == Noun("cup")}
    assert relations == {("left of", 1), ("right of", 2), ("next to", 2)}
    assert said(tracks, "relation", Noun("ball")) == relations


def test_a_long_thing_may_reach_to_the_cup_or_not():
    tracks = tracks_of(thing(1, "block"), thing(2, "block"), thing(3, "cup"), x=[0.4, 0.95, 0.6])
    assert ("next to", 1) in said(tracks, "relation", Noun("block"))
    long = tracks.half_m.copy()
    long[0, 0] = 0.2
    assert ("next to", 1) in said(replace(tracks, half_m=long), "relation", Noun("block")), "near even across"
    long[0, 0], long[1, 0] = tracks.half_m[0, 0], 0.3
    assert ("next to", 1) not in said(replace(tracks, half_m=long), "relation", Noun("block")), "the other may reach it"
    long[1, 0], long[0, 1] = tracks.half_m[1, 0], 0.005
    long[2, :2] = 0.005
    assert ("next to", 1) not in said(replace(tracks, half_m=long), "relation", Noun("block")), "it may not reach it"


def test_no_relation_that_a_rival_may_have_as_well():
    tracks = tracks_of(thing(1), thing(2), thing(3, "cup"), x=[0.2, 0.65, 0.7])
    assert ("left of", 1) not in said(tracks, "relation", Noun("ball"))


def test_behind_and_in_front_of():
    tracks = tracks_of(thing(1), thing(2), thing(3, "cup"), x=[0.5, 0.5, 0.5], away=[0.3, -0.1, 0.1])
    assert {("behind", 1), ("in front of", 2)} <= said(tracks, "relation", Noun("ball"))


def test_two_things_at_once_are_combined():
    tracks = tracks_of(
        thing(1, material="stripes"), thing(2, material="stripes"), thing(3), thing(4), x=[0.1, 0.5, 0.05, 0.9]
    )
    assert ("left", 1) in said(tracks, "combined", Noun("ball", material="stripes"))


def test_a_motion_that_one_alone_has():
    tracks = moved(tracks_of(thing(1), thing(2), x=[0.2, 0.8]), 0, right=0.03)
    assert said(tracks, "motion", Noun("ball")) == {
        ("moving", 1),
        ("rolling", 1),
        ("moving right", 1),
        ("still", 2),
    }


def test_nothing_is_said_where_a_rivals_motion_is_unclear():
    tracks = moved(moved(tracks_of(thing(1), thing(2), x=[0.2, 0.8]), 0, right=0.03), 1, right=0.001)
    assert not said(tracks, "motion", Noun("ball"))


def test_what_turns_back_may_be_said_to_go_either_way():
    assert may_be_said("moving left", frozenset(("moving", "turning")))
    assert not may_be_said("rolling", frozenset(("moving", "turning")))
    assert may_be_said("spinning", frozenset(("moving", "turning"))), "it is turning around"
    assert may_be_said("spinning", frozenset(("moving", "moving left", "rolling")))
    assert not may_be_said("spinning", frozenset(("moving", "moving left")))
    assert may_be_said("moving up", frozenset(("moving", "moving away", "perhaps moving up")))
    assert may_be_said("still", frozenset(("spinning",)))


def test_a_motion_that_begins_late_is_true_from_the_first_step_on():
    tracks = moved(tracks_of(thing(1), thing(2), x=[0.2, 0.8], frames=10), 0, right=0.03, since=4)
    late = [fact for fact in true_facts(tracks) if fact.kind == "late" and fact.noun == Noun("ball")]
    assert {(fact.name, fact.index, fact.since) for fact in late} == {
        ("moving", 1, 5),
        ("rolling", 1, 5),
        ("moving right", 1, 5),
    }


def test_what_begins_to_move_moved_not_from_the_start_on():
    for since in (1, 2):
        tracks = moved(tracks_of(thing(1), thing(2), x=[0.2, 0.8], frames=12), 0, right=0.03, since=since)
        assert not said(tracks, "motion", Noun("ball"))
        assert ("moving right", 1) in said(tracks, "late", Noun("ball"))


def test_what_moves_may_be_an_arm():
    tracks = moved(tracks_of(thing(1), thing(2, "cup"), x=[0.2, 0.8]), 0, right=0.03)
    assert ("moving", 1) in said(tracks, "motion", Noun())
    assert ("still", 2) in said(tracks, "motion", Noun())
    beside = replace(tracks, arm_moves=True)
    assert said(beside, "motion", Noun()) == {("still", 2)}
    assert said(beside, "motion", Noun("ball")) == said(tracks, "motion", Noun("ball"))
    late = moved(tracks_of(thing(1), thing(2, "cup"), x=[0.2, 0.8], frames=8), 0, right=0.03, since=2)
    assert ("moving", 1) in said(late, "late", Noun())
    assert not said(replace(late, arm_moves=True), "late", Noun())


def test_a_strip_at_the_picture_s_edge_has_no_name():
    tracks = tracks_of(thing(1), thing(2, "cup"), x=[0.2, 0.98])
    strip = replace(tracks, whole=tracks.whole * [1.0, 0.2])
    assert (Noun("cup"), 2) in nouns(tracks, "kind")
    assert {index for _, index in nouns(strip, "kind")} == {1}
    assert not any(fact.landmark or fact.index == 2 for fact in true_facts(strip))
    assert not any(
        fact.noun == Noun("cup") for fact in false_facts(strip, np.random.default_rng(0), 99) if not fact.name
    )


def test_what_never_shows_enough_of_itself_does_not_arrive():
    tracks = tracks_of(thing(1), thing(2, "cup"), x=[0.2, 0.8])
    share, whole = tracks.share.copy(), tracks.whole.copy()
    share[:2, 1] = whole[:2, 1] = 0
    came = replace(tracks, share=share, whole=whole)
    assert (Noun("cup"), 2) in nouns(came, "late")
    assert not nouns(replace(came, whole=0.2 * whole), "late")


def test_an_arrival_after_a_look_alike_is_late():
    tracks = tracks_of(thing(1, colour="red"), thing(2, colour="blue"), x=[0.2, 0.8], frames=10)
    share = tracks.share.copy()
    share[:3, 1] = 0
    late = [fact for fact in true_facts(replace(tracks, share=share)) if fact.kind == "late"]
    assert (Noun("ball", "blue"), 2, 3) in {(fact.noun, fact.index, fact.since) for fact in late}
    alone = tracks_of(thing(1, "cup", "red"), thing(2, colour="blue"), x=[0.2, 0.8], frames=10)
    assert not [fact for fact in true_facts(replace(alone, share=share)) if fact.kind == "late"]


def test_false_facts_are_true_of_nothing():
    tracks = moved(tracks_of(thing(1), thing(2, "cup", "blue"), x=[0.2, 0.8]), 0, right=0.03)
    facts = list(false_facts(tracks, np.random.default_rng(0), 200))
    assert all(fact.index == 0 and fact.kind == "absent" for fact in facts)
    by_noun = [fact for fact in facts if not any(fact.noun.fits(one) for one in tracks.objects)]
    by_motion = [fact for fact in facts if fact not in by_noun]
    assert len(by_noun) > 50
    assert {(fact.noun.kind, fact.name) for fact in by_motion} >= {("ball", "moving left"), ("ball", "still")}
    assert not {(fact.noun.kind, fact.name) for fact in by_motion} & {("ball", "moving right"), ("cup", "still")}


def test_what_has_a_colour_of_the_room_is_asked_for_in_vain():
    tracks = tracks_of(thing(1), thing(2, "cup", "blue"), x=[0.2, 0.8])
    room = ("blue", "green")

    def asked(colours: tuple[str, ...]) -> list[Noun]:
        facts = false_facts(tracks, np.random.default_rng(0), 2000, misnamed=True, room_colours=colours)
        return [fact.noun for fact in facts if fact.group != "motion"]

    before, after = asked(()), asked(room)
    share = [np.mean([noun.colour == "green" for noun in nouns]) for nouns in (before, after)]
    assert share[1] > 2 * share[0]
    green = Counter(noun.kind for noun in after if noun.colour == "green")
    assert green.keys() >= set(SOLID_KINDS)
    assert {noun.kind for noun in after if noun.colour == "blue" and not noun.material} <= {"ball"}, "the cup would do"
    assert not any(noun.fits(one) for noun in after for one in tracks.objects)
    assert not any(noun.colour == "green" and noun.kind in ("", "book") for noun in after)
