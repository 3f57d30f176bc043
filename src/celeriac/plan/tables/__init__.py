"""The tables of a plan, a module for each matter.

Every struct is frozen; a default stands beside its field, its range in its type. Durations are timedeltas, sizes are
bytes. Building one checks nothing: `celeriac.plan.check` does, the same for a file and for Python.
"""
