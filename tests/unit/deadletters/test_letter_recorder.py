"""The recorder: everything on the queue is recorded, and acked only after that."""

import sqlite3
import subprocess
import sys
import threading
from datetime import timedelta

import pytest

from celeriac.deadletters import Recorder
from celeriac.errors import RecordsError
from celeriac.records import LetterFilter, Records
from celeriac.stores import sql

#: Reads a letter and dies with it in hand.
HOLDS_AND_DIES = """
import os, sys
from celery import Celery
import celeriac
channel = Celery("bench", broker=sys.argv[1]).connection_for_read().default_channel
os._exit(9 if channel.basic_get("celeriac.dead") else 1)
"""


@pytest.fixture
def running(bench):
    """Run a recorder in a thread until the test ends."""
    stops = []

    def run(recorder):
        thread = threading.Thread(target=recorder.run)
        thread.start()
        stops.append((recorder, thread))
        return thread

    yield run
    for recorder, thread in stops:
        recorder.stop()
        thread.join(15)
        assert not thread.is_alive()


def dead(bench, count):
    for number in range(count):
        bench.send(number)
    return [bench.capture(bench.take()) for _ in range(count)]


def test_letters_are_recorded_as_they_come(bench, running, eventually):
    running(bench.recorder)
    ids = dead(bench, 5)
    assert eventually(lambda: {letter.id for letter in bench.all()} == set(ids))
    assert eventually(lambda: bench.take("celeriac.dead") is None)


def test_catching_up_records_what_waits_and_then_nothing(bench):
    ids = dead(bench, 3)
    assert bench.recorder.catch_up() == 3
    assert {letter.id for letter in bench.all()} == set(ids)
    assert bench.recorder.catch_up() == 0


def test_a_letter_that_was_recorded_but_not_acked_is_still_one(bench, monkeypatch):
    (letter_id,) = dead(bench, 1)

    def killed(_batch):
        raise KeyboardInterrupt

    monkeypatch.setattr(bench.recorder, "_ack", killed)
    with pytest.raises(KeyboardInterrupt):
        bench.recorder.catch_up()
    assert bench.records.get(letter_id) is not None
    assert Recorder(bench.app, bench.records).catch_up() == 1, "it was still in the queue"
    assert len(bench.all()) == 1


def test_while_the_records_are_locked_nothing_is_acked_and_nothing_lost(
    bench, running, eventually, monkeypatch, caplog
):
    monkeypatch.setattr(sql, "BUSY_TIMEOUT_S", 0.1)
    records = Records("sqlite:///records.db", bench.folder)
    records.count(LetterFilter())
    holder = sqlite3.connect(bench.folder / "records.db", isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    (letter_id,) = dead(bench, 1)
    running(Recorder(bench.app, records))
    assert eventually(lambda: "recorder cannot work right now" in caplog.text)
    assert bench.records.get(letter_id) is None
    holder.execute("ROLLBACK")
    holder.close()
    assert eventually(lambda: bench.records.get(letter_id) is not None)


def test_what_is_no_letter_at_all_is_recorded_too(bench):
    with bench.app.producer_or_acquire() as producer:
        for body, options in (
            (b"\xff\xfe", {"content_type": "application/octet-stream", "content_encoding": "binary"}),
            (b"{", {"content_type": "application/json", "content_encoding": "utf-8"}),
            (b"x", {"content_type": "application/json", "headers": {"compression": "unheard-of"}}),
            (b"x", {"content_type": "application/x-python-serialize", "headers": {"celeriac-death": "{"}}),
        ):
            producer.publish(body, routing_key="celeriac.dead", **options)
    assert bench.recorder.catch_up() == 4
    assert {letter.reason for letter in bench.all()} == {"malformed"}
    assert sorted(letter.body for letter in bench.all()) == [b"x", b"x", b"{", b"\xff\xfe"]


def test_a_letter_that_the_database_refuses_is_kept_bare_and_does_not_hold_up_the_others(bench, monkeypatch):
    ids = dead(bench, 3)
    insert = bench.records.insert_letters

    def refuse_one(batch):
        if any(letter.id == ids[1] and letter.task for letter in batch):
            raise RecordsError("RECORD-008", "the records failed: a value")
        return insert(batch)

    monkeypatch.setattr(bench.records, "insert_letters", refuse_one)
    assert bench.recorder.catch_up() == 3
    bare = bench.records.get(ids[1])
    assert bare.task is None
    assert bare.body == bench.records.get(ids[0]).body.replace(b"[0]", b"[1]")


def test_settled_letters_are_pruned_by_the_plan_and_others_kept(bench, running, eventually):
    first, second = dead(bench, 2)
    bench.recorder.catch_up()
    bench.records.discard(first)
    running(Recorder(bench.app, bench.records, keep=timedelta(0)))
    assert eventually(lambda: [letter.id for letter in bench.all()] == [second])


def test_catching_up_also_records_what_a_killed_recorder_held(bench):
    (letter_id,) = dead(bench, 1)
    holding = subprocess.run([sys.executable, "-c", HOLDS_AND_DIES, bench.url], check=False)
    assert holding.returncode == 9
    assert bench.recorder.catch_up() == 1
    assert bench.records.get(letter_id) is not None
