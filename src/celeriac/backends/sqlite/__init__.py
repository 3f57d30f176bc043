"""Results in one SQLite file beside the embedded broker: `sqlite:///.celeriac/results.db`.

Any number of processes and threads share the file. What flows in is a task's state and value, and the parts
of chords; what flows out is what callers wait for, and a chord's body once all of its parts are in. A file
that is locked, damaged, foreign, read-only or full raises a coded ResultsError and is left as it was.
"""

from celeriac.backends.sqlite.backend import SQLiteBackend

__all__ = ["SQLiteBackend"]
