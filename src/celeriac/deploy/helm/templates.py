"""The templates of a chart: the objects of `celeriac render kubernetes`, with expressions where values go."""

from __future__ import annotations

from typing import Any

from celeriac.deploy.helm.text import Marks, given, included, replaced, where
from celeriac.deploy.helm.values import KINDS, PLACEMENT
from celeriac.deploy.keda.objects import authentication, scaled_object
from celeriac.deploy.kubernetes.objects import Object, named, namespace
from celeriac.deploy.kubernetes.pods import pod
from celeriac.deploy.kubernetes.workloads import objects_of
from celeriac.deploy.units import Unit
from celeriac.plan import Plan

PLAN_FILE = "files/celeriac.toml"
_COMPONENT = "app.kubernetes.io/component"
_CHECKSUM = f'.Files.Get "{PLAN_FILE}" | sha256sum | quote'
_KINDS = {
    "io": "Work that waits for networks and databases",
    "cpu": "Work that computes",
    "ram": "Work that needs much memory",
    "custom": "Work of no special kind",
}

HELPERS = """\
{{- /* Whether something else counts the pods: the replicas are two bounds, and not the same. */}}
{{- define "celeriac.isScaled" }}
{{- if kindIs "map" . }}{{ if ne (int .min) (int .max) }}yes{{ end }}{{ end }}
{{- end }}
{{- define "celeriac.replicas" }}
{{- if kindIs "map" . }}{{ int .min }}{{ else }}{{ int . }}{{ end }}
{{- end }}
{{- /* The variables of every container: each by reference to the secret, none by value. */}}
{{- define "celeriac.environment" }}
{{- range .Values.variables }}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ $.Values.secret | quote }}
      key: {{ .name }}
      optional: {{ .optional }}
{{- end }}
{{- with .Values.environment }}
- name: CELERIAC_ENV
  value: {{ . | quote }}
{{- end }}
{{- end }}
"""


_WORKLOADS = """\
{{- /* %(says)s: where its pods run is .Values.kinds.%(kind)s. */}}
{{- range $name, $pool := .Values.pools }}
{{- if eq $pool.profile "%(kind)s" }}
---
{{ include "celeriac.workload" (dict "root" $ "name" $name "pool" $pool "kind" $.Values.kinds.%(kind)s) }}
{{- end }}
{{- end }}
"""


def workload_kinds() -> dict[str, str]:
    """Give the template of each kind of work, over the one partial."""
    return {
        f"templates/workload-{kind}.yaml": _WORKLOADS % {"kind": kind, "says": _KINDS[kind]} for kind in KINDS
    }


def workload_partial(plan: Plan, unit: Unit) -> str:
    """Give the partial of a worker's objects.

    unit: any pool of the plan; what is its own becomes an expression.
    """
    marks = Marks()
    objects = [_workload(plan, each, marks) for each in objects_of(plan, unit)]
    told = "root: the chart's; name: of the pool; pool: its values; kind: of its work"
    return (
        f"{{{{- /* The objects of one pool. {told}. */}}}}\n"
        '{{- define "celeriac.workload" }}\n' + marks.written(objects) + "{{- end }}\n"
    )


def service(plan: Plan, unit: Unit) -> str:
    """Give the template of a process that is no worker."""
    marks = Marks()
    own = f'(index .Values.services "{unit.name}")'

    def replace(key: str, value: Any) -> Any:
        if key == "replicas":
            return marks.value(f"int {own}.replicas")
        if key == "path" and value == unit.health:
            return marks.value(f"{own}.health | quote")
        return _everywhere(marks, "$", key, value)

    objects = [replaced(each, replace) for each in objects_of(plan, unit)]
    return f"{{{{- if {own}.enabled }}}}\n" + marks.written(objects) + "{{- end }}\n"


def shared(objects: list[Object]) -> str:
    """Give the template of the objects all processes share."""
    marks = Marks()

    def replace(key: str, value: Any) -> Any:
        if key == "celeriac.toml":
            # JSON is YAML, and gives the file exactly as it is.
            return marks.value(f'.Files.Get "{PLAN_FILE}" | toJson')
        return _everywhere(marks, "$", key, value)

    return marks.written([replaced(each, replace) for each in objects])


