"""The prose of the reference page, around the tables that are made from the types."""

from __future__ import annotations

EXAMPLE = """\
[celeriac]
name = "shop"
imports = ["shop.tasks"]
broker = "${BROKER_URL:-sqlite:///.celeriac/broker.db}"

[queues.high]
max_wait = "2s"
[queues.default]
max_wait = "30s"
[queues.low]
max_wait = "10m"
max_length = 100_000
when_full = "reject"

[pools.web]
queues = ["high", "default"]
profile = "io"
concurrency = 50

[pools.batch]
queues = ["low"]
profile = "cpu"
autoscale = { min = 1, max = 4 }
time_limit = "30m"
soft_time_limit = "25m"
grace = "30m"

[tasks."shop.email.*"]
queue = "default"
retry = { limit = 5, backoff = "1s", cap = "10m", on = ["smtplib.SMTPException"] }
expires = "1h"

[schedules.daily-report]
task = "shop.reports.daily"
cron = "0 9 * * mon-fri"
timezone = "Europe/Berlin"
overlap = "skip"

[letters]
after = 3
keep = "90d"

[environments.staging.pools.batch]
autoscale = { min = 1, max = 1 }
"""

HEAD = """\
# The plan

A plan is a `celeriac.toml`, or the table `[tool.celeriac]` of a `pyproject.toml`. Commands take the nearest one, in the
working folder or above it; `--plan` names another. This page is written from the types by `make docs`.

{example}

It is strict. Unknown keys, undeclared names and contradictions are errors, and all errors of a file are reported at
once, each with its line, the known values and the fix ([error codes](errors.md)). `celeriac check` proves the plan and
the app together; what it calls a warning stops nothing.

In a `pyproject.toml` everything stands in `[tool.celeriac]`: the keys of `[celeriac]` directly in it, the rest as
`[tool.celeriac.queues.high]` and so on.

## Values

| value | written as |
|---|---|
| duration | a number and one of `ms` `s` `m` `h` `d`: `"500ms"`, `"1.5h"`; up to `"36525d"` |
| size | a number and one of `B` `KiB` `MiB` `GiB` `TiB`: `"512MiB"` |
| names of queues, pools and schedules | up to 100 of `A-Z a-z 0-9 . - _`, a letter or digit first |
| `"${{NAME}}"` | the variable of the environment; unset, it is an error |
| `"${{NAME:-default}}"` | the variable; unset or empty, the default |
| `"$${{"` | a plain `${{` |

Variables are read in values only, never in keys. Where a number or `true` and `false` are expected, a variable may hold
them. A file may have 128 KiB and nest 16 levels deep.
"""

TAIL = """\
## `[celery]`

Settings of Celery by their own names, for what has no key of its own here: `task_compression = "gzip"`. They win over
[what Celeriac sets](settings.md); what the app's own code or configuration says wins over them. A name that Celery
does not know is an error when the app is loaded.

## Profiles

A profile sets the fields of a pool that the plan leaves out. A dash: the Celery app says.

{profiles}

Settings of processes are left out where the `executor` has none, and `concurrency` when there is `autoscale`.

## Which policy governs a task

The most exact entry under `[tasks]` wins, whole: entries are never merged with each other. The full name comes first;
then the glob with the longest text before its first wildcard; then the one with the most characters that are no
wildcard; then the one written first. `*` stands for any text, dots included, `?` for one character, `[ab]` for one of
these; case counts.

What an entry says holds for each of its tasks by itself: with `rate = "100/m"` every task that a glob matches may run a
hundred times a minute ([what a rate promises](../how-to/limit-a-rate.md)). Breakers of one name are shared.

## Cron

Five fields, in the schedule's `timezone`: minute, hour, day of month, month, day of week. Each is `*` or a list,
parted by commas, of numbers, ranges (`1-5`) and names (`jan`, `mon`); `*` and ranges take a step (`*/15`,
`8-18/2`). A range may run past its end (`fri-mon`). Sunday is `0`. A time that never comes, like the 31st of
February, is an error. Where both the day of month and the day of week are given, both must hold, as in Celery.

In the night that skips an hour, a slot inside it is sent at the first moment after it; in the night that doubles an
hour, a slot inside it is sent in the first of the two. Where the hour is `*` (or names all 24), slots follow elapsed
time instead: none falls into a skipped hour, and both of a doubled one have theirs. Slots that fall on the same moment
are one.

## Environments

`[environments.NAME]` is laid over the plan by `--env NAME` or `CELERIAC_ENV=NAME`: tables are joined key by key, any
other value, lists included, replaces what was there. What an environment replaces may hold variables that are not set.
All environments are checked for keys and types whenever the plan is read.

## Variables that win over the plan

| variable | wins over |
|---|---|
| `CELERY_BROKER_URL` | `broker` |
| `CELERY_RESULT_BACKEND` | `results` |
| `CELERY_CONCURRENCY` | `concurrency` and `autoscale` of the worker that starts |
| `CELERY_AUTOSCALE_MIN`, `CELERY_AUTOSCALE_MAX` | the same two, with prefork and processes only |
| `MAX_TASKS_PER_CHILD` | `max_tasks_per_child` of the worker that starts, with prefork and processes only |
| `CELERY_LOGLEVEL` | the log level of the worker that starts, `INFO` otherwise |

## The same in Python

```python
from datetime import timedelta

from celeriac.plan import Plan, Pool, Queue, check

plan = Plan(
    queues={{"default": Queue(max_wait=timedelta(seconds=30))}},
    pools={{"web": Pool(queues=("default",), profile="io")}},
)
problems = check(plan)
```

Durations are timedeltas there, sizes are bytes. `check` is what a file goes through too.

## In your editor

`celeriac plan --schema` prints the JSON Schema of a celeriac.toml. Editors with a TOML language server take it by a
first line like `#:schema ./celeriac.schema.json`.
"""
