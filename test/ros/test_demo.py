import json
import re
import signal

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("samwise_ros.msg", reason="needs the built messages: make setup")

from fakes import red_square

from samwise_ros.data.expressions import Expression
from samwise_ros.data.synthetic import Clip, World
from samwise_ros.data.video import VideoWriter
from samwise_ros.errors import ConfigError
from samwise_ros.ros import demo
from samwise_ros.ros.report import Part

pytestmark = pytest.mark.ros


def options(*arguments):
    return demo._parse(list(arguments))


def planned_world():
    return World(options().seed, height=demo.HEIGHT_PX // 4, width=demo.WIDTH_PX // 4)


@pytest.fixture
def without_model(monkeypatch, domain_id):
    """Let the demo start a node whose tracker needs no model."""
    monkeypatch.setattr(demo, "NODE_MODULE", "ros.fake_node")
    monkeypatch.setattr(demo.signal, "signal", lambda *_: None)


def test_the_world_is_spoken_of_truly_and_in_two_ways():
    first, second = demo.plan_world(options("--frames", "20"))
    assert (first.start, first.stop, second.start, second.stop) == (0, 10, 10, 20)
    assert first.object_index != second.object_index
    for part in (first, second):
        clip = planned_world().clip(part.start, part.stop - part.start)
        known = {one.text: one for one in clip.expressions}
        assert known[part.text].object_index == part.object_index
        assert known[part.text].since == 0
        assert (clip.instances == part.object_index).any((1, 2)).all()


def test_the_demo_shows_what_it_speaks_of_at_full_size():
    world = World(options().seed, height=demo.HEIGHT_PX, width=demo.WIDTH_PX)
    for part in demo.plan_world(options()):
        for t in (part.start, part.stop - 1):
            assert (world.frame(t)[1] == part.object_index).sum() > 0.01 * demo.HEIGHT_PX * demo.WIDTH_PX


def test_a_long_film_is_planned_on_few_of_its_frames(monkeypatch):
    asked = []
    film = World.clip

    def count(world, start, frames, stride=1):
        asked.append((start, frames, stride))
        return film(world, start, min(frames, 4), stride)

    monkeypatch.setattr(World, "clip", count)
    demo.plan_world(options("--frames", "301"))
    assert asked == [(0, 50, 3), (150, 50, 3)]


def test_the_users_text_is_looked_up_in_the_world(capsys):
    known = next(one for one in planned_world().clip(0, 10).expressions if one.object_index)
    first, _ = demo.plan_world(options("--frames", "20", "--text", known.text.upper()))
    assert first == Part(known.text.upper(), 0, 10, known.object_index)
    first, _ = demo.plan_world(options("--frames", "20", "--text", "the purple elephant"))
    assert first.object_index is None
    assert "its J is not measured" in capsys.readouterr().out


def picture(*areas):
    """One frame in which object k has the k-th area, in pixels."""
    return np.repeat(np.arange(len(areas) + 1), [100 - sum(areas), *areas]).astype(np.uint8).reshape(1, 10, 10)


def test_what_is_easiest_to_see_is_chosen():
    known = [
        Expression("the ball", "kind", 1),
        Expression("red thing", "colour", 2),
        Expression("red block", "colour", 2),
        Expression("the left thing", "place", 3),
        Expression("a mug", "absent", 0),
    ]
    clip = Clip(np.zeros((2, 10, 10, 3), np.uint8), np.concatenate([picture(20, 5, 30), picture(1, 4, 30)]), (), ())
    choices = [demo.choose_expression(clip, known, taken) for taken in ({None}, {2}, {1, 2}, {1, 2, 3})]
    assert choices == [known[1], known[0], known[3], None]


@pytest.fixture
def clip(tmp_path):
    with VideoWriter(tmp_path / "clip.mp4", 20.0) as video:
        for left_px in range(24):
            video.write(red_square(left_px=left_px))
    return tmp_path / "clip.mp4"


def test_a_video_takes_one_or_two_texts(clip):
    asked = options("--video", str(clip), "--text", "the square")
    assert demo.plan_video(asked) == (Part("the square", 0, 24, None),)
    asked = options("--video", str(clip), "--frames", "10", "--text", "a", "--text", "b")
    assert demo.plan_video(asked) == (Part("a", 0, 5, None), Part("b", 5, 10, None))
    with pytest.raises(ConfigError, match="a video came without --text, expected one or two"):
        demo.plan_video(options("--video", str(clip)))
    with pytest.raises(ConfigError, match=r"clip\S* gives 1 frames for 2 texts, expected one each: take fewer"):
        demo.plan_video(options("--video", str(clip), "--frames", "1", "--text", "a", "--text", "b"))


@pytest.mark.parametrize(("text", "expression"), [("Follow the red mug.", "the red mug"), ("the mug", "the mug")])
def test_a_text_may_be_a_command(clip, text, expression):
    assert demo.plan_video(options("--video", str(clip), "--text", text))[0].text == expression


@pytest.mark.parametrize("text", ["stop", "a; b", "also the mug"])
def test_a_text_that_is_not_one_thing_to_follow_is_refused(clip, text):
    with pytest.raises(ConfigError, match=f'--text is "{text}", expected one thing to follow'):
        demo.plan_video(options("--video", str(clip), "--text", text))


@pytest.mark.parametrize(
    "known",
    [
        (Expression("the left one", "place", 1), Expression("the left one", "place", 2)),
        (Expression("the left one", "place", 1), Expression("the red one", "colour", 1)),
        (Expression("the left one", "place", 1), Expression("the last one", "late", 2, since=3)),
    ],
)
def test_two_parts_share_neither_text_nor_thing_and_hold_from_the_start(known, monkeypatch):
    clip = Clip(np.zeros((1, 10, 10, 3), np.uint8), picture(9, 9), (), known)
    monkeypatch.setattr(World, "clip", lambda *_: clip)
    with pytest.raises(ConfigError, match="frames 5 to 9 of this world offer nothing to follow"):
        demo.plan_world(options("--frames", "10"))


def test_a_video_runs_through_the_whole_graph(clip, tmp_path, without_model, capsys):
    out = tmp_path / "out"
    texts = ["--text", "the square", "--text", "the red one"]
    assert demo.main(["--video", str(clip), *texts, "--rate", "20", "--out", str(out)]) == 0
    summary = json.loads((out / "summary.json").read_text())
    assert summary["frames_published"] == 24
    assert summary["results"] + summary["dropped"] == 24
    first, second = summary["parts"]
    assert (first["text"], first["mean_j"], second["text"]) == ("the square", None, "the red one")
    assert first["results"] + second["results"] == summary["results"]
    assert min(first["results"], second["results"]) >= 8
    assert 0 < summary["latency_p50_ms"] <= summary["latency_p99_ms"] < 2000
    assert cv2.VideoCapture(str(out / "overlay.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == summary["results"]
    assert cv2.imread(str(out / "contact_sheet.png")).shape[1] == 5 * 320 + 4 * 4
    assert re.search(r"frames published +24\n", capsys.readouterr().out)


def test_a_demo_with_wrong_masks_fails(tmp_path, without_model, capsys):
    assert demo.main(["--frames", "16", "--rate", "20", "--out", str(tmp_path)]) == 1
    assert "expected 0.5 or more: see the contact sheet" in capsys.readouterr().err
    assert (tmp_path / "contact_sheet.png").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--frames", "1"], "1 frames at 10.0 Hz were asked for, expected 2 or more"),
        (["--rate", "0"], "expected 2 or more at 0.1 to 100 Hz"),
        (["--text", "a", "--text", "b", "--text", "c"], "3 --text were given, expected at most 2"),
        (["--device", "tpu"], "device is 'tpu', expected auto, cpu, cuda"),
        (["--video", "/nowhere.mp4", "--text", "a"], "'/nowhere.mp4' does not exist"),
    ],
)
def test_wrong_options_are_refused_in_one_sentence(arguments, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo.signal, "signal", lambda *_: None)
    assert demo.main([*arguments, "--out", str(tmp_path)]) == 1
    error = capsys.readouterr().err.strip()
    assert error.startswith("demo failed: ")
    assert sentence in error
    assert "\n" not in error


def test_a_node_that_dies_ends_the_demo(tmp_path, clip, without_model, monkeypatch, capsys):
    monkeypatch.setattr(demo, "NODE_MODULE", "samwise_ros.ros.no_such_module")
    assert demo.main(["--video", str(clip), "--text", "a", "--out", str(tmp_path)]) == 1
    assert "demo failed: the node ended with exit code 1: see its message above" in capsys.readouterr().err


def test_a_film_that_does_not_fit_ends_the_demo(tmp_path, without_model, capfd):
    assert demo.main(["--frames", "100000", "--out", str(tmp_path)]) == 1
    shown = capfd.readouterr()
    assert "100000 frames of 640 x 480 pixels take 122.9 GB" in shown.out + shown.err
    assert "demo failed: the camera ended with exit code 1: see its message above" in shown.err


def test_the_demo_waits_for_the_filming_and_not_for_ever(tmp_path, without_model, monkeypatch, capsys):
    monkeypatch.setattr(demo, "_STALL_TIMEOUT_S", 0.2)
    monkeypatch.setattr(demo, "_FILMING_S_PER_FRAME", 0.1)
    assert demo.main(["--frames", "8", "--out", str(tmp_path)]) == 1
    assert "demo failed: the first image was not there after 1 s: see the messages above" in capsys.readouterr().err


def test_ctrl_c_ends_the_demo_and_all_its_processes(start, clip, tmp_path):
    program = "import sys; from samwise_ros.ros import demo; demo.NODE_MODULE = 'ros.fake_node'; sys.exit(demo.main())"
    arguments = ["--video", str(clip), "--text", "a", "--rate", "2", "--out", str(tmp_path)]
    process = start("-c", program, *arguments)
    assert any("[synthetic_camera]: ready" in line for line in iter(process.stdout.readline, ""))
    process.send_signal(signal.SIGINT)
    # The pipe ends when the last of the processes that share it has ended.
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "demo interrupted" in output
    assert "Traceback" not in output
