"""Kubernetes: a Kustomize base of plain manifests, and an overlay for each environment of the plan.

In: a plan whose broker, results and state several hosts can share. Out: `base/` with a file per unit, and
`overlays/NAME/`, whose patches say only what that environment changes. `kubectl apply -k overlays/NAME` applies one.
Names of secrets are written, never their values. A pool whose replicas are two bounds has no `replicas` here: what
scales it owns the number.
"""

from celeriac.deploy.kubernetes.layout import render

__all__ = ["render"]
