"""Logs: what a record says, what it never says, and files that many processes write."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from celeriac.observe.logs import set_up_logs
from celeriac.observe.logs.files import SharedFile
from celeriac.observe.logs.formats import HumanFormatter, JsonFormatter
from celeriac.observe.logs.records import ATTRIBUTE, TaskNote, mark_records
from celeriac.plan import LogFile, Logs, Plan

SECRET = "amqp://guest:s3cret@rabbit:5672//"


@pytest.fixture
def as_before() -> Iterator[None]:
    """Leave the process's logging as it was."""
    root, factory = logging.getLogger(), logging.getLogRecordFactory()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.setLogRecordFactory(factory)


@pytest.fixture
def heard(as_before: None) -> Iterator[Callable[..., logging.LogRecord]]:
    """Log one record and give it as a handler sees it."""
    mark_records()
    records: list[logging.LogRecord] = []
    logger = logging.getLogger("shop.test")
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)

    def log(message: Any, *args: Any, **options: Any) -> logging.LogRecord:
        logger.error(message, *args, **options)
        return records[-1]

    yield log
    logger.removeHandler(handler)


def test_credentials_are_hidden_wherever_in_a_message_they_come_from(
    heard: Callable[..., logging.LogRecord],
) -> None:
    for record in (
        heard(f"lost {SECRET}"),
        heard("lost %s", SECRET),
        heard("lost %(url)s", {"url": SECRET}),
        heard("lost %s", OSError(SECRET)),
        heard(OSError(SECRET)),
        heard("lost %s", {"url": SECRET}),
    ):
        assert "s3cret" not in record.getMessage()
        assert "guest:***@rabbit" in record.getMessage()


def test_credentials_in_a_traceback_are_hidden_from_any_formatter(
    heard: Callable[..., logging.LogRecord],
) -> None:
    try:
        raise ConnectionError(f"cannot reach {SECRET}")  # noqa: TRY301 - it needs a traceback
    except ConnectionError:
        record = heard("lost", exc_info=True)
    for formatter in (logging.Formatter(), HumanFormatter(), JsonFormatter()):
        text = formatter.format(record)
        assert "s3cret" not in text
        assert "guest:***@rabbit" in text


def test_credentials_in_the_fields_of_an_event_are_hidden(heard: Callable[..., logging.LogRecord]) -> None:
    record = heard("lost", extra={"event": "broker.trouble", "fields": {"error": OSError(SECRET)}})
    assert "s3cret" not in JsonFormatter().format(record)


def test_a_record_without_credentials_stays_as_it_was_made(heard: Callable[..., logging.LogRecord]) -> None:
    record = heard("see %s", "https://example.org/docs")
    assert record.msg == "see %s"
    assert record.args == ("https://example.org/docs",)


def test_a_wrong_format_string_is_left_to_logging(as_before: None) -> None:
    mark_records()
    record = logging.getLogRecordFactory()("shop", logging.ERROR, "", 1, "two %s %s", (SECRET,), None)
    assert record.msg == "two %s %s"


def test_every_record_inside_a_task_says_which_run_it_is(heard: Callable[..., logging.LogRecord]) -> None:
    app = Celery("shop", set_as_current=False)
    seen: list[logging.LogRecord] = []

    @app.task(name="shop.noted")
    def noted() -> None:
        # An extra of the same words must not make logging refuse the record.
        seen.append(heard("inside", extra={"task_id": "mine", "queue": "mine"}))

    noted.apply(task_id="t-1", retries=2, routing_key="low")
    (record,) = seen
    assert getattr(record, ATTRIBUTE) == TaskNote("shop.noted", "t-1", "low", 3)
    said = json.loads(JsonFormatter().format(record))
    assert (said["task"], said["task_id"], said["queue"], said["attempt"]) == ("shop.noted", "t-1", "low", 3)
    assert said["extra"] == {"task_id": "mine", "queue": "mine"}
    assert "shop.noted[t-1] queue=low attempt=3 | inside" in HumanFormatter().format(record)
    assert getattr(heard("outside"), ATTRIBUTE) is None


@pytest.mark.parametrize(
    "value", ["line\nbreak", "\ud800", float("nan"), {1: {2, 3}}, b"\xff", object(), 2**70, ["x"] * 3]
)
def test_any_value_makes_one_line_of_json(heard: Callable[..., logging.LogRecord], value: Any) -> None:
    text = JsonFormatter().format(heard("odd", extra={"odd": value}))
    assert "\n" not in text
    assert json.loads(text)["message"] == "odd"


