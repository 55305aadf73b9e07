"""A ROS domain that nobody else uses, on this machine alone. `demo`, `bench` and the tests keep their graphs in it."""

from __future__ import annotations

import contextlib
import os
import random
import socket
from collections.abc import Iterator

from samwise_ros.errors import ConfigError

_PORT = 32768
"""ROS's own test tools reserve domain N by holding TCP port 32768 + N; so does this."""


def stay_here() -> None:
    """Keep ROS's traffic of this process, and of those that it starts, on this machine."""
    if os.environ.get("ROS_DISTRO") == "humble":
        # It knows an older name alone, beside which a profile of Fast DDS would have its own network.
        os.environ["ROS_LOCALHOST_ONLY"] = "1"
        os.environ.pop("FASTRTPS_DEFAULT_PROFILES_FILE", None)
    else:
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"


@contextlib.contextmanager
def reserve_domain_id() -> Iterator[int]:
    """Hold a free domain for as long as the context lasts.

    Yields:
        The domain's id, 1..100.

    Raises:
        ConfigError: none is free.
    """
    for domain_id in random.sample(range(1, 101), 100):
        with socket.socket() as reservation:
            try:
                reservation.bind(("127.0.0.1", _PORT + domain_id))
            except OSError:
                continue
            yield domain_id
            return
    raise ConfigError("every ROS domain from 1 to 100 is in use on this machine: end other demos or tests first")
