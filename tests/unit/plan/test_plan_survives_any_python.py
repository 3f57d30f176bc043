"""Whatever a plan is built of in Python, it is judged, and one without a problem can be run."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celeriac.plan import (
    Autoscale,
    Letters,
    Plan,
    Policy,
    Pool,
    Queue,
    Retry,
    Schedule,
    celery_arguments,
    check,
    policy_for,
    topology,
)

ANYTHING = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.timedeltas()
    | st.lists(st.text(max_size=3), max_size=3)
    | st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2)
)
NEEDED = {Pool: {"queues": ("a",)}, Schedule: {"task": "t"}, Autoscale: {"min": 1, "max": 2}}


def built(struct, **parts):
    """A struct with some fields of anything at all, or of `parts`."""
    fields = {name: parts.get(name, ANYTHING) for name in struct.__struct_fields__}
    return st.fixed_dictionaries({}, optional=fields).map(
        lambda said: struct(**{**NEEDED.get(struct, {}), **said})
    )


def named(structs):
    return st.dictionaries(st.sampled_from(["a", "b", "c d", ""]), structs | ANYTHING, max_size=2) | ANYTHING


PLANS = built(
    Plan,
    queues=named(built(Queue)),
    pools=named(st.builds(Pool, queues=st.just(("a",))) | built(Pool, autoscale=built(Autoscale))),
    tasks=named(built(Policy, retry=built(Retry))),
    schedules=named(built(Schedule)),
    letters=built(Letters),
    folder=st.just(Plan().folder),
    source=st.none(),
    environment=st.none(),
)


@settings(max_examples=200, deadline=1000, suppress_health_check=[HealthCheck.too_slow])
@given(PLANS)
def test_any_plan_is_judged_and_a_sound_one_runs(plan):
    problems = check(plan, ["x"])
    assert all(str(problem) and problem.at.startswith("Plan") for problem in problems)
    if not problems:
        policy_for(plan, "x")
        for process in topology(plan):
            if process.pool:
                celery_arguments(plan, process.pool, 1, {})
