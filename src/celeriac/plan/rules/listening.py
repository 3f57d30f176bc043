"""Listening: who reaches what listens at an address, and by which password."""

from __future__ import annotations

import ipaddress
import re

from celeriac.plan.flowers import host_and_port
from celeriac.plan.report import PlanPath, Report

_AUTH = re.compile(r"[^:,]+:[^,]+(,[^:,]+:[^,]+)*\Z")


def is_open(address: str, auth: str) -> bool:
    """Say whether other machines reach what listens at `address` (host:port), and need no password."""
    parts = host_and_port(address)
    return parts is not None and not auth and not _is_loopback(parts[0])


def judge_auth(report: Report, path: PlanPath, auth: str) -> None:
    """Report a password that nobody could use, without saying it."""
    if auth and not _AUTH.match(auth):
        report.add(
            path,
            "PLAN-082",
            "auth is not of the form user:password.",
            fix='set the variable to "user:password", or several of them parted by commas',
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
