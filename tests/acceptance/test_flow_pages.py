"""The snippets of the pages on brokers, breakers, bases and Flower work: plans hold together, code runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from celeriac.plan import check, read_plan

PAGES = Path(__file__).resolve().parents[2] / "docs" / "how-to"
BASE = """\
[queues.default]
[pools.web]
queues = ["default"]
[pools.batch]
queues = ["default"]
[pools.mail]
queues = ["default"]
"""
VARIABLES = {"FLOWER_BASIC_AUTH": "ada:secret"}


def blocks(language: str):
    for name in ("broker-fallback", "circuit-breaker", "flower", "task-bases"):
        found = re.findall(rf"```{language}\n(.*?)```", (PAGES / f"{name}.md").read_text(), re.DOTALL)
        for number, text in enumerate(found, start=1):
            yield pytest.param(text, id=f"{name}-{number}")


@pytest.mark.parametrize("text", list(blocks("toml")))
def test_every_plan_shown_holds_together(text, tmp_path):
    path = tmp_path / "celeriac.toml"
    path.write_text(text + BASE)
    assert check(read_plan(path, environ=VARIABLES)) == []


def test_all_the_code_shown_runs(tmp_path):
    (tmp_path / "shown.py").write_text("\n\n".join(block.values[0] for block in blocks("python")))
    ended = subprocess.run(
        [sys.executable, "shown.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
