"""The root command: quick help, lazy commands, and errors worded once."""

import importlib.util
import resource
import subprocess
import sys

import pytest

from celeriac.cli import main
from celeriac.errors import AlreadyRunning, BrokerError, CommandError, PlanError

PRESENT = [name for name in main.COMMANDS if importlib.util.find_spec(f"celeriac.cli.{name}")]


def test_help_takes_less_than_200_ms():
    def cpu_s() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    took = []
    for _ in range(5):
        before = cpu_s()
        subprocess.run([sys.executable, "-m", "celeriac", "--help"], check=True, capture_output=True)
        # Its own time, which a busy machine does not stretch as it does the wall's; help waits for nothing.
        took.append(cpu_s() - before)
    assert min(took) < 0.2


def test_help_imports_neither_celery_nor_the_plan():
    code = (
        "import sys\nfrom celeriac.cli.main import run\nrun(['--help'])\n"
        "print(sorted({'celery', 'msgspec', 'rich', 'sqlalchemy'} & set(sys.modules)), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ended.stderr.strip() == "[]"


def test_the_supervisor_imports_nothing_of_celery():
    code = (
        "import sys\nimport celeriac.supervise.supervisor\n"
        "print(*{'celery', 'sqlalchemy', 'rich'} & set(sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ended.stdout.strip() == ""


@pytest.mark.parametrize("name", PRESENT)
def test_the_root_says_of_a_command_what_it_says_of_itself(name):
    command = importlib.import_module(f"celeriac.cli.{name}").command
    assert command.get_short_help_str(limit=200) == main.COMMANDS[name]


def test_every_listed_command_has_its_file():
    assert list(main.COMMANDS) == PRESENT


def test_a_slip_of_the_fingers_is_named(capsys):
    assert main.run(["stauts"]) == 2
    assert "Did you mean status?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PlanError("PLAN-000", "x"), 2),
        (CommandError("UP-000", "x"), 2),
        (AlreadyRunning("UP-000", "x"), 3),
        (BrokerError("BROKER-000", "x"), 1),
    ],
)
def test_the_exit_code_says_whose_fault_it_is(error, code):
    assert main.exit_code(error) == code


def test_no_plan_and_no_app_is_an_error_that_says_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main.run(["plan"]) == 2
    assert "celeriac.toml" in capsys.readouterr().err


def test_a_broken_plan_gives_all_problems_and_no_traceback(tmp_path, monkeypatch, capsys):
    (tmp_path / "celeriac.toml").write_text('[queues.a]\nmax_wiat = "1s"\n[pools.web]\nqueues = ["b"]\n')
    monkeypatch.chdir(tmp_path)
    assert main.run(["status"]) == 2
    said = capsys.readouterr().err
    assert "max_wiat" in said
    assert '"b"' in said
    assert "Traceback" not in said


def test_the_plan_option_may_stand_before_and_after_the_command(tmp_path, monkeypatch, capsys):
    plan = tmp_path / "plans" / "mine.toml"
    plan.parent.mkdir()
    plan.write_text('[celeriac]\nname = "mine"\n[queues.default]\n[pools.web]\nqueues = ["default"]\n')
    monkeypatch.chdir(tmp_path)
    assert main.run(["--plan", str(plan), "plan"]) == 0
    assert main.run(["plan", "--plan", str(plan)]) == 0
    assert capsys.readouterr().out.count("mine: ") == 2


def test_the_environment_option_lays_an_environment_over_the_plan(tmp_path, monkeypatch, capsys):
    (tmp_path / "celeriac.toml").write_text(
        '[celeriac]\nname = "base"\n[queues.default]\n[pools.web]\nqueues = ["default"]\n'
        "[environments.staging.pools.web]\nreplicas = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main.run(["plan"]) == 0
    assert "web-3" not in capsys.readouterr().out
    assert main.run(["plan", "--env", "staging"]) == 0
    assert "web-3" in capsys.readouterr().out
    monkeypatch.setenv("CELERIAC_ENV", "staging")
    assert main.run(["plan"]) == 0
    assert "web-3" in capsys.readouterr().out
