"""Metrics: counted where things happen, served by one process per host.

`counting` hears of what happens and tells the `tally` of its process; `names` is the table of all metrics; `exposition`
turns the sums of all processes, and what is read at the moment, into Prometheus's text; `server` answers scrapes.
"""

from __future__ import annotations
