"""The reference of the command line."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_reference_page_says_what_the_commands_say():
    ended = subprocess.run(
        [sys.executable, "scripts/cli_reference.py", "--check"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
