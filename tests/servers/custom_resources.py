"""The types of KEDA's and the Prometheus operator's objects, made from their own Go types and carried by npm packages.

A cluster refuses an object whose fields have other types or values than its custom resource definition says, and drops
fields that it does not name. Here both are complaints: by the packages' validators, and by TypeScript.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from servers.npm_packages import npm_packages

#: API group → the npm package with its types
_PACKAGES = {"keda.sh": "keda", "monitoring.coreos.com": "prometheus-operator"}
_PINNED = (
    "@kubernetes-models/keda@2.0.0",
    "@kubernetes-models/prometheus-operator@6.0.0",
    "typescript@5.9.3",
)
_VALIDATE = """\
import { readFileSync } from "node:fs";
for (const [at, [module, kind, object]] of JSON.parse(readFileSync(0, "utf8")).entries()) {
  try {
    new (await import(module))[kind](object).validate();
  } catch (error) {
    console.log(`${at}: ${error.message}`);
  }
}
"""


def complaints(objects: list[Any], folder: Path) -> list[str]:
    """List what a cluster with these definitions would refuse or drop, each line beginning with the object's number.

    folder: an empty one to work in.
    """
    modules = npm_packages("custom-resources", *_PINNED)
    (folder / "node_modules").symlink_to(modules)
    found = []
    for each in objects:
        group, version = each["apiVersion"].split("/")
        found.append(
            [f"@kubernetes-models/{_PACKAGES[group]}/{group}/{version}/{each['kind']}", each["kind"], each]
        )
    return _refused(found, folder) + _unknown(found, folder)


def _refused(objects: list[Any], folder: Path) -> list[str]:
    (folder / "validate.mjs").write_text(_VALIDATE)
    node = shutil.which("node")
    assert node is not None, "npm is here, and node is not"
    asked = subprocess.run(
        [node, "validate.mjs"],
        input=json.dumps(objects),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr
    return asked.stdout.splitlines()


def _unknown(objects: list[Any], folder: Path) -> list[str]:
    """Have TypeScript, which allows a literal no field that its type does not name, read the objects as literals."""
    lines = [
        f'export const n{at}: import("{module}").I{kind} = {json.dumps(each)};'
        for at, (module, kind, each) in enumerate(objects)
    ]
    (folder / "objects.ts").write_text("\n".join(lines))
    strictly = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--pretty", "false"]
    checked = subprocess.run(
        [str(folder / "node_modules" / ".bin" / "tsc"), *strictly, "objects.ts"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = checked.stdout.splitlines()
    assert bool(said) == bool(checked.returncode), checked.stdout + checked.stderr
    # objects.ts(LINE,COLUMN): error …, an object on each line; an indented line goes on with the one before.
    return [
        f"{int(line.partition('(')[2].partition(',')[0]) - 1}: {line.partition(': ')[2]}"
        if line[0] != " "
        else line
        for line in said
    ]
