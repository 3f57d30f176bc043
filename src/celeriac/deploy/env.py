"""The example of an environment file: every variable the plan reads, what for, and the passwords of its servers."""

from __future__ import annotations

from celeriac.deploy.environment import PASSWORDS, addresses_beside, handed_on
from celeriac.plan import Plan

FILE = ".env.example"


def render(plan: Plan) -> dict[str, str]:
    """Give .env.example."""
    beside = addresses_beside(plan)
    lines = [
        f"# The environment of {plan.name}, written by `celeriac render env`. Copy it to .env and fill it in."
    ]
    for kind in dict.fromkeys(address.kind for address in beside):
        lines += [
            "",
            f"# Of the {kind} that Compose runs. It becomes part of a URL: use letters and digits.",
            f"{PASSWORDS[kind]}=",
        ]
    for variable in handed_on(plan, frozenset(it.key for it in beside)):
        said = ", ".join(variable.at)
        if variable.required:
            lines += ["", f"# {said}; must be set", f"{variable.name}="]
        elif variable.secret or not variable.default:
            lines += ["", f"# {said}", f"{variable.name}="]
        else:
            lines += ["", f"# {said}; left out:", f"#{variable.name}={variable.default}"]
    return {FILE: "\n".join(lines) + "\n"}
