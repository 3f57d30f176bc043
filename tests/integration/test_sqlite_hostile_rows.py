"""Rows that no sender of ours would write: each becomes a readable letter, and the next message comes at once."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Queue

import celeriac
from celeriac.deadletters import read_letter

JOBS = Queue("jobs", routing_key="jobs")
DEAD = Queue(celeriac.Letters().queue)

SOUND = {"content-type": "application/json", "content-encoding": "utf-8", "headers": {}, "properties": {}}


def envelope(**changed: Any) -> bytes:
    return json.dumps(
        {key: value for key, value in {**SOUND, **changed}.items() if value is not ...}
    ).encode()


HOSTILE: dict[str, Any] = {
    "bad JSON": b'{"headers": ',
    "nothing": b"",
    "zero bytes": b"\0" * 64,
    "not UTF-8": b'{"headers": "\xff\xfe"}',
    "a list": b"[]",
    "a number": b"7",
    "null": b"null",
    "text instead of bytes": "{}",
    "a number instead of bytes": 7,
    "no properties": envelope(properties=...),
    "properties are a list": envelope(properties=[]),
    "no headers": envelope(headers=...),
    "headers are text": envelope(headers="x"),
    "content type is a number": envelope(**{"content-type": 7}),
    "content encoding is a list": envelope(**{"content-encoding": []}),
    "not a number": b'{"headers": {"n": NaN}, "properties": {}}',
    "a lone surrogate": rb'{"headers": {"n": "\ud800"}, "properties": {}}',
    "headers of 1 MB": envelope(headers={"x": "x" * 1_000_000}),
    "deep nesting": b'{"headers": ' + b'{"a":' * 20_000 + b"1" + b"}" * 20_000 + b', "properties": {}}',
    "an alien spelling of a type": b'{"headers": {"__type__": "x", "__value__": 1}, "properties": {}}',
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_row_becomes_a_letter_and_the_next_message_comes_at_once(tmp_path: Path, kind: str) -> None:
    with Connection(f"sqlite:///{tmp_path}/broker.db") as connection:
        connection.Producer().publish(1, routing_key="jobs", declare=[JOBS], serializer="json")
        with sqlite3.connect(tmp_path / "broker.db") as rows:
            rows.execute("UPDATE messages SET envelope = ?, body = ?", (HOSTILE[kind], b"\x00body\xff"))
        rows.close()
        connection.Producer().publish(2, routing_key="jobs", declare=[JOBS], serializer="json")
        got: list[Any] = []
        asked = time.monotonic()
        with connection.Consumer(
            [JOBS], on_message=lambda message: (got.append(message.payload), message.ack())
        ):
            while 2 not in got:
                connection.drain_events(timeout=5)
        assert time.monotonic() - asked < 1
        assert got == [2]
        letters: list[Any] = []
        with connection.Consumer([DEAD], on_message=letters.append):
            connection.drain_events(timeout=5)
        letter = read_letter(letters[0])
        assert letter.reason == "malformed"
        assert letter.queue == "jobs"
        assert b"\x00body\xff" in letter.body
        letters[0].ack()


def test_an_envelope_that_is_only_strange_is_delivered(tmp_path: Path) -> None:
    strange = envelope(
        headers={"a": None, "": [], "nested": {"a": [1]}}, properties={"priority": "x", "delivery_tag": 7}
    )
    with Connection(f"sqlite:///{tmp_path}/broker.db") as connection:
        connection.Producer().publish(1, routing_key="jobs", declare=[JOBS], serializer="json")
        with sqlite3.connect(tmp_path / "broker.db") as rows:
            rows.execute("UPDATE messages SET envelope = ?", (strange,))
        rows.close()
        message = JOBS(connection.default_channel).get(accept=["json"])
        assert message is not None
        assert message.headers["nested"] == {"a": [1]}
        assert message.delivery_tag != 7
        message.ack()


def test_a_hostile_row_in_the_letters_queue_is_readable_too(tmp_path: Path) -> None:
    with Connection(f"sqlite:///{tmp_path}/broker.db") as connection:
        connection.Producer().publish(1, routing_key=DEAD.name, declare=[DEAD], serializer="json")
        with sqlite3.connect(tmp_path / "broker.db") as rows:
            rows.execute("UPDATE messages SET envelope = ?", (b"garbage",))
        rows.close()
        got: list[Any] = []
        with connection.Consumer([DEAD], on_message=got.append):
            connection.drain_events(timeout=5)
        assert b"garbage" in read_letter(got[0]).body
        got[0].ack()
        assert connection.default_channel.queue_declare(DEAD.name, passive=True).message_count == 0


@pytest.mark.parametrize("no_ack", [True, False])
def test_a_hostile_row_asked_for_by_hand_becomes_a_letter_too(tmp_path: Path, no_ack: bool) -> None:
    with Connection(f"sqlite:///{tmp_path}/broker.db") as connection:
        connection.Producer().publish(1, routing_key="jobs", declare=[JOBS], serializer="json")
        with sqlite3.connect(tmp_path / "broker.db") as rows:
            rows.execute("UPDATE messages SET envelope = ?", (b"garbage",))
        rows.close()
        connection.Producer().publish(2, routing_key="jobs", declare=[JOBS], serializer="json")
        message = JOBS(connection.default_channel).get(accept=["json"], no_ack=no_ack)
        assert message is not None
        assert message.payload == 2
        letter = DEAD(connection.default_channel).get()
        assert letter is not None
        assert read_letter(letter).reason == "malformed"


def test_a_task_id_that_dies_again_becomes_a_letter_again(tmp_path: Path) -> None:
    with Connection(f"sqlite:///{tmp_path}/broker.db") as connection:
        for _ in range(2):
            headers = {"id": "nightly", "task": "t", "bad": float("nan")}
            connection.Producer().publish(
                1, routing_key="jobs", declare=[JOBS], serializer="json", headers=headers
            )
            assert JOBS(connection.default_channel).get() is None
        assert connection.default_channel.queue_declare(DEAD.name, passive=True).message_count == 2
