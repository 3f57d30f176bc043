"""Deployment: the plan rendered to the files that other tools run it by.

In: a `Plan`. Out: files by their paths (`renderers.render`), each value of which can be traced to the plan, the same on
every machine; or coded errors where a target cannot keep what the plan says. `units` groups the topology, the list of
processes that `up` runs, into what a target declares once for all replicas; every renderer reads only that, the plan
and `environment`, which says what processes are told by variables. `folder` writes the files and notices what was
changed by hand.
"""
