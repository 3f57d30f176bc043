"""The example of an environment file: every variable the plan reads, what for, and how its servers are reached."""

from __future__ import annotations

from celeriac.deploy.environment import PASSWORDS, Address, addresses_beside, handed_on, user_of
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
    told: dict[str, list[Address]] = {}
    for address in beside:
        told.setdefault(address.variable, []).append(address)
    for name, addresses in told.items():
        keys = ", ".join(f"[celeriac].{it.key}" for it in addresses)
        lines += [
            "",
            f"# {keys}, where Compose does not run its {addresses[0].kind}: under systemd, in a cluster",
        ]
        lines += [f"#{name}={addresses[0].url(user_of(plan), 'PASSWORD')}"]
    for variable in handed_on(plan, frozenset(it.key for it in beside)):
        said = ", ".join(variable.at)
        if variable.required:
            lines += ["", f"# {said}; must be set", f"{variable.name}="]
        elif variable.secret or not variable.default:
            lines += ["", f"# {said}", f"{variable.name}="]
        else:
            lines += ["", f"# {said}; left out:", f"#{variable.name}={variable.default}"]
    return {FILE: "\n".join(lines) + "\n"}
