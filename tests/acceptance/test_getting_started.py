"""The getting-started page, followed to the letter: its files are written, its commands typed, in its order."""

import re
import signal
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "getting-started.md"
FENCE = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
NAMED = re.compile(r"Write `([\w./]+)`:\n\n```\w+\n(.*?)```", re.DOTALL)
LETTER = re.compile(r"\b[0-9a-f]{8}\b")


def commands() -> list[str]:
    """Every command of the page's console blocks, in order."""
    blocks = [text for kind, text in FENCE.findall(PAGE.read_text()) if kind == "console"]
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def expected(command: str) -> str:
    """The output that the page shows under a command, if it shows one."""
    block = next(text for kind, text in FENCE.findall(PAGE.read_text()) if f"$ {command}\n" in text)
    return block.partition(f"$ {command}\n")[2].partition("$ ")[0]


@pytest.fixture
def shop(project):
    """The page's project, its files written as the page says."""
    made = project()
    for leftover in ("celeriac.toml", "shop_tasks.py"):
        (made.folder / leftover).unlink()
    for name, text in NAMED.findall(PAGE.read_text()):
        made.write(name, text)
    return made


def test_every_command_of_the_page_does_what_the_page_says(shop, eventually):
    typed = commands()
    assert typed.index("celeriac up") == 1
    shell = "bash", "-c"

    checked = shop.run(*shell, typed[0])
    assert checked.returncode == 0, checked.stderr

    up = shop.start_celeriac("up")
    eventually(lambda: "ready" in up.log, within=60)

    added = shop.run(*shell, typed[2])
    assert added.stdout == expected(typed[2]) == "5\n", added.stderr

    failed = shop.run(*shell, typed[3])
    assert failed.returncode == 1
    assert "ValueError: could not convert string to float: '12,50'" in failed.stderr

    listed = shop.run(*shell, typed[4])
    assert "shop_tasks.price_in_cents" in listed.stdout, listed.stderr
    letter = LETTER.search(listed.stdout)
    assert letter, listed.stdout

    for command in typed[5:]:
        if "TASK" in command:
            task = shop.celeriac("send", "shop_tasks.add", "1", "2").stdout.strip()
            command = command.replace("TASK", task)  # noqa: PLW2901
        ran = shop.run(*shell, command.replace("LETTER", letter[0]))
        assert ran.returncode == 0, f"{command}\n{ran.stdout}{ran.stderr}"

    up.signal(signal.SIGINT)
    assert up.wait(within=60) == 0


def test_the_pages_own_python_sends_a_task_as_with_any_celery_app(shop, eventually):
    script = next(text for kind, text in FENCE.findall(PAGE.read_text()) if "create_app" in text)
    up = shop.start_celeriac("up")
    eventually(lambda: "ready" in up.log, within=60)
    sent = shop.run("python", "-c", script)
    assert sent.stdout == "5\n", sent.stderr
