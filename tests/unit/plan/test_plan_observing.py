"""What a plan says of metrics, logs and traces must hold together."""

from __future__ import annotations

from pathlib import Path

import pytest

from celeriac.errors import PlanError
from celeriac.plan import Plan, Pool, Queue, check, read_plan
from celeriac.plan.tables.observing import Metrics

PLAN = """\
[queues.default]
[pools.web]
queues = ["default"]
"""


def read(folder: Path, text: str) -> str:
    """Read a plan with `text` at its end, and give what is wrong with it."""
    path = folder / "celeriac.toml"
    path.write_text(PLAN + text)
    try:
        read_plan(path)
    except PlanError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("address", ["9540", "127.0.0.1", "127.0.0.1:99999", "here there:9540", ":9540"])
def test_metrics_have_an_address(tmp_path: Path, address: str) -> None:
    said = read(tmp_path, f'[metrics]\naddress = "{address}"\n')
    assert "PLAN-090" in said
    assert "[metrics].address" in said
    assert "fix:" in said


@pytest.mark.parametrize("address", ["127.0.0.1:9540", "[::1]:9540", "0.0.0.0:80"])
def test_an_address_of_any_kind_is_fine(tmp_path: Path, address: str) -> None:
    assert read(tmp_path, f'[metrics]\naddress = "{address}"\n') == ""


def test_metrics_that_other_machines_can_read_want_a_password(tmp_path: Path) -> None:
    path = tmp_path / "celeriac.toml"

    def warned(metrics: str, **environ: str) -> list[str]:
        path.write_text(PLAN + f"[metrics]\n{metrics}\n")
        return [problem.code for problem in check(read_plan(path, environ=environ))]

    auth = 'auth = "${METRICS_BASIC_AUTH:-}"'
    assert warned('address = "0.0.0.0:9540"') == ["PLAN-095"]
    assert warned(f'address = "0.0.0.0:9540"\n{auth}') == ["PLAN-095"]
    assert warned(f'address = "0.0.0.0:9540"\n{auth}', METRICS_BASIC_AUTH="ada:secret") == []
    assert warned('address = "127.0.0.1:9540"') == []


def test_the_password_of_the_metrics_never_stands_in_the_file_or_the_error(tmp_path: Path) -> None:
    said = read(tmp_path, '[metrics]\nauth = "ada:hush"\n')
    assert "PLAN-075" in said
    assert "hush" not in said
    plan = Plan(
        queues={"default": Queue()},
        pools={"web": Pool(queues=("default",))},
        metrics=Metrics(auth="hush"),
    )
    (problem,) = check(plan)
    assert (problem.code, "hush" in str(problem)) == ("PLAN-082", False)


def test_spans_go_to_a_collector(tmp_path: Path) -> None:
    assert "PLAN-091" in read(tmp_path, '[tracing]\nendpoint = "127.0.0.1:4318"\n')
    assert read(tmp_path, '[tracing]\nendpoint = "https://collector:4318"\n') == ""
    assert read(tmp_path, "[tracing]\n") == ""


def test_each_log_file_is_written_in_one_way(tmp_path: Path) -> None:
    said = read(tmp_path, '[logs.files.a]\npath = "x.log"\n[logs.files.b]\npath = "x.log"\nlevel = "ERROR"\n')
    assert "PLAN-092" in said
    assert 'log files "a" and "b" are the same file' in said


def test_an_unknown_format_names_the_known_ones(tmp_path: Path) -> None:
    said = read(tmp_path, '[logs]\nformat = "xml"\n')
    assert "PLAN-014" in said
    assert "known: human, json" in said
