"""Units of systemd: a template per pool, a service for each other process, and a target that holds them all."""

from __future__ import annotations

from celeriac.deploy.allotment import allotment
from celeriac.deploy.units import Unit, at_least, units, whole_seconds
from celeriac.deploy.yaml import Note
from celeriac.plan import Plan

_HEAD = """# {name}: written by `celeriac render systemd`. Change the plan and render again.
"""
_SERVICE = """[Unit]
Description={title} of {name}
PartOf={name}.target
After=network-online.target
Wants=network-online.target
# Tried for ever: a broker that is away for an hour leaves no unit given up.
StartLimitIntervalSec=0

[Service]
# Ready when it works, not when it was started.
Type=notify
NotifyAccess=main
User={user}
Group={user}
WorkingDirectory={folder}
# Secrets and addresses; the plan names the variables it reads. Written for root alone, read before the user changes.
EnvironmentFile=-/etc/{name}/environment
{environment}ExecStart={folder}/.venv/bin/{command}
Restart=always
RestartSec=2
# SIGTERM to the process itself, which drains; what is left at the end is killed with all it started.
KillMode=mixed
KillSignal=SIGTERM
# {why}, and 5s
TimeoutStopSec={stop_s}
TimeoutStartSec=120
{out_of_memory}{resources}
# With [logs] format = "json" each line is one JSON object, which the journal keeps as it is.
StandardOutput=journal
StandardError=journal
SyslogIdentifier={name}-{title}

NoNewPrivileges=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectSystem=strict
ProtectHome=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectHostname=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
CapabilityBoundingSet=
UMask=0027
# The project's folder: its state folder .celeriac/, and whatever else its tasks write there.
ReadWritePaths={folder}
"""
_OUT_OF_MEMORY = """# A slot that is killed for its memory is one task's end, not the worker's.
OOMPolicy=continue
"""
_TARGET = """[Unit]
Description={name}: every process of the plan
{wants}

[Install]
WantedBy=multi-user.target
"""


def render(plan: Plan) -> dict[str, str]:
    """Give the unit files: NAME.target, NAME-POOL@.service, NAME-beat.service and so on.

    Of a pool the instances 1 up to its least replicas run; `systemctl start NAME-POOL@4` starts one more.
    """
    files: dict[str, str] = {}
    wanted: list[str] = []
    for unit in units(plan):
        several = unit.kind == "worker" or unit.replicas.max > 1
        stem = f"{plan.name}-{unit.title}"
        files[f"{stem}@.service" if several else f"{stem}.service"] = _service(plan, unit)
        if several:
            wanted += [f"{stem}@{number}.service" for number in range(1, at_least(unit) + 1)]
        else:
            wanted.append(f"{stem}.service")
    wants = "\n".join(f"Wants={name}" for name in wanted)
    return {
        f"{plan.name}.target": _HEAD.format(name=plan.name) + _TARGET.format(name=plan.name, wants=wants),
        **files,
    }


def folder_of(plan: Plan) -> str:
    """Where the project lies on a host."""
    return plan.deploy.folder or f"/srv/{plan.name}"


def user_of(plan: Plan) -> str:
    """The user of a host that runs it."""
    return plan.deploy.user or plan.name.lower().replace(".", "-")


def _service(plan: Plan, unit: Unit) -> str:
    command = [*unit.argv, "--replica", "%i"] if unit.kind == "worker" else [*unit.argv]
    environment = f"Environment=CELERIAC_ENV={plan.environment}\n" if plan.environment else ""
    return _HEAD.format(name=plan.name) + _SERVICE.format(
        name=plan.name,
        title=unit.title,
        user=user_of(plan),
        folder=folder_of(plan),
        environment=environment,
        command=" ".join(command),
        why=unit.why,
        stop_s=whole_seconds(unit.stop_after),
        out_of_memory=_OUT_OF_MEMORY if unit.kind == "worker" else "",
        resources=_resources(unit),
    )


def _resources(unit: Unit) -> str:
    most, kept = allotment(unit).most, allotment(unit).kept
    amounts = {
        "CPUQuota": most.cpu and Note(f"{most.cpu.value * 100:g}%", most.cpu.text),
        "CPUWeight": kept.cpu
        and Note(_weight(kept.cpu.value), f"{kept.cpu.text}: its share where CPUs are short"),
        "MemoryMax": most.memory,
        "MemoryLow": kept.memory,
    }
    return "".join(f"# {each.text}\n{key}={each.value}\n" for key, each in amounts.items() if each)


def _weight(cpus: float) -> int:
    """Weigh a CPU as much as systemd weighs a unit of which nothing is said. Source: systemd.resource-control(5)"""
    return min(max(round(cpus * 100), 1), 10_000)
