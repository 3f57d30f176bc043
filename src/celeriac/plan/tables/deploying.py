"""Where `celeriac render` takes the plan to."""

from __future__ import annotations

from typing import Literal

import msgspec

Scaler = Literal["metrics-api", "prometheus", "rabbitmq", "redis"]


class Deploy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where `celeriac render` takes the plan to; what is left out follows the plan's name.

    image: the container image, with its tag; empty: the name, tagged "latest".
    namespace: the Kubernetes namespace; empty: the name.
    folder: where the project lies on a host, for systemd and supervisor; empty: /srv/ and the name.
    user: the user of a host that runs it; empty: the name.
    writable: folders in the project that its tasks write to; a container can write nowhere else, but for /tmp.
    names: what a pool, or "recorder", "beat", "metrics", "flower", is called there, where not by its own name.
    scaler: where KEDA gets the number of workers from for a pool whose replicas are two bounds: "metrics-api" asks the
        plan's metrics process; "prometheus", and "rabbitmq" or "redis", the broker, are asked directly.
    prometheus: the address at which Prometheus is found, by that scaler and by Grafana.
    """

    image: str = ""
    namespace: str = ""
    folder: str = ""
    user: str = ""
    writable: tuple[str, ...] = ()
    names: dict[str, str] = {}
    scaler: Scaler = "metrics-api"
    prometheus: str = ""
