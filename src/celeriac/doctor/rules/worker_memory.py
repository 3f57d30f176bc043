"""A worker of this host is near a bound that the plan sets to its memory.

A slot's process holds nine tenths of the pool's `max_memory_per_child`, above which it is replaced after its task;
or the worker holds nine tenths of `resources.memory`, above which whatever runs it there kills it. Pages that its
processes share are counted once.
"""

from __future__ import annotations

from collections.abc import Iterator

from celeriac.control.work import pool_of
from celeriac.doctor.finding import Rule, Symptom
from celeriac.doctor.patient import Patient
from celeriac.doctor.words import size

_NEAR = 0.9


def judge(patient: Patient) -> Iterator[Symptom]:
    """Tell who is near which bound."""
    for it in patient.memory.seen():
        pool = patient.plan.pools.get(pool_of(it.worker))
        if pool is None:
            continue
        bound = pool.max_memory_per_child
        for pid, held in it.slots.items():
            if bound and held >= _NEAR * bound:
                yield Symptom(
                    at=f"worker {it.worker}",
                    message=f"its slot's process {pid} holds {size(held)} of the {size(bound)} "
                    "(max_memory_per_child) above which it is replaced",
                    fix="if that comes back soon after each replacement, a task needs or leaks that much: "
                    "find it by its run time and memory, or raise the bound",
                    facts={"process": pid, "held_bytes": held, "bound_bytes": bound},
                )
        whole = pool.resources.memory if pool.resources else None
        if whole and it.own_bytes >= _NEAR * whole:
            yield Symptom(
                at=f"worker {it.worker}",
                message=f"it holds {size(it.own_bytes)} of the {size(whole)} that the plan gives it (resources.memory)",
                fix="lower the pool's concurrency, set max_memory_per_child or max_tasks_per_child, or give it more",
                facts={"held_bytes": it.own_bytes, "bound_bytes": whole, "processes": len(it.slots) + 1},
            )


RULE = Rule(code="DOC-208", name="worker-memory", level="advice", reads=("memory",), judge=judge)
