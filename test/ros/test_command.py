import contextlib
import signal
import time

import pytest
from fakes import FakeTracker

from samwise_ros.errors import CommandError
from samwise_ros.ros.command import WAKE_WORDS, Action, Command, Outcome, apply_command, parse_command


def following(*texts: str, max_targets: int = 8) -> FakeTracker:
    tracker = FakeTracker(max_targets)
    tracker.follow(texts)
    return tracker


def texts_of(tracker: FakeTracker) -> list[str]:
    return [target.text for target in tracker.targets]


def obey(text: str, tracker: FakeTracker) -> Outcome:
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
        "now follow the red mug",
        "let's follow the red mug",
        "let\u2019s now please track the red mug",
        "I want you to watch the red mug",
        "I'd like you to keep an eye on the red mug",
        "go and find me the red mug",
        "following the red mug",
        "start following the red mug",
        "keep tracking the red mug",
        "begin looking for the red mug",
        "keep track of the red mug",
        "focus on the red mug right now",
        "pay attention to the red mug",
        "look out for the red mug",
        "search for the red mug",
        "locate the red mug",
        "detect the red mug",
        "highlight the red mug",
        "show the red mug",
        "show me the red mug",
        "show me where the red mug is",
        "can you tell me where the red mug is?",
        "where is the red mug?",
        "Where's the red mug now",
        "do you see the red mug?",
        "can you find the red mug for me now, thank you",
        "thanks, follow the red mug again",
    ],
)
def test_every_way_to_say_follow(text):
    assert parse_command(text) == Command(Action.FOLLOW, ("the red mug",))


@pytest.mark.parametrize(
    "text",
    [
        "Follow the red mug.",
        "Follow, the red mug!",
        "Follow... the red mug?",
        "Follow: the red mug",
        "Follow\u2026 the red mug\u2026",
        "Hey robot. Follow the red mug.",
        "follow the red mug, please, robot.",
    ],
)
def test_punctuation_of_speech_recognisers_is_left_out(text):
    assert parse_command(text) == Command(Action.FOLLOW, ("the red mug",))


@pytest.mark.parametrize("word", WAKE_WORDS)
@pytest.mark.parametrize("rest", [", the red mug", " the red mug", " follow the red mug", ". Can you see the red mug?"])
def test_wake_words_are_left_out(word, rest):
    assert parse_command(word.capitalize() + rest) == Command(Action.FOLLOW, ("the red mug",))


@pytest.mark.parametrize(
    "text", ["robot stop", "robot, stop!", "stop, robot", "stop robot", "Hey, robot, stop tracking"]
)
def test_wake_words_do_not_hide_a_stop(text):
    assert parse_command(text) == Command(Action.CLEAR)


@pytest.mark.parametrize(
    "text", ["hello, follow the dog", "hi follow the dog", "okay, the dog", "ok now track the dog"]
)
def test_greetings_are_left_out(text):
    assert parse_command(text) == Command(Action.FOLLOW, ("the dog",))


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("follow the 2nd cup from the left.", "the 2nd cup from the left"),
        ("follow the 1.5 litre bottle.", "the 1.5 litre bottle"),
        ("number 7, the red one", "number 7, the red one"),
        ("follow what the man is holding", "what the man is holding"),
        ("find the one that moves as well as the dog", "the one that moves as well as the dog"),
        ("follow the dog and the cat", "the dog and the cat"),
        ("follow the robot", "the robot"),
        ("follow robot", "robot"),
    ],
)
def test_everything_else_is_the_expression(text, expression):
    assert parse_command(text) == Command(Action.FOLLOW, (expression,))


def test_case_of_the_expression_is_kept():
    assert parse_command("FOLLOW the NASA mug") == Command(Action.FOLLOW, ("the NASA mug",))


def test_semicolons_separate_targets():
    expected = Command(Action.FOLLOW, ("the dog", "the person in the yellow jacket"))
    assert parse_command("track the dog; the person in the yellow jacket.") == expected
    assert parse_command("track the dog; ; please follow the person in the yellow jacket;") == expected
    assert parse_command("hey robot, watch the dog; and the person in the yellow jacket") == expected


@pytest.mark.parametrize(
    "text",
    [
        "also the cup",
        "add the cup",
        "Also follow the cup!",
        "please add track the cup",
        "and also keep an eye on the cup",
        "now also watch the cup",
        "follow also the cup",
        "follow the cup too.",
        "Can you track the cup as well?",
        "the cup too",
        "the cup as well",
        "and the cup",
        "and follow the cup",
        "and the cup too",
        "plus the cup",
        "include the cup",
        "add also the cup",
        "also add the cup",
    ],
)
def test_every_way_to_say_add(text):
    assert parse_command(text) == Command(Action.ADD, ("the cup",))


