"""The servers a Compose project runs for its plan: Redis, RabbitMQ, PostgreSQL, each durable and with a password."""

from __future__ import annotations

from typing import Any

from celeriac.deploy.environment import PASSWORDS, Address, ServerKind, user_of
from celeriac.deploy.yaml import Note, Shared
from celeriac.plan import Plan

#: of every service
LOGGING = Shared("logging", {"driver": "json-file", "options": {"max-size": "20m", "max-file": "5"}})
_EVERY = {"interval": "5s", "timeout": "5s", "retries": 12}


def server_services(plan: Plan, beside: tuple[Address, ...]) -> dict[str, Any]:
    """Give a service for each kind of server among the addresses, by its kind."""
    makers = {"redis": _redis, "rabbitmq": _rabbitmq, "postgres": _postgres}
    services: dict[str, Any] = {}
    for address in beside:
        if address.kind not in services:
            keys = ", ".join(f"[celeriac].{it.key}" for it in beside if it.kind == address.kind)
            services[address.kind] = Note(
                {**makers[address.kind](plan, address), **_kept(address.kind)}, keys
            )
    return services


def _kept(kind: ServerKind) -> dict[str, Any]:
    return {
        "restart": "unless-stopped",
        "stop_grace_period": "60s",
        "security_opt": ["no-new-privileges:true"],
        "logging": LOGGING,
    }


def _password(kind: ServerKind) -> str:
    return f"${{{PASSWORDS[kind]}:?set it in .env}}"


def _redis(_plan: Plan, _address: Address) -> dict[str, Any]:
    start = (
        'exec redis-server --requirepass "$$REDIS_PASSWORD"'
        " --appendonly yes --appendfsync everysec --save 3600 1 300 100 60 10000 --maxmemory-policy noeviction"
    )
    return {
        "image": "redis:7-alpine",
        "command": Note(
            ["sh", "-c", start],
            "append-only file, snapshots, and no eviction: no message is dropped for room",
        ),
        "environment": {"REDIS_PASSWORD": _password("redis")},
        "volumes": ["redis-data:/data"],
        "healthcheck": {
            "test": ["CMD-SHELL", 'REDISCLI_AUTH="$$REDIS_PASSWORD" redis-cli ping | grep -q PONG'],
            **_EVERY,
        },
    }


def _rabbitmq(plan: Plan, address: Address) -> dict[str, Any]:
    return {
        "image": "rabbitmq:4-management-alpine",
        "hostname": Note("rabbitmq", "its data is found again by this name"),
        "environment": {
            "RABBITMQ_DEFAULT_USER": user_of(plan),
            "RABBITMQ_DEFAULT_PASS": _password("rabbitmq"),
            "RABBITMQ_DEFAULT_VHOST": address.path.removeprefix("/") or "/",
        },
        "volumes": ["rabbitmq-data:/var/lib/rabbitmq"],
        "ports": Note(["127.0.0.1:15672:15672"], "the management pages, for this host only"),
        "healthcheck": {
            "test": ["CMD", "rabbitmq-diagnostics", "-q", "check_running"],
            **_EVERY,
            "start_period": "30s",
        },
    }


def _postgres(plan: Plan, address: Address) -> dict[str, Any]:
    database = address.path.removeprefix("/") or user_of(plan)
    return {
        "image": "postgres:17-alpine",
        "environment": {
            "POSTGRES_USER": user_of(plan),
            "POSTGRES_PASSWORD": _password("postgres"),
            "POSTGRES_DB": database,
        },
        "volumes": ["postgres-data:/var/lib/postgresql/data"],
        "healthcheck": {"test": ["CMD", "pg_isready", "-U", user_of(plan), "-d", database], **_EVERY},
    }