def test_a_value_that_holds_itself_makes_a_line_too(heard: Callable[..., logging.LogRecord]) -> None:
    value: list[Any] = []
    value.append(value)
    assert json.loads(JsonFormatter().format(heard("odd", extra={"odd": value})))["message"] == "odd"


def plan_of(folder: Path, **files: LogFile) -> Plan:
    return Plan(folder=folder, logs=Logs(format="json", files=files))


def test_files_take_what_their_level_and_loggers_say(as_before: None, tmp_path: Path) -> None:
    set_up_logs(
        plan_of(
            tmp_path,
            errors=LogFile(path="logs/errors.log", level="ERROR"),
            django=LogFile(path="logs/django.log", loggers=("django",)),
            performance=LogFile(
                path="logs/performance.log", loggers=("celeriac.performance",), level="DEBUG"
            ),
        ),
        "CRITICAL",
    )
    logging.getLogger("django.request").info("a page")
    logging.getLogger("djangonauts").info("not of django")
    logging.getLogger("celeriac.performance").debug("quick")
    logging.getLogger("shop").debug("nobody's")
    logging.getLogger("shop").error("broken")

    def messages(name: str) -> list[str]:
        return [json.loads(line)["message"] for line in (tmp_path / "logs" / name).read_text().splitlines()]

    assert messages("errors.log") == ["broken"]
    assert messages("django.log") == ["a page"]
    assert messages("performance.log") == ["quick"]


def test_a_file_may_have_a_format_of_its_own(as_before: None, tmp_path: Path) -> None:
    files = {"errors": LogFile(path="errors.log", format="json"), "all": LogFile(path="all.log")}
    set_up_logs(Plan(folder=tmp_path, logs=Logs(files=files)))
    logging.getLogger("shop").error("gone")
    assert json.loads((tmp_path / "errors.log").read_text())["message"] == "gone"
    assert (tmp_path / "all.log").read_text().endswith("ERROR   gone\n")


def test_setting_up_twice_writes_no_line_twice(as_before: None, tmp_path: Path) -> None:
    for _ in range(2):
        set_up_logs(plan_of(tmp_path, all=LogFile(path="all.log")), "CRITICAL")
    logging.getLogger("shop").warning("once")
    assert len((tmp_path / "all.log").read_text().splitlines()) == 1


def test_a_handler_that_the_app_has_set_up_stays(as_before: None, tmp_path: Path) -> None:
    theirs = logging.FileHandler(tmp_path / "theirs.log")
    logging.getLogger().addHandler(theirs)
    logging.getLogger().addHandler(logging.StreamHandler(sys.stderr))
    set_up_logs(plan_of(tmp_path), "CRITICAL")
    root = logging.getLogger()
    assert theirs in root.handlers
    assert sum(type(handler) is logging.StreamHandler for handler in root.handlers) == 1
    theirs.close()


def test_no_line_is_lost_or_torn_when_many_processes_write_and_rotate(tmp_path: Path) -> None:
    processes, lines = 4, 400

    def write(writer: int) -> None:
        handler = SharedFile(tmp_path / "all.log", max_bytes=8_000, keep=200)
        for number in range(lines):
            handler.handle(logging.makeLogRecord({"msg": f"{writer}-{number}-" + "x" * 40}))
        handler.close()

    children = []
    for writer in range(processes):
        pid = os.fork()
        if pid == 0:
            try:
                write(writer)
            finally:
                os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
    files = list(tmp_path.glob("all.log*"))
    assert len(files) > 5
    found = sorted(line for file in files for line in file.read_text().splitlines())
    assert found == sorted(f"{w}-{n}-" + "x" * 40 for w in range(processes) for n in range(lines))


@pytest.mark.parametrize("keep", [0, 1, 3])
def test_only_as_many_old_files_stay_as_the_plan_says(tmp_path: Path, keep: int) -> None:
    handler = SharedFile(tmp_path / "all.log", max_bytes=1_000, keep=keep)
    for number in range(200):
        handler.handle(logging.makeLogRecord({"msg": f"{number:03d} " + "x" * 60}))
    handler.close()
    names = {path.name for path in tmp_path.iterdir()} - {"all.log"}
    assert names == {f"all.log.{number}" for number in range(1, keep + 1)}


def test_a_file_taken_away_by_others_is_made_again(tmp_path: Path) -> None:
    handler = SharedFile(tmp_path / "all.log", max_bytes=1_000_000, keep=1)
    handler.handle(logging.makeLogRecord({"msg": "before"}))
    (tmp_path / "all.log").rename(tmp_path / "elsewhere")
    handler.handle(logging.makeLogRecord({"msg": "after"}))
    handler.close()
    assert (tmp_path / "all.log").read_text() == "after\n"
