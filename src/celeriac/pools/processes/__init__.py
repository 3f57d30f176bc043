"""The processes executor: one process per slot, each consuming for itself.

    parent: Celery's worker                                 slots: one process each, forked from the parent
      remote control, events, heartbeats, autoscaling         broker ⇄ consumer → task → result, ack
      consumes nothing                    ┌── page ──────────  what runs here since when, and its limits
      watch ── looks at the pages ────────┘                    (shared memory, written without a system call)
            └─ SIGUSR1, SIGTERM, SIGKILL ──────────────────▶   soft limit, hard limit
      commands ◀── pipe, answered by a thread ─────────────▶   what is active, reserved; revoke, rate limit, queues
      burial ── takes over what a killed slot held, and gives it the outcome that prefork would

No task goes through the parent, and the parent runs none: it answers while all slots compute. When a slot dies, the
parent hands what it was running to the task's own Request (`on_failure`, `on_timeout`, `terminate`), so letters,
retries, poison and events are the same as on prefork; what the slot had merely fetched goes back uncounted. When the
parent dies, the kernel ends the slots, and their leases lapse.
"""

from celeriac.pools.processes.pool import TaskPool

__all__ = ["TaskPool"]
