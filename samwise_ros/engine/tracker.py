"""One camera stream: its targets, their memories, one step per frame. Called by `ros`, `cli` and `evaluation`."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import torch

from samwise_ros.engine.memory import MemoryBank
from samwise_ros.engine.postprocess import predictions_to_result
from samwise_ros.engine.preprocess import fitted_size, padded_size, rgb_to_input
from samwise_ros.errors import CommandError, ConfigError
from samwise_ros.model.segmenter import Segmenter
from samwise_ros.model.stages import stage
from samwise_ros.types import MAX_TEXT_CHARS, Frame, FrameResult, Target, clean_text, text_key

MAX_LABEL = 255
"""A label image has 8 bits, so a tracker can follow no more targets than this."""


class Tracker:
    """Follows described objects through one video.

    `follow`, `add`, `remove`, `clear` and `reset` may be called from any thread at any time: they return at once and
    take effect at the next step. `step` and `run` belong to one thread. One segmenter may serve many trackers.

    Args:
        segmenter: the model.
        max_targets: how many targets there may be at once, 1 to 255.
        last_id: targets are numbered from the next one on.

    Raises:
        ConfigError: `max_targets` is out of range.

    Differs: a model gets its texts in small letters, which two spellings of one target have in common and which it was
    trained on; SAMWISE's own scripts do so in training alone.
    """

    def __init__(self, segmenter: Segmenter[Any, Any, Any], *, max_targets: int = 8, last_id: int = 0) -> None:
        if not 1 <= max_targets <= MAX_LABEL:
            raise ConfigError(f"max_targets is {max_targets}, expected 1 to {MAX_LABEL}: choose a value in this range")
        self._segmenter = segmenter
        self._max_targets = max_targets
        self._lock = threading.RLock()
        self._targets: tuple[Target, ...] = ()
        self._last_id = last_id
        self._generation = 0
        self._texts: dict[int, Any] = {}
        self._bank = MemoryBank(segmenter.memory_spec)

    @property
    def targets(self) -> tuple[Target, ...]:
        """What is being followed, in the order of the label image."""
        return self._targets

    @property
    def last_id(self) -> int:
        """Number of the newest target that there ever was."""
        return self._last_id

    def follow(self, texts: Iterable[str]) -> tuple[Target, ...]:
        """Follow exactly these things, in one change; what is followed already goes on undisturbed.

        Args:
            texts: referring expressions; case and spaces make no difference between two.

        Returns:
            The targets: first those that stay, in their old order, then the new ones.

        Raises:
            CommandError: a text is empty, unprintable or too long, or there are too many; then nothing changes.
        """
        wanted = {text_key(text): text for text in map(check_text, texts)}
        with self._lock:
            targets = [target for target in self._targets if text_key(target.text) in wanted]
            new = wanted.keys() - {text_key(target.text) for target in targets}
            if len(targets) + len(new) > self._max_targets:
                remedy = "" if self._max_targets == MAX_LABEL else " or raise `max_targets`"
                raise CommandError(
                    f"{len(targets) + len(new)} targets would be followed, expected at most {self._max_targets}: "
                    f"remove some first{remedy}"
                )
            for key, text in wanted.items():
                if key in new:
                    self._last_id += 1
                    targets.append(Target(self._last_id, text))
            self._targets = tuple(targets)
            return self._targets

    def add(self, text: str) -> Target:
        """Follow one more thing.

        Args:
            text: the referring expression.

        Returns:
            The new target, or the one that is there already for this text.

        Raises:
            CommandError: as for `follow`.
        """
        key = text_key(check_text(text))
        with self._lock:
            targets = self.follow([*(target.text for target in self._targets), text])
            return next(target for target in targets if text_key(target.text) == key)

    def remove(self, target_id: int) -> Target:
        """Stop following one thing.

        Args:
            target_id: the target's number.

        Returns:
            The target that is gone.

        Raises:
            CommandError: there is no target of this number.
        """
        with self._lock:
            for target in self._targets:
                if target.id == target_id:
                    self._targets = tuple(other for other in self._targets if other is not target)
                    return target
            known = ", ".join(str(target.id) for target in self._targets) or "none, nothing is being followed"
            raise CommandError(f"there is no target {target_id}, expected one of: {known}")

    def clear(self) -> tuple[Target, ...]:
        """Stop following everything.

        Returns:
            The targets that are gone.
        """
        with self._lock:
            gone, self._targets = self._targets, ()
            return gone

    def reset(self) -> None:
        """Forget what past frames showed, keep the targets: for a stream that starts over."""
        with self._lock:
            self._generation += 1

    def step(self, frame: Frame) -> FrameResult:
        """Find every target in the next frame.

        Args:
            frame: the camera image; sizes may change between frames.

        Returns:
            One object per target. Without targets the model does not run.
        """
        return self._step([frame])[0]

    def run(self, frames: Iterable[Frame]) -> Iterator[FrameResult]:
        """Find every target in each frame of a recording, as many frames at once as the model takes.

        Args:
            frames: the camera images, read no further ahead than one step.

        Yields:
            What `step` returns, for each frame in order.
        """
        frames = iter(frames)
        while chunk := list(islice(frames, self._segmenter.frames_per_step)):
            yield from self._step(chunk)

    @torch.inference_mode()
    def _step(self, frames: Sequence[Frame]) -> list[FrameResult]:
        with self._lock:
            targets, generation = self._targets, self._generation
        segmenter, bank, side_px = self._segmenter, self._bank, self._segmenter.image_side_px
        # What is remembered of images of one shape is of no use for those of another.
        height_px, width_px, _ = frames[0].rgb.shape
        size = padded_size(height_px, width_px, side_px, segmenter.image_step_px)
        shape = fitted_size(height_px, width_px, side_px)
        bank.select([(generation, shape, target.id) for target in targets])
        self._texts = {
            target.id: self._texts[target.id]
            if target.id in self._texts
            else segmenter.encode_text(text_key(target.text))
            for target in targets
        }
        if not targets:
            return [predictions_to_result(frame, (), None, side_px) for frame in frames]

        with stage("preprocess"):
            images = torch.cat([rgb_to_input(frame.rgb, size, segmenter.device) for frame in frames])
        with stage("image encoder"):
            encoded = segmenter.encode_images(images)
        with stage("fusion"):
            fused = segmenter.fuse(encoded, list(self._texts.values()), bank.read())
        results = []
        for index, frame in enumerate(frames):
            prediction = segmenter.decode(fused, index, bank.read())
            with stage("remember"):
                bank.write(prediction.remember)
            results.append(predictions_to_result(frame, targets, prediction, side_px))
        return results


def check_text(text: str) -> str:
    """Clean a referring expression.

    Args:
        text: as it came.

    Returns:
        The text, white space folded.

    Raises:
        CommandError: nothing printable is left, or it is longer than MAX_TEXT_CHARS.
    """
    if len(text) > MAX_TEXT_CHARS:
        raise CommandError(
            f"the text has {len(text)} characters, expected at most {MAX_TEXT_CHARS}: describe the object in a sentence"
        )
    cleaned = clean_text(text)
    if not cleaned:
        raise CommandError(f"the text {text[:20]!r} says nothing, expected a description such as 'the red mug'")
    return cleaned
