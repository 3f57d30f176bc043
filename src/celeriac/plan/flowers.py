"""The Flowers of a plan, each under the name of its process."""

from __future__ import annotations

import re

from celeriac.plan.model import Plan
from celeriac.plan.tables.observing import Flower

#: the process of [flower]; those of [flowers.NAME] are "flower-NAME"
FLOWER = "flower"
_ADDRESS = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})\Z")


def flowers_of(plan: Plan) -> dict[str, Flower]:
    """List the Flowers of a plan by the names of their processes."""
    one = {} if plan.flower is None else {FLOWER: plan.flower}
    return {**one, **{f"{FLOWER}-{name}": flower for name, flower in plan.flowers.items()}}


def host_and_port(address: str) -> tuple[str, int] | None:
    """Take an address apart, "127.0.0.1:5555" or "[::1]:5555"; None if it is none."""
    found = _ADDRESS.match(address)
    if found is None or not 0 < int(found["port"]) < 65_536:
        return None
    return found["host"].strip("[]"), int(found["port"])
