"""Letters on a broker that is not ours: captured, recorded and replayed alike, with its limit said."""

import threading

import pytest
from celery import Celery

from celeriac.clock import Clock
from celeriac.deadletters import LetterPost, Recorder, Replayer
from celeriac.errors import LetterError
from celeriac.records import LetterFilter, Records


class Counter:
    """A Celery app on Redis, with its records."""

    def __init__(self, url, folder):
        self.app = Celery("shop", broker=url)
        self.records = Records("sqlite:///records.db", folder)
        self.post = LetterPost(self.app, "celeriac.dead")
        self.recorder = Recorder(self.app, self.records)
        self.replayer = Replayer(self.app, self.records)
        self.reading = self.app.connection_for_read()

    def take(self):
        message = self.reading.default_channel.basic_get("celery")
        if message is not None:
            message.ack()
        return message

    def die(self, number):
        self.app.send_task("shop.add", [number])
        return self.post.capture(self.take(), reason="failed", queue="celery")


@pytest.fixture
def counter(redis_server, tmp_path):
    redis_server.flush()
    counter = Counter(redis_server.database(3), tmp_path)
    yield counter
    for each in (counter.post, counter.replayer, counter.records, counter.app):
        each.close()
    counter.reading.release()


def test_a_letter_is_recorded_and_replayed_once_on_redis_too(counter):
    letter_id = counter.die(1)
    assert counter.recorder.catch_up() == 1
    assert counter.recorder.catch_up() == 0, "the queue is gone from Redis, which is no error"
    counter.replayer.replay(letter_id)
    with pytest.raises(LetterError, match="LETTER-002"):
        counter.replayer.replay(letter_id)
    message = counter.take()
    assert message.payload[0] == [1]
    assert "celeriac-once" not in message.headers, "Redis would carry it along for ever"
    assert counter.take() is None


def test_a_replay_that_broke_off_is_not_sent_again_unless_somebody_insists(counter):
    letter_id = counter.die(1)
    counter.recorder.catch_up()
    counter.records.claim(letter_id, "a-host-that-died:1:x", "celery")
    later = counter.records.get(letter_id).claimed_at + 60
    replayer = Replayer(counter.app, counter.records, Clock(wall=lambda: later))
    with pytest.raises(LetterError, match="LETTER-005"):
        replayer.replay(letter_id)
    assert counter.take() is None
    assert replayer.replay(letter_id, force=True).queue == "celery"
    assert counter.take() is not None


def test_the_recorder_and_the_post_go_on_after_their_connections_were_cut(counter, redis_server, eventually):
    from redis import Redis

    thread = threading.Thread(target=counter.recorder.run)
    thread.start()
    try:
        first = counter.die(1)
        assert eventually(lambda: counter.records.get(first))
        with Redis.from_url(redis_server.url) as client:
            client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        counter.reading = counter.app.connection_for_read()
        second = counter.die(2)
        assert eventually(lambda: counter.records.get(second))
    finally:
        counter.recorder.stop()
        thread.join(15)
    assert not thread.is_alive()
    assert counter.records.count(LetterFilter()) == 2
