"""The post: the exact message, confirmed, from any thread and after a fork."""

import os
import socket
import threading
import time

import pytest
from celery import Celery
from kombu.exceptions import OperationalError

from celeriac import wire
from celeriac.deadletters import LetterPost, read_letter
from celeriac.deadletters.post import MESSAGE_BYTES_MAX, TRACEBACK_BYTES_MAX, bounded


def test_a_letter_is_the_exact_message_and_its_death(bench):
    task_id = bench.send(1, priority=7, headers={"custom": [1]}, countdown=0.0, expires=60)
    died = bench.take()
    try:
        int("no")
    except ValueError as error:
        letter_id = bench.capture(died, exception=error, attempts=3, deliveries=1, worker="web-1@host")
    message = bench.take("celeriac.dead")
    death = message.headers.pop(wire.DEATH)
    assert letter_id == death["letter"] == wire.letter_id(task_id, 0)
    assert (message.body, message.content_type, message.content_encoding) == (
        died.body,
        died.content_type,
        died.content_encoding,
    )
    assert message.headers == died.headers
    assert message.properties["priority"] == 7
    assert message.properties["correlation_id"] == task_id
    assert message.properties["reply_to"] == died.properties["reply_to"]
    assert "expiration" not in message.properties, "a letter never expires"
    assert (death["reason"], death["queue"], death["attempts"], death["deliveries"]) == (
        "failed",
        "default",
        3,
        1,
    )
    assert death["exception"] == "builtins.ValueError"
    assert death["message"].endswith("'no'")
    assert death["traceback"].rstrip().endswith(death["message"])
    assert death["worker"] == "web-1@host"
    assert death["host"] == socket.gethostname()
    assert abs(death["died_at"] - time.time()) < 60


def test_a_letter_names_the_class_that_was_raised_where_only_a_base_of_it_arrived(bench):
    bench.send(1)
    bench.capture(bench.take(), exception=OSError("away"), kind=ConnectionResetError)
    death = bench.take("celeriac.dead").headers[wire.DEATH]
    assert (death["exception"], death["message"]) == ("builtins.ConnectionResetError", "away")


@pytest.mark.parametrize("method", ["gzip", "bzip2"])
def test_a_compressed_message_is_a_letter_a_worker_could_decode(bench, method):
    bench.send("x" * 1000, compression=method)
    died = bench.take()
    bench.capture(died)
    message = bench.take("celeriac.dead")
    assert message.errors == []
    assert message.body == died.body
    assert message.headers["compression"] == died.headers["compression"]


def test_a_body_that_cannot_be_decompressed_stays_as_it_came(bench):
    with bench.app.producer_or_acquire() as producer:
        producer.publish(
            b"not gzip",
            routing_key="default",
            content_type="application/json",
            headers={"compression": "application/x-gzip", "id": "i"},
        )
    died = bench.take()
    assert died.errors
    bench.capture(died, reason="malformed")
    assert read_letter(bench.take("celeriac.dead")).body == b"not gzip"


def test_properties_named_like_arguments_of_the_publisher_cannot_redirect_a_letter(bench):
    bench.send(1)
    died = bench.take()
    died.properties.update(
        routing_key="elsewhere", exchange="elsewhere", retry=True, user_id="root", mandatory=1
    )
    bench.capture(died)
    assert bench.take("celeriac.dead") is not None


def test_a_traceback_is_cut_in_the_middle_and_an_error_text_too(bench):
    bench.send(1)
    bench.capture(
        bench.take(), exception=ValueError("é" * 10_000), traceback="first" + "x" * 200_000 + "last"
    )
    letter = read_letter(bench.take("celeriac.dead"))
    assert letter.traceback.startswith("first")
    assert letter.traceback.endswith("last")
    assert len(letter.traceback.encode()) <= TRACEBACK_BYTES_MAX
    assert len(letter.message.encode()) <= MESSAGE_BYTES_MAX


def test_cutting_never_leaves_half_a_character():
    assert bounded("é" * 100, 51).encode().decode() == bounded("é" * 100, 51)


def test_an_exception_that_cannot_say_itself_does_not_keep_the_letter_from_being_written(bench):
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError("cannot")

    bench.send(1)
    bench.capture(bench.take(), exception=Mute())
    assert "Mute" in read_letter(bench.take("celeriac.dead")).message


def test_threads_share_one_post(bench):
    for number in range(40):
        bench.send(number)
    died = [bench.take() for _ in range(40)]
    threads = [
        threading.Thread(target=lambda part: [bench.capture(each) for each in part], args=(died[n::4],))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert bench.recorder.catch_up() == 40


def test_a_forked_child_uses_a_connection_of_its_own_and_the_parents_still_works(bench):
    for number in range(3):
        bench.send(number)
    first, second, third = (bench.take() for _ in range(3))
    bench.capture(first)
    child = os.fork()
    if child == 0:
        try:
            bench.capture(second)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    bench.capture(third)
    assert bench.recorder.catch_up() == 3


def test_a_broker_that_is_gone_is_an_error_within_the_patience_and_not_a_hang(bench):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = Celery("gone", broker=f"redis://127.0.0.1:{port}/0")
    bench.send(1)
    started = time.monotonic()
    with pytest.raises(OperationalError):
        LetterPost(app, "celeriac.dead", patience_s=1.0).capture(
            bench.take(), reason="failed", queue="default"
        )
    assert time.monotonic() - started < 10
