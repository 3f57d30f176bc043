"""What steers a worker and what it tells, on every executor and transport: verbs, revokes, events, signals, hooks."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from celery.exceptions import TaskRevokedError

from servers.waiting import eventually

WITHIN_S = 60.0


def skip_unless(shop: Any, *abilities: str) -> None:
    missing = set(abilities) - shop.keeps
    if missing:
        pytest.skip(
            f"{shop.executor.name} has no {', '.join(sorted(missing))}: docs/reference/conformance.md"
        )


def told_of(shop: Any, name: str, task_id: str, wanted: set[str]) -> list[str]:
    """Wait until all of `wanted` was told of a task, and give all that was."""
    eventually(lambda: wanted <= set(shop.told(name, task_id)), within=WITHIN_S)
    return list(shop.told(name, task_id))


def test_a_worker_answers_what_it_is_asked(shop: Any) -> None:
    assert shop.inspect("ping") == {"ok": "pong"}
    assert [queue["name"] for queue in shop.inspect("active_queues")] == ["default"]
    assert {"shop.add", "celery.chord"} - {"celery.chord"} <= set(shop.inspect("registered"))
    stats = shop.inspect("stats")
    assert stats["pool"]["max-concurrency"] == shop.slots
    assert stats["pid"] == shop.worker.pid
    assert shop.inspect("conf")["worker_eta_task_limit"] == 2
    assert shop.inspect("clock")["clock"] > 0
    assert "ok" in shop.inspect("report")
    assert shop.inspect("query_task", "no-such-task") == {}
    before = shop.inspect("stats")["total"].get("shop.add", 0)
    assert shop.send("add", 1, 1).get(timeout=WITHIN_S) == 2
    eventually(lambda: shop.inspect("stats")["total"]["shop.add"] == before + 1, within=WITHIN_S)


def test_a_worker_tells_what_it_runs(shop: Any) -> None:
    if "parallel" not in shop.keeps:
        pytest.skip("a solo worker cannot answer while it runs a task: docs/reference/conformance.md")
    key = shop.key()
    result = shop.send("hold", key, 5)
    shop.wait_until_running(key)
    (running,) = eventually(lambda: shop.inspect("active"), within=WITHIN_S)
    assert (running["id"], running["name"], running["args"]) == (result.id, "shop.hold", [key, 5])
    assert running["delivery_info"]["routing_key"] == "default"
    assert running["time_start"]
    assert shop.inspect("query_task", result.id)[result.id][0] == "active"
    shop.end(key)
    assert result.get(timeout=WITHIN_S) == 5
    eventually(lambda: shop.inspect("active") == [], within=WITHIN_S)


def test_a_worker_reads_another_queue_for_as_long_as_it_is_told(shop: Any) -> None:
    assert "ok" in shop.control("add_consumer", "spare")
    assert shop.send("about", queue="spare").get(timeout=WITHIN_S)["queue"] == "spare"
    assert "ok" in shop.control("cancel_consumer", "spare")
    eventually(
        lambda: [queue["name"] for queue in shop.inspect("active_queues")] == ["default"], within=WITHIN_S
    )
    left = shop.send("add", 1, 1, queue="spare")
    assert shop.send("add", 2, 2).get(timeout=WITHIN_S) == 4
    assert left.state == "PENDING"
    with shop.app.connection_for_write() as connection:
        assert connection.default_channel.queue_purge("spare") == 1


def test_slots_are_added_and_taken(shop: Any) -> None:
    skip_unless(shop, "parallel")
    if shop.executor.name == "threads":
        pytest.skip("Celery's threads cannot grow: docs/reference/conformance.md")
    assert "ok" in shop.control("pool_grow", 1)
    key, more = shop.key(), shop.slots + 1
    sent = [shop.send("meet", key, number, more) for number in range(more)]
    assert [each.get(timeout=WITHIN_S) for each in sent]
    assert "ok" in shop.control("pool_shrink", 1)
    eventually(lambda: shop.inspect("stats")["prefetch_count"] == shop.slots, within=WITHIN_S)


def test_limits_are_changed_while_the_worker_runs(shop: Any) -> None:
    assert "ok" in shop.control("rate_limit", "shop.give", "100/m")
    assert "shop.give [rate_limit=100/m]" in shop.inspect("registered", "rate_limit")
    assert "ok" in shop.control("rate_limit", "shop.give", "0")
    assert "ok" in shop.control("time_limit", "shop.give", 60, 50)
    assert "error" in shop.control("rate_limit", "shop.nobody", "1/s")


def test_a_rate_limit_spaces_tasks_out(shop: Any) -> None:
    sent = [shop.send("tick") for _ in range(6)]
    moments = sorted(each.get(timeout=WITHIN_S) for each in sent)
    assert moments[-1] - moments[0] >= 0.35  # a tenth of a second for each but the first two


def test_a_task_revoked_before_its_time_is_not_run(shop: Any) -> None:
    result = shop.send("again", 0, countdown=1.0)
    result.revoke()
    eventually(lambda: result.id in shop.inspect("revoked"), within=WITHIN_S)
    with pytest.raises(TaskRevokedError):
        result.get(timeout=WITHIN_S)
    assert shop.runs(result.id) == 0
    assert told_of(shop, "signals", result.id, {"task_revoked"}).count("task_revoked") == 1
    eventually(lambda: "task-revoked" in shop.events.of(result.id), within=WITHIN_S)
    assert shop.letters_of(result.id) == []


def test_tasks_are_revoked_by_their_stamp(shop: Any) -> None:
    key = shop.key()
    stamped = shop.sig("again", 0)
    stamped.stamp(batch=key)
    result = stamped.apply_async(countdown=1.0)
    shop.app.control.revoke_by_stamped_headers({"batch": [key]})
    with pytest.raises(TaskRevokedError):
        result.get(timeout=WITHIN_S)
    assert shop.runs(result.id) == 0


def test_a_running_task_is_ended_by_a_revoke_that_terminates(shop: Any) -> None:
    skip_unless(shop, "terminate")
    key = shop.key()
    result = shop.send("overlong", key)
    shop.wait_until_running(key)
    eventually(lambda: shop.inspect("active"), within=WITHIN_S)
    result.revoke(terminate=True)
    with pytest.raises(TaskRevokedError):
        result.get(timeout=WITHIN_S)
    eventually(shop.is_idle, within=WITHIN_S)
    assert shop.send("add", 1, 1).get(timeout=WITHIN_S) == 2
    assert shop.letters_of(result.id) == []


def _has_told_once(shop: Any, task_id: str, type_: str) -> bool:
    return bool(shop.events.of(task_id).count(type_) == 1)


def _has_told(shop: Any, task_id: str, types: list[str]) -> bool:
    return sorted(shop.events.of(task_id)) == sorted(types)


def test_events_tell_the_whole_way_of_a_task(shop: Any) -> None:
    done = shop.send("add", 1, 1)
    failed = shop.send("fail")
    retried = shop.send("again", 1)
    wanted = {
        done.id: ["task-sent", "task-received", "task-started", "task-succeeded"],
        failed.id: ["task-sent", "task-received", "task-started", "task-failed"],
    }
    for task_id, types in wanted.items():
        eventually(partial(_has_told, shop, task_id, types), within=WITHIN_S)
    # On prefork the process that retries may tell so after another has run the task again.
    for type_ in ("task-succeeded", "task-retried"):
        eventually(partial(_has_told_once, shop, retried.id, type_), within=WITHIN_S)
    assert shop.events.of(retried.id).count("task-started") == 2


def test_the_worker_sends_its_heartbeat_while_it_lives(shop: Any) -> None:
    since = len(shop.events.seen)
    eventually(
        lambda: any(
            each["type"] == "worker-heartbeat" and each["hostname"] == shop.node
            for each in shop.events.seen[since:]
        ),
        within=WITHIN_S,
    )


def test_signals_tell_of_a_task_that_succeeds(shop: Any) -> None:
    result = shop.send("add", 1, 1)
    told = told_of(shop, "signals", result.id, {"task_received", "task_postrun"})
    assert sorted(told) == sorted(["task_received", "task_prerun", "task_success", "task_postrun"])


def test_signals_tell_of_a_task_that_fails_and_of_one_that_is_retried(shop: Any) -> None:
    failed = shop.send("fail")
    told = told_of(shop, "signals", failed.id, {"task_received", "task_postrun"})
    assert sorted(told) == sorted(["task_received", "task_prerun", "task_failure", "task_postrun"])
    retried = shop.send("again", 1)
    assert retried.get(timeout=WITHIN_S) == 1
    told = told_of(shop, "signals", retried.id, {"task_success", "task_retry"})
    eventually(lambda: shop.told("signals", retried.id).count("task_postrun") == 2, within=WITHIN_S)
    assert told.count("task_retry") == 1
    # The worker itself publishes the retry.
    assert {"before_task_publish", "after_task_publish"} <= set(told)


def test_signals_tell_of_tasks_that_nobody_knows_or_can_read(shop: Any) -> None:
    unknown = shop.send("nobody")
    told_of(shop, "signals", unknown.id, {"task_unknown"})
    assert shop.letter_of(unknown.id).reason == "unknown-task"
    with shop.app.amqp.producer_pool.acquire(block=True) as producer:
        producer.publish({"no": "task"}, routing_key="default", exchange="", serializer="json")
    eventually(lambda: any(words[0] == "task_rejected" for words in shop.lines("signals")), within=WITHIN_S)
    assert shop.send("add", 1, 1).get(timeout=WITHIN_S) == 2


def test_signals_tell_of_the_workers_start(shop: Any) -> None:
    once = ["celeryd_init", "celeryd_after_setup", "worker_init", "worker_ready"]
    told = [words[0] for words in shop.lines("signals")]
    assert [told.count(name) for name in once] == [1] * len(once)
    if shop.executor.name == "prefork":
        assert told.count("worker_process_init") >= shop.slots


def test_the_hooks_of_a_base_class_are_called_once_each(shop: Any) -> None:
    done = shop.send("hooked")
    assert done.get(timeout=WITHIN_S) == "done"
    told = told_of(shop, "hooks", done.id, {"after_return:SUCCESS"})
    assert sorted(told) == sorted(["before_start", "on_success", "after_return:SUCCESS"])
    failed = shop.sig("hooked", fails=True).apply_async()
    with pytest.raises(ValueError, match="hooked"):
        failed.get(timeout=WITHIN_S)
    # Celery calls `on_retry` once the retry is sent, when another process may have ended it.
    told = told_of(shop, "hooks", failed.id, {"on_retry", "after_return:FAILURE"})
    assert sorted(told) == sorted(
        [
            "before_start",
            "on_retry",
            "before_start",
            "on_failure",
            "after_return:FAILURE",
        ]
    )


@pytest.mark.parametrize("name", ["requested", "requested_here"])
def test_a_request_class_of_the_project_is_asked_at_every_turn(shop: Any, name: str) -> None:
    done, failed, retried = (shop.send(name, how) for how in ("done", "fail", "retry"))
    assert done.get(timeout=WITHIN_S) == "done"
    assert retried.get(timeout=WITHIN_S) == "retry"
    with pytest.raises(ValueError, match="as told"):
        failed.get(timeout=WITHIN_S)
    assert sorted(told_of(shop, "requests", done.id, {"acked"})) == ["accepted", "acked"]
    assert sorted(told_of(shop, "requests", failed.id, {"acked"})) == ["accepted", "acked", "failed"]
    eventually(lambda: shop.told("requests", retried.id).count("acked") == 2, within=WITHIN_S)
    assert sorted(shop.told("requests", retried.id)) == [
        *("accepted", "accepted", "acked", "acked", "failed", "retried"),
    ]


def test_the_worker_is_idle_again_after_all_of_this(shop: Any) -> None:
    eventually(shop.is_idle, within=WITHIN_S, every=0.2)
    assert shop.inspect("reserved") == []
