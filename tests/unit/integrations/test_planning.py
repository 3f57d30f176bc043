"""Which plan the settings of a web framework name."""

from __future__ import annotations

import pytest

from celeriac.errors import IntegrationError, PlanError
from celeriac.integrations.planning import configured_plan
from celeriac.integrations.program import environment
from celeriac.plan import Plan, Queue


@pytest.fixture(autouse=True)
def _nothing_told(monkeypatch):
    for name in ("CELERIAC_PLAN", "CELERIAC_ENV", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.delenv(name, raising=False)


def asked(folder, path=None, values=None):
    return configured_plan(path, values, folder, at="the settings")


def test_a_path_is_taken_from_the_projects_folder(tmp_path):
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "celeriac.toml").write_text('[celeriac]\nname = "far"\n')
    assert asked(tmp_path, "plans/celeriac.toml").name == "far"
    assert asked(tmp_path, tmp_path / "plans").name == "far"


def test_a_plan_is_taken_as_it_is(tmp_path):
    plan = Plan(name="made", queues={"default": Queue()})
    assert asked(tmp_path, plan) is plan


def test_without_settings_the_nearest_file_is_found_else_the_defaults_hold(tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    assert asked(inner) == Plan(folder=inner)
    (tmp_path / "celeriac.toml").write_text('[celeriac]\nname = "near"\n')
    assert asked(inner).name == "near"


def test_the_variable_comes_before_all_settings(tmp_path, monkeypatch):
    (tmp_path / "told.toml").write_text('[celeriac]\nname = "told"\n')
    monkeypatch.setenv("CELERIAC_PLAN", str(tmp_path / "told.toml"))
    assert asked(tmp_path, "missing.toml", {"name": "never read"}).name == "told"


@pytest.mark.parametrize(
    ("path", "values", "code"), [("a.toml", {}, "WEB-001"), (5, None, "WEB-003"), (None, ["web"], "WEB-003")]
)
def test_what_is_no_one_plan_is_refused(tmp_path, path, values, code):
    with pytest.raises(IntegrationError) as raised:
        asked(tmp_path, path, values)
    assert raised.value.code == code


def test_a_dict_beside_a_file_is_refused_for_the_command_line_would_take_the_file(tmp_path):
    (tmp_path / "celeriac.toml").write_text("[celeriac]\n")
    with pytest.raises(IntegrationError, match="WEB-002"):
        asked(tmp_path, None, {"name": "second"})


def test_a_missing_file_is_a_problem_of_the_plan(tmp_path):
    with pytest.raises(PlanError, match=r"missing\.toml"):
        asked(tmp_path, "missing.toml")


def test_what_celeriac_is_told_reaches_the_framework_too(tmp_path):
    plan = Plan(source=tmp_path / "celeriac.toml")
    told = environment(["--env", "staging", "status"], plan, "proj.celery:app", FLASK_APP="shop")
    assert (told["CELERIAC_ENV"], told["CELERIAC_APP"], told["FLASK_APP"]) == (
        "staging",
        "proj.celery:app",
        "shop",
    )
    assert told["CELERIAC_PLAN"] == str(tmp_path / "celeriac.toml")
    assert environment(["up", "--plan=other.toml"], plan, "proj")["CELERIAC_PLAN"] == "other.toml"
    assert environment(["up"], Plan(app="own:app"), "proj")["CELERIAC_APP"] == "own:app"
