"""How tasks are sent: lean, in batches, within a deadline, and kept on disk while the broker is away.

In flow calls of `delay`, `apply_async`, `send_task` and canvas, by Celery's own extension points: the app's AMQP class
(`amqp.py`) gives out producers of ours. Out flow messages, the same bytes that stock Celery sends. What cannot be sent
within the plan's deadline raises NotSent, or goes to the spool.
"""

from __future__ import annotations

from celeriac.tasks.sending.errors import NotSent, PartlySent
from celeriac.tasks.sending.many import send_many

__all__ = ["NotSent", "PartlySent", "send_many"]
