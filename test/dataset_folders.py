"""Folders of real data sets in small: 2 videos of 3 frames of 16x24 px, and a model that knows the answers."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from pycocotools import mask as coco

from samwise_ros.model.segmenter import Past, Prediction, Ring

HEIGHT, WIDTH = 16, 24
FRAMES = ("00000", "00005", "00010")
VIDEOS = ("boats", "cats")
BRIGHTNESS = (40, 120, 200)
"""Of the pixels of the three frames."""


def box(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[top:bottom, left:right] = True
    return mask


EMPTY = box(0, 0, 0, 0)


def object_masks(number: int) -> list[np.ndarray]:
    """Masks of the first or second object: it moves right, one pixel a frame; the second is gone in the last frame."""
    if number == 1:
        return [box(2 + t, 2, 8 + t, 7) for t in range(3)]
    return [box(10, 8, 17, 14), box(11, 8, 18, 14), EMPTY]


def write_json(path: Path, contents: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(contents), encoding="utf-8")


def write_images(folder: Path, videos: Sequence[str] = VIDEOS) -> None:
    for video in videos:
        (folder / video).mkdir(parents=True)
        for name, brightness in zip(FRAMES, BRIGHTNESS, strict=True):
            Image.new("RGB", (WIDTH, HEIGHT), (brightness,) * 3).save(folder / video / f"{name}.jpg")


def write_labels(folder: Path, videos: Sequence[str] = VIDEOS, void: np.ndarray = EMPTY) -> None:
    for video in videos:
        (folder / video).mkdir(parents=True)
        for index, name in enumerate(FRAMES):
            labels = np.where(void, 255, object_masks(1)[index] + 2 * object_masks(2)[index]).astype(np.uint8)
            image = Image.fromarray(labels)
            image.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0] + [255] * 759)
            assert image.mode == "P"
            image.save(folder / video / f"{name}.png")


def described(video: str, objects: Sequence[int], **more: object) -> dict[str, dict[str, object]]:
    """Expressions of a video, one for each of the numbers of objects."""
    return {
        str(index): {"exp": f"{video} thing {number}, text {index}", "obj_id": str(number), **more}
        for index, number in enumerate(objects)
    }


def video_list(objects: Sequence[int] = (1, 2), videos: Sequence[str] = VIDEOS) -> dict[str, object]:
    return {"videos": {video: {"frames": FRAMES, "expressions": described(video, objects)} for video in videos}}


def write_ref_ytvos(folder: Path) -> None:
    lists = folder / "meta_expressions"
    write_json(lists / "train" / "meta_expressions.json", video_list())
    write_json(lists / "valid" / "meta_expressions.json", video_list(videos=(*VIDEOS, "hidden")))
    write_json(lists / "test" / "meta_expressions.json", video_list(videos=["hidden"]))
    write_images(folder / "train" / "JPEGImages")
    write_labels(folder / "train" / "Annotations")
    write_images(folder / "valid" / "JPEGImages")


def write_ref_davis(folder: Path, void: np.ndarray = EMPTY) -> None:
    write_json(folder / "meta_expressions" / "valid" / "meta_expressions.json", video_list([1] * 4 + [2] * 4))
    write_images(folder / "valid" / "JPEGImages")
    write_labels(folder / "valid" / "Annotations", void=void)


def write_mevis(folder: Path) -> None:
    """Of each video expression 0 describes both objects, expression 1 the second one."""
    tracks = {}
    videos = {}
    for start, video in zip((10, 20), VIDEOS, strict=True):
        for number in (1, 2):
            tracks[str(start + number)] = [rle(mask) for mask in object_masks(number)]
        both = {"exp": f"{video} both", "obj_id": [0, 1], "anno_id": [start + 1, start + 2]}
        one = {"exp": f"{video} second", "obj_id": [1], "anno_id": [start + 2]}
        videos[video] = {"frames": FRAMES, "expressions": {"0": both, "1": one}}
    write_json(folder / "valid_u" / "meta_expressions.json", {"videos": videos})
    write_json(folder / "valid_u" / "mask_dict.json", tracks)
    write_json(folder / "valid" / "meta_expressions.json", video_list())
    for split in ("valid_u", "valid"):
        write_images(folder / split / "JPEGImages")


def rle(mask: np.ndarray) -> dict[str, object] | None:
    """COCO's compressed run-length code as it stands in JSON; None for an empty mask."""
    if not mask.any():
        return None
    code = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": code["size"], "counts": code["counts"].decode("ascii")}


