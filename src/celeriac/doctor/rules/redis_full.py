"""The broker's Redis has almost reached its memory limit.

Nine tenths of `maxmemory` are used. At the limit it refuses every send, or deletes keys (redis-evicts).
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.patient import Patient
from celeriac.doctor.words import address, size

_NEAR = 0.9


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell how full it is."""
    server = patient.server.seen()
    if server is not None and server.max_bytes and server.used_bytes >= _NEAR * server.max_bytes:
        share = 100 * server.used_bytes // server.max_bytes
        yield Symptom(
            at=address(patient.plan.broker),
            message=f"Redis holds {size(server.used_bytes)}, {share}% of what it may",
            fix="raise its maxmemory, let workers drain the queues, or let results expire sooner",
            facts={"used_memory": server.used_bytes, "maxmemory": server.max_bytes},
        )


RULE = Rule(code="DOC-105", name="redis-full", level="trouble", reads=("server",), judge=judge)
