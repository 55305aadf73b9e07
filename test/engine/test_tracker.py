"""One stream's targets and memories."""

import threading

import numpy as np
import pytest
import torch

from samwise_ros.engine.tracker import MAX_LABEL, Tracker
from samwise_ros.errors import CommandError, ConfigError
from samwise_ros.model.segmenter import Past, Prediction, Ring
from samwise_ros.types import MAX_TEXT_CHARS, Frame

FRAME = Frame(np.zeros((48, 64, 3), np.uint8))


class CountingSegmenter:
    """Remembers for each target how many frames it has seen, and counts what is asked of it."""

    image_side_px = 64
    image_step_px = image_side_px
    device = torch.device("cpu")
    memory_spec = {"number": Ring(3)}  # noqa: RUF012
    frames_per_step = 1

    def __init__(self) -> None:
        self.encoded_texts: list[str] = []
        self.steps: list[int] = []
        self.asked: list[list[str]] = []
        self.pasts: list[Past] = []

    def encode_text(self, text: str) -> str:
        self.encoded_texts.append(text)
        return text

    def encode_images(self, images: torch.Tensor) -> torch.Tensor:
        self.steps.append(len(images))
        return images

    def fuse(self, images: torch.Tensor, texts: list[str], past: Past) -> int:
        assert len(past.ages) == len(texts)
        self.asked.append(texts)
        return len(texts)

    def decode(self, frames: int, index: int, past: Past) -> Prediction:
        self.pasts.append(past)
        return Prediction(torch.ones(frames, 16, 16), torch.zeros(frames), {"number": torch.tensor(past.ages)})


@pytest.fixture
def segmenter() -> CountingSegmenter:
    return CountingSegmenter()


@pytest.fixture
def tracker(segmenter: CountingSegmenter) -> Tracker:
    return Tracker(segmenter, max_targets=3)


def test_ids_count_up_and_are_never_used_twice(tracker: Tracker):
    assert [tracker.add(text).id for text in ("a", "b")] == [1, 2]
    tracker.remove(2)
    assert tracker.add("c").id == 3
    tracker.clear()
    assert tracker.add("a").id == tracker.last_id == 4


def test_the_model_gets_small_letters(tracker: Tracker, segmenter: CountingSegmenter):
    assert tracker.add("The  RED mug").text == "The RED mug"
    tracker.step(FRAME)
    assert segmenter.encoded_texts == ["the red mug"]


def test_ids_go_on_from_those_of_another_tracker(segmenter: CountingSegmenter):
    assert Tracker(segmenter, last_id=4).add("a").id == 5


def test_the_same_text_is_the_same_target(tracker: Tracker):
    first = tracker.add("the red mug")
    assert tracker.add("  The  RED mug ") is first
    assert tracker.add("the\x00red\nmug") is first
    assert tracker.targets == (first,)


def test_following_changes_all_targets_at_once_and_leaves_those_that_stay_alone(tracker: Tracker):
    for text in "abc":
        tracker.add(text)
    assert [(target.id, target.text) for target in tracker.follow(["d", "C", "a"])] == [(1, "a"), (3, "c"), (4, "d")]
    with pytest.raises(CommandError, match="4 targets would be followed"):
        tracker.follow(["a", "e", "f", "g"])
    with pytest.raises(CommandError, match="says nothing"):
        tracker.follow(["a", " "])
    assert [target.id for target in tracker.targets] == [1, 3, 4]
    assert tracker.follow([]) == ()


@pytest.mark.parametrize("text", ["", "   ", "\x00\n\t"])
def test_text_that_says_nothing(tracker: Tracker, text: str):
    with pytest.raises(CommandError, match="says nothing, expected a description such as 'the red mug'"):
        tracker.add(text)


def test_text_that_is_too_long(tracker: Tracker):
    tracker.add("x" * MAX_TEXT_CHARS)
    with pytest.raises(CommandError, match="has 10000 characters, expected at most 1000: describe"):
        tracker.add("x" * 10_000)


def test_too_many_targets(tracker: Tracker):
    for text in "abc":
        tracker.add(text)
    with pytest.raises(CommandError, match="4 targets would be followed, expected at most 3: remove some first"):
        tracker.add("d")
    assert tracker.add("b").id == 2


def test_more_targets_than_there_can_be(segmenter: CountingSegmenter):
    tracker = Tracker(segmenter, max_targets=MAX_LABEL)
    with pytest.raises(CommandError, match=r"256 targets would be followed, expected at most 255: remove some first$"):
        tracker.follow(str(number) for number in range(MAX_LABEL + 1))


def test_unknown_target(tracker: Tracker):
    with pytest.raises(CommandError, match="no target 7, expected one of: none, nothing is being followed"):
        tracker.remove(7)
    tracker.add("a")
    with pytest.raises(CommandError, match="no target 7, expected one of: 1"):
        tracker.remove(7)


