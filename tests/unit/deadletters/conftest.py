"""A plain Celery app on the embedded broker, with its records, in a folder of its own."""

import pytest
from celery import Celery

import celeriac  # noqa: F401 - registers the sqlite transport
from celeriac.deadletters import LetterPost, Recorder, Replayer
from celeriac.records import Letter, LetterFilter, Records

LETTERS = "celeriac.dead"


def add(x, y=0):
    return x + y


class Bench:
    """What a test needs to kill a task and to look at what became of it."""

    def __init__(self, folder, url=None):
        self.url = url or f"sqlite:///{folder}/broker.db"
        self.folder = folder
        self.app = Celery("bench", broker=self.url)
        self.app.conf.task_default_queue = "default"
        self.app.task(name="shop.add")(add)
        self.records = Records("sqlite:///records.db", folder)
        self.post = LetterPost(self.app, LETTERS, patience_s=1.0)
        self.recorder = Recorder(self.app, self.records, queue=LETTERS)
        self.replayer = Replayer(self.app, self.records)
        self._reading = self.app.connection_for_read()
        self._reading.connect()

    def send(self, *args, **options):
        return self.app.send_task("shop.add", args, **options).id

    def take(self, queue="default"):
        """Read and ack one message; None if there is none."""
        message = self._reading.default_channel.basic_get(queue)
        if message is not None:
            message.ack()
        return message

    def capture(self, message, **said) -> str:
        return self.post.capture(message, **{"reason": "failed", "queue": "default", **said})

    def letter(self, *args, **options) -> Letter:
        """Send a task, let it die, and record its letter."""
        self.send(*args, **options)
        letter_id = self.capture(self.take())
        self.recorder.catch_up()
        return self.records.get(letter_id)

    def all(self) -> list[Letter]:
        return self.records.find(LetterFilter(), limit=1000)

    def close(self):
        self._reading.release()
        self.post.close()
        self.replayer.close()
        self.records.close()
        self.app.close()


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    yield bench
    bench.close()
