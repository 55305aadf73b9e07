import pytest
from fakes import FakeTracker

from samwise_ros.errors import CommandError
from samwise_ros.ros.command import Action, Command, apply_command, parse_command


def following(*texts: str, max_targets: int = 8) -> FakeTracker:
    tracker = FakeTracker(max_targets)
    tracker.follow(texts)
    return tracker


def texts_of(tracker: FakeTracker) -> list[str]:
    return [target.text for target in tracker.targets]


def obey(text: str, tracker: FakeTracker) -> str:
    return apply_command(parse_command(text), tracker)


@pytest.mark.parametrize(
    "text",
    [
        "the red mug",
        "follow the red mug",
        "Track the red mug.",
        "LOOK AT the red mug!",
        "look for the red mug",
        "find  the   red mug ?",
        "segment the red mug",
        "please follow the red mug",
        "Please, can you follow the red mug, please?",
        "could you please track the red mug please.",
        "follow please the red mug",
    ],
)
def test_every_way_to_say_follow(text):
    assert parse_command(text) == Command(Action.FOLLOW, ("the red mug",))


def test_case_of_the_expression_is_kept():
    assert parse_command("FOLLOW the NASA mug") == Command(Action.FOLLOW, ("the NASA mug",))


def test_semicolons_separate_targets():
    expected = Command(Action.FOLLOW, ("the dog", "the person in the yellow jacket"))
    assert parse_command("track the dog; the person in the yellow jacket.") == expected
    assert parse_command("track the dog; ; please follow the person in the yellow jacket;") == expected


@pytest.mark.parametrize("text", ["also the cup", "add the cup", "Also follow the cup!", "please add track the cup"])
def test_every_way_to_say_add(text):
    assert parse_command(text) == Command(Action.ADD, ("the cup",))


@pytest.mark.parametrize("text", ["forget the cup", "stop tracking the cup.", "please stop looking at the cup"])
def test_every_way_to_say_forget(text):
    assert parse_command(text) == Command(Action.FORGET, ("the cup",))


@pytest.mark.parametrize(
    "text", ["stop", "Stop!", "stop tracking", "please stop following.", "clear", "clear all", "forget everything"]
)
def test_every_way_to_say_clear(text):
    assert parse_command(text) == Command(Action.CLEAR)


@pytest.mark.parametrize(
    "text",
    ["the stop sign", "stop sign", "clear bottle", "tracked vehicle", "pleased dog", "additional wheel", "findings"],
)
def test_a_word_that_only_begins_like_a_verb_belongs_to_the_expression(text):
    assert parse_command(text) == Command(Action.FOLLOW, (text,))


@pytest.mark.parametrize("text", ["", "  ", ";;", "...", "please", "\x00\x01", "can you please?"])
def test_an_empty_command_is_refused(text):
    with pytest.raises(CommandError, match="command is empty, expected words such as"):
        parse_command(text)


@pytest.mark.parametrize(
    ("text", "verb"),
    [("follow", "follow"), ("look at.", "follow"), ("add", "add"), ("forget", "forget"), ("a; find", "follow")],
)
def test_a_verb_alone_is_refused(text, verb):
    with pytest.raises(CommandError, match=f"names nothing to {verb}, expected words after the verb"):
        parse_command(text)


def test_a_command_of_10000_characters_is_refused_without_repeating_it():
    with pytest.raises(CommandError, match="command has 10000 characters, expected at most 1000") as refusal:
        parse_command("x" * 10_000)
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize("text", ["follow the dog; forget the cat", "the dog; stop", "forget the dog; follow the cat"])
def test_mixed_requests_are_refused(text):
    with pytest.raises(CommandError, match="expected one kind of request"):
        parse_command(text)


def test_follow_replaces_and_add_joins():
    targets = following("the dog")
    assert obey("follow the cat; the bird", targets) == 'following 2 "the cat", 3 "the bird"'
    obey("also the mouse", targets)
    assert texts_of(targets) == ["the cat", "the bird", "the mouse"]


def test_a_repeated_command_keeps_the_very_same_target():
    targets = following("the dog")
    before = targets.targets
    obey("Follow The Dog", targets)
    assert targets.targets == before


def test_follow_keeps_what_it_names_and_drops_the_rest():
    targets = following("the dog", "the cat")
    obey("follow the cat; the bird", targets)
    assert [(target.id, target.text) for target in targets.targets] == [(2, "the cat"), (3, "the bird")]


def test_forget_and_clear():
    targets = following("the dog", "the cat")
    obey("forget THE dog", targets)
    assert texts_of(targets) == ["the cat"]
    assert obey("stop", targets) == "following nothing"
    assert texts_of(targets) == []


def test_forgetting_the_unknown_changes_nothing_and_names_what_is_there():
    targets = following("the dog", "the cat")
    with pytest.raises(CommandError, match='"the bird" is not followed, expected one of: "the dog", "the cat"'):
        obey("forget the dog; the bird", targets)
    assert texts_of(targets) == ["the dog", "the cat"]


def test_too_many_targets_change_nothing():
    targets = following("the dog", max_targets=2)
    with pytest.raises(CommandError, match="3 targets would be followed, expected at most 2"):
        obey("add the cat; the bird", targets)
    assert texts_of(targets) == ["the dog"]


def test_a_full_tracker_takes_a_replacement():
    targets = following("the dog", "the cat", max_targets=2)
    obey("follow the bird; the cat", targets)
    assert texts_of(targets) == ["the cat", "the bird"]
