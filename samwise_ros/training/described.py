"""Training samples from real data sets, each a function of the seed and its number. Called by `training.source`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F
from torch.utils.data import Dataset

from samwise_ros.data import refcoco
from samwise_ros.data.described import DescribedClip, Truth, read_frame
from samwise_ros.data.mevis import MeViS
from samwise_ros.data.ref_davis import RefDavis
from samwise_ros.data.ref_ytvos import RefYoutubeVos
from samwise_ros.data.synthetic import Clip
from samwise_ros.engine.preprocess import fitted_size
from samwise_ros.errors import ConfigError, DatasetError
from samwise_ros.evaluation.described import check_size
from samwise_ros.training.recipe import Split
from samwise_ros.training.samples import Sample, pad_clip
from samwise_ros.training.vary import can_swap_sides, swap_sides

VIDEO_SETS: Mapping[str, Callable[[Path, str], Iterable[DescribedClip[Truth | None]]]] = {
    "ref-ytvos": RefYoutubeVos,
    "mevis": MeViS,
    "ref-davis": RefDavis,
}
"""Readers of the data sets of videos; those of photographs are `data.refcoco.SPLITS`."""

WHOLE_VIDEO = ("mevis",)
"""Data sets whose expressions tell what happens in the whole video, so that a clip has frames from all over it."""

MAX_TRIES = 100
"""So many clips in a row may show nothing of what their expressions describe."""

CONTRAST, SATURATION, BRIGHTNESS = (0.6, 1.4), (0.6, 1.4), (-32.0, 32.0)
"""Ranges of the changes of light: two factors, and grey levels that are added. Hues stay: expressions name colours."""


class DescribedSamples(Dataset[Sample]):
    """Samples by number, for ever: each epoch shows every part of T frames of every video once for each expression.

    Args:
        clips: what there is, at least one; of each, whether a clip has frames from all over its video.
        side_px: side S of the square pictures.
        frames: length T of a clip.
        augment: mirror half of the samples and change their light.
        seed: two numbers that decide the order, the frames and the changes.

    Source: SAMWISE, training of the reference implementation.

    Differs: the centre is any frame of its part, not its first one; the published runs do not augment.
    """

    def __init__(
        self,
        clips: Sequence[tuple[DescribedClip[Truth], bool]],
        *,
        side_px: int,
        frames: int,
        augment: bool,
        seed: tuple[int, int],
    ) -> None:
        self._clips, self._side_px, self._frames, self._augment, self._seed = clips, side_px, frames, augment, seed
        parts = np.array([-(-len(clip.frame_paths) // frames) for clip, _ in clips])
        self._owner = np.repeat(np.arange(len(clips)), parts)
        self._part = np.arange(len(self._owner)) - np.repeat(np.cumsum(parts) - parts, parts)
        self._epoch, self._order = -1, self._owner

    @property
    def epoch_size(self) -> int:
        """Samples of an epoch."""
        return len(self._owner)

    def __getitem__(self, number: int) -> Sample:
        """Make a sample; where the described thing is in none of its frames, another one in its place.

        Args:
            number: counted from 0 through all epochs.

        Returns:
            The sample, K being 1; `shown` is (T, 0, 0, 0), which real data sets do not tell.

        Raises:
            DatasetError: a file cannot be read, or nothing that is described is to be seen.
        """
        epoch, place = divmod(number, self.epoch_size)
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = np.random.default_rng([*self._seed, 0, epoch]).permutation(self.epoch_size)
        rng = np.random.default_rng([*self._seed, 1, number])
        drawn = int(self._order[place])
        for _ in range(MAX_TRIES):
            sample = self._draw(drawn, rng)
            if sample is not None:
                return sample
            drawn = int(rng.integers(self.epoch_size))
        raise DatasetError(
            f"{MAX_TRIES} clips in a row show nothing of what they describe, the last is of video "
            f"'{self._clips[self._owner[drawn]][0].video}', expected masks that are not empty: check the annotations"
        )

    def _draw(self, drawn: int, rng: np.random.Generator) -> Sample | None:
        clip, whole = self._clips[self._owner[drawn]]
        length = len(clip.frame_paths)
        first = int(self._part[drawn]) * self._frames
        centre = int(rng.integers(first, min(first + self._frames, length)))
        chosen = choose_frames(length, self._frames, centre, rng, whole=whole)
        masks = [clip.truth.mask(index) for index in chosen]
        if not any(mask.any() for mask in masks):
            return None
        pictures = [read_frame(clip.frame_paths[index]) for index in chosen]
        for index, picture, mask in zip(chosen, pictures, masks, strict=True):
            check_size(mask, picture[..., 0], clip, index)
        height_px, width_px = masks[0].shape
        size = fitted_size(height_px, width_px, self._side_px)
        rgb, instances = fit_pictures(pictures, size), fit_masks(masks, size)
        text = " ".join(clip.text.lower().split())  # as the reference does
        if self._augment:
            rgb = change_light(rgb, rng)
            if rng.random() < 0.5 and can_swap_sides(text):
                rgb, instances, text = rgb[:, :, ::-1], instances[:, :, ::-1], swap_sides(text)
        padded = pad_clip(Clip(rgb, instances, (), ()), self._side_px)
        shown, things = np.zeros((self._frames, 0, 0, 0), np.int8), np.array([2 * [(0, -1, -1)]], np.int64)
        return Sample(padded.rgb, padded.instances[None] > 0, shown, things, (text,), size)


def read_split(split: Split) -> list[DescribedClip[Truth]]:
    """Open a data set's folder.

    Args:
        split: which; its data set is one of `VIDEO_SETS` or of `data.refcoco.SPLITS`.

    Returns:
        The clips, those of a video one after the other.

    Raises:
        ConfigError: the data set is unknown, or keeps its masks to itself.
        DatasetError: a file or folder is missing or has another layout, or there is no expression.
    """
    folder = Path(split.folder)
    clips: list[DescribedClip[Truth | None]]
    if split.dataset in refcoco.SPLITS:
        clips = list(refcoco.RefCoco(folder, split.dataset, split.split))
    elif split.dataset in VIDEO_SETS:
        clips = list(VIDEO_SETS[split.dataset](folder, split.split))
    else:
        raise ConfigError(
            f"the recipe's data set is '{split.dataset}', expected one of {', '.join([*VIDEO_SETS, *refcoco.SPLITS])}: "
            "choose one of these"
        )
    if not clips:
        raise DatasetError(f"{split.dataset} {split.split} in '{folder}' holds no expression, expected at least one")
    if any(clip.truth is None for clip in clips):
        raise ConfigError(
            f"{split.dataset} {split.split} keeps its masks to itself, expected a split that has them: to validate "
            "without one, name a split that is trained on, whose last videos are then held out"
        )
    return cast("list[DescribedClip[Truth]]", clips)


def last_videos(clips: Sequence[DescribedClip[Truth]], count: int) -> list[DescribedClip[Truth]]:
    """The clips of as few videos from the end as have `count` expressions, or all there are."""
    videos: dict[str, list[DescribedClip[Truth]]] = {}
    for clip in clips:
        videos.setdefault(clip.video, []).append(clip)
    kept: list[DescribedClip[Truth]] = []
    while videos and len(kept) < count:
        kept = videos.popitem()[1] + kept
    return kept


def choose_frames(length: int, frames: int, centre: int, rng: np.random.Generator, *, whole: bool) -> list[int]:
    """Choose some frames of a video, none twice as far as there are enough.

    Args:
        length: of the video.
        frames: how many to choose, T.
        centre: one of them.
        rng: chooses the others.
        whole: take a frame 1 to 3 before the centre, one as far after it, and the rest from all over the video, instead
            of all from the T frames before the centre and the T frames from it on.

    Returns:
        T indices in rising order.

    Source: SAMWISE, how the reference implementation samples MeViS (`whole`) and Ref-YouTube-VOS.

    Differs: there half of a clip of Ref-YouTube-VOS lies before the centre, where there is room.
    """
    if whole:
        before, after = rng.integers(1, 4, 2)
        near = [centre, max(0, centre - int(before)), min(length - 1, centre + int(after))]
        chosen, pool = list(dict.fromkeys(near[:frames])), np.arange(length)
    else:
        chosen, pool = [centre], np.arange(max(0, centre - frames), min(length, centre + frames))
    others = np.setdiff1d(pool, chosen)
    chosen += rng.choice(others, min(frames - len(chosen), len(others)), replace=False).tolist()
    chosen += rng.integers(length, size=frames - len(chosen)).tolist()  # a video, or a still image, of fewer frames
    return sorted(chosen)


def fit_pictures(pictures: Sequence[npt.NDArray[np.uint8]], size_px: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Resize pictures as `engine.preprocess` does, back to bytes: T of (H, W, 3) → (T, *size_px, 3) uint8."""
    image = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()
    image = F.interpolate(image, size_px, mode="bilinear", align_corners=False, antialias=True)
    return np.asarray(image.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy(), np.uint8)


def fit_masks(masks: Sequence[npt.NDArray[np.bool_]], size_px: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Resize masks to the nearest pixel: T of (H, W) → (T, *size_px) uint8, 0 or 1."""
    mask = torch.from_numpy(np.stack(masks))[:, None].byte()
    return np.asarray(F.interpolate(mask, size_px, mode="nearest-exact")[:, 0].numpy(), np.uint8)


def change_light(rgb: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Another contrast, saturation and brightness for a whole clip (T, H, W, 3)."""
    contrast, saturation, brightness = (rng.uniform(*limits) for limits in (CONTRAST, SATURATION, BRIGHTNESS))
    values = rgb.astype(np.float32)
    grey = values.mean(-1, keepdims=True)
    values = grey + np.float32(saturation) * (values - grey)
    values = np.float32(contrast) * (values - 128) + np.float32(128 + brightness)
    return np.asarray(values.round().clip(0, 255), np.uint8)
