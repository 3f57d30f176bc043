"""The benchmark: Celeriac and its peers, measured in one run on one machine.

Lives here: the setups that are compared, the measurements, the report. In: nothing but this machine.
Out: a table, and the raw figures as JSON under results/. The method is told in README.md. A worker that does
not start, or a task that is lost or run twice, ends the run with the worker's log.
"""
