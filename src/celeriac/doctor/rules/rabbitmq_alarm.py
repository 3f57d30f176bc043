"""RabbitMQ refuses messages: an alarm of its memory or its disk is in force.

Every sender waits. Its management API tells, so this is judged only where the plan names it: `[flower].broker_api`.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.patient import Patient
from celeriac.doctor.words import size


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell each alarm."""
    for alarm in patient.alarms.seen():
        is_disk = alarm.kind == "disk"
        held = f"{size(alarm.used)} {'free' if is_disk else 'used'}, limit {size(alarm.limit)}"
        yield Symptom(
            at=f"node {alarm.node}",
            message=f"RabbitMQ refuses messages: its {alarm.kind} alarm is in force ({held})",
            fix="free some disk on that node"
            if is_disk
            else "let workers drain the queues, or give the node memory",
            facts={"alarm": alarm.kind, "bytes": alarm.used, "limit": alarm.limit},
        )


RULE = Rule(code="DOC-107", name="rabbitmq-alarm", level="trouble", reads=("alarms",), judge=judge)
