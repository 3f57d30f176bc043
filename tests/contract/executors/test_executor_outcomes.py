"""How tasks end, on every executor and transport: results, retries, refusals, limits, letters."""

from __future__ import annotations

import time
from typing import Any

import pytest
from celery.contrib.abortable import AbortableAsyncResult
from celery.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded
from celery.result import ResultSet, result_from_tuple

from servers.waiting import eventually

WITHIN_S = 60.0


def skip_unless(shop: Any, *abilities: str) -> None:
    missing = set(abilities) - shop.keeps
    if missing:
        pytest.skip(
            f"{shop.executor.name} has no {', '.join(sorted(missing))}: docs/reference/conformance.md"
        )


def test_a_result_says_what_ran_where_and_when(shop: Any) -> None:
    result = shop.send("add", 2, 3)
    assert result.get(timeout=WITHIN_S) == 5
    assert (result.state, result.successful(), result.failed(), result.ready()) == (
        "SUCCESS",
        True,
        False,
        True,
    )
    assert (result.name, result.args, result.worker, result.retries) == ("shop.add", [2, 3], shop.node, 0)
    assert result.queue == "default"
    assert result.date_done is not None


@pytest.mark.parametrize("value", [None, "ü" * 5000, [1, {"a": [None, 2.5]}], {"n": 2**60}, True], ids=type)
def test_a_value_comes_back_as_it_was(shop: Any, value: Any) -> None:
    assert shop.send("give", value).get(timeout=WITHIN_S) == value


def test_a_failure_is_raised_where_its_result_is_asked_for(shop: Any) -> None:
    result = shop.send("fail", "out of", "stock")
    with pytest.raises(ValueError, match="out of") as raised:
        result.get(timeout=WITHIN_S)
    assert raised.value.args == ("out of", "stock")
    assert "raise ValueError" in result.traceback
    assert shop.letter_of(result.id).reason == "failed"


def test_an_exception_that_the_sender_does_not_know_keeps_its_name_and_arguments(shop: Any) -> None:
    result = shop.send("fail_own", 7)
    failure = result.get(timeout=WITHIN_S, propagate=False)
    assert (type(failure).__name__, failure.args) == ("TooFar", ("beyond", 7))


def test_plain_functions_run_on_every_executor(shop: Any) -> None:
    assert shop.send("plain_add", 1, 2).get(timeout=WITHIN_S) == 3


def test_tasks_of_a_worker_run_at_once(shop: Any) -> None:
    skip_unless(shop, "parallel")
    key = shop.key()
    sent = [shop.send("meet", key, number, shop.slots) for number in range(shop.slots)]
    assert [each.get(timeout=WITHIN_S) for each in sent]


def test_results_are_joined_iterated_forgotten_and_rebuilt(shop: Any) -> None:
    sent = [shop.send("add", n, n) for n in range(4)]
    assert ResultSet(sent, app=shop.app).join(timeout=WITHIN_S) == [0, 2, 4, 6]
    assert {value["result"] for _, value in ResultSet(sent, app=shop.app).iter_native(timeout=WITHIN_S)} == {
        0,
        2,
        4,
        6,
    }
    again = result_from_tuple(sent[3].as_tuple(), app=shop.app)
    assert again.get(timeout=WITHIN_S) == 6
    again.forget()
    assert shop.app.AsyncResult(sent[3].id).state == "PENDING"


def test_an_ignored_result_is_not_stored_and_its_failure_is_where_that_was_asked_for(shop: Any) -> None:
    key = shop.key()
    ignored = shop.send("silent", key)
    eventually(lambda: ["silent", key] in shop.lines("recorded"), within=WITHIN_S)
    assert shop.send("give", 1, ignore_result=True).state == "PENDING"
    failed = shop.send("silent_failure")
    kept = shop.app.AsyncResult(failed.id)
    eventually(lambda: kept.state == "FAILURE", within=WITHIN_S)
    assert shop.app.AsyncResult(ignored.id).state == "PENDING"


