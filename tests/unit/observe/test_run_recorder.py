"""The recorder of runs: what the database refuses or cannot take now, and what is past its keep."""

from __future__ import annotations

import sqlite3
import threading
import time
from datetime import timedelta

import pytest

from celeriac import events
from celeriac.app import create_app
from celeriac.errors import RecordsError
from celeriac.observe import recorder as recording
from celeriac.observe.recorder import RunRecorder
from celeriac.plan import Plan, Queue, Records
from celeriac.records import Run, RunFilter, Runs, Sighting
from celeriac.stores import sql


@pytest.fixture
def said():
    told = []
    events.listen("test", lambda _room, event, fields: told.append((event, dict(fields))))
    yield told
    events.listen("test", lambda *_: None)


@pytest.fixture
def runs(tmp_path):
    runs = Runs("sqlite:///records.db", tmp_path)
    yield runs
    runs.close()


@pytest.fixture
def tell(tmp_path, runs):
    """Run a recorder, and give what sends it events."""
    app = create_app(Plan(folder=tmp_path, queues={"default": Queue()}, records=Records()))
    recorder = RunRecorder(app, runs, Records(keep=timedelta(days=1)))
    listens = threading.Event()
    thread = threading.Thread(target=recorder.run, args=(listens.set,))
    thread.start()
    assert listens.wait(20)
    with (
        app.connection_for_write() as connection,
        app.events.Dispatcher(connection, hostname="w@h") as dispatcher,
    ):

        def send(*task_ids):
            for task_id in task_ids:
                dispatcher.send("task-started", uuid=task_id)
            dispatcher.flush()

        yield send
    recorder.stop()
    thread.join(20)
    assert not thread.is_alive()


def test_one_run_that_the_database_refuses_does_not_take_the_others_along(
    tell, runs, said, monkeypatch, eventually
):
    keep = runs.keep

    def refuse_one(batch):
        if any(run.task_id == "c" for run in batch):
            raise RecordsError("RECORD-008", "the records failed: a value")
        return keep(batch)

    monkeypatch.setattr(runs, "keep", refuse_one)
    tell("a", "b", "c", "d", "e")
    assert eventually(lambda: runs.count(RunFilter()) == 4)
    assert eventually(lambda: ("runs.dropped", {"count": 1, "reason": "the database refuses it"}) in said)


def test_what_comes_while_the_database_is_held_is_written_after(
    tell, runs, said, tmp_path, monkeypatch, eventually
):
    runs.count(RunFilter())
    holder = sqlite3.connect(tmp_path / "records.db", isolation_level=None)
    monkeypatch.setattr(sql, "BUSY_TIMEOUT_S", 0.1)
    runs._engine.dispose()
    holder.execute("BEGIN IMMEDIATE")
    tell("a")
    tell("b")
    assert eventually(lambda: any(event == "recorder.waiting" for event, _ in said), within=20.0)
    holder.execute("ROLLBACK")
    holder.close()
    assert eventually(lambda: runs.count(RunFilter()) == 2, within=20.0)


def test_a_trouble_nobody_thought_of_does_not_end_it(tell, runs, said, monkeypatch, eventually):
    keep = runs.keep
    troubles = [ZeroDivisionError("no")]

    def stumble(batch):
        if troubles:
            raise troubles.pop()
        return keep(batch)

    monkeypatch.setattr(runs, "keep", stumble)
    tell("a")
    assert eventually(lambda: any(event == "recorder.waiting" for event, _ in said), within=20.0)

    def is_kept():
        tell("b")
        return runs.get("b") is not None

    assert eventually(is_kept, within=20.0)
    assert ("runs.dropped", {"count": 1, "reason": "of an unforeseen error"}) in said


def test_old_runs_are_pruned_while_new_ones_come(tmp_path, monkeypatch, eventually, request):
    old = Runs("sqlite:///records.db", tmp_path)
    old.keep([Run(task_id=f"old-{n}", history=(Sighting(1.0 + n, "received"),)) for n in range(1500)])
    old.keep([Run(task_id="fresh", history=(Sighting(time.time(), "received"),))])
    monkeypatch.setattr(recording, "_IDLE_S", 0.05)
    request.getfixturevalue("tell")("new")
    assert eventually(lambda: sorted(seen.run.task_id for seen in old.find(RunFilter())) == ["fresh", "new"])
    old.close()
