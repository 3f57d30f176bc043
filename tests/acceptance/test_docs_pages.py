"""The pages agree with the source and with each other."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from celeriac.plan import check, read_plan

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_error_reference_is_current_and_every_code_means_one_thing():
    checked = run("scripts/error_codes.py", "--check")
    assert checked.returncode == 0, checked.stderr


def test_every_link_between_pages_leads_somewhere():
    checked = run("scripts/check_links.py")
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    "page", ["README.md", "docs/getting-started.md", "docs/how-to/schedules.md", "docs/how-to/runs.md"]
)
def test_every_plan_a_newcomer_is_shown_holds_together(page, tmp_path):
    plans = re.findall(r"```toml\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert plans
    for text in plans:
        path = tmp_path / "celeriac.toml"
        path.write_text(text)
        assert check(read_plan(path, environ={})) == []


def test_the_quick_start_of_the_readme_works(project, eventually):
    shop = project()
    page = (ROOT / "README.md").read_text().partition("## Quick start")[2]
    for name, text in re.findall(r"`([\w.]+)`:\n\n```\w+\n(.*?)```", page, re.DOTALL):
        shop.write(name, text)
    assert (shop.folder / "tasks.py").exists()
    run_it, send_it = re.findall(r"^    (celeriac .*)$", page, re.MULTILINE)
    up = shop.start(*run_it.split())
    eventually(lambda: "ready" in up.log, within=60)
    sent = shop.run(*send_it.split())
    assert sent.stdout == "5\n", sent.stderr