@pytest.mark.parametrize(
    "text",
    [
        "forget the cup",
        "forget about the cup",
        "ignore the cup",
        "remove the cup",
        "stop tracking the cup.",
        "please stop looking at the cup",
        "stop watching the cup now",
        "don't follow the cup",
        "don\u2019t look at the cup any more",
        "do not watch the cup anymore",
        "dont follow the cup",
        "stop following the cup for now",
        "stop the cup",
        "cancel the cup",
        "cancel tracking the cup",
        "no, dont follow the cup",
        "no forget the cup",
        *(f"stop {doing} the cup" for doing in ("detecting", "locating", "focusing on", "showing me", "searching for")),
        *(f"stop {doing} the cup" for doing in ("paying attention to", "keeping an eye on", "keeping track of")),
        *(
            f"{verb} the cup"
            for verb in ("delete", "drop", "unfollow", "untrack", "clear", "never mind", "never follow")
        ),
        "quit following the cup",
        "cease tracking the cup at once",
        "I don't want you to follow the cup",
        "you don't need to follow the cup anymore",
        "you needn't watch the cup",
        "forget\u200b the cup",
    ],
)
def test_every_way_to_say_forget(text):
    assert parse_command(text) == Command(Action.FORGET, ("the cup",))


@pytest.mark.parametrize(
    "text",
    [
        "stop",
        "Stop!",
        "stop it",
        "please stop now",
        "stop tracking",
        "please stop following.",
        "stop looking at it",
        "stop following everything",
        "clear",
        "clear all",
        "clear all targets",
        "forget it",
        "forget about it",
        "forget everything",
        "forget all of them",
        "don't follow anything",
        "follow nothing",
        "never mind",
        "cancel",
        "cancel that",
        "never mind that",
        "stop right now",
        "stop for now",
        "stop everything right now",
        "stop tracking it right now",
        "stop, stop",
        "Stop!! Stop!!",
        "no, stop",
        "no, please stop",
        "no stop",
        "ok no stop",
        "stop, please stop",
        "stop now, stop",
        "stop it, stop",
        "stop for me",
        "cancel, stop",
        "cancel tracking",
        "stop it, stop it, stop it, stop it, stop it",
        "no no no stop",
        "cancel everything",
        "cancel all targets",
        "stop; stop",
        "dont follow anything",
        *("stop immediately", "stop at once", "stop here", "stop right there", "stop for a moment", "stop pls"),
        *(
            "you may stop",
            "oh stop",
            "wait, stop",
            "okay, that's enough, stop",
            "that's enough",
            '"stop"',
            "\u201cStop.\u201d",
        ),
        *("halt", "hey robot halt", "abort", "quit", "emergency stop", "nothing", "follow nobody"),
        *("stop this", "stop following him", "stop following everyone", "stop all tracking", "stop the tracking"),
        *("forget both", "remove them all", "remove all objects", "stop following it immediately", "stop detecting"),
        *("stop what you are doing", "stop\x00", "\ufeffstop", "stop\u200b"),
    ],
)
def test_every_way_to_say_clear(text):
    assert parse_command(text) == Command(Action.CLEAR)


@pytest.mark.parametrize(
    "text",
    [
        "the stop sign",
        "stop sign",
        "clear bottle",
        "tracked vehicle",
        "track on the left",
        "segment of an orange",
        "pleased dog",
        "additional wheel",
        "add-on card",
        "findings",
        "the following car",
        "following car",
        "the person following the dog",
        "watch strap",
        "watch that is on the table",
        "show jacket",
        "see-through box",
        "robot arm",
        "robot on the left",
        "robot that is red",
        "hello kitty doll",
        "hi-vis jacket",
        "ok button",
        "no entry sign",
        "no. 5 ball",
        "cancel button",
        "can on the table",
        "do-it-yourself box",
        "whatever is moving",
        "forget-me-not",
        "stop light at the corner",
        "clear plastic cup",
        "pause button",
        "drop shadow",
        "end table in the corner",
        "plus sign",
        "nothing else",
    ],
)
def test_a_word_that_only_begins_like_a_verb_belongs_to_the_expression(text):
    assert parse_command(text) == Command(Action.FOLLOW, (text,))


