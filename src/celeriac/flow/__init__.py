"""What keeps tasks from running now, although they could: circuit breakers and rates, shared by all workers.

In: a task about to run and its policy, or a block of code, and how it ended. Out: a passage, or NotNow with the time to
wait, which sends a task back to the broker. All workers agree by the coordination store; where it cannot be asked,
nothing passes (it fails closed), and tasks wait at the broker.
"""

from celeriac.flow.breaker import SharedBreaker
from celeriac.flow.flow import Flow
from celeriac.flow.pacing import SharedRate
from celeriac.flow.standing import Standing

__all__ = ["Flow", "SharedBreaker", "SharedRate", "Standing"]
