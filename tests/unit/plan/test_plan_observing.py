"""What a plan says of metrics, logs and traces must hold together."""

from __future__ import annotations

from pathlib import Path

import pytest

from celeriac.errors import PlanError
from celeriac.plan import read_plan

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
