"""What a demo leaves behind: overlay video, contact sheet, `summary.json`, a table, and a verdict. `demo` fills it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from samwise_ros.data.video import VideoWriter
from samwise_ros.errors import ConfigError
from samwise_ros.evaluation.jf import region_similarity
from samwise_ros.ros.contact_sheet import ContactSheet
from samwise_ros.ros.recorder import Record

FILES = ("overlay.mp4", "contact_sheet.png", "summary.json")
"""What a demo leaves in its folder, where it got so far."""

MIN_MEAN_J = 0.5
"""A demo in a world whose truth is known fails below this."""


@dataclass(frozen=True)
class Part:
    """A stretch of the film during which one command holds.

    Attributes:
        text: the referring expression.
        start: number of the first frame.
        stop: one past the last frame.
        object_index: what it truly refers to, as a value of the truth; 0 for nothing; None where that is not known.
    """

    text: str
    start: int
    stop: int
    object_index: int | None


@dataclass(frozen=True)
class PartSummary:
    """How one command went.

    Attributes:
        text: the referring expression.
        results: how many results answer it.
        mean_j: mean Jaccard index J with the truth, 0..1; None without truth or result.
    """

    text: str
    results: int
    mean_j: float | None


@dataclass(frozen=True)
class Summary:
    """How a demo went.

    Attributes:
        model: the preset.
        device: where the model ran.
        frames_published: images that the camera published.
        results: images that were answered.
        dropped: images that were not, because a newer one was there.
        latency_p50_ms: median time from an image's stamp to the arrival of its objects; None without a result.
        latency_p99_ms: 99th percentile of it.
        parts: one per command, in order.
    """

    model: str
    device: str
    frames_published: int
    results: int
    dropped: int
    latency_p50_ms: float | None
    latency_p99_ms: float | None
    parts: tuple[PartSummary, ...]


class Report:
    """Takes one record after the other and keeps numbers of them, and a few small pictures.

    Args:
        folder: where FILES go; made where it is missing, those of an earlier demo are removed.
        parts: the commands, in order.
        rate_hz: frames per second of the overlay video.

    Raises:
        ConfigError: the folder cannot be written to.
    """

    def __init__(self, folder: Path, parts: tuple[Part, ...], rate_hz: float) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name in FILES:
                (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise _refused(folder, error) from error
        self._folder = folder
        self._parts = parts
        self._video = VideoWriter(folder / "overlay.mp4", rate_hz)
        self._sheet = ContactSheet([(part.start, part.stop) for part in parts])
        self._latencies_s: list[float] = []
        self._answers = dict.fromkeys((part.text for part in parts), 0)
        self._js: dict[str, list[float]] = {part.text: [] for part in parts}

    def add(self, record: Record) -> None:
        """Take one image and its results; each result is measured against what its own text refers to."""
        self._video.write(record.overlay)
        self._sheet.add(record.number, record.overlay)
        self._latencies_s.append(record.latency_s)
        index_of = {part.text: part.object_index for part in self._parts}
        for label, text in enumerate(record.texts, start=1):
            if text in index_of:
                self._answers[text] += 1
                index = index_of[text]
                if index is not None and record.truth is not None:
                    truth = (record.truth == index) & (index > 0)
                    self._js[text].append(region_similarity(record.labels == label, truth))

    def finish(self, model: str, device: str, frames_published: int) -> Summary:
        """Complete the files.

        Args:
            model: the preset.
            device: where the model ran.
            frames_published: images that the camera published.

        Returns:
            The numbers, which are in `summary.json` too.

        Raises:
            ConfigError: the files cannot be written.
        """
        results = len(self._latencies_s)
        p50, p99 = np.percentile(self._latencies_s, (50, 99)) * 1e3 if results else (None, None)
        parts = tuple(
            PartSummary(part.text, self._answers[part.text], _mean(self._js[part.text])) for part in self._parts
        )
        summary = Summary(
            model=model,
            device=device,
            frames_published=frames_published,
            results=results,
            dropped=frames_published - results,
            latency_p50_ms=None if p50 is None else round(float(p50), 1),
            latency_p99_ms=None if p99 is None else round(float(p99), 1),
            parts=parts,
        )
        self.close()
        try:
            self._sheet.save(self._folder / "contact_sheet.png", [_title(part) for part in parts])
            (self._folder / "summary.json").write_text(json.dumps(asdict(summary), indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise _refused(self._folder, error) from error
        return summary

    def close(self) -> None:
        """Complete the overlay video. Closing twice does no harm."""
        self._video.close()


def table(summary: Summary) -> str:
    """Write a summary for people to read, one line per number."""
    lines = [
        ("model", f"{summary.model} on {summary.device}"),
        ("frames published", str(summary.frames_published)),
        ("results", str(summary.results)),
        ("dropped", str(summary.dropped)),
        ("latency p50 / p99", f"{_show(summary.latency_p50_ms)} / {_show(summary.latency_p99_ms)} ms"),
    ]
    for part in summary.parts:
        agreement = "no truth to compare with" if part.mean_j is None else f"mean J {part.mean_j}"
        lines.append((f'"{part.text}"', f"{agreement}, {part.results} results"))
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"  {name:<{width}}  {value}" for name, value in lines)


def verdict(summary: Summary, fault: str) -> str:
    """Judge a demo.

    Args:
        summary: its numbers.
        fault: what `Recorder` found wrong with headers.

    Returns:
        Why it failed, as a sentence; empty if it did not.
    """
    if fault:
        return f"a header was wrong: {fault}"
    if summary.results == 0:
        return f"no mask came for {summary.frames_published} published images: see the node's messages above"
    for part in summary.parts:
        if part.results == 0:
            return f'no result answers "{part.text}": see the node\'s messages above'
        if part.mean_j is not None and part.mean_j < MIN_MEAN_J:
            return f'mean J of "{part.text}" is {part.mean_j:.2f}, expected {MIN_MEAN_J} or more: see the contact sheet'
    return ""


def _refused(folder: Path, error: OSError) -> ConfigError:
    return ConfigError(f"'{folder}' cannot take the results ({error.strerror}): make room or name another folder")


def _mean(values: list[float]) -> float | None:
    return round(float(np.mean(values)), 3) if values else None


def _title(part: PartSummary) -> str:
    return f'"{part.text}"' + ("" if part.mean_j is None else f"   mean J {part.mean_j:.2f}")


def _show(value: float | None) -> str:
    return "unknown" if value is None else str(value)
