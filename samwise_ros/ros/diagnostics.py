"""What `/diagnostics` says about a camera's node: one status, from the numbers and the thresholds. Used by `node`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from samwise_ros.ros.params import NodeParams
from samwise_ros.ros.statistics import WINDOW_S, Latency, Snapshot

if TYPE_CHECKING:
    import torch

ACTIVE = "active"
"""The lifecycle state in which images are answered; in any other one nothing is wrong but a refusal."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the node is doing.

    Attributes:
        node: its full name.
        state: its lifecycle state, "active" for one that answers images.
        refusal: why it could not be configured or activated, or what a transition failed of unexpectedly; empty once
            that has succeeded, or after a cleanup.
        topic: where its images come from.
        model: the preset.
        device: where the model runs.
        targets: what is followed.
        gpu_bytes: what this process holds of the GPU's memory; None where it uses none.
    """

    node: str
    state: str
    refusal: str
    topic: str
    model: str
    device: str
    targets: tuple[str, ...]
    gpu_bytes: int | None


def to_diagnostics(snapshot: Snapshot, params: NodeParams, facts: Facts, stamp: Time) -> DiagnosticArray:
    """Say how a node is doing.

    Args:
        snapshot: how its images were served.
        params: holds the thresholds.
        facts: what it is doing.
        stamp: time of the node's clock.

    Returns:
        One status: OK, or the worst of what is wrong, with all of it in the message.
    """
    faults = list(_faults(snapshot, params, facts.topic)) if facts.state == ACTIVE else []
    if facts.refusal:
        faults = [(DiagnosticStatus.ERROR, facts.refusal)]
    if faults:
        message = "; ".join(text for _, text in faults)
    elif facts.state == ACTIVE:
        message = _served(snapshot)
    else:
        message = f"{facts.state}: no image is answered until the node is active"
    status = DiagnosticStatus(
        level=max((level for level, _ in faults), default=DiagnosticStatus.OK),
        name=f"{facts.node}: tracking",
        message=message,
        hardware_id=facts.device,
        values=[KeyValue(key=key, value=value) for key, value in _values(snapshot, facts)],
    )
    return DiagnosticArray(header=Header(stamp=stamp), status=[status])


def gpu_memory_bytes(device: torch.device) -> int | None:
    """What this process holds of a GPU's memory for tensors, those that are kept for reuse included.

    Args:
        device: where the model runs.

    Returns:
        Bytes; None where that is no CUDA device.
    """
    if device.type != "cuda":
        return None
    import torch  # here, since it takes seconds to load; who has a device has loaded it

    return torch.cuda.memory_reserved(device)


def _faults(snapshot: Snapshot, params: NodeParams, topic: str) -> Iterator[tuple[bytes, str]]:
    if snapshot.silent_s > params.no_image_timeout_s:
        yield DiagnosticStatus.ERROR, f"no image for {snapshot.silent_s:.1f} s on {topic}"
        return  # all else follows from it
    if snapshot.waiting_s * 1e3 > params.error_latency_ms:
        yield DiagnosticStatus.ERROR, f"no answer for {snapshot.waiting_s:.1f} s although images come"
    if snapshot.failed_hz:
        yield (
            DiagnosticStatus.WARN if snapshot.answered_hz else DiagnosticStatus.ERROR,
            f"{snapshot.failed_hz:.1f} of {snapshot.received_hz:.1f} images per second are not usable: "
            f"{snapshot.last_failure}",
        )
    if snapshot.age_s >= WINDOW_S and snapshot.answered_hz < params.warn_rate_hz:
        yield DiagnosticStatus.WARN, f"{_served(snapshot)}, expected {params.warn_rate_hz:g} or more"
    yield from _slowness(snapshot, params)


def _slowness(snapshot: Snapshot, params: NodeParams) -> Iterator[tuple[bytes, str]]:
    # The stamp is what a robot acts on; without one, the receipt is the next best.
    since = "receipt" if snapshot.from_stamp is None else "stamp"
    latency = snapshot.from_stamp or snapshot.from_receipt
    if latency is None:
        return
    for level, limit_ms in (
        (DiagnosticStatus.ERROR, params.error_latency_ms),
        (DiagnosticStatus.WARN, params.warn_latency_ms),
    ):
        if latency.p99_ms > limit_ms:
            yield (
                level,
                f"{latency.p99_ms:.0f} ms from an image's {since} to its answer (99th percentile), expected at most "
                f"{limit_ms:.0f} ms",
            )
            return


def _served(snapshot: Snapshot) -> str:
    return f"{snapshot.answered_hz:.1f} of {snapshot.received_hz:.1f} images answered per second"


def _values(snapshot: Snapshot, facts: Facts) -> Iterator[tuple[str, str]]:
    yield "state", facts.state
    yield "model", facts.model
    yield "device", facts.device
    yield "GPU memory (MB)", "none" if facts.gpu_bytes is None else f"{facts.gpu_bytes / 1e6:.0f}"
    yield "targets", "; ".join(facts.targets) or "none"
    yield "images from", facts.topic
    yield "images received", str(snapshot.received)
    yield "images answered", str(snapshot.answered)
    yield "images dropped for newer ones", str(snapshot.dropped)
    yield "images not usable", str(snapshot.failed)
    yield "received per second", f"{snapshot.received_hz:.1f}"
    yield "answered per second", f"{snapshot.answered_hz:.1f}"
    yield "latency from stamp, p50 / p99 (ms)", _show(snapshot.from_stamp)
    yield "latency from receipt, p50 / p99 (ms)", _show(snapshot.from_receipt)
    yield "last unusable image", snapshot.last_failure or "none"


def _show(latency: Latency | None) -> str:
    return "unknown" if latency is None else f"{latency.p50_ms:.1f} / {latency.p99_ms:.1f}"
