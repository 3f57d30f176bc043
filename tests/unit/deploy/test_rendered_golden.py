"""What each target is rendered to, file by file.

CELERIAC_WRITE_GOLDEN=1 .venv/bin/python -m pytest tests/unit/deploy -k golden      writes it anew: read the diff
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from celeriac.deploy.renderers import TARGETS, render
from celeriac.errors import DeployError

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("target", TARGETS)
def test_the_golden_files_are_what_is_rendered(assistant, target):
    files = render(assistant, target)
    folder = GOLDEN / target
    if os.environ.get("CELERIAC_WRITE_GOLDEN"):
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
    kept = {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}
    assert kept == files


@pytest.mark.parametrize("target", TARGETS)
def test_no_secret_of_this_machine_is_in_what_is_rendered(assistant, target):
    for path, text in render(assistant, target).items():
        assert "s3cret" not in text, path


@pytest.mark.parametrize("target", TARGETS)
def test_the_same_plan_gives_the_same_files(assistant, target):
    assert render(assistant, target) == render(assistant, target)


def test_what_is_no_target_is_refused_with_those_that_are(assistant):
    with pytest.raises(DeployError, match="kompose") as refused:
        render(assistant, "kompose")
    assert refused.value.known == tuple(TARGETS)
