"""Schedules: tasks sent by the clock, each slot of each schedule once, however many beats run.

In flow the schedules of the plan, of the code and of django-celery-beat's tables. Out flow tasks, whose ids are made
from schedule and slot. The beat that holds the lease sends; what was sent stands in the ledger, in the coordination
store. When the store cannot be reached nothing is sent, and slots wait for their deadline.

The scheduler class is `celeriac.schedule.scheduler:Scheduler`, or `celeriac` for `celery beat -S`. It is not imported
here: every app needs the clock of a planned schedule, and only a beat needs a beat.
"""

from celeriac.schedule.planned import PlannedSchedule

__all__ = ["PlannedSchedule"]
