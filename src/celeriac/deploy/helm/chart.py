"""The files of a chart."""

from __future__ import annotations

from typing import Any

import msgspec

from celeriac.deploy.helm import templates
from celeriac.deploy.helm.schema import schema
from celeriac.deploy.helm.values import differences, values
from celeriac.deploy.keda.objects import scaled_units
from celeriac.deploy.kubernetes.environment import environment
from celeriac.deploy.kubernetes.objects import named, namespace, secret_name
from celeriac.deploy.kubernetes.pods import plan_text
from celeriac.deploy.kubernetes.shared import network_policy, plan_map, service_account
from celeriac.deploy.targets import read_plan_as_written, require_shared
from celeriac.deploy.units import image_of, units
from celeriac.deploy.yaml import Note, dump, plain
from celeriac.errors import DeployError
from celeriac.plan import Plan

_HEAD = (
    "{name}: written by `celeriac render helm`. Change the plan and render again; "
    "values of your own go in a file beside."
)

_NOTES = """\
PLAN is installed in the namespace {{ .Release.Namespace }}, from the image {{ .Values.image }}.

Pods take work once they can read the secret "{{ .Values.secret }}":
  kubectl -n {{ .Release.Namespace }} get pods -l app.kubernetes.io/part-of=PART-OF

See that broker and records can be reached:
  helm test {{ .Release.Name }} --namespace {{ .Release.Namespace }} --logs

Pools:
{{- range $name, $pool := .Values.pools }}
{{- if not (include "celeriac.isScaled" $pool.replicas | trim) }}
  {{ $name }} ({{ $pool.profile }}): {{ include "celeriac.replicas" $pool.replicas | trim }} workers
{{- else if $.Values.keda.enabled }}
  {{ $name }} ({{ $pool.profile }}): {{ $pool.replicas.min }} to {{ $pool.replicas.max }} workers, as KEDA says
{{- else }}
  {{ $name }} ({{ $pool.profile }}): nobody says how many workers, since keda.enabled is false
{{- end }}
{{- end }}
"""


def render(plan: Plan) -> dict[str, str]:
    """Give the files of the chart, with a values-NAME.yaml for each environment of the plan.

    Raises: DeployError DEPLOY-010 if pods cannot share what the plan, or one of its environments, names; DEPLOY-021 to
        025 if the scaler of a pool with two bounds lacks something; DEPLOY-026 if an environment changes more than
        values can say.
    """
    laid = _environments(plan)
    for each in laid.values() or (plan,):
        require_shared(each, "Kubernetes")
    every = {"": plan, **laid}
    services = tuple(
        dict.fromkeys(unit.name for each in every.values() for unit in units(each) if unit.pool is None)
    )
    bounded = frozenset(unit.name for each in every.values() for unit in scaled_units(each))
    given = {name: values(each, services=services, bounded=bounded) for name, each in every.items()}
    head = _HEAD.format(name=plan.name)
    names = (*laid, *((plan.environment,) if plan.environment else ()))
    files = {
        "Chart.yaml": dump(_chart(plan), head),
        ".helmignore": ".celeriac-rendered.json\n",
        "values.yaml": dump(given[""], f"{head}\n{_secret_head(plan)}"),
        "values.schema.json": _json(schema(plan, list(given.values()), names)),
        "templates/_helpers.tpl": templates.HELPERS,
        "templates/NOTES.txt": _NOTES.replace("PLAN", plan.name).replace("PART-OF", named(plan)),
        **_templates(every),
    }
    for name in laid:
        changed = differences(given[""], given[name])
        files[f"values-{name}.yaml"] = dump(changed, f"{head}\nLaid over values.yaml: [environments.{name}]")
    text = plan_text(plan)
    return files if text is None else {**files, templates.PLAN_FILE: text}


def _environments(plan: Plan) -> dict[str, Plan]:
    if plan.environment or plan.source is None:
        return {}
    return {name: read_plan_as_written(plan.source, name) for name in plan.environments}


def _templates(every: dict[str, Plan]) -> dict[str, str]:
    """Give the templates of a plan, and those that only its environments need.

    every: the plan, and under their names the plans with an environment laid over.
    Raises: DeployError DEPLOY-026 if one and the same template would be another one there.
    """
    files: dict[str, str] = {}
    for name, plan in every.items():
        for path, text in _templates_of(plan).items():
            if files.setdefault(path, text) != text:
                raise DeployError(
                    "DEPLOY-026",
                    f"the environment {name} changes more than a chart's values can say: {path}",
                    at=f"[environments.{name}]",
                    fix=f"render a chart for it alone: celeriac --env {name} render helm",
                )
    return files


def _templates_of(plan: Plan) -> dict[str, str]:
    every = units(plan)
    workers = [unit for unit in every if unit.pool is not None]
    services = [unit for unit in every if unit.pool is None]
    shared = [
        service_account(plan),
        plan_map(plan),
        network_policy(plan, [unit for unit in services if unit.port is not None]),
    ]
    files = {"templates/shared.yaml": templates.shared([each for each in shared if each is not None])}
    if workers:
        files["templates/_workload.tpl"] = templates.workload_partial(plan, workers[0])
        files.update(templates.workload_kinds())
    for unit in services:
        files[f"templates/{unit.name}.yaml"] = templates.service(plan, unit)
    for unit in scaled_units(plan):
        files[f"templates/keda-{unit.name}.yaml"] = templates.scaler(plan, unit)
    login = templates.login(plan)
    if login is not None:
        files["templates/keda.yaml"] = login
    recorder = next(unit for unit in services if unit.kind == "recorder")
    files["templates/tests/queues.yaml"] = templates.asking_pod(plan, recorder)
    return files


def _chart(plan: Plan) -> dict[str, Any]:
    _, _, tag = image_of(plan).rpartition("/")[2].partition(":")
    return {
        "apiVersion": "v2",
        "name": named(plan),
        "description": f"The workers and services of {plan.name}, from its plan",
        "type": "application",
        "version": Note("1.0.0", "`helm package --version` gives each release its own"),
        "appVersion": tag or "latest",
    }


def _secret_head(plan: Plan) -> str:
    lines = [
        "The secret is made by whoever installs; (needed) means no pod starts without it:",
        f"  kubectl -n {namespace(plan)} create secret generic {secret_name(plan)} --from-env-file=.env",
    ]
    for each in environment(plan):
        if "valueFrom" in each:
            needed = "" if plain(each["valueFrom"])["secretKeyRef"]["optional"] else " (needed)"
            lines.append(f"  {each['name']}: {each['valueFrom'].text}{needed}")
    return "\n".join(lines)


def _json(document: dict[str, Any]) -> str:
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"
