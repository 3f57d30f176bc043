"""The whole way of a dead letter: a real worker, the recorder, the command line, and back to the worker."""

import json
import re
import signal
import time

import pytest

from celeriac.records import LetterFilter, Records
from servers.project import PLAN, Project

TASKS = """
from pathlib import Path
from celery import chain, chord, group, shared_task

def note(line):
    with Path("ran.txt").open("a") as file:
        file.write(line + "\\n")

@shared_task(name="shop.price")
def price(row):
    value = int(row["price"])
    note(f"price {value}")
    return value

@shared_task(name="shop.total")
def total(values):
    note(f"total {sum(values)}")
    return sum(values)

@shared_task(name="shop.add")
def add(x, y):
    note(f"add {x} {y}")
    return x + y

@shared_task(name="shop.retried", bind=True, max_retries=1)
def retried(self, path):
    try:
        return Path(path).read_text()
    except OSError as error:
        note(f"try {self.request.retries}")
        raise self.retry(exc=error, countdown=0)
"""

SEND = """
import sys
import celeriac
from celery import chain, chord, group
app = celeriac.create_app("celeriac.toml")
app.set_default()
app.loader.import_default_modules()
app.finalize(auto=True)
from shop_tasks import add, price, retried, total
rows = [{"price": each} for each in ("1", "x", "3")]
print(eval(sys.argv[1]).id)
"""


@pytest.fixture(scope="module")
def open_shop(tmp_path_factory):
    """A project with one worker that is ready, for all tests here."""
    shop = Project(tmp_path_factory.mktemp("shop"), plan=PLAN, tasks=TASKS, environ={})
    shop.write("send.py", SEND)
    shop.worker = shop.start_celeriac("worker", "web")
    shop.worker.wait_for_log("ready")
    yield shop
    shop.close()


@pytest.fixture
def shop(open_shop):
    """The shop as if it had just opened: nothing ran, no letter waits for a decision."""
    records = Records(f"sqlite:///{open_shop.folder}/.celeriac/records.db")
    for letter_id in records.ids(LetterFilter(states=("waiting",))):
        records.discard(letter_id)
    records.close()
    open_shop.opened_at = time.time()
    open_shop.log_seen = len(open_shop.worker.log)
    (open_shop.folder / "ran.txt").unlink(missing_ok=True)
    return open_shop


def send(shop, expression):
    sent = shop.run("python", "send.py", expression)
    assert sent.returncode == 0, sent.stderr
    return sent.stdout.strip()


def dead(shop, *arguments, code=0, **options):
    done = shop.celeriac("dead", *arguments, **options)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def waiting(shop, *arguments):
    return json.loads(dead(shop, "list", "--json", *arguments).stdout)


def ran(shop):
    path = shop.folder / "ran.txt"
    return path.read_text().split("\n")[:-1] if path.exists() else []


def died(shop, eventually, count=1):
    """Wait until the worker has posted its `count`th letter."""
    eventually(lambda: said(shop).count("became letter") >= count)


def said(shop):
    """What the worker has said in this test."""
    return shop.worker.log[shop.log_seen :]


def the_letter(shop, eventually, count=1):
    died(shop, eventually, count)
    (letter,) = waiting(shop)
    return letter


def mend_and_replay(shop, letter):
    dead(shop, "edit", letter["id"][:12], "--set", 'args.0.price="7"')
    assert "Replayed 1 letter." in dead(shop, "replay", letter["id"][:12]).stdout


def test_a_failed_task_is_shown_mended_and_replayed_once(shop, eventually):
    task_id = send(shop, "price.delay(rows[1])")
    letter = the_letter(shop, eventually)
    assert (letter["task"], letter["task_id"], letter["reason"]) == ("shop.price", task_id, "failed")
    shown = dead(shop, "show", letter["id"][:12]).stdout
    assert '{"price": "x"}' in shown
    assert "ValueError: invalid literal" in shown
    mend_and_replay(shop, letter)
    assert eventually(lambda: ran(shop) == ["price 7"])
    assert "already replayed" in dead(shop, "replay", letter["id"], code=1).stderr
    assert waiting(shop) == []


def test_the_rest_of_a_chain_runs_after_the_replay(shop, eventually):
    send(shop, "(price.s(rows[1]) | add.s(1) | add.s(10)).apply_async()")
    mend_and_replay(shop, the_letter(shop, eventually))
    assert eventually(lambda: ran(shop) == ["price 7", "add 7 1", "add 8 10"])


def test_the_body_of_a_chord_runs_once_after_the_replay_of_its_failed_part(shop, eventually):
    send(shop, "chord([price.s(row) for row in rows])(total.s())")
    letter = the_letter(shop, eventually)
    assert eventually(lambda: sorted(ran(shop)) == ["price 1", "price 3"])
    mend_and_replay(shop, letter)
    assert eventually(lambda: sorted(ran(shop)) == ["price 1", "price 3", "price 7", "total 11"])
    send(shop, "add.delay(0, 0)")  # whatever else the chord had sent would have run before it
    assert eventually(lambda: ran(shop)[-1] == "add 0 0")
    assert len(ran(shop)) == 5, "a second body would show"


