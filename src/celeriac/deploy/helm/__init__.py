"""Helm: a chart whose values are what may differ from one installation to the next, and whose rest is the plan.

In: a plan whose broker, results and state several hosts can share. Out: `Chart.yaml`, `values.yaml` with the plan's
numbers, a `values-NAME.yaml` for each environment, `values.schema.json` that refuses what would not work, and templates
made from the very objects that `celeriac render kubernetes` gives: `text` puts expressions where values go, so the two
cannot drift apart. Installed without further values it gives the same objects.
"""

from celeriac.deploy.helm.chart import render

__all__ = ["render"]
