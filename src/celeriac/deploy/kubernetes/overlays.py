"""Overlays: what an environment changes, worked out from the objects with and without it."""

from __future__ import annotations

from typing import Any

from celeriac.deploy.kubernetes.objects import Object
from celeriac.deploy.yaml import dump, dump_all, plain


def overlay(base: dict[str, list[Object]], laid: dict[str, list[Object]], head: str) -> dict[str, str]:
    """Give the files of an overlay: kustomization.yaml, a patch per changed object, and whatever only it has.

    base, laid: the objects by file, without and with the environment.
    """
    before = {_key(each): each for objects in base.values() for each in objects}
    after = {_key(each): each for objects in laid.values() for each in objects}
    files: dict[str, str] = {}
    patches: list[dict[str, Any]] = []
    for key, old in before.items():
        if key not in after:
            name = f"without-{key[1]}-{key[0].lower()}.yaml"
            removed = {
                "apiVersion": old["apiVersion"],
                "kind": key[0],
                "metadata": {"name": key[1]},
                "$patch": "delete",
            }
            files[name] = dump(removed, head)
            patches.append({"path": name})
            continue
        steps = changes(plain(old), plain(after[key]))
        if steps:
            name = f"{key[1]}-{key[0].lower()}.yaml"
            files[name] = dump(steps, head)
            patches.append({"path": name, "target": {"kind": key[0], "name": key[1]}})
    added = [each for key, each in after.items() if key not in before]
    resources = ["../../base"]
    if added:
        files["added.yaml"] = dump_all(added, head)
        resources.append("added.yaml")
    kustomization: dict[str, Any] = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": resources,
    }
    if patches:
        kustomization["patches"] = patches
    return {"kustomization.yaml": dump(kustomization, head), **files}


def changes(old: Any, new: Any, path: str = "") -> list[dict[str, Any]]:
    """Give the JSON Patch (RFC 6902) that makes one object of another.

    Lists whose items have names, like containers and variables, are patched item by item; others are replaced whole.
    """
    if old == new:
        return []
    if _are_named(old) and _are_named(new):
        return _changes_of_list(old, new, path)
    if not isinstance(old, dict) or not isinstance(new, dict):
        return [{"op": "replace", "path": path, "value": new}]
    steps: list[dict[str, Any]] = []
    for key in dict.fromkeys((*old, *new)):
        place = f"{path}/{str(key).replace('~', '~0').replace('/', '~1')}"
        if key not in new:
            steps.append({"op": "remove", "path": place})
        elif key not in old:
            steps.append({"op": "add", "path": place, "value": new[key]})
        else:
            steps += changes(old[key], new[key], place)
    return steps


def _changes_of_list(old: list[Any], new: list[Any], path: str) -> list[dict[str, Any]]:
    wanted = [each["name"] for each in new]
    steps: list[dict[str, Any]] = []
    left = list(old)
    for at in reversed(range(len(old))):
        if old[at]["name"] not in wanted:
            steps.append({"op": "remove", "path": f"{path}/{at}"})
            del left[at]
    for at, each in enumerate(new):
        if at < len(left) and left[at]["name"] == each["name"]:
            steps += changes(left[at], each, f"{path}/{at}")
        elif each in left[at:]:
            return [{"op": "replace", "path": path, "value": new}]  # in another order
        else:
            steps.append({"op": "add", "path": f"{path}/{at}", "value": each})
            left.insert(at, each)
    return (
        steps
        if [each["name"] for each in left] == wanted
        else [{"op": "replace", "path": path, "value": new}]
    )


def _are_named(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) and "name" in each for each in value)


def _key(each: Object) -> tuple[str, str]:
    return each["kind"], each["metadata"]["name"]
