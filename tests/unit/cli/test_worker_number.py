"""Workers of one pool on one host have numbers of their own."""

import multiprocessing
import signal

import pytest

from celeriac.cli.number import claim_number


def hold(folder, wanted, pipe):
    pipe.send(claim_number(folder, "web", wanted))
    signal.pause()


@pytest.fixture
def worker(tmp_path):
    """Start a process that holds a number: gives the process and the number."""
    started = []

    def start(wanted=None):
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=hold, args=(tmp_path / "w", wanted, theirs)
        )
        process.start()
        started.append(process)
        assert ours.poll(60)
        return process, ours.recv()

    yield start
    for process in started:
        process.kill()
        process.join()


def test_each_worker_takes_the_first_number_that_is_free(worker):
    first, number = worker()
    assert number == 1
    assert worker()[1] == 2
    assert worker(5)[1] == 5
    first.kill()
    first.join()
    assert [worker()[1], worker()[1]] == [1, 3]


def test_a_number_that_is_asked_for_is_given_whoever_has_it(worker):
    worker()
    assert worker(1)[1] == 1


def test_each_host_counts_for_itself(worker, tmp_path, monkeypatch):
    worker()
    monkeypatch.setattr("socket.gethostname", lambda: "another")
    assert claim_number(tmp_path / "w", "web") == 1


def test_where_nothing_can_be_written_a_worker_is_the_first(tmp_path):
    (tmp_path / "file").touch()
    assert claim_number(tmp_path / "file" / "workers", "web") == 1
    assert claim_number(tmp_path / "file" / "workers", "web", 3) == 3