def test_one_part_of_a_group_is_replayed_alone(shop, eventually):
    send(shop, "group([price.s(row) for row in rows])()")
    letter = the_letter(shop, eventually)
    mend_and_replay(shop, letter)
    assert eventually(lambda: sorted(ran(shop)) == ["price 1", "price 3", "price 7"])


def test_a_replay_retries_from_the_start_and_dies_as_the_next_generation(shop, eventually):
    task_id = send(shop, "retried.delay('nothing')")
    first = the_letter(shop, eventually)
    assert first["attempts"] == 2
    dead(shop, "replay", first["id"])
    second = the_letter(shop, eventually, count=2)
    assert ran(shop) == ["try 0", "try 1", "try 0", "try 1"]
    assert (second["task_id"], second["generation"], second["replay_of"]) == (task_id, 1, first["id"])
    assert second["id"] in dead(shop, "show", first["id"]).stdout, "the first letter names the second"
    shop.write("there.txt", "at last")
    dead(shop, "edit", second["id"], "--args", '["there.txt"]')
    dead(shop, "replay", second["id"])
    eventually(lambda: "succeeded in" in said(shop))
    assert "succeeded" in shop.celeriac("why", task_id).stdout


def test_many_are_chosen_by_a_filter_and_nobody_is_asked_twice(shop, eventually):
    send(
        shop,
        "[price.delay(rows[1]), price.delay(rows[1]), price.delay(rows[1]), retried.delay('nothing')][0]",
    )
    died(shop, eventually, count=4)
    assert len(waiting(shop, "--task", "shop.pri*")) == 3
    assert "Nobody is here to ask" in dead(shop, "discard", "--task", "shop.pri*", code=2).stderr
    assert "Would discard 3 letters." in dead(shop, "discard", "--task", "shop.pri*", "--dry-run").stdout
    assert "Discarded 3 letters." in dead(shop, "discard", "--task", "shop.pri*", "--yes").stdout
    assert [letter["task"] for letter in waiting(shop)] == ["shop.retried"]
    discarded = waiting(shop, "--state", "discarded", "--older-than", "0s", "--newer-than", "1h")
    assert len([letter for letter in discarded if letter["died_at"] > shop.opened_at]) == 3
    assert waiting(shop, "--newer-than", "1ms") == []


def test_the_recorder_stops_softly_and_lets_letters_wait_while_it_is_gone(shop, eventually):
    recorder = shop.start_celeriac("recorder")
    send(shop, "price.delay(rows[1])")
    recorder.wait_for_log("letters recorded: 1")
    recorder.signal(signal.SIGTERM)
    assert recorder.wait() == 0
    send(shop, "price.delay(rows[1])")
    died(shop, eventually, count=2)
    assert len(waiting(shop)) == 2, "the second one was still in its queue"


def test_exported_lines_hold_the_body_to_the_byte_and_decoded(shop, eventually):
    import base64

    send(shop, "price.delay(rows[1])")
    letter = the_letter(shop, eventually)
    dead(shop, "export", "--output", "letters.jsonl")
    (line,) = (shop.folder / "letters.jsonl").read_text().splitlines()
    exported = json.loads(line)
    assert exported == letter
    assert json.loads(base64.b64decode(exported["body"]))[0] == exported["call"]["args"] == [{"price": "x"}]
    assert dead(shop, "export").stdout.strip() == line


def test_an_editor_changes_the_call(shop, eventually):
    send(shop, "price.delay(rows[1])")
    letter = the_letter(shop, eventually)
    shop.environ["EDITOR"] = "sed -i s/x/5/"
    assert "Mended" in dead(shop, "edit", letter["id"]).stdout
    shop.environ["EDITOR"] = "true"
    assert "Nothing was changed" in dead(shop, "edit", letter["id"]).stdout
    dead(shop, "replay", letter["id"])
    assert eventually(lambda: ran(shop) == ["price 5"])


def test_mistakes_are_answered_with_what_would_have_been_right(shop, eventually):
    assert re.search("No dead letters", dead(shop, "list").stdout)
    assert "LETTER-001" in dead(shop, "show", "nobody", code=1).stderr
    assert "--all" in dead(shop, "replay", code=2).stderr
    send(shop, "price.delay(rows[1])")
    letter = the_letter(shop, eventually)
    assert "known: default" in dead(shop, "replay", letter["id"], "--to", "defualt", code=1).stderr
    assert "not a JSON list" in dead(shop, "edit", letter["id"], "--args", "{}", code=2).stderr
    assert "LETTER-013" in dead(shop, "edit", letter["id"], "--set", "args.9.x=1", code=1).stderr
    assert waiting(shop)[0]["edited_at"] is None
