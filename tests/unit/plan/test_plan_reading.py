"""Finding a plan file and reading it: layouts, environments, variables."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from celeriac.errors import PlanError
from celeriac.plan import Letters, Plan, Policy, Pool, Queue, Retry, Schedule, check, find_plan, read_plan

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop.tasks"]
broker = "${BROKER_URL:-sqlite:///data/broker.db}"

[queues.high]
max_wait = "2s"
[queues.low]
max_length = 100_000
when_full = "reject"

[pools.web]
queues = ["high", "low"]
executor = "prefork"
autoscale = { min = 1, max = 4 }
max_memory_per_child = "512MiB"
grace = "2m"
replicas = 2

[tasks."shop.email.*"]
queue = "low"
priority = 9
retry = { limit = "unlimited", backoff = "500ms", jitter = false, on = ["smtplib.SMTPException"] }

[schedules.daily]
task = "shop.daily"
cron = "0 9 * * mon-fri"
args = [1, "two", { three = 3 }]

[letters]
keep = "forever"

[environments.staging.celeriac]
name = "shop-staging"
[environments.staging.pools.web]
queues = ["low", "high"]
autoscale.max = 2
[environments.live.celeriac]
broker = "redis://:${REDIS_PASSWORD}@redis/0"
[environments.live.queues]
low = { max_length = "${LENGTH}" }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "celeriac.toml").write_text(PLAN)
    return tmp_path


def problems_of(folder: Path, **options) -> list[PlanError]:
    with pytest.raises(PlanError) as raised:
        read_plan(folder, **{"environ": {}, **options})
    return list(raised.value.problems)


def test_a_file_and_python_say_the_same(folder):
    plan = read_plan(folder / "celeriac.toml", environ={})
    # In Python there are no references to variables.
    assert msgspec.structs.replace(plan, variables=(), environments=()) == Plan(
        name="shop",
        imports=("shop.tasks",),
        broker="sqlite:///data/broker.db",
        queues={
            "high": Queue(max_wait=timedelta(seconds=2)),
            "low": Queue(max_length=100_000, when_full="reject"),
        },
        pools={
            "web": Pool(
                queues=("high", "low"),
                executor="prefork",
                autoscale=plan.pools["web"].autoscale,
                max_memory_per_child=512 * 2**20,
                grace=timedelta(minutes=2),
                replicas=2,
            )
        },
        tasks={
            "shop.email.*": Policy(
                queue="low",
                priority=9,
                retry=Retry(
                    limit=None,
                    backoff=timedelta(milliseconds=500),
                    jitter=False,
                    on=("smtplib.SMTPException",),
                ),
            )
        },
        schedules={
            "daily": Schedule(task="shop.daily", cron="0 9 * * mon-fri", args=(1, "two", {"three": 3}))
        },
        letters=Letters(keep=None),
        folder=folder,
        source=folder / "celeriac.toml",
    )
    assert (plan.pools["web"].autoscale.min, plan.pools["web"].autoscale.max) == (1, 4)
    assert check(plan) == []


def test_results_and_records_lie_beside_an_sqlite_broker(folder):
    plan = read_plan(folder, environ={})
    assert (plan.results, plan.state) == ("sqlite:///data/results.db", "sqlite:///data/records.db")


def test_results_go_to_a_redis_broker_and_records_stay_in_the_state_folder():
    plan = Plan(broker="redis://localhost/0")
    assert (plan.results, plan.state) == ("redis://localhost/0", "sqlite:///.celeriac/records.db")


def test_an_absolute_sqlite_broker_keeps_its_four_slashes():
    assert (
        Plan(broker="sqlite:////var/lib/shop/broker.db?durability=relaxed").results
        == "sqlite:////var/lib/shop/results.db"
    )


def test_an_environment_is_laid_over_key_by_key_and_lists_are_replaced(folder):
    plan = read_plan(folder, env="staging", environ={})
    pool = plan.pools["web"]
    assert plan.name == "shop-staging"
    assert plan.environment == "staging"
    assert pool.queues == ("low", "high")
    assert (pool.autoscale.min, pool.autoscale.max) == (1, 2)
    assert pool.replicas == 2


def test_celeriac_env_names_the_environment_and_the_argument_wins(folder):
    assert read_plan(folder, environ={"CELERIAC_ENV": "staging"}).environment == "staging"
    variables = {"CELERIAC_ENV": "live"}
    assert read_plan(folder, env="staging", environ=variables).environment == "staging"
    assert read_plan(folder, environ={"CELERIAC_ENV": ""}).environment is None


def test_an_unknown_environment_is_a_problem_with_the_nearest_name(folder):
    [problem] = problems_of(folder, env="stagin")
    assert problem.code == "PLAN-016"
    assert problem.known == ("staging", "live")
    assert 'write "staging"' in problem.fix


def test_only_the_variables_of_the_chosen_environment_must_be_set(folder):
    assert read_plan(folder, environ={}).environment is None
    problems = problems_of(folder, env="live")
    last = len(PLAN.splitlines())
    assert [(problem.code, problem.at.rpartition(":")[2]) for problem in problems] == [
        ("PLAN-007", f"{last - 2}, [environments.live.celeriac].broker"),
        ("PLAN-007", f"{last}, [environments.live.queues.low].max_length"),
    ]


def test_a_variable_may_hold_a_number(folder):
    text = PLAN.replace("replicas = 2", 'replicas = "${REPLICAS:-3}"')
    (folder / "celeriac.toml").write_text(text)
    assert read_plan(folder, environ={}).pools["web"].replicas == 3
    assert read_plan(folder, environ={"REPLICAS": "5"}).pools["web"].replicas == 5
    [problem] = problems_of(folder, environ={"REPLICAS": "s3cret"})
    assert problem.code == "PLAN-011"
    assert "${REPLICAS:-3}" in problem.message
    assert "s3cret" not in str(problem)


def test_text_that_is_written_down_is_no_number(folder):
    (folder / "celeriac.toml").write_text(PLAN.replace("replicas = 2", 'replicas = "2"'))
    [problem] = problems_of(folder)
    assert (problem.code, problem.fix) == ("PLAN-011", "write a whole number from 0 to 1000, or a table")


@pytest.mark.parametrize(
    ("written", "variables", "read"),
    [
        ("a${X}c", {"X": "b"}, "abc"),
        ("${X:-b}", {"X": ""}, "b"),
        ("a${X}", {"X": ""}, "a"),
        ("${X:-}-${Y:-y}", {}, "-y"),
        ("$${X}", {"X": "b"}, "${X}"),
        ("${X}", {"X": "${Y}", "Y": "y"}, "${Y}"),
        ("$X {X}", {"X": "b"}, "$X {X}"),
    ],
)
def test_variables_are_filled_in_once(tmp_path, written, variables, read):
    (tmp_path / "celeriac.toml").write_text(
        f'[schedules.a]\ntask = "t"\nevery = "1s"\nkwargs = {{ x = "{written}" }}'
    )
    assert read_plan(tmp_path, environ=variables).schedules["a"].kwargs == {"x": read}


@pytest.mark.parametrize("written", ["${", "${X", "${}", "${X:-a", "${1}", "${X:=a}", "${ X }"])
def test_what_is_no_reference_is_a_problem(tmp_path, written):
    (tmp_path / "celeriac.toml").write_text(f'[celeriac]\napp = "{written}"')
    assert [problem.code for problem in problems_of(tmp_path, environ={"X": "a"})] == ["PLAN-008"]


def test_variables_in_keys_are_left_alone(tmp_path):
    (tmp_path / "celeriac.toml").write_text('[queues."${X}"]\n')
    assert [problem.code for problem in problems_of(tmp_path, environ={"X": "a"})] == ["PLAN-017"]


def test_celery_broker_url_wins_over_the_plan_even_where_its_variable_is_unset(folder):
    plan = read_plan(
        folder,
        env="live",
        environ={"CELERY_BROKER_URL": "sqlite:///$${b.db", "CELERY_RESULT_BACKEND": "rpc://", "LENGTH": "5"},
    )
    assert plan.broker == "sqlite:///$${b.db"
    assert plan.results == "rpc://"


def test_a_url_of_the_environment_is_not_said_in_a_problem(folder):
    [problem] = problems_of(folder, environ={"CELERY_BROKER_URL": "reddis://user:pa55@host/0"})
    assert problem.code == "PLAN-040"
    assert "pa55" not in str(problem)
    assert 'write "redis"' in problem.fix


def test_pyproject_holds_the_same_plan_in_its_own_table(tmp_path):
    text = PLAN.replace("[celeriac]\n", "[tool.celeriac]\n").replace(
        "[environments.staging.celeriac]", "[environments.staging]"
    )
    text = text.replace("[environments.live.celeriac]", "[environments.live]")
    for section in ("queues", "pools", "tasks", "schedules", "letters", "environments"):
        text = text.replace(f"[{section}", f"[tool.celeriac.{section}")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n' + text)
    plan = read_plan(tmp_path, env="staging", environ={})
    assert plan.source == tmp_path / "pyproject.toml"
    (tmp_path / "celeriac.toml").write_text(PLAN)
    other = read_plan(tmp_path, env="staging", environ={})
    assert other.source == tmp_path / "celeriac.toml"
    assert (plan.name, plan.pools, plan.queues, plan.tasks) == (
        other.name,
        other.pools,
        other.queues,
        other.tasks,
    )


def test_problems_in_a_pyproject_name_its_own_keys(tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        '[tool.celeriac]\nnme = "x"\n[tool.celeriac.queues.a]\nmax_wait = 5\n'
    )
    first, second = problems_of(tmp_path)
    assert first.at.endswith("pyproject.toml:2, [tool.celeriac].nme")
    assert second.at.endswith("pyproject.toml:4, [tool.celeriac.queues.a].max_wait")


def test_a_pyproject_without_a_plan_is_not_found_and_not_read(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.black]\n")
    assert find_plan(tmp_path) != tmp_path / "pyproject.toml"
    [problem] = problems_of(tmp_path / "pyproject.toml")
    assert problem.code == "PLAN-002"


def test_the_nearest_plan_above_is_found(folder):
    deep = folder / "a" / "b"
    deep.mkdir(parents=True)
    assert find_plan(deep) == folder / "celeriac.toml"
    (folder / "a" / "pyproject.toml").write_text("[tool.celeriac.queues.q]\n")
    assert find_plan(deep) == folder / "a" / "pyproject.toml"


def test_the_working_folder_is_where_the_search_begins(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert find_plan() == folder / "celeriac.toml"
    assert read_plan(environ={}).folder == folder
    assert read_plan("celeriac.toml", environ={}).folder == folder


def test_only_folders_above_are_searched_from_a_relative_folder(folder, monkeypatch):
    deep = folder / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "celeriac.toml").write_text("")
    monkeypatch.chdir(deep)
    assert find_plan("..") == folder / "celeriac.toml"
    assert read_plan("../../celeriac.toml", environ={}).folder == folder


def test_a_missing_file_is_said(tmp_path):
    [problem] = problems_of(tmp_path / "celeriac.toml")
    assert problem.code == "PLAN-001"
    assert "no such file" in problem.message


def test_a_file_that_may_not_be_read_or_is_none_is_said(tmp_path):
    (tmp_path / "celeriac.toml").mkdir()
    (tmp_path / "celeriac.toml" / "celeriac.toml").mkdir()
    for path in ("\0", "x" * 5000):
        assert [problem.code for problem in problems_of(tmp_path / path)] == ["PLAN-001"]


def test_text_that_is_not_utf_8_is_said_with_its_line(tmp_path):
    (tmp_path / "celeriac.toml").write_bytes(b'[celeriac]\nname = "\xff"\n')
    [problem] = problems_of(tmp_path)
    assert problem.code == "PLAN-004"
    assert problem.at.endswith("celeriac.toml:2")


def test_windows_line_ends_and_a_byte_order_mark_do_no_harm(folder):
    (folder / "celeriac.toml").write_bytes(b"\xef\xbb\xbf" + PLAN.replace("\n", "\r\n").encode())
    assert read_plan(folder, environ={}).name == "shop"


@pytest.mark.parametrize(
    ("text", "line"),
    [("[celeriac]\nname = x\n", 2), ("a = 1\na = 2\n", 2), ('[celeriac]\nname = "', 2), ("a = 0x\n", 1)],
)
def test_a_syntax_error_is_said_with_its_line(tmp_path, text, line):
    (tmp_path / "celeriac.toml").write_text(text)
    [problem] = problems_of(tmp_path)
    assert problem.code == "PLAN-006"
    assert problem.at.endswith(f"celeriac.toml:{line}")


def test_a_plan_that_only_warns_is_read(folder):
    (folder / "celeriac.toml").write_text(PLAN.replace('grace = "2m"', 'time_limit = "1h"'))
    plan = read_plan(folder, environ={})
    [warning] = check(plan)
    assert (warning.code, warning.severity) == ("PLAN-031", "warning")
    assert warning.at.endswith("celeriac.toml:17, [pools.web].time_limit"), warning.at


def test_slips_in_an_environment_that_is_not_chosen_are_found(folder):
    text = PLAN.replace("autoscale.max = 2", 'autoscale.mx = 2\ngrace = "2 m"')
    (folder / "celeriac.toml").write_text(text)
    unknown, wrong = problems_of(folder)
    assert unknown.at.endswith("[environments.staging.pools.web].autoscale.mx")
    assert wrong.at.endswith("[environments.staging.pools.web].grace")


def test_a_key_that_nobody_wrote_is_missed_in_the_plan_not_in_its_environment(tmp_path):
    (tmp_path / "celeriac.toml").write_text("[pools.p]\n[environments.live.pools.p]\nreplicas = 2\n")
    [problem] = problems_of(tmp_path, env="live")
    assert problem.at.endswith("celeriac.toml:1, [pools.p].queues")
