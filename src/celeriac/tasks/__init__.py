"""What happens to a task between its queue and its outcome.

In flows a message: `Consumer` takes it, `strategy` checks it, `Request` runs it, `retry` decides about its failure.
Out flows a result, a retry, or a letter through the `DeadLetterSink` of the app's `Runtime`. A message is acked only
after one of these is safe; if a letter cannot be written, the message goes back to its queue.
"""

from __future__ import annotations

from celeriac.tasks.bases import HeavyTask, LightTask, ReportingTask
from celeriac.tasks.hooks import Hooks
from celeriac.tasks.runtime import DeadLetterSink, Runtime
from celeriac.tasks.task import Task
from celeriac.tasks.waiting import result_of

__all__ = [
    "DeadLetterSink",
    "HeavyTask",
    "Hooks",
    "LightTask",
    "ReportingTask",
    "Runtime",
    "Task",
    "result_of",
]