@pytest.mark.parametrize("count", [0, MAX_LABEL + 1])
def test_number_of_targets_out_of_range(segmenter: CountingSegmenter, count: int):
    with pytest.raises(ConfigError, match=f"max_targets is {count}, expected 1 to 255"):
        Tracker(segmenter, max_targets=count)


def test_without_targets_the_model_does_not_run(tracker: Tracker, segmenter: CountingSegmenter):
    assert tracker.step(FRAME).objects == ()
    assert segmenter.steps == []


def test_the_image_is_encoded_once_for_all_targets_and_a_text_once_for_all_frames(
    tracker: Tracker, segmenter: CountingSegmenter
):
    tracker.add("a")
    tracker.add("b")
    for _ in range(4):
        tracker.step(FRAME)
    assert segmenter.steps == [1] * 4
    assert segmenter.asked == [["a", "b"]] * 4
    assert segmenter.encoded_texts == ["a", "b"]


def test_each_target_has_its_own_age(tracker: Tracker, segmenter: CountingSegmenter):
    tracker.add("old")
    tracker.step(FRAME)
    tracker.step(FRAME)
    tracker.add("new")
    segmenter.pasts.clear()
    result = tracker.step(FRAME)
    assert [past.ages for past in segmenter.pasts] == [(2, 0)]
    assert segmenter.asked[-1] == ["old", "new"]
    assert [thing.target.text for thing in result.objects] == ["old", "new"]


def test_memory_is_bounded(tracker: Tracker, segmenter: CountingSegmenter):
    tracker.add("a")
    for _ in range(50):
        tracker.step(FRAME)
    assert segmenter.pasts[-1].tensors["number"].tolist() == [[46, 47, 48]]


def test_reset_forgets_the_frames_and_keeps_the_targets(tracker: Tracker, segmenter: CountingSegmenter):
    tracker.add("a")
    tracker.step(FRAME)
    tracker.reset()
    tracker.step(FRAME)
    assert segmenter.pasts[-1].ages == (0,)
    assert [target.id for target in tracker.targets] == [1]


def test_another_shape_starts_without_memory_also_where_images_are_squares(
    tracker: Tracker, segmenter: CountingSegmenter
):
    tracker.add("a")
    for height_px, width_px in ((48, 64), (96, 128), (64, 48), (64, 48), (36, 64)):
        tracker.step(Frame(np.zeros((height_px, width_px, 3), np.uint8)))
    assert [past.ages for past in segmenter.pasts] == [(0,), (1,), (0,), (1,), (0,)]


def test_removed_targets_leave_nothing_behind(tracker: Tracker):
    for round_number in range(20):
        tracker.add(f"thing {round_number}")
        tracker.step(FRAME)
        tracker.clear()
    tracker.step(FRAME)
    assert tracker._texts == {}
    assert tracker._bank.read() == Past((), {})


def test_a_change_during_a_step_takes_effect_at_the_next(tracker: Tracker, segmenter: CountingSegmenter):
    tracker.add("a")
    entered, go_on = threading.Event(), threading.Event()
    encode_images = segmenter.encode_images

    def slow(images: torch.Tensor) -> torch.Tensor:
        entered.set()
        assert go_on.wait(10)
        return encode_images(images)

    segmenter.encode_images = slow
    results = []
    worker = threading.Thread(target=lambda: results.append(tracker.step(FRAME)))
    worker.start()
    assert entered.wait(10)
    tracker.add("b")
    tracker.remove(1)
    go_on.set()
    worker.join()
    assert [thing.target.text for thing in results[0].objects] == ["a"]
    assert [thing.target.text for thing in tracker.step(FRAME).objects] == ["b"]


def test_two_streams_on_one_model_do_not_touch_each_other(segmenter: CountingSegmenter):
    one, other = Tracker(segmenter), Tracker(segmenter)
    one.add("a")
    other.add("b")
    one.step(FRAME)
    one.step(FRAME)
    other.step(FRAME)
    assert [past.ages for past in segmenter.pasts] == [(0,), (1,), (0,)]


def test_a_recording_runs_in_steps_of_as_many_frames_as_the_model_takes(tracker: Tracker, segmenter: CountingSegmenter):
    segmenter.frames_per_step = 4
    tracker.add("a")
    frames = [Frame(np.zeros((48, 64, 3), np.uint8), stamp_ns=stamp) for stamp in range(10)]
    assert [result.frame.stamp_ns for result in tracker.run(frames)] == list(range(10))
    assert segmenter.steps == [4, 4, 2]
    assert [past.ages for past in segmenter.pasts] == [(age,) for age in range(10)]


def test_a_recording_is_read_no_further_ahead_than_a_step(tracker: Tracker, segmenter: CountingSegmenter):
    segmenter.frames_per_step = 4
    tracker.add("a")
    read = []
    results = tracker.run(read.append(number) or FRAME for number in range(10))
    next(results)
    assert read == [0, 1, 2, 3]