def test_a_running_task_shows_its_state_and_its_progress(shop: Any) -> None:
    key = shop.key()
    result = shop.send("progress", key)
    shop.wait_until_running(key)
    eventually(lambda: result.state == "PROGRESS" and result.info == {"done": 3, "of": 7}, within=WITHIN_S)
    shop.end(key)
    assert result.get(timeout=WITHIN_S) == "whole"
    held = shop.key()
    tracked = shop.send("hold", held)
    eventually(lambda: tracked.state == "STARTED", within=WITHIN_S)
    shop.end(held)
    tracked.get(timeout=WITHIN_S)


def test_a_retry_runs_the_same_task_again_after_its_countdown(shop: Any) -> None:
    result = shop.send("again", 3)
    assert result.get(timeout=WITHIN_S) == 3
    assert shop.runs(result.id) == 4
    begun = time.monotonic()
    assert shop.send("again", 1, 0.5).get(timeout=WITHIN_S) == 1
    assert time.monotonic() - begun >= 0.5


def test_a_task_out_of_retries_raises_what_it_failed_with_and_leaves_one_letter(shop: Any) -> None:
    result = shop.send("spent")
    with pytest.raises(KeyError, match="spent"):
        result.get(timeout=WITHIN_S)
    assert shop.runs(result.id) == 3
    assert shop.letter_of(result.id).attempts == 3
    assert len(shop.letters_of(result.id)) == 1


def test_autoretry_retries_what_it_names(shop: Any) -> None:
    assert shop.send("auto", 2).get(timeout=WITHIN_S) == 2
    with pytest.raises(OSError, match="again"):
        shop.send("auto", 9).get(timeout=WITHIN_S)


def test_an_ignored_task_has_no_outcome_and_no_letter_and_is_done(shop: Any) -> None:
    result = shop.send("ignore")
    eventually(lambda: shop.runs(result.id) == 1, within=WITHIN_S)
    eventually(shop.is_idle, within=WITHIN_S)
    assert (result.state in {"STARTED", "PENDING", "IGNORED"}, shop.letters_of(result.id)) == (True, [])
    assert shop.runs(result.id) == 1


def test_a_rejected_task_comes_again_if_it_was_requeued_and_is_a_letter_if_not(shop: Any) -> None:
    requeued = shop.send("reject", True)
    assert requeued.get(timeout=WITHIN_S) == "the second time"
    assert shop.runs(requeued.id) == 2
    dropped = shop.send("reject", False)
    assert shop.letter_of(dropped.id).reason == "rejected"
    assert shop.runs(dropped.id) == 1


def test_a_task_that_takes_too_much_memory_is_set_aside_after_its_deliveries(shop: Any) -> None:
    result = shop.send("too_big")
    assert shop.letter_of(result.id).reason == "poison"
    assert shop.runs(result.id) == 2
    assert shop.send("add", 1, 1).get(timeout=WITHIN_S) == 2


def test_a_task_that_kills_its_process_is_set_aside_after_its_deliveries(shop: Any) -> None:
    skip_unless(shop, "crash")
    result = shop.send("die")
    assert shop.letter_of(result.id).reason == "poison"
    assert shop.runs(result.id) == 2
    assert shop.send("add", 1, 1).get(timeout=WITHIN_S) == 2


def test_a_soft_limit_is_raised_in_the_task_which_may_tidy_up(shop: Any) -> None:
    skip_unless(shop, "soft")
    key = shop.key()
    assert shop.send("softly", key).get(timeout=WITHIN_S) == "tidied"
    assert (shop.folder / f"tidied-{key}").exists()
    with pytest.raises(SoftTimeLimitExceeded):
        shop.send("overlong", shop.key(), soft_time_limit=0.3).get(timeout=WITHIN_S)


def test_a_hard_limit_ends_the_task_as_a_failure_and_a_letter(shop: Any) -> None:
    skip_unless(shop, "hard")
    result = shop.send("overlong", shop.key(), time_limit=1)
    with pytest.raises(TimeLimitExceeded):
        result.get(timeout=WITHIN_S)
    assert shop.letter_of(result.id).reason == "timeout"
    assert shop.send("add", 1, 1).get(timeout=WITHIN_S) == 2


