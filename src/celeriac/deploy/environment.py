"""The environment of the deployed processes: which servers they talk to, and by which variables they are told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from celeriac.plan import Plan, Variable
from celeriac.plan.reading import OVERRIDES

ServerKind = Literal["redis", "rabbitmq", "postgres"]

_KINDS: dict[str, ServerKind] = {
    "redis": "redis",
    "amqp": "rabbitmq",
    "pyamqp": "rabbitmq",
    "postgres": "postgres",
    "postgresql": "postgres",
}
#: the keys of the plan that hold the address of a server
_ADDRESSES = ("broker", "results", "state", "coordination")
_HERE = ("localhost", "127.0.0.1", "::1")
PASSWORDS: dict[ServerKind, str] = {
    "redis": "REDIS_PASSWORD",
    "rabbitmq": "RABBITMQ_PASSWORD",
    "postgres": "POSTGRES_PASSWORD",
}
_PORTS: dict[ServerKind, int] = {"redis": 6379, "rabbitmq": 5672, "postgres": 5432}


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """The address of a server that runs beside the processes.

    key: of the plan, like "broker"; variable: that tells it.
    scheme, path: of the URL; the path begins with a slash or is empty.
    """

    key: str
    variable: str
    kind: ServerKind
    scheme: str
    path: str

    def url(self, user: str, password: str) -> str:
        """Write it for processes that find the server under its kind as host name."""
        who = "" if self.kind == "redis" else user
        return f"{self.scheme}://{who}:{password}@{self.kind}:{_PORTS[self.kind]}{self.path}"


def addresses_beside(plan: Plan) -> tuple[Address, ...]:
    """List the addresses of servers the plan expects on its own host; a server elsewhere stays where it is."""
    return tuple(_addresses_beside(plan))


def _addresses_beside(plan: Plan) -> Iterator[Address]:
    for key in _ADDRESSES:
        if key in plan.beside_broker:
            continue
        url = getattr(plan, key)
        kind = _KINDS.get(url.partition("://")[0].partition("+")[0])
        if kind is None:
            continue
        parts = urlsplit(url)
        if parts.hostname in (*_HERE, kind, None):
            yield Address(
                key=key, variable=told_by(plan, key), kind=kind, scheme=parts.scheme, path=parts.path
            )


def told_by(plan: Plan, key: str) -> str:
    """Name the variable that tells processes an address: the plan's own, which the project may read too, if it has one.

    key: of the plan, like "broker".
    """
    place = f"[celeriac].{key}"
    own = [variable.name for variable in plan.variables if place in variable.at and variable.whole]
    return own[0] if own else OVERRIDES[key]


def handed_on(plan: Plan, told: frozenset[str] = frozenset()) -> tuple[Variable, ...]:
    """List the variables of the plan that a target hands on.

    told: keys of the plan, like "broker", that processes are told in another way; what fills in only these is left out.
    """
    places = {f"[celeriac].{key}" for key in told}
    return tuple(variable for variable in plan.variables if not set(variable.at) <= places)


def user_of(plan: Plan) -> str:
    """The name by which the plan's processes log in at a server of their own."""
    return re.sub(r"[^a-z0-9_]", "_", plan.name.lower())
