"""How projects start Celery, read out of their files."""

import pytest

from celeriac.adopting.lines import command_lines

WORKER = {"queues": "high,low", "concurrency": "4"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Procfile", "worker: celery -A shop worker -Q high,low -c 4\n"),
        ("docker-compose.yml", "    command: celery -A shop worker --queues=high,low --concurrency=4\n"),
        (
            "docker-compose.yml",
            '    command: ["celery", "-A", "shop", "worker", "-Q", "high,low", "-c", "4"]\n',
        ),
        ("docker-compose.yml", "    command: bash -c 'sleep 1 && celery -A shop worker -Qhigh,low -c4'\n"),
        ("start.sh", "#!/bin/sh\nexec poetry run celery \\\n  -A shop worker \\\n  -Q high,low \\\n  -c 4\n"),
        ("Makefile", "work:\n\tpython -m celery --app=shop worker -Q high,low -c 4 # all of it\n"),
        ("celery.service", "ExecStart=/opt/shop/bin/celery -A shop worker -Q high,low -c 4\n"),
        (
            "compose/local/start",
            "exec watchfiles --filter python celery.__main__.main --args '-A shop worker -Q high,low -c 4'\n",
        ),
    ],
)
def test_a_worker_is_read_wherever_it_is_started(tmp_path, name, text):
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    (line,) = command_lines(tmp_path)
    assert (line.kind, line.app, line.options) == ("worker", "shop", WORKER)
    assert line.at.startswith(name)


def test_the_same_worker_in_two_files_is_one(tmp_path):
    for name in ("Procfile", "start.sh"):
        (tmp_path / name).write_text("celery -A shop worker -Q low\n")
    assert [line.at for line in command_lines(tmp_path)] == ["Procfile:1"]


def test_what_a_variable_says_is_left_open(tmp_path):
    (tmp_path / "start.sh").write_text(
        'celery -A shop worker -c "$SLOTS" -Q ${QUEUES:-low} --loglevel=info\n'
    )
    (line,) = command_lines(tmp_path)
    assert line.options == {"loglevel": "info"}


def test_a_beat_is_told_from_a_worker_and_comments_are_no_commands(tmp_path):
    (tmp_path / "Procfile").write_text(
        "# celery -A shop worker\nbeat: celery -A shop beat -S django --pidfile=\nweb: gunicorn shop\n"
    )
    (line,) = command_lines(tmp_path)
    assert (line.kind, line.options) == ("beat", {"scheduler": "django", "pidfile": ""})


@pytest.mark.parametrize(
    "text",
    [
        "celery -A",
        "celery worker",
        'celery "unclosed worker',
        "celery -A shop worker -Q",
        "celery " + "x" * 5000,
        "\0",
    ],
)
def test_no_line_however_odd_breaks_the_reading(tmp_path, text):
    (tmp_path / "start.sh").write_text(text)
    command_lines(tmp_path)
