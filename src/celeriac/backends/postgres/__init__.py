"""Results in a PostgreSQL database: `postgresql://user:password@host/database`.

What flows in is a task's state and value, gathered while the process runs tasks itself and written by one statement
before their messages are acked, and the parts of chords; what flows out is what callers wait for, woken by LISTEN.
When the server cannot be used, a coded ResultsError says so before the ack. The tables are our own: what stock Celery
keeps by `db+postgresql://` lies in others and is not read here.
"""

from __future__ import annotations

#: scheme → the backend, as Celery's loaders name one
BACKENDS = dict.fromkeys(("postgresql", "postgres"), "celeriac.backends.postgres.backend:PostgresBackend")
