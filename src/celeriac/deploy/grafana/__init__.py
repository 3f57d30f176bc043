"""Grafana: four dashboards of a plan, and the files by which Grafana finds them and their data.

In: a plan with `[metrics]`. Out: JSON as Grafana keeps dashboards, and its provisioning files. `overview` shows whether
all is well, `queue`, `task` and `pool` why not; `panels` draws them alike, and `dashboards` lays them out.
"""

from celeriac.deploy.grafana.files import render

__all__ = ["render"]