@pytest.mark.parametrize(
    "text",
    ["", "  ", ";;", "...", "please", "\x00\x01", "hey robot", "Robot?", "hello", "thank you!", "no", "No, thanks."],
)
def test_an_empty_command_is_refused(text):
    with pytest.raises(CommandError, match="command is empty, expected words such as"):
        parse_command(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "stop moving",
            "robot stop moving",
            "stop and wait",
            "stop when you see him",
            "stop \u2013 now",
            "stop\u3002",
        ),
        *("freeze", "pause", "end", "wait for me", "never", "quit it and wait", "clear everything on the table"),
    ],
)
def test_no_wish_to_stop_becomes_a_target(text):
    with pytest.raises(CommandError, match='begins as if something had to end, expected "stop", "forget the red mug"'):
        parse_command(text)


@pytest.mark.parametrize(
    ("text", "expression"),
    [('"the red mug"', "the red mug"), ('the "NASA" mug', 'the "NASA" mug'), ("the red\u200bmug", "the red mug")],
)
def test_quotes_around_all_and_what_nobody_sees_are_left_out(text, expression):
    assert parse_command(text) == Command(Action.FOLLOW, (expression,))


def test_and_joins_what_is_followed_and_what_is_named():
    assert parse_command("and the dog; the cat") == Command(Action.ADD, ("the dog", "the cat"))
    assert parse_command("the dog; and the cat") == Command(Action.FOLLOW, ("the dog", "the cat"))


@pytest.mark.parametrize(
    ("text", "verb"),
    [
        ("follow", "follow"),
        ("look at.", "follow"),
        ("find me", "follow"),
        ("where is it?", "follow"),
        ("follow me", "follow"),
        ("it", "follow"),
        ("add", "add"),
        ("also that", "add"),
        ("forget", "forget"),
        ("stop looking at", "forget"),
        ("a; find", "follow"),
    ],
)
def test_a_command_that_names_nothing_is_refused(text, verb):
    with pytest.raises(CommandError, match=f"names nothing to {verb}, expected words that describe it"):
        parse_command(text)


@pytest.mark.parametrize(
    "text",
    [
        "what do you see",
        "What is this?",
        "what's that",
        "hey robot, who are you?",
        "robot what do you see",
        "so how many cups are there",
        "is there a dog",
        "do you like dogs",
        "where did the dog go",
        "tell me what you see",
        "can you dance?",
        "could you bring me the mug",
        "don't stop",
        "the dog; what is this",
        "whats that",
        "whos there",
        "I see a dog",
        "I don't see the dog",
        "you don't follow the dog",
        "you are a robot",
    ],
)
def test_a_question_or_another_request_is_refused(text):
    with pytest.raises(CommandError, match='is a question or a request of another kind, expected one such as "follow'):
        parse_command(text)


@pytest.mark.parametrize(
    "piece",
    [
        ",",
        " , ",
        "please ",
        "can you ",
        "now ",
        ", robot",
        "robot ",
        "show me where ",
        "too ",
        "no ",
        "stop it all ",
        "never ",
        "and ",
    ],
)
def test_long_repetition_does_not_take_long(piece):
    text = f"follow {piece * 500}"[:998] + " x"
    started_s = time.process_time()
    parse_command(text)
    assert time.process_time() - started_s < 0.5


@pytest.mark.parametrize(
    "stop",
    [
        *("stop", "stop it", "stop all", "cancel all", "stop following all", "don't follow all"),
        *("stop all the targets", "drop them all", "i don't want you to follow them all", "stop the tracking at it"),
    ],
)
@pytest.mark.parametrize("before", ["", "no ", "please ", "robot ", "now "])
def test_no_number_of_ways_to_read_a_text_takes_long(stop, before):
    def give_up(*_):
        raise TimeoutError

    former = signal.signal(signal.SIGALRM, give_up)
    try:
        signal.alarm(20)
        with contextlib.suppress(CommandError):
            parse_command(f"{f'{before}{stop}, ' * 200}"[:998] + " x")
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)


def test_a_command_of_10000_characters_is_refused_without_repeating_it():
    with pytest.raises(CommandError, match="command has 10000 characters, expected at most 1000") as refusal:
        parse_command("x" * 10_000)
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize(
    "text",
    [
        "follow the dog; forget the cat",
        "the dog; stop",
        "stop; the dog",
        "stop, follow the dog",
        "stop it and follow the dog",
        "forget the dog; follow the cat",
    ],
)
def test_mixed_requests_are_refused(text):
    with pytest.raises(CommandError, match="expected one kind of request"):
        parse_command(text)


def test_follow_replaces_and_add_joins():
    targets = following("the dog")
    assert obey("follow the cat; the bird", targets) == Outcome('following 2 "the cat", 3 "the bird"', (2, 3))
    assert obey("also the mouse", targets).ids == (2, 3, 4)
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
    assert obey("stop", targets) == Outcome("following nothing", ())
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
