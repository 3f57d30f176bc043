"""KEDA: what starts and stops the pods of each pool whose replicas are two bounds.

In: a plan, its pools with bounds, and [deploy].scaler. Out: a ScaledObject per such pool, and one TriggerAuthentication
where the scaler needs a password, which it takes by reference to the plan's secret. Nothing is ever scaled blind: while
the number cannot be had, the pods that run stay.
"""

from __future__ import annotations

from celeriac.deploy.keda.objects import objects_by_file
from celeriac.deploy.keda.triggers import keys_of_secret
from celeriac.deploy.kubernetes.objects import namespace, secret_name
from celeriac.deploy.yaml import Note, dump, dump_all
from celeriac.plan import Plan

_HEAD = (
    "{name}: written by `celeriac render keda`, for KEDA 2.17 and newer. Change the plan and render again."
)


def render(plan: Plan) -> dict[str, str]:
    """Give a file per scaled pool, and a kustomization.yaml that names them.

    Raises: DeployError DEPLOY-020 if nothing is to be scaled; DEPLOY-021 to 025 if the scaler lacks something.
    """
    head = _HEAD.format(name=plan.name)
    files = {file: dump_all(objects, head) for file, objects in objects_by_file(plan).items()}
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": Note(namespace(plan), "[deploy].namespace"),
        "resources": list(files),
    }
    keys = keys_of_secret(plan)
    if keys:
        head += f"\nOf the secret {secret_name(plan)} KEDA needs: {', '.join(keys)}."
    return {"kustomization.yaml": dump(kustomization, head), **files}
