"""The files in an example's deploy/ are what its plan is rendered to; after a change: `make render` there."""

from __future__ import annotations

from pathlib import Path

import pytest

from celeriac.deploy.folder import LEDGER, RenderedFolder
from celeriac.deploy.renderers import render
from celeriac.deploy.targets import read_plan_as_written

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
RENDERED = sorted(ledger.parent for ledger in EXAMPLES.glob(f"*/deploy/*/{LEDGER}"))


def test_examples_carry_rendered_files():
    assert {folder.parents[1].name for folder in RENDERED} >= {"assistant", "showcase"}


@pytest.mark.parametrize("folder", RENDERED, ids=lambda folder: str(folder.relative_to(EXAMPLES)))
def test_what_an_example_carries_is_what_its_plan_is_rendered_to(folder: Path):
    plan = read_plan_as_written(folder.parents[1] / "celeriac.toml", "production")
    differences = list(RenderedFolder(folder, folder.name).differences(render(plan, folder.name)))
    assert differences == []
