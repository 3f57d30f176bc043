"""The delays before a process is started again."""

from datetime import timedelta

from celeriac.supervise.backoff import CAP, FIRST, HEALTHY, Backoff


def test_delays_double_up_to_the_cap():
    backoff = Backoff()
    delays = [backoff.after(timedelta(seconds=1)) for _ in range(9)]
    assert delays[:4] == [FIRST, FIRST * 2, FIRST * 4, FIRST * 8]
    assert delays[-2:] == [CAP, CAP]


def test_a_process_that_was_healthy_starts_again_from_the_first_delay():
    backoff = Backoff()
    for _ in range(6):
        backoff.after(timedelta(seconds=1))
    assert backoff.after(HEALTHY) == FIRST
    assert backoff.failures == 1


def test_failing_for_days_overflows_nothing():
    backoff = Backoff()
    for _ in range(3000):
        assert backoff.after(timedelta()) <= CAP
