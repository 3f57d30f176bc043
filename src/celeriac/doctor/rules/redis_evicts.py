"""The broker's Redis pushes out keys when its memory is full.

With another `maxmemory-policy` than `noeviction` and a `maxmemory`, it makes room by deleting queues and results,
and tells nobody.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.patient import Patient
from celeriac.doctor.words import address, size


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell the policy and what it has pushed out already."""
    server = patient.server.seen()
    if server is not None and server.max_bytes and server.policy != "noeviction":
        gone = f"; it has pushed out {server.evicted} keys since it started" if server.evicted else ""
        yield Symptom(
            at=address(patient.plan.broker),
            message=f"Redis deletes keys by {server.policy} when it holds {size(server.max_bytes)}, tasks too{gone}",
            fix="CONFIG SET maxmemory-policy noeviction, and the same in redis.conf; keep caches in another Redis",
            facts={
                "maxmemory_policy": server.policy,
                "maxmemory": server.max_bytes,
                "used_memory": server.used_bytes,
                "evicted_keys": server.evicted,
            },
        )


RULE = Rule(code="DOC-103", name="redis-evicts", level="trouble", reads=("server",), judge=judge)
