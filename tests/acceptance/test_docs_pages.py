"""The pages agree with the source and with each other."""

import subprocess
import sys
from pathlib import Path

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
