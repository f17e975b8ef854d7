"""Token buckets, with a fake clock."""

from hypothesis import given
from hypothesis import strategies as st

from lamella.server.access import rates
from lamella.server.access.rates import Rate


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.floats(0, 3), max_size=60))
def test_no_more_than_the_burst_and_the_rate_get_through(pauses: list[float]) -> None:
    clock = Clock()
    rate = Rate(2, 5, clock)
    granted = 0
    for pause in pauses:
        clock.now += pause
        granted += rate.take("a") == 0
        assert granted <= 5 + 2 * clock.now + 1e-6


def test_who_waits_as_long_as_told_gets_through() -> None:
    clock = Clock()
    rate = Rate(0.2, 1, clock)
    assert rate.take("a") == 0
    clock.now += rate.take("a") + 1e-9
    assert rate.take("a") == 0


def test_clients_do_not_wait_for_each_other() -> None:
    rate = Rate(1, 1, Clock())
    assert rate.take("a") == 0
    assert rate.take("a") == 1
    assert rate.take("b") == 0


def test_what_is_given_back_was_not_taken_and_no_more() -> None:
    rate = Rate(1, 1, Clock())
    rate.take("a")
    rate.give_back("a")
    rate.give_back("a")
    assert rate.take("a") == 0
    assert rate.take("a") == 1


def test_memory_stays_flat() -> None:
    rate = Rate(1, 1, Clock())
    for i in range(rates._MOST_CLIENTS * 2):
        rate.take(str(i))
    assert len(rate._clients) == rates._MOST_CLIENTS
