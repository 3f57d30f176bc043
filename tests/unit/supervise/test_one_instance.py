"""One supervisor per project folder."""

import os

import pytest

from celeriac.control.processes import LOCK, STATE, ProcessState, UpState, running
from celeriac.errors import SuperviseError
from celeriac.plan import Plan
from celeriac.supervise.instance import Instance

STATE_NOW = UpState(
    pid=1,
    since=2.0,
    broker="sqlite:///b",
    processes=(
        ProcessState(name="web-1", kind="worker", pool="web", state="ready", pid=7, restarts=0, since=3.0),
    ),
)


def test_a_second_one_is_told_who_runs(tmp_path):
    with Instance(tmp_path), pytest.raises(SuperviseError) as refused, Instance(tmp_path):
        pass
    assert refused.value.code == "UP-001"
    assert str(os.getpid()) in refused.value.message


def test_the_folder_is_free_again_after_the_first(tmp_path):
    with Instance(tmp_path):
        pass
    with Instance(tmp_path):
        pass


def test_a_lock_file_left_by_a_killed_one_holds_nobody_up(tmp_path):
    (tmp_path / LOCK).write_text("4194303\n")
    with Instance(tmp_path):
        assert (tmp_path / LOCK).read_text() == f"{os.getpid()}\n"


def test_what_runs_can_be_read_while_it_runs_and_not_after(tmp_path):
    plan = Plan(folder=tmp_path)
    with Instance(plan.state_folder) as instance:
        instance.publish(STATE_NOW)
        assert running(plan) == STATE_NOW
    assert running(plan) is None


def test_a_state_file_left_by_a_killed_one_is_not_believed(tmp_path):
    plan = Plan(folder=tmp_path)
    plan.state_folder.mkdir()
    with Instance(plan.state_folder) as instance:
        instance.publish(STATE_NOW)
        left = (plan.state_folder / STATE).read_bytes()
    (plan.state_folder / STATE).write_bytes(left)
    assert running(plan) is None


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SuperviseError) as refused, Instance(tmp_path / "file" / "state"):
        pass
    assert refused.value.code == "UP-002"