def test_a_task_waits_for_its_countdown_at_the_broker_however_many_do(shop: Any) -> None:
    begun = time.monotonic()
    sent = [shop.send("add", n, n, countdown=1.0) for n in range(6)]  # more than worker_eta_task_limit
    assert shop.inspect("scheduled") == []
    assert [each.get(timeout=WITHIN_S) for each in sent] == [0, 2, 4, 6, 8, 10]
    assert time.monotonic() - begun >= 1.0
    assert shop.inspect("stats")["prefetch_count"] == shop.slots, "none of them has cost a slot"


def test_a_task_past_its_expiry_is_revoked_and_not_run(shop: Any) -> None:
    result = shop.send("again", 0, countdown=0.5, expires=0.1)
    eventually(lambda: result.state == "REVOKED", within=WITHIN_S)
    assert shop.runs(result.id) == 0
    assert shop.send("about", expires=60).get(timeout=WITHIN_S)["expires"] is True


def test_a_late_ack_holds_the_message_while_it_runs_and_an_early_one_does_not(shop: Any) -> None:
    if "parallel" not in shop.keeps:
        pytest.skip("a solo worker cannot answer while it runs a task: docs/reference/conformance.md")
    late, early = shop.key(), shop.key()
    sent = [shop.send("hold", late), shop.send("hold_early", early)]
    for key in (late, early):
        shop.wait_until_running(key)
    acked = {each["id"]: each["acknowledged"] for each in shop.inspect("active")}
    assert acked == {sent[0].id: False, sent[1].id: True}
    for key in (late, early):
        shop.end(key)
    for each in sent:
        each.get(timeout=WITHIN_S)


def test_the_bigger_priority_goes_first_when_slots_are_free_again(shop: Any) -> None:
    key = shop.key()
    holding = [shop.send("hold", key) for _ in range(shop.slots)]
    shop.wait_until_running(key)
    if shop.executor.name != "solo":  # which answers nobody meanwhile, and has one slot
        wanted_ids = {each.id for each in holding}
        eventually(lambda: {each["id"] for each in shop.inspect("active")} == wanted_ids, within=WITHIN_S)
    sent = []
    for _ in range(8):
        for priority in (1, 8):
            # Longer than a worker keeps to itself what it has fetched ahead.
            sent.append((priority, shop.send("last", 0.3, priority=priority)))
    shop.end(key)
    for result in (*holding, *(each for _, each in sent)):
        result.get(timeout=WITHIN_S)
    order = [line[0] for line in shop.lines("runs")]
    places = {
        wanted: [order.index(each.id) for priority, each in sent if priority == wanted] for wanted in (1, 8)
    }
    # Without priorities these would be later, having been sent later; what a slot had begun keeps its turn.
    assert sum(places[8]) < sum(places[1])


def test_a_task_reads_its_request(shop: Any) -> None:
    told = shop.send("about", 1, priority=4, shadow="disguise", time_limit=100, soft_time_limit=90)
    about = told.get(timeout=WITHIN_S)
    assert about["id"] == about["current"] == about["root"] == told.id
    assert (about["args"], about["kwargs"], about["parent"], about["retries"]) == ([1], {}, None, 0)
    assert (about["priority"], about["queue"], about["shadow"], about["eager"]) == (
        4,
        "default",
        "disguise",
        False,
    )
    assert about["limits"] == [100, 90]


def test_an_abortable_task_hears_that_it_is_to_end(shop: Any) -> None:
    if "parallel" not in shop.keeps and shop.executor.name != "solo":
        pytest.skip("needs a second slot")
    key = shop.key()
    result = AbortableAsyncResult(shop.send("abortable", key).id, app=shop.app)
    shop.wait_until_running(key)
    result.abort()
    assert eventually(lambda: result.state == "SUCCESS" and result.result == "aborted", within=WITHIN_S)
