"""The rules of queues, on an embedded broker with real messages and a real reader."""

from __future__ import annotations

from datetime import timedelta

from celeriac.plan import Pool, Queue
from servers.waiting import eventually

MANY = {
    "queues": {"default": Queue(), "low": Queue()},
    "pools": {"web": Pool(queues=("default",)), "slow": Pool(queues=("low",))},
}


def test_a_queue_with_messages_and_no_reader_is_named_with_its_figures_and_the_pool_to_start(system):
    shop = system(**MANY)
    for _ in range(3):
        shop.send("shop.add", "low")
    (found,) = shop.found("queue-unread")
    assert (found.code, found.level, found.at) == ("DOC-202", "trouble", "queue low")
    assert "3 tasks wait here, and nobody reads the queue" in found.message
    assert (found.facts["ready"], found.facts["readers"]) == (3, 0)
    assert "celeriac worker slow" in found.fix


def test_a_queue_with_messages_and_a_reader_is_no_finding(system):
    shop = system(**MANY)
    shop.send("shop.add", "low")
    shop.read("low")
    assert shop.found("queue-unread") == []


def test_tasks_that_only_wait_for_their_time_count_as_waiting(system):
    shop = system(**MANY)
    shop.send("shop.add", "low", countdown=3600)
    (found,) = shop.found("queue-unread")
    assert (found.facts["ready"], found.facts["delayed"]) == (0, 1)


def test_a_queue_is_late_when_its_oldest_message_has_waited_longer_than_the_plan_asks(system):
    shop = system(
        queues={"default": Queue(max_wait=timedelta(milliseconds=10))},
        pools={"web": Pool(queues=("default",))},
    )
    shop.read("default")
    assert shop.found("queue-late") == []
    shop.send("shop.add", "default")
    (found,) = eventually(lambda: shop.found("queue-late"))
    assert (found.level, found.at) == ("trouble", "queue default")
    assert found.facts["oldest_age_s"] >= found.facts["max_wait_s"] == 0.01
    assert "web" in found.fix


def test_a_queue_without_max_wait_is_never_late(system):
    shop = system(**MANY)
    shop.read("default")
    shop.send("shop.add", "default")
    assert shop.found("queue-late") == []


def test_a_queue_that_nobody_reads_is_told_beside_one_that_is_read(system):
    shop = system(**MANY)
    shop.read("default")
    (found,) = shop.found("queue-unwatched")
    assert (found.level, found.at) == ("advice", "queue low")


def test_a_pool_that_may_have_no_workers_leaves_its_queue_unread_on_purpose(system):
    shop = system(
        **(MANY | {"pools": {"web": Pool(queues=("default",)), "slow": Pool(queues=("low",), replicas=0)}})
    )
    shop.read("default")
    assert shop.found("queue-unwatched") == []


def test_where_nothing_runs_that_alone_is_said(system):
    shop = system(**MANY)
    (found,) = shop.found("nothing-runs")
    assert (found.level, found.fix) == ("advice", "celeriac up")
    assert shop.found("queue-unwatched") == []
    shop.read("default")
    assert shop.found("nothing-runs") == []


def test_letters_that_no_recorder_takes_are_told_by_their_own_rule(system):
    shop = system(**MANY)
    with shop.app.connection_for_write() as connection:
        queue = shop.plan.letters.queue
        connection.SimpleQueue(queue).put({"dead": True})
    assert shop.found("queue-unread") == []
    (found,) = shop.found("letters-unrecorded")
    assert (found.level, found.facts["ready"], found.fix) == ("trouble", 1, "celeriac recorder")


def test_looking_makes_no_file(system, tmp_path):
    shop = system(**MANY)
    examined = shop.examine()
    assert examined.unjudged == ()
    assert [it.rule for it in examined.findings] == ["nothing-runs"]
    assert list(tmp_path.iterdir()) == []