def scaler(plan: Plan, unit: Unit) -> str:
    """Give the template of what KEDA reads for a pool, where the values give it two bounds."""
    marks = Marks()
    own = {
        "minReplicaCount": "int .replicas.min",
        "maxReplicaCount": "int .replicas.max",
        # Of the fallback.
        "replicas": "max 1 (int .replicas.min)",
    }

    def replace(key: str, value: Any) -> Any:
        if key in own:
            return marks.value(own[key])
        if isinstance(value, str) and key in ("url", "query", "address"):
            here = marks.value("$.Release.Namespace")
            for said in (f".{namespace(plan)}.svc", f'namespace="{namespace(plan)}"'):
                value = value.replace(said, said.replace(namespace(plan), here))
            return value
        return _everywhere(marks, "$", key, value)

    return (
        f'{{{{- with index .Values.pools "{unit.name}" }}}}\n'
        '{{- if and $.Values.keda.enabled (include "celeriac.isScaled" .replicas | trim) }}\n'
        + marks.written([replaced(scaled_object(plan, unit), replace)])
        + "{{- end }}\n{{- end }}\n"
    )


def login(plan: Plan) -> str | None:
    """Give the template of what KEDA logs in by; None if it need not."""
    who = authentication(plan)
    if who is None:
        return None
    marks = Marks()
    made = replaced(who, lambda key, value: _everywhere(marks, "$", key, value))
    return "{{- if .Values.keda.enabled }}\n" + marks.written([made]) + "{{- end }}\n"


def asking_pod(plan: Plan, unit: Unit) -> str:
    """Give the pod of `helm test`: it sees broker and records as the processes see them.

    unit: whose pod it takes after.
    """
    marks = Marks()
    template = pod(plan, unit)
    spec = {"restartPolicy": "Never", **template["spec"]}
    spec.pop("topologySpreadConstraints")
    [container] = spec["containers"]
    keep = ("name", "image", "env", "securityContext", "volumeMounts")
    asking = {key: container[key] for key in keep}
    spec["containers"] = [{**asking, "command": ["celeriac", "queues"]}]
    made = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{named(plan)}-test",
            "namespace": "",
            "labels": {"app.kubernetes.io/part-of": named(plan)},
            "annotations": {
                "helm.sh/hook": "test",
                "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
            },
        },
        "spec": spec,
    }
    return marks.written([replaced(made, lambda key, value: _everywhere(marks, "$", key, value))])


def _workload(plan: Plan, each: Object, marks: Marks) -> Object:
    """Put expressions where the pool's own values are."""

    def replace(key: str, value: Any) -> Any:
        match key:
            case "name" if value == each["metadata"]["name"]:
                return marks.value(".pool.name | quote")
            case "replicas":
                return marks.block(
                    where(
                        'not (include "celeriac.isScaled" .pool.replicas | trim)',
                        key,
                        'include "celeriac.replicas" .pool.replicas | trim',
                    )
                )
            case "terminationGracePeriodSeconds":
                return marks.value("int .pool.terminationGracePeriodSeconds")
            case "command" if value[:2] == ["celeriac", "worker"]:
                return [*value[:2], marks.value(".name | quote"), *value[3:]]
        if key == _COMPONENT:
            return marks.value(".pool.component | quote")
        return _everywhere(marks, ".root", key, value)

    if each["kind"] == "Deployment" and "replicas" not in each["spec"]:
        each = {**each, "spec": {"replicas": 1, **each["spec"]}}
    made: Object = replaced(each, replace)
    if each["kind"] != "Deployment":
        return made
    spec = made["spec"]["template"]["spec"]
    [container] = spec["containers"]
    amounts = marks.block(given("resources", ".pool.resources | default .kind.resources"))
    # In one place, whether the pool at hand has any or not.
    own = {key: each for key, each in container.items() if key != "resources"}
    spec["containers"] = [{**own, "resources": amounts}]
    spec.update({key: marks.block(given(key, f".kind.{key}")) for key in PLACEMENT[:-1]})
    spec[PLACEMENT[-1]] = marks.block(
        where(f".kind.{PLACEMENT[-1]}", PLACEMENT[-1], f".kind.{PLACEMENT[-1]} | quote")
    )
    return made


def _everywhere(marks: Marks, root: str, key: str, value: Any) -> Any:
    """Put expressions where values of the whole chart go.

    root: how a template of this place calls the chart's top.
    """
    match key:
        case "namespace" if isinstance(value, str):
            return marks.value(f"{root}.Release.Namespace | quote")
        case "image":
            return marks.value(f"{root}.Values.image | quote")
        case "env":
            return marks.block(included(key, "celeriac.environment", root))
        case "checksum/plan":
            return marks.value(root + _CHECKSUM)
        case "secretTargetRef":
            return [{**each, "name": marks.value(f"{root}.Values.secret | quote")} for each in value]
    return value
