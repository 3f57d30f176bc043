"""What every result backend of ours promises, run against each of them."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from celery import Celery, chain, chord, group
from celery.app.task import Context
from celery.canvas import Signature
from celery.exceptions import ChordError, TimeoutError  # noqa: A004

from celeriac.backends import BACKENDS
from celeriac.backends.postgres import backend as postgres_backend
from celeriac.backends.sqlite import SQLiteBackend

Deliver = Callable[..., None]


@pytest.fixture(scope="session")
def postgres_results(request: pytest.FixtureRequest) -> str:
    """One database for all tests: making one takes longer than most of them."""
    return str(request.getfixturevalue("postgres_server").new_database())


@pytest.fixture(params=["sqlite", "redis", "postgres"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Celery]:
    if request.param == "redis":
        server = request.getfixturevalue("redis_server")
        server.flush()
        place = server.database(1)
    elif request.param == "postgres":
        place = request.getfixturevalue("postgres_results")
        with psycopg.connect(place, autocommit=True) as connection:
            if connection.execute("SELECT to_regclass('celeriac_results')").fetchone() != (None,):
                connection.execute("TRUNCATE celeriac_results, celeriac_groups, celeriac_chords CASCADE")
    else:
        place = f"sqlite:///{tmp_path / 'deep' / 'results.db'}"
    made = Celery("contract", broker="memory://", backend=place, set_as_current=False)
    made.loader.override_backends = BACKENDS
    made.conf.task_default_queue = f"contract-{uuid4()}"

    @made.task(name="add", shared=False)
    def add(x: int, y: int) -> int:
        return x + y

    @made.task(name="total", shared=False)
    def total(parts: list[int]) -> int:
        return sum(parts)

    @made.task(name="errback", shared=False)
    def errback(task_id: str) -> None:
        pass

    yield made
    made.close()
    # A result that is forgotten only after the server has gone tries to tell it.
    gc.collect()


@pytest.fixture
def backend(app: Celery) -> Any:
    return app.backend


@pytest.fixture
def sent(app: Celery) -> Iterator[Callable[[], list[Any]]]:
    """Take what waits on the broker."""
    with app.connection() as connection:
        queue = connection.SimpleQueue(app.conf.task_default_queue)

        def take() -> list[Any]:
            taken = []
            while True:
                try:
                    message = queue.get(block=False)
                except queue.Empty:
                    return taken
                message.ack()
                taken.append(message)

        yield take
        queue.close()


def a_run(task_id: str, *, replay: int = 0, retries: int = 0, deliveries: int = 0, **more: Any) -> Context:
    return Context(
        {
            "id": task_id,
            "retries": retries,
            "delivery_info": {"deliveries": deliveries},
            "headers": {"celeriac-replay": replay} if replay else None,
            **more,
        }
    )


def left_in(backend: Any) -> int:
    """Count everything that a backend keeps, expired or not."""
    if isinstance(backend, postgres_backend.PostgresBackend):
        tables = ("results", "groups", "chords", "chord_parts")
        with backend.database.statement() as connection:
            return sum(
                connection.exec_driver_sql(f"SELECT count(*) FROM celeriac_{table}").scalar() or 0
                for table in tables
            )
    if isinstance(backend, SQLiteBackend):
        counts = [
            f"(SELECT count(*) FROM {table})" for table in ("results", "groups", "chords", "chord_parts")
        ]
        with backend.file.reading() as connection:
            return int(connection.execute(f"SELECT {' + '.join(counts)}").fetchone()[0])
    return len(backend.client.keys("*"))


# -- states


def test_an_unknown_task_is_pending(backend: Any) -> None:
    assert backend.get_state("nobody") == "PENDING"
    assert not backend.task_result_exists("nobody")


@pytest.mark.parametrize("value", [1, "text", None, [1, {"a": [None, 1.5]}], "ü" * 5000])
def test_a_value_comes_back_as_it_was_stored(backend: Any, value: Any) -> None:
    backend.store_result("t", value, "SUCCESS")
    assert backend.get_result("t") == value
    assert backend.get_state("t") == "SUCCESS"
    assert backend.task_result_exists("t")


def test_a_failure_comes_back_as_its_exception_with_its_traceback(app: Celery, backend: Any) -> None:
    backend.mark_as_failure("t", KeyError("lost"), traceback="where it was lost")
    result = app.AsyncResult("t")
    with pytest.raises(KeyError, match="lost"):
        result.get(timeout=1)
    assert result.traceback == "where it was lost"


def test_a_compressed_result_is_readable_without_the_setting(app: Celery, backend: Any) -> None:
    app.conf.result_compression = "gzip"
    packing = app._get_backend()
    packing.store_result("t", "x" * 10_000, "SUCCESS")
    assert backend.get_result("t") == "x" * 10_000


def test_extended_results_name_task_arguments_and_worker(app: Celery, backend: Any) -> None:
    app.conf.result_extended = True
    backend.store_result(
        "t", 3, "SUCCESS", request=a_run("t", task="add", args=[1, 2], kwargs={}, hostname="w1")
    )
    result = app.AsyncResult("t")
    assert (result.name, result.args, result.worker) == ("add", [1, 2], "w1")


def test_a_forgotten_result_is_gone(app: Celery, backend: Any) -> None:
    backend.store_result("t", 1, "SUCCESS")
    app.AsyncResult("t").forget()
    assert backend.get_state("t") == "PENDING"


def test_an_ignored_result_leaves_nothing(backend: Any) -> None:
    backend.mark_as_done("t", 1, request=a_run("t", ignore_result=True))
    assert not backend.task_result_exists("t")


def test_a_pickled_backend_reaches_the_same_results(app: Celery, backend: Any) -> None:
    backend.store_result("t", 1, "SUCCESS")
    rebuild, (cls, args, kwargs) = backend.__reduce__()
    assert callable(rebuild)
    assert cls(*args, app=app, **kwargs).get_result("t") == 1


# -- which write stands


def test_a_success_is_not_overwritten_by_a_redelivery(backend: Any) -> None:
    backend.store_result("t", "done", "SUCCESS", request=a_run("t"))
    for state in ("STARTED", "RETRY", "FAILURE", "REVOKED", "SUCCESS"):
        backend.store_result("t", {}, state, request=a_run("t", deliveries=1))
        assert backend.get_task_meta("t", cache=False)["result"] == "done"


@pytest.mark.parametrize("late", ["STARTED", "RETRY", "FAILURE", "SUCCESS"])
def test_a_worker_that_comes_back_late_is_refused(
    backend: Any, late: str, caplog: pytest.LogCaptureFixture
) -> None:
    backend.store_result("t", {}, "STARTED", request=a_run("t", deliveries=0))
    backend.store_result("t", {"by": "second"}, "STARTED", request=a_run("t", deliveries=1))
    result = ValueError() if late in ("RETRY", "FAILURE") else {"by": "first"}
    backend.store_result("t", result, late, request=a_run("t", deliveries=0))
    assert backend.get_task_meta("t", cache=False)["result"] == {"by": "second"}
    assert any(record.event == "results.late_write_refused" for record in caplog.records)


def test_a_late_failure_does_not_call_errbacks_or_fail_the_chain(
    app: Celery, backend: Any, sent: Callable[[], list[Any]]
) -> None:
    follower = app.signature("total", options={"task_id": "follower"})
    consequences = {"errbacks": [app.signature("errback")], "chain": [dict(follower)]}
    backend.store_result("t", {}, "STARTED", request=a_run("t", deliveries=1, **consequences))
    backend.mark_as_failure("t", ValueError(), request=a_run("t", deliveries=0, **consequences))
    assert backend.get_state("follower") == "PENDING"
    assert sent() == []
    backend.mark_as_failure("t", ValueError(), request=a_run("t", deliveries=1, **consequences))
    assert backend.get_state("follower") == "FAILURE"
    assert len(sent()) == 1


def test_a_later_retry_replaces_an_earlier_one_and_not_the_other_way_round(backend: Any) -> None:
    backend.mark_as_retry("t", ValueError("first"), request=a_run("t", retries=0))
    backend.mark_as_retry("t", ValueError("second"), request=a_run("t", retries=1))
    backend.mark_as_failure("t", ValueError("late"), request=a_run("t", retries=0, deliveries=2))
    assert str(backend.get_result("t")) == "second"


def test_a_replay_replaces_a_failure_though_its_retries_start_at_0(backend: Any) -> None:
    backend.mark_as_failure("t", ValueError(), request=a_run("t", retries=3, deliveries=1))
    backend.store_result("t", "mended", "SUCCESS", request=a_run("t", replay=1))
    assert backend.get_result("t") == "mended"


def test_a_successor_of_a_replaced_task_has_the_last_word(backend: Any) -> None:
    backend.mark_as_retry("t", ValueError(), request=a_run("t", retries=2))
    backend.store_result("t", "by successor", "SUCCESS", request=a_run("t", parent_id="p"))
    assert backend.get_result("t") == "by successor"


# -- waiting


def test_a_waiter_notices_a_result_within_milliseconds(app: Celery, backend: Any) -> None:
    stored_at: list[float] = []

    def store() -> None:
        app.backend.store_result("t", 1, "SUCCESS")
        stored_at.append(time.monotonic())

    timer = threading.Timer(0.1, store)
    timer.start()
    assert app.AsyncResult("t").get(timeout=5) == 1
    noticed_after = time.monotonic() - stored_at[0] if stored_at else 0.0
    timer.join()
    assert noticed_after < 0.05


class FailedSince:
    """A parent that had not failed when waiting began."""

    parent = None
    asked = 0

    def maybe_throw(self) -> None:
        self.asked += 1
        if self.asked > 1:
            raise KeyError("its own")


def test_a_parents_own_error_goes_before_the_one_that_followed_from_it(app: Celery, backend: Any) -> None:
    backend.store_result("body", ChordError("followed from it"), "FAILURE")
    result = app.AsyncResult("body", parent=FailedSince())
    with pytest.raises(KeyError, match="its own"):
        result.get(timeout=10)


def test_waiting_ends_at_the_timeout(app: Celery) -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        app.AsyncResult("never").get(timeout=0.1)
    assert 0.1 <= time.monotonic() - began < 1


def test_waiting_costs_little_processor_time(app: Celery) -> None:
    began = time.process_time()
    with pytest.raises(TimeoutError):
        app.AsyncResult("never").get(timeout=0.5)
    assert time.process_time() - began < 0.1


def test_a_group_is_joined_in_order_as_results_come_in(app: Celery, backend: Any) -> None:
    ids = [f"t{index}" for index in range(1200)]
    result = app.GroupResult("g", [app.AsyncResult(task_id) for task_id in ids])

    def store() -> None:
        for index in reversed(range(1200)):
            app.backend.store_result(ids[index], index, "SUCCESS")

    thread = threading.Thread(target=store)
    thread.start()
    assert result.get(timeout=20) == list(range(1200))
    thread.join()


def test_a_group_with_a_failure_raises_it_and_one_that_is_late_times_out(app: Celery, backend: Any) -> None:
    backend.mark_as_failure("bad", KeyError("x"))
    with pytest.raises(KeyError):
        app.GroupResult("g", [app.AsyncResult("bad")]).get(timeout=1)
    with pytest.raises(TimeoutError):
        app.GroupResult("g", [app.AsyncResult("never")]).get(timeout=0.05)


def test_a_group_whose_chain_has_failed_before_it_fails_with_that_failure(app: Celery, backend: Any) -> None:
    tail = group([app.signature("add", (1,)), app.signature("add", (2,))], app=app)
    result = chain(app.signature("add", (1, 1)), app.signature("add", (1,)), tail, app=app).apply_async()
    backend.mark_as_failure(result.parent.parent.id, KeyError("first"))
    with pytest.raises(KeyError, match="first"):
        result.get(timeout=5)


# -- groups


def test_a_saved_group_is_restored_and_deleted(app: Celery, backend: Any) -> None:
    saved = app.GroupResult("g", [app.AsyncResult("a"), app.AsyncResult("b")])
    saved.save(backend=backend)
    restored = app.GroupResult.restore("g", backend=app._get_backend())
    assert restored == saved
    saved.delete(backend=backend)
    assert app.GroupResult.restore("g", backend=app._get_backend()) is None


# -- expiry


def test_an_expired_result_is_never_given_and_soon_deleted(app: Celery, eventually: Any) -> None:
    app.conf.result_expires = 0.2
    short = app._get_backend()
    short.store_result("t", 1, "SUCCESS")
    short.save_group("g", app.GroupResult("g", [app.AsyncResult("t")]))
    assert short.get_state("t") == "SUCCESS"
    eventually(lambda: app._get_backend().get_state("t") == "PENDING", within=2)
    eventually(lambda: app._get_backend().restore_group("g") is None, within=2)
    short.cleanup()
    eventually(lambda: left_in(short) == 0, within=2)


def test_writers_delete_what_has_expired_as_they_go(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    for store in ("sqlite", "postgres"):
        monkeypatch.setattr(f"celeriac.backends.{store}.rows._PRUNE_EVERY_S", 0.0)
    app.conf.result_expires = 0.01
    short = app._get_backend()
    for index in range(20):
        short.store_result(f"t{index}", index, "SUCCESS")
        time.sleep(0.005)
    assert left_in(short) < 10


def test_failures_can_be_kept_longer_than_other_results(app: Celery, eventually: Any) -> None:
    app.conf.result_expires = 0.05
    app.conf.result_failure_expires = 60
    short = app._get_backend()
    short.store_result("good", 1, "SUCCESS")
    short.mark_as_failure("bad", ValueError())
    eventually(lambda: app._get_backend().get_state("good") == "PENDING", within=2)
    assert app._get_backend().get_state("bad") == "FAILURE"


def test_a_tasks_own_expiry_goes_before_the_apps(app: Celery, eventually: Any) -> None:
    app.tasks["add"].result_expires = 0.05
    app.tasks["total"].result_expires = 0  # for good
    app.conf.result_expires = 60
    keeping = app._get_backend()
    keeping.store_result("short", 1, "SUCCESS", request=a_run("short", task="add"))
    keeping.mark_as_failure("failed", ValueError(), request=a_run("failed", task="add"))
    keeping.store_result("long", 1, "SUCCESS", request=a_run("long", task="total"))
    keeping.store_result("other", 1, "SUCCESS", request=a_run("other", task="errback"))
    eventually(lambda: app._get_backend().get_state("short") == "PENDING", within=10)
    eventually(lambda: app._get_backend().get_state("failed") == "PENDING", within=10)
    assert app._get_backend().get_state("long") == app._get_backend().get_state("other") == "SUCCESS"


def test_a_tasks_own_compression_goes_before_the_apps(app: Celery, backend: Any) -> None:
    value = "x" * 10_000
    sizes = {}
    for name, compression in (("add", "gzip"), ("total", "none"), ("errback", None)):
        if compression:
            app.tasks[name].result_compression = compression
        kept = backend.kept(name, value, "SUCCESS", None, a_run(name, task=name))
        sizes[name] = len(kept.payload)
        backend.store_result(name, value, "SUCCESS", request=a_run(name, task=name))
        assert backend.get_result(name) == value
    assert sizes["add"] < 500 < 10_000 < sizes["total"]
    assert sizes["errback"] > 10_000
    app.conf.result_compression = "gzip"
    packing = app._get_backend()
    assert len(packing.kept("t", value, "SUCCESS", None, a_run("t", task="errback")).payload) < 500
    assert len(packing.kept("t", value, "SUCCESS", None, a_run("t", task="total")).payload) > 10_000


def test_results_without_expiry_stay(app: Celery) -> None:
    app.conf.result_expires = None
    forever = app._get_backend()
    forever.store_result("t", 1, "SUCCESS")
    forever.cleanup()
    assert app._get_backend().get_result("t") == 1


# -- chords


@pytest.fixture
def three(app: Celery, backend: Any, sent: Callable[[], list[Any]]) -> Deliver:
    """A chord of three parts is under way; `three(index, outcome)` lets one of them return."""
    body = app.signature("total")
    header = group(app.signature("add", (index, index), task_id=f"part{index}") for index in range(3))
    chord(header, body, app=app).apply_async()
    messages = sent()
    assert len(messages) == 3

    def deliver(index: int, outcome: Any = None, **run: Any) -> None:
        headers = dict(messages[index].headers)
        _, _, embed = messages[index].payload
        request = Context(
            {**headers, **embed, "delivery_info": {"deliveries": run.pop("deliveries", 0)}, **run}
        )
        if isinstance(outcome, Exception):
            app.backend.mark_as_failure(request.id, outcome, request=request)
        else:
            app.backend.mark_as_done(request.id, outcome, request=request)

    deliver.group_id = messages[0].headers["group"]  # type: ignore[attr-defined]
    deliver.body_id = messages[0].payload[2]["chord"]["options"]["task_id"]  # type: ignore[attr-defined]
    return deliver


def _argument(message: Any) -> Any:
    return message.payload[0][0]


def test_a_chord_fires_its_body_once_with_the_parts_in_order(three: Any, sent: Any) -> None:
    three(2, 22)
    three(0, 0)
    assert sent() == []
    three(1, 11)
    (body,) = sent()
    assert _argument(body) == [0, 11, 22]
    assert body.headers["celeriac-once"] == f"chord:{three.group_id}"
    assert body.headers["id"] == three.body_id


def test_a_redelivered_part_counts_once(three: Any, sent: Any) -> None:
    three(0, 0)
    three(0, 0, deliveries=1)
    three(1, 1)
    assert sent() == []
    three(2, 2)
    assert len(sent()) == 1
    three(2, 2, deliveries=1)
    assert sent() == []


def test_a_worker_killed_before_it_published_the_body_leaves_that_to_the_redelivery(
    three: Any, sent: Any, backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    three(0, 0)
    three(1, 1)

    class Killed(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(backend, "_fire_chord", die)
        three(2, 2)
    assert sent() == []
    three(2, 2, deliveries=1)
    (body,) = sent()
    assert _argument(body) == [0, 1, 2]


def test_a_body_published_just_before_the_kill_is_published_again_under_the_same_key(
    three: Any, sent: Any, backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    three(0, 0)
    three(1, 1)

    class Killed(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(backend.chords, "mark_fired", die)
        three(2, 2)
    three(2, 2, deliveries=1)
    first, second = sent()
    assert first.headers["celeriac-once"] == second.headers["celeriac-once"]
    assert first.headers["id"] == second.headers["id"]


def test_a_failed_part_fails_the_chord_when_all_parts_are_in(three: Any, sent: Any, backend: Any) -> None:
    three(0, ValueError("bad rows"))
    assert backend.get_state(three.body_id) == "PENDING"
    three(1, 1)
    three(2, 2)
    assert sent() == []
    failure = backend.get_result(three.body_id)
    assert isinstance(failure, ChordError)
    assert "bad rows" in str(failure)


def test_a_failed_chord_is_mended_by_the_replay_of_its_failed_part(
    three: Any, sent: Any, backend: Any
) -> None:
    three(0, ValueError("bad rows"))
    three(1, 1)
    three(2, 2)
    three(0, 10, headers={"celeriac-replay": 1})
    (body,) = sent()
    assert _argument(body) == [10, 1, 2]
    backend.store_result(three.body_id, 13, "SUCCESS", request=a_run(three.body_id))
    assert backend.get_result(three.body_id) == 13


def test_a_chord_with_two_failed_parts_needs_both_mended(three: Any, sent: Any) -> None:
    three(0, ValueError())
    three(1, ValueError())
    three(2, 2)
    three(0, 0, headers={"celeriac-replay": 1})
    assert sent() == []
    three(1, ValueError(), headers={"celeriac-replay": 1})
    assert sent() == []
    three(1, 1, headers={"celeriac-replay": 2})
    assert len(sent()) == 1


def test_a_part_replayed_before_the_others_are_in_does_not_fail_the_chord(three: Any, sent: Any) -> None:
    three(0, ValueError())
    three(0, 0, headers={"celeriac-replay": 1})
    three(1, 1)
    three(2, 2)
    assert len(sent()) == 1


def test_a_part_whose_worker_died_between_result_and_count_is_counted_by_a_failing_redelivery(
    app: Celery, three: Any, sent: Any, backend: Any
) -> None:
    three(0, 0)
    three(1, 1)
    backend.store_result("part2", 2, "SUCCESS", request=a_run("part2"))
    three(2, ValueError("the file is moved already"), deliveries=1)
    (body,) = sent()
    assert _argument(body) == [0, 1, 2]


def test_a_late_part_of_a_paused_worker_is_not_counted(three: Any, sent: Any, backend: Any) -> None:
    three(1, 1)
    three(2, 2)
    backend.store_result("part0", {}, "STARTED", request=a_run("part0", deliveries=1, parent_id=None))
    three(0, ValueError("paused"), deliveries=0)
    three(0, "late", deliveries=0)
    assert sent() == []
    three(0, 0, deliveries=1)
    (body,) = sent()
    assert _argument(body) == [0, 1, 2]


def test_ignored_parts_still_reach_the_body(three: Any, sent: Any, backend: Any) -> None:
    for index in range(3):
        three(index, index, ignore_result=True)
    (body,) = sent()
    assert _argument(body) == [0, 1, 2]
    assert not backend.task_result_exists("part0")


def test_parts_may_return_before_the_last_one_is_sent(backend: Any, sent: Any, app: Celery) -> None:
    body = dict(app.signature("total", task_id="body"))
    for index in range(2):
        backend.mark_as_done(
            f"p{index}", index, request=a_run(f"p{index}", group="g", group_index=index, chord=body)
        )
    assert sent() == []
    backend.set_chord_size("g", 3)
    backend.mark_as_done("p2", 2, request=a_run("p2", group="g", group_index=2, chord=body))
    assert len(sent()) == 1


def test_a_part_added_later_is_waited_for(backend: Any, sent: Any, app: Celery) -> None:
    body = dict(app.signature("total", task_id="body"))
    backend.set_chord_size("g", 1)
    backend.add_to_chord("g", app.AsyncResult("p1"))
    backend.mark_as_done("p0", 0, request=a_run("p0", group="g", group_index=0, chord=body))
    assert sent() == []
    backend.mark_as_done("p1", 1, request=a_run("p1", group="g", group_index=0, chord=body))
    assert len(sent()) == 1


def test_a_nested_header_gives_the_body_its_shape(app: Celery, backend: Any, sent: Any) -> None:
    body = dict(app.signature("total", task_id="body"))
    inner = app.GroupResult("inner", [app.AsyncResult("p1"), app.AsyncResult("p2")])
    backend.apply_chord(("g", [app.AsyncResult("p0"), inner]), body)
    backend.set_chord_size("g", 3)
    for index in (2, 0, 1):
        part = a_run(f"p{index}", group="g", group_index=index, chord=body)
        backend.mark_as_done(f"p{index}", index, request=part)
    (message,) = sent()
    assert _argument(message) == [0, [1, 2]]


def _two(app: Celery, own: tuple[int, ...] | None = None) -> Signature:
    """A group of two; own: what they are called with, whatever came before."""
    return group([app.signature("total", args=own, immutable=own is not None) for _ in range(2)], app=app)


@pytest.mark.parametrize("shape", ["group", "chain", "chain of group", "chain of groups", "chord"])
def test_every_first_message_of_a_body_has_a_key_of_its_own(app: Celery, sent: Any, shape: str) -> None:
    body = {
        "group": _two(app),
        "chain": app.signature("total") | app.signature("total"),
        "chain of group": _two(app) | app.signature("total"),
        "chain of groups": chain(_two(app, (1,)), _two(app), app.signature("total"), app=app),
        "chord": chord(_two(app), app.signature("total"), app=app),
    }[shape]
    chord(group([app.signature("add", (1, 1))], app=app), body, app=app).apply_async()
    (part,) = sent()
    _, _, embed = part.payload
    app.backend.mark_as_done(
        part.headers["id"], 2, request=Context({**part.headers, **embed, "delivery_info": {}})
    )
    first = sent()
    keys = {message.headers.get("celeriac-once") for message in first}
    assert len(first) == (1 if shape == "chain" else 2)
    assert len(keys) == len(first)
    assert None not in keys


def test_an_unfinished_chord_outlives_result_expires_and_a_fired_one_does_not(
    app: Celery, eventually: Any, sent: Any
) -> None:
    app.conf.result_expires = 0.05
    short = app._get_backend()
    body = dict(app.signature("total", task_id="body"))
    short.set_chord_size("g", 2)
    short.mark_as_done("p0", 0, request=a_run("p0", group="g", group_index=0, chord=body))
    eventually(lambda: app._get_backend().get_state("p0") == "PENDING", within=2)
    short.cleanup()
    short.mark_as_done("p1", 1, request=a_run("p1", group="g", group_index=1, chord=body))
    (message,) = sent()
    assert _argument(message) == [0, 1]
    assert short.chords.header("g") is None

    def left() -> int:
        short.cleanup()
        return left_in(short)

    eventually(lambda: left() == 0, within=2)