def write_refcoco(folder: Path, name: str = "refcoco", split: str = "val") -> None:
    """Photograph `a` with two expressions for an object, as polygons; `b` with one, as lengths of runs."""
    outline = {"segmentation": [[2, 3, 10, 3, 10, 9, 2, 9], [12, 3, 14, 3, 14, 5, 12, 5]]}
    runs = {"segmentation": {"size": [HEIGHT, WIDTH], "counts": [HEIGHT * 2, HEIGHT, HEIGHT * (WIDTH - 3)]}}
    (folder / "train2014").mkdir(parents=True)
    for file in ("a", "b"):
        Image.new("RGB", (WIDTH, HEIGHT)).save(folder / "train2014" / f"{file}.jpg")
    size = {"height": HEIGHT, "width": WIDTH}
    images = [
        {"id": 1, "file_name": "a.jpg", "caption": "first", **size},
        {"id": 2, "file_name": "a.jpg", "caption": "second", **size},
        {"id": 3, "file_name": "b.jpg", "caption": "third", **size},
    ]
    annotations = [{"id": 7 + n, "image_id": n, "iscrowd": 0, **(runs if n == 3 else outline)} for n in (1, 2, 3)]
    write_json(folder / name / f"instances_{name}_{split}.json", {"images": images, "annotations": annotations})


def write_refer(folder: Path, name: str = "refcoco", split: str = "val") -> None:
    """The same as `write_refcoco` does, as the annotations are published, with another split's expression before it."""
    write_refcoco(folder, name, split)
    path = folder / name / f"instances_{name}_{split}.json"
    made = json.loads(path.read_text())
    path.unlink()
    size = {"height": HEIGHT, "width": WIDTH}
    images = [{"id": number, "file_name": f"{file}.jpg", **size} for number, file in ((50, "a"), (60, "b"))]
    outlines = [{**made["annotations"][n], "id": 70 + n, "image_id": image} for n, image in ((0, 50), (2, 60))]
    write_json(folder / name / "instances.json", {"images": images, "annotations": outlines})
    other = "train" if split != "train" else "val"
    refs = [
        {"image_id": image, "ann_id": ann, "split": part, "sentences": [{"sent": text, "raw": "?"} for text in texts]}
        for image, ann, part, texts in (
            (60, 72, other, ("elsewhere",)),
            (50, 70, split, ("first", "second")),
            (60, 72, split, ("third",)),
        )
    ]
    by = "umd" if name == "refcocog" else "unc"
    (folder / name / f"refs({by}).p").write_bytes(pickle.dumps(refs, 2))


class KnowingSegmenter:
    """Answers each text by masks that it was given, one per frame; sees nothing else in a picture but how bright it is.

    Attributes:
        brightness: of each image that came, as normalised: only the order tells something.
        batches: how many texts each frame was asked for.
    """

    image_side_px = 4 * WIDTH  # so that a cell of the logits is a pixel of the image
    image_step_px = image_side_px
    device = torch.device("cpu")
    memory_spec = {"nothing": Ring(1)}  # noqa: RUF012
    frames_per_step = 2

    def __init__(self, answers: Mapping[str, Sequence[np.ndarray]]) -> None:
        self._answers = answers
        self.brightness: list[float] = []
        self.batches: list[int] = []

    def encode_text(self, text: str) -> str:
        return text

    def encode_images(self, images: torch.Tensor) -> None:
        self.brightness += images[:, :, 0, 0].mean(1).tolist()

    def fuse(self, images: None, texts: list[str], past: Past) -> list[str]:
        return texts

    def decode(self, frames: list[str], index: int, past: Past) -> Prediction:
        self.batches.append(len(frames))
        ages = past.ages or (0,) * len(frames)
        logits = torch.full((len(frames), WIDTH, WIDTH), -1.0)
        for row, (text, age) in enumerate(zip(frames, ages, strict=True)):
            if text in self._answers:
                logits[row, :HEIGHT][torch.from_numpy(self._answers[text][age])] = 1.0
        return Prediction(logits, torch.zeros(len(frames)), {"nothing": torch.zeros(len(frames))})
