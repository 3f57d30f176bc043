"""A configuration of supervisor: a program per pool and for each other process, in one group."""

from __future__ import annotations

from celeriac.deploy.systemd import folder_of, user_of
from celeriac.deploy.units import Unit, at_least, units, whole_seconds
from celeriac.plan import Plan

_HEAD = """; {name}: written by `celeriac render supervisor`. Change the plan and render again.
; Variables that the plan reads are handed on from supervisord's own environment, so that no secret stands here.
"""
_PROGRAM = """
[program:{program}]
command={folder}/.venv/bin/{command}
process_name={process}
numprocs={count}
numprocs_start=1
directory={folder}
user={user}
environment={environment}
autostart=true
autorestart=true
startsecs=5
; Tried for days, a second later each time: a broker that is away for an hour leaves no program given up.
startretries=1000
stopsignal=TERM
; {why}, and 5s
stopwaitsecs={stop_s}
; SIGTERM to the process alone, which drains; SIGKILL to all it started.
stopasgroup=false
killasgroup=true
stdout_logfile=NONE
stderr_logfile=/var/log/supervisor/%(program_name)s-%(process_num)d.log
stderr_logfile_maxbytes=20MB
stderr_logfile_backups=5
"""


def render(plan: Plan) -> dict[str, str]:
    """Give NAME.conf, to be put where supervisord includes files from."""
    parts = [_HEAD.format(name=plan.name)]
    running = [unit for unit in units(plan) if at_least(unit)]
    parts += [_program(plan, unit) for unit in running]
    programs = ",".join(f"{plan.name}-{unit.title}" for unit in running)
    parts.append(f"\n[group:{plan.name}]\nprograms={programs}\n")
    return {f"{plan.name}.conf": "".join(parts)}


def _program(plan: Plan, unit: Unit) -> str:
    command = " ".join(unit.argv)
    if unit.kind == "worker":
        command += " --replica %(process_num)d"
    environment = f'CELERIAC_ENV="{plan.environment}",' if plan.environment else ""
    return _PROGRAM.format(
        program=f"{plan.name}-{unit.title}",
        folder=folder_of(plan),
        user=user_of(plan),
        command=command,
        process="%(program_name)s-%(process_num)d",
        count=at_least(unit),
        environment=f'{environment}PYTHONUNBUFFERED="1"',
        why=unit.why,
        stop_s=whole_seconds(unit.stop_after),
    )
