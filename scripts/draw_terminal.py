"""Draw docs/images/terminal.svg: real commands in a real project, as a terminal shows them.

Run by hand when the output of these commands changes: .venv/bin/python scripts/draw_terminal.py
"""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import subprocess
import sys
import tempfile
import time
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "terminal.svg"
WIDTH = 104
PLAN = """\
[celeriac]
imports = ["shop"]
[queues.default]
max_wait = "5s"
[pools.web]
queues = ["default"]
concurrency = 2
[tasks."shop.charge"]
retry = { limit = 1, backoff = "200ms" }
"""
TASKS = """\
from pathlib import Path
from celery import shared_task

@shared_task
def charge(order, cents):
    if not Path("bank-is-open").exists():
        raise ConnectionError("the bank does not answer")
    return f"order {order}: {cents / 100:.2f} paid"
"""


class Terminal:
    """Commands run in a pseudo-terminal, each with what it printed, colours included."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shown = Text()

    def run(self, line: str) -> str:
        """Run one command line to its end, and show it with its output."""
        output = self._output(shlex.split(line))
        self._show(line, output)
        return output

    def _show(self, line: str, output: str) -> None:
        self._shown.append("$ ", style="bold green").append(f"{line}\n", style="bold")
        self._shown.append(Text.from_ansi(output.rstrip("\n")))
        self._shown.append("\n\n")

    def picture(self) -> str:
        """Give all of it as an SVG."""
        console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True)
        console.print(self._shown, end="")
        return console.export_svg(title="celeriac", unique_id="celeriac-terminal")

    def _output(self, command: list[str]) -> str:
        master, slave = pty.openpty()
        environ = {**os.environ, "COLUMNS": str(WIDTH), "LINES": "50", "TERM": "xterm-256color"}
        process = subprocess.Popen(command, cwd=self._folder, stdout=slave, stderr=slave, env=environ)
        os.close(slave)
        read = b""
        while True:
            ready, _, _ = select.select([master], [], [], 0.1)
            if ready:
                try:
                    read += os.read(master, 65_536)
                except OSError:
                    break
            elif process.poll() is not None:
                break
        os.close(master)
        return read.decode().replace("\r\n", "\n")


def main() -> None:
    """Make the project, run the commands, write the picture."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "shop"
        folder.mkdir()
        (folder / "celeriac.toml").write_text(PLAN)
        (folder / "shop.py").write_text(TASKS)
        up = subprocess.Popen(
            ["celeriac", "up"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        try:
            assert up.stdout is not None
            while b"ready" not in up.stdout.readline():
                pass
            time.sleep(3)
            terminal = Terminal(folder)
            terminal.run("celeriac status")
            task_id = re.search(r"[0-9a-f-]{36}", terminal.run("celeriac send shop.charge 1042 4999"))
            assert task_id is not None
            time.sleep(4)
            terminal.run(f"celeriac why {task_id[0]}")
            letter = terminal.run("celeriac dead list")
            (folder / "bank-is-open").touch()
            which = re.search(r"^ *([0-9a-f]{6,36})", letter, re.MULTILINE)
            assert which is not None, letter
            terminal.run(f"celeriac dead replay {which[1]}")
            time.sleep(3)
            terminal.run(f"celeriac why {task_id[0]}")
            PICTURE.write_text(terminal.picture())
        finally:
            up.terminate()
            up.wait(30)


if __name__ == "__main__":
    main()
