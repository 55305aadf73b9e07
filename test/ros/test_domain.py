import socket

import pytest

from samwise_ros.errors import ConfigError
from samwise_ros.ros import domain
from samwise_ros.ros.domain import reserve_domain_id


def test_two_reservations_differ_and_come_back():
    with reserve_domain_id() as first, reserve_domain_id() as second:
        assert first != second
        assert {first, second} <= set(range(1, 101))


def test_no_free_domain_is_one_clear_sentence(monkeypatch):
    with reserve_domain_id() as only:
        monkeypatch.setattr(domain.random, "sample", lambda *_: [only])
        with pytest.raises(ConfigError, match="every ROS domain from 1 to 100 is in use"), reserve_domain_id():
            pass


def test_a_reservation_holds_the_port_that_ros_test_tools_hold():
    with reserve_domain_id() as domain_id, socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", 32768 + domain_id))
