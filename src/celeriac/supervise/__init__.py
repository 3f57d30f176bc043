"""Supervision: `celeriac up`, which runs the processes of a topology until it is told to stop.

In: a tuple of `plan.Process` and the folder they work in. Out: their output line by line with their names
    before it, `.celeriac/up.json` for whoever asks what runs, and an exit code. A process that ends is
    started again, later and later while it keeps failing. A stop drains in the order in which work flows:
    beat, workers, recorder. When the supervisor itself is killed, the lifeline of every process breaks and
    the process stops by itself.

Nothing here imports Celery: the supervisor is one light process that knows processes, pipes and signals. This
file imports nothing at all, since every process that is supervised reads `lifeline` from here.
"""
