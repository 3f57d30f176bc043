"""Replaying: once per letter, whoever asks how often, and whatever dies in the middle."""

import os
import subprocess
import sys
import threading

import pytest
from msgspec.structs import replace

from celeriac import wire
from celeriac.clock import Clock
from celeriac.deadletters import Change, Replayer, edit
from celeriac.errors import LetterError

#: Replays a letter and dies at the named moment.
DIES = """
import os, sys
from pathlib import Path
from celery import Celery
import celeriac
from celeriac.deadletters import Replayer
from celeriac.records import Records
url, folder, letter, moment = sys.argv[1:]
records = Records("sqlite:///records.db", Path(folder))
replayer = Replayer(Celery("bench", broker=url), records)
if moment == "before the publish":
    replayer._publish = lambda *_: os._exit(9)
else:
    records.settle = lambda *_: os._exit(9)
replayer.replay(letter)
"""


def die(bench, letter, moment):
    done = subprocess.run(
        [sys.executable, "-c", DIES, bench.url, str(bench.folder), letter.id, moment], check=False
    )
    assert done.returncode == 9


def test_a_replay_sends_the_same_task_again_from_its_first_try(bench):
    letter = bench.letter(1, retries=2, priority=5, headers={"custom": 1})
    replayed = bench.replayer.replay(letter.id)
    message = bench.take()
    assert (replayed.task_id, replayed.queue) == (letter.task_id, "default")
    assert message.body == letter.body
    assert message.headers["id"] == letter.task_id
    assert message.headers["retries"] == 0
    assert message.headers["custom"] == 1
    assert message.headers[wire.GENERATION] == 1
    assert message.headers[wire.LETTER] == letter.id
    assert wire.DEATH not in message.headers
    assert message.properties["priority"] == 5
    assert bench.records.get(letter.id).state == "replayed"


def test_an_old_eta_and_an_old_expiry_do_not_come_along(bench):
    letter = bench.letter(1, expires=0.5)
    assert letter.headers["expires"]
    bench.replayer.replay(letter.id)
    message = bench.take()
    assert (message.headers["eta"], message.headers["expires"]) == (None, None)


def test_a_second_replay_says_it_was_already_replayed(bench):
    letter = bench.letter(1)
    bench.replayer.replay(letter.id)
    with pytest.raises(LetterError, match="LETTER-002"):
        bench.replayer.replay(letter.id)
    assert bench.take() is not None
    assert bench.take() is None


def test_of_many_replays_at_once_one_sends(bench):
    letter = bench.letter(1)
    outcomes = []

    def replay():
        try:
            outcomes.append(Replayer(bench.app, bench.records).replay(letter.id).letter)
        except LetterError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=replay) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert outcomes.count(letter.id) == 1
    assert set(outcomes) <= {letter.id, "LETTER-002", "LETTER-004"}
    assert bench.take() is not None
    assert bench.take() is None


@pytest.mark.parametrize("moment", ["before the publish", "after the publish"])
def test_a_replay_that_died_in_the_middle_is_finished_by_the_next_and_sent_once(bench, moment):
    letter = bench.letter(1)
    die(bench, letter, moment)
    assert bench.records.get(letter.id).state == "replaying"
    bench.replayer.replay(letter.id)
    assert bench.records.get(letter.id).state == "replayed"
    assert bench.take() is not None
    assert bench.take() is None


def test_a_broken_off_replay_cannot_be_taken_from_a_process_that_lives_until_its_time_is_over(bench):
    letter = bench.letter(1)
    bench.records.claim(letter.id, f"{os.uname().nodename}:{os.getpid()}:x", "default")
    with pytest.raises(LetterError, match="LETTER-004"):
        bench.replayer.replay(letter.id)
    later = Clock(wall=lambda: bench.records.get(letter.id).claimed_at + 31)
    Replayer(bench.app, bench.records, later).replay(letter.id)
    assert bench.take() is not None


