"""kill -9 at random moments: every letter is recorded once, and replayed once."""

import random
import subprocess
import sys
import time

import pytest
from celery import Celery

import celeriac  # noqa: F401 - registers the sqlite transport
from celeriac.deadletters import LetterPost, Recorder
from celeriac.records import LetterFilter, Records

LETTERS = 150
KILLS = 6

PRELUDE = """
import sys
from pathlib import Path
from celery import Celery
import celeriac
from celeriac.deadletters import Recorder, Replayer
from celeriac.errors import LetterError
from celeriac.records import LetterFilter, Records
url, folder = sys.argv[1:]
app, records = Celery("shop", broker=url), Records("sqlite:///records.db", Path(folder))
print("ready", flush=True)
"""
RECORD = PRELUDE + "Recorder(app, records).run()"
REPLAY = (
    PRELUDE
    + """
replayer = Replayer(app, records)
for letter in records.ids(LetterFilter(states=("waiting", "replaying"))):
    replayer.replay(letter)
"""
)


@pytest.fixture
def broker(tmp_path):
    return f"sqlite:///{tmp_path}/broker.db"


def start(script, broker, folder):
    started = subprocess.Popen([sys.executable, "-c", script, broker, str(folder)], stdout=subprocess.PIPE)
    started.stdout.readline()
    return started


def kill_at_random(script, broker, folder, draw):
    """Start the script and kill it within 50 ms of its being ready, unless it ends before."""
    with start(script, broker, folder) as victim:
        try:
            victim.wait(timeout=draw.uniform(0.0, 0.05))
        except subprocess.TimeoutExpired:
            victim.kill()


def post_letters(app):
    post = LetterPost(app, "celeriac.dead")
    with app.connection_for_read() as reading:
        ids = []
        for number in range(LETTERS):
            app.send_task("shop.add", [number])
            message = reading.default_channel.basic_get("celery")
            ids.append(post.capture(message, reason="failed", queue="celery"))
            message.ack()
    post.close()
    return ids


def test_killed_recorders_lose_no_letter_and_killed_replays_send_none_twice(broker, tmp_path, eventually):
    draw = random.Random(7)
    app = Celery("shop", broker=broker)
    records = Records("sqlite:///records.db", tmp_path)
    ids = post_letters(app)
    for _ in range(KILLS):
        kill_at_random(RECORD, broker, tmp_path, draw)
    recorder = Recorder(app, records)
    # What a killed recorder held comes back once its lease is seen to be broken.
    assert eventually(lambda: recorder.catch_up() + records.count(LetterFilter()) >= LETTERS, within=60)
    assert sorted(records.ids(LetterFilter())) == sorted(ids)

    for _ in range(KILLS):
        kill_at_random(REPLAY, broker, tmp_path, draw)
    assert records.count(LetterFilter(states=("replayed",))) < LETTERS, "kills came while replays went on"
    with start(REPLAY, broker, tmp_path) as last:
        assert last.wait(60) == 0
    assert records.count(LetterFilter(states=("replayed",))) == LETTERS
    sent = []
    with app.connection_for_read() as reading:
        deadline = time.monotonic() + 30
        while message := reading.default_channel.basic_get("celery"):
            assert time.monotonic() < deadline
            sent.append(message.payload[0][0])
            message.ack()
    assert sorted(sent) == list(range(LETTERS))
    records.close()
