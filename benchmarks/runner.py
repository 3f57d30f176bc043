"""One system in one folder: its producer and its workers as processes, and what they have finished."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from benchmarks import ticks
from benchmarks.systems import System

STOPS_WITHIN_S = 15.0
STARTS_WITHIN_S = 60.0
#: A drain that has not moved for this long has lost a task, or its worker.
STANDS_STILL_S = 20.0
_ROOT = Path(__file__).resolve().parents[1]


class Runner:
    """Sends by a system's producer, runs its workers, and knows how much must have run."""

    def __init__(self, system: System, folder: Path, environ: dict[str, str]) -> None:
        self.system = system
        self.folder = folder
        self.ticks = folder / "ticks"
        self.ticks.mkdir()
        self.sent = 0
        paths = os.pathsep.join((str(_ROOT), str(_ROOT / "src")))
        self.environ = {**os.environ, "PYTHONPATH": paths, **environ}

    def send(
        self, how: str, count: int, *, kind: str = "noop", payload_bytes: int = 0, what: str = "send"
    ) -> dict[str, Any]:
        """Run the producer, a process of its own, and give its figures.

        how: "one_by_one", "in_bulk" or "as_group". what: "send", or "idle": each when the one before has run.
        """
        command = [self.system.python, "-m", "benchmarks.produce", f"benchmarks.apps.{self.system.app}"]
        command += [how if what == "send" else what, kind, str(count), str(payload_bytes), str(self.sent)]
        ended = subprocess.run(
            command,
            env=self.environ,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=600,
        )
        self.expect(count)
        figures: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
        return figures

    def expect(self, count: int) -> None:
        """Count the next `count` numbers among what must run."""
        self.sent += count

    @contextmanager
    def workers(self, commands: Sequence[tuple[str, ...]], **environ: str) -> Iterator[list[int]]:
        """Run workers until the block ends; gives their process ids."""
        log = (self.folder / "workers.log").open("ab")
        started = [
            subprocess.Popen(
                command,
                cwd=self.folder,
                env={**self.environ, **environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            for command in commands
        ]
        try:
            yield [worker.pid for worker in started]
        finally:
            for worker in started:
                worker.terminate()
            deadline = time.monotonic() + STOPS_WITHIN_S
            for worker in started:
                with suppress(subprocess.TimeoutExpired):
                    worker.wait(max(0.1, deadline - time.monotonic()))
                # Whatever it has left behind, too: a child that outlives it would work in the next measurement.
                with suppress(ProcessLookupError):
                    os.killpg(worker.pid, signal.SIGKILL)
                worker.wait()
            log.close()

    def wait(self, finished: int | None = None) -> ticks.Tally:
        """Wait until all that was sent has run, or that many.

        Raises: TimeoutError with the end of the workers' log if they stand still.
        """
        target = self.sent if finished is None else finished
        moved, seen = time.monotonic() + STARTS_WITHIN_S, 0
        while (tally := ticks.read(self.ticks)).finished < target or (
            # A task that ran twice counts twice, and another still waits.
            finished is None and ticks.different(self.ticks) < target
        ):
            if tally.finished != seen:
                moved, seen = time.monotonic() + STANDS_STILL_S, tally.finished
            if time.monotonic() > moved:
                words = (self.folder / "workers.log").read_text(errors="replace")[-4000:]
                raise TimeoutError(f"{self.system.name}: {seen} of {target} tasks ran, then none\n{words}")
            # Coarse, since whoever reads the clock here takes from the two cores that are being measured.
            time.sleep(0.03)
        return tally

    def check(self) -> int:
        """See that each task has run; say how many ran once more.

        Raises: RuntimeError if one was lost, or if one of ours ran twice: nothing has died here.
        """
        ran, finished = ticks.different(self.ticks), ticks.read(self.ticks).finished
        if ran != self.sent or (self.system.is_ours and finished != ran):
            raise RuntimeError(
                f"{self.system.name}: {self.sent} tasks were sent, {ran} ran, {finished} times"
            )
        return finished - ran


def memory_mb(process_ids: Sequence[int]) -> float:
    """Give the memory of process trees, shared pages shared out (PSS), in MB."""
    total = 0
    for process_id in process_ids:
        root = psutil.Process(process_id)
        for each in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess, FileNotFoundError):
                lines = Path(f"/proc/{each.pid}/smaps_rollup").read_text().splitlines()
                total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024
