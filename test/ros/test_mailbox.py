import threading

from samwise_ros.ros.mailbox import Mailbox


def test_newest_wins_and_the_older_is_counted():
    mailbox: Mailbox[str] = Mailbox()
    for item in ("first", "second", "third"):
        mailbox.put(item)
    assert mailbox.take() == "third"
    assert mailbox.dropped == 2


def test_take_waits_for_an_item():
    mailbox: Mailbox[str] = Mailbox()
    taken: list[str | None] = []
    taker = threading.Thread(target=lambda: taken.append(mailbox.take()))
    taker.start()
    taker.join(0.05)
    assert taker.is_alive()
    mailbox.put("late")
    taker.join(5)
    assert taken == ["late"]
    assert mailbox.dropped == 0


def test_close_ends_a_waiting_take_and_every_later_one():
    mailbox: Mailbox[str] = Mailbox()
    taken: list[str | None] = []
    taker = threading.Thread(target=lambda: taken.append(mailbox.take()))
    taker.start()
    mailbox.close()
    taker.join(5)
    assert taken == [None]
    assert mailbox.take() is None


def test_what_is_left_or_comes_after_close_counts_as_dropped():
    mailbox: Mailbox[str] = Mailbox()
    mailbox.put("left")
    mailbox.close()
    mailbox.close()
    mailbox.put("late")
    assert mailbox.take() is None
    assert mailbox.dropped == 2
