"""Celeriac in two minutes: 336,776 real flights, two pools, a killed worker, dead letters mended and replayed.

    python examples/first-run/run.py                 all flights
    python examples/first-run/run.py --rows 6000     a slice, for the hurried

Exits 0 only if every row of the source has arrived exactly once.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import psutil
from celery import Celery, chain, chord
from celery.result import AsyncResult
from flights import store, tasks
from flights.source import Chunk, cut, flight_lines
from project import HERE, Deadline, Project, TooLate
from screen import Screen

from celeriac import create_app

LASTS_AT_MOST_S = 100.0
KILL_AFTER = 0.3  # of the rows
SLICE_BEGINS_AFTER = 120_000  # rows; so that also a small slice holds a malformed one
REPAIRS = '{"tailnum": {"D942DN": "NA"}}'


class Source(NamedTuple):
    """What was published: rows to skip, rows to take, and what they must add up to."""

    skip: int
    rows: int
    miles: int


def main() -> int:
    options = read_options()
    screen = Screen()
    project = Project(options.work)
    signal.signal(signal.SIGTERM, stop)
    project.make()
    os.chdir(project.folder)
    try:
        return Demo(screen, project, options.rows).run()
    except TooLate as late:
        explain(screen, project, late)
        return 1
    except KeyboardInterrupt:
        screen.alarm("interrupted; stopping what was started")
        return 130
    finally:
        project.stop()


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, metavar="N", help="take only N rows of the flights")
    parser.add_argument(
        "--work", type=Path, default=HERE / "work", metavar="FOLDER", help="the project's folder; made anew"
    )
    options = parser.parse_args()
    if options.rows is not None and not 1000 <= options.rows <= 200_000:
        parser.error("--rows takes 1000 to 200000; without it, all 336,776 rows are taken")
    return options


def stop(number: int, frame: FrameType | None) -> None:
    """Leave by way of `finally`, which stops what we have started."""
    sys.exit(128 + number)


def explain(screen: Screen, project: Project, late: TooLate) -> None:
    """Say what was waited for, and how things stand."""
    screen.alarm(str(late))
    for command in (("status",), ("dead", "list")):
        screen.command("celeriac " + " ".join(command), project.celeriac(*command))
    log = project.log.read_text(errors="replace").splitlines()[-15:]
    screen.command(f"tail {project.log}", "\n".join(log))
    screen.end(False)


class Demo:
    """The story, told once."""

    def __init__(self, screen: Screen, project: Project, rows: int | None) -> None:
        self.screen = screen
        self.project = project
        self.deadline = Deadline(LASTS_AT_MOST_S)
        self.wanted_rows = rows
        self.was_in_the_middle = False
        self.busy_s = 0.0
        self.task_count = 0

    def run(self) -> int:
        source = self.read_source()
        chunks = self.cut(source)
        self.start()
        body = self.send(chunks)
        self.watch_and_kill(body, source.rows)
        letters = self.show_letters(chunks)
        self.mend(letters)
        self.finish(body)
        return 0 if self.prove(source, len(letters)) else 1

    def read_source(self) -> Source:
        self.screen.step(
            "The source: flights that left New York in 2013, as the US government published them"
        )
        skip = 0 if self.wanted_rows is None else SLICE_BEGINS_AFTER
        rows = miles = 0
        for line in flight_lines(skip, self.wanted_rows):
            rows += 1
            miles += int(line.split(",")[15])
        self.screen.say(f"{rows:,} rows, {miles:,} miles; counted in the published file itself")
        return Source(skip, rows, miles)

    def cut(self, source: Source) -> list[Chunk]:
        # A slice is cut finer, so that it too has work for long enough to be disturbed.
        chunk_rows = 1000 if self.wanted_rows is None else max(50, source.rows // 100)
        chunks = cut(Path("flights.csv"), skip=source.skip, rows=source.rows, chunk_rows=chunk_rows)
        self.screen.say(f"to be loaded in {len(chunks)} chunks, each extract → validate → transform → load")
        return chunks

    def start(self) -> None:
        self.screen.step("Start: no server, one command")
        self.screen.command("celeriac up")
        self.project.up()
        processes = self.deadline.wait_for("the workers", self.project.ready)
        self.screen.say(", ".join(f"{name} (pid {each['pid']})" for name, each in processes.items()))
        self.screen.say(f"all of them are ready; their log is {self.project.log}")

    def send(self, chunks: list[Chunk]) -> AsyncResult:
        self.screen.step("Send: a chord of chains over two pools")
        self.app: Celery = create_app(self.project.folder / "celeriac.toml")
        self.app.set_current()
        header = [
            chain(
                tasks.extract.s("flights.csv", chunk.first_row, chunk.start, chunk.end),
                tasks.validate.s(),
                tasks.transform.s(),
                tasks.load.s(),
            )
            for chunk in chunks
        ]
        self.began = time.monotonic()
        body = chord(header, tasks.summarise.s(), app=self.app).apply_async()
        self.task_count = 4 * len(chunks) + 1
        took = time.monotonic() - self.began
        self.screen.say(
            f"{len(chunks)} chains sent in {took:.1f} s; when all are loaded, one summary is made"
        )
        return body

    def watch_and_kill(self, body: AsyncResult, rows: int) -> None:
        self.screen.step("Work; and a worker is killed in the middle of it")
        victim = (self.project.status() or {})["numbers-1"]["pid"]
        with self.screen.bar(rows) as bar:

            def loaded() -> int:
                so_far = store.progress(tasks.DATABASE).rows
                bar.show(so_far)
                return so_far

            self.deadline.wait_for("a third of the rows", lambda: loaded() >= rows * KILL_AFTER, every_s=0.02)
            self.was_in_the_middle = not self.state(body)
            processes = len(psutil.Process(victim).children(recursive=True))
            os.killpg(victim, signal.SIGKILL)
            self.screen.alarm(
                f"kill -9 {victim}: the worker numbers-1 and its {processes} processes are gone"
            )
            self.screen.say("what they held goes to numbers-2; celeriac up starts numbers-1 again")

            def settled() -> bool:
                loaded()
                return self.state(body) in ("SUCCESS", "FAILURE")

            self.deadline.wait_for("an outcome of every chunk", settled)
            loaded()
        self.busy_s += time.monotonic() - self.began

    def state(self, body: AsyncResult) -> str | None:
        """Give the chord's outcome, None while it has none."""
        state = self.app.AsyncResult(body.id).state  # read anew: an AsyncResult keeps what it saw first
        return state if state in ("SUCCESS", "FAILURE") else None

    def show_letters(self, chunks: list[Chunk]) -> list[dict[str, Any]]:
        self.screen.step("Dead letters: chunks that hold a malformed row")
        missing = len(chunks) - store.progress(tasks.DATABASE).chunks
        self.screen.say(f"{missing} of {len(chunks)} chunks are not loaded. Where are they?")
        letters = self.deadline.wait_for("the letters on record", lambda: self.letters_if(missing))
        self.screen.command("celeriac dead list", self.project.celeriac("dead", "list"))
        shown = letters[0]["id"][:8]
        self.screen.command(
            f"celeriac dead show {shown}", self.project.celeriac("dead", "show", shown), lines=30
        )
        self.screen.say(
            "These rows are in the published data as you see them; none was made up for this demo."
        )
        self.screen.say(
            "American registrations begin with N: D942DN is none, so nothing of its chunk was loaded."
        )
        return letters

    def letters_if(self, number: int) -> list[dict[str, Any]] | None:
        letters: list[dict[str, Any]] = self.project.read("dead", "list")
        return letters if number and len(letters) == number else None

    def mend(self, letters: list[dict[str, Any]]) -> None:
        self.screen.step("Mend and replay: the aircraft is unknown, the flights took place")
        for letter in letters:
            typed = ("dead", "edit", letter["id"][:8], "--set", f"kwargs.repairs={REPAIRS}")
            printed = self.project.celeriac(*typed)
            self.screen.command(
                f"celeriac dead edit {typed[2]} --set kwargs.repairs='{REPAIRS}'", printed, lines=3
            )
        self.began = time.monotonic()
        printed = self.project.celeriac("dead", "replay", "--task", "flights.validate", "--yes")
        self.screen.command("celeriac dead replay --task flights.validate --yes", printed)
        # These ran twice: when they failed, and now.
        self.task_count += len(letters)

    def finish(self, body: AsyncResult) -> None:
        self.deadline.wait_for("the summary", lambda: self.state(body) == "SUCCESS", every_s=0.05)
        self.busy_s += time.monotonic() - self.began
        self.screen.say("the chains went on from there, the chord is whole again, and its body has run:")
        summary = self.app.AsyncResult(body.id).get(timeout=5)
        self.screen.table(
            ["weather at departure", "flights", "cancelled", "mean delay"],
            [
                (kind, f"{flights:,}", f"{cancelled:.1f} %", f"{delay:.0f} min")
                for kind, flights, cancelled, delay in summary["weather"]
            ],
        )
        worst, best = summary["airlines"][0], summary["airlines"][-1]
        self.screen.say(
            f"latest airline: {worst[0]} ({worst[3]:.0f} min), most punctual: {best[0]} ({best[3]:.0f} min)"
        )

    def prove(self, source: Source, letters: int) -> bool:
        self.screen.step("Proof: the table counted against the source")
        found = store.count(tasks.DATABASE)
        victim = self.deadline.wait_for("numbers-1 to be back", self.project.ready)["numbers-1"]
        replayed = self.project.read("dead", "list", "--state", "replayed")
        waiting = self.project.read("dead", "list")
        claims = {
            "every row of the source is in the table, and nothing else": (
                found.rows == found.distinct == source.rows
                and (found.first, found.last) == (source.skip + 1, source.skip + source.rows)
            ),
            f"their miles add up to those of the source: {found.miles:,}": found.miles == source.miles,
            f"no row was loaded twice ({found.asked_again} loads were asked for again, and refused)": not found.twice,
            f"numbers-1 was killed in the middle, and runs again (pid {victim['pid']})": (
                self.was_in_the_middle and victim["restarts"] >= 1
            ),
            f"each of the {letters} letters was replayed once, and none waits": (
                letters > 0 and len(replayed) == letters and not waiting
            ),
            "the body of the chord ran once": found.summaries == 1,
        }
        for claim, held in claims.items():
            self.screen.verdict(held, claim)
        passed = all(claims.values())
        self.screen.say(
            f"It is all still there, in {self.project.folder}: try celeriac dead list --state replayed"
        )
        self.screen.say("")
        self.screen.last("rows in the source", f"{source.rows:,}")
        self.screen.last("rows loaded", f"{found.rows:,}")
        self.screen.last("rows loaded twice", f"{found.twice:,}")
        self.screen.last("tasks a second", f"{self.task_count / self.busy_s:,.0f}")
        self.screen.end(passed)
        return passed


if __name__ == "__main__":
    sys.exit(main())