def test_a_key_too_old_to_be_trusted_is_not_relied_on(bench):
    letter = bench.letter(1)
    die(bench, letter, "after the publish")
    later = Clock(wall=lambda: bench.records.get(letter.id).claimed_at + 8 * 86400)
    with pytest.raises(LetterError, match="LETTER-005"):
        Replayer(bench.app, bench.records, later).replay(letter.id)


def test_a_letter_edited_between_the_look_and_the_claim_is_sent_as_edited(bench, monkeypatch):
    letter = bench.letter(1)
    claim = bench.records.claim

    def edited_first(*args):
        bench.records.amend(edit(letter, Change(args=[42]), bench.app), None)
        return claim(*args)

    monkeypatch.setattr(bench.records, "claim", edited_first)
    bench.replayer.replay(letter.id)
    assert bench.take().payload[0] == [42]


def test_an_unreadable_letter_is_refused_until_it_is_mended(bench):
    with bench.app.producer_or_acquire() as producer:
        producer.publish(b"{", routing_key="default", content_type="application/json", headers={"id": "i"})
    letter_id = bench.capture(bench.take(), reason="malformed")
    bench.recorder.catch_up()
    with pytest.raises(LetterError, match="LETTER-006") as refused:
        bench.replayer.replay(letter_id)
    assert "dead edit" in refused.value.fix
    letter = bench.records.get(letter_id)
    bench.records.amend(edit(letter, Change(task="shop.add", args=[1]), bench.app), None)
    bench.replayer.replay(letter_id)
    assert bench.take().payload[0] == [1]


def test_a_replay_to_another_queue_goes_there(bench):
    letter = bench.letter(1)
    assert bench.replayer.replay(letter.id, queue="other").queue == "other"
    assert bench.take("other") is not None
    assert bench.records.get(letter.id).replayed_to == "other"


def test_a_compressed_letter_is_replayed_so_that_a_worker_can_decode_it(bench):
    letter = bench.letter("x" * 500, compression="gzip")
    bench.replayer.replay(letter.id)
    assert bench.take().payload[0] == ["x" * 500]


def test_a_replay_that_dies_again_is_a_letter_of_the_next_generation(bench):
    letter = bench.letter(1)
    bench.replayer.replay(letter.id)
    again = bench.capture(bench.take())
    bench.recorder.catch_up()
    second = bench.records.get(again)
    assert again == wire.letter_id(letter.task_id, 1) != letter.id
    assert (second.generation, second.replay_of, second.state) == (1, letter.id, "waiting")
    bench.replayer.replay(again)
    assert bench.take().headers[wire.GENERATION] == 2


def test_a_message_of_the_first_protocol_starts_afresh_too(bench):
    with bench.app.producer_or_acquire() as producer:
        producer.publish(
            b'{"task": "shop.add", "id": "i", "args": [1], "kwargs": {}, "retries": 3, "expires": "2020-01-01"}',
            routing_key="default",
            content_type="application/json",
            content_encoding="utf-8",
        )
    letter_id = bench.capture(bench.take())
    bench.recorder.catch_up()
    bench.replayer.replay(letter_id)
    payload = bench.take().payload
    assert (payload["retries"], payload["expires"], payload["args"]) == (0, None, [1])


def test_a_discarded_letter_and_one_that_never_was_are_refused(bench):
    letter = bench.letter(1)
    bench.records.discard(letter.id)
    with pytest.raises(LetterError, match="LETTER-003"):
        bench.replayer.replay(letter.id)
    with pytest.raises(LetterError, match="LETTER-001"):
        bench.replayer.replay("nobody")


def test_a_letter_without_a_queue_needs_one_named(bench):
    letter = replace(bench.letter(1), id="no-queue", queue="")
    bench.records.insert_letters([letter])
    with pytest.raises(LetterError, match="LETTER-007"):
        bench.replayer.replay("no-queue")
    assert bench.replayer.replay("no-queue", queue="default").queue == "default"
