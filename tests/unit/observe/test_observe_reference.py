"""The reference pages of metrics and events, and the how-to's snippets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from celeriac.observe import reference
from celeriac.observe.metrics.names import COUNTED, DERIVED, READ
from celeriac.plan import read_plan

DOCS = Path(__file__).resolve().parents[3] / "docs"


def test_the_reference_pages_say_what_the_tables_say() -> None:
    assert (DOCS / "reference" / "metrics.md").read_text() == reference.metrics_page(), "run `make docs`"
    assert (DOCS / "reference" / "events.md").read_text() == reference.events_page(), "run `make docs`"


def test_no_metric_has_two_meanings() -> None:
    names = [family.name for family in (*COUNTED, *READ, *DERIVED)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("page", ["metrics.md", "logs.md"])
def test_the_plans_of_the_how_tos_can_be_read(page: str, tmp_path: Path) -> None:
    snippets = re.findall(r"```toml\n(.*?)```", (DOCS / "how-to" / page).read_text(), re.DOTALL)
    assert snippets
    for snippet in snippets:
        plan = tmp_path / "celeriac.toml"
        plan.write_text(f"[celeriac]\n{snippet}")
        read_plan(plan)
