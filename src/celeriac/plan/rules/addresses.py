"""Addresses: the URLs of the broker, the results and the records, and what each kind can keep."""

from __future__ import annotations

import re
from collections import Counter

from celeriac.plan.model import Plan
from celeriac.plan.report import Report, clipped, write_or

BROKERS = (
    "sqlite", "redis", "rediss", "redis+socket", "sentinel", "amqp", "amqps", "pyamqp", "sqs", "memory",
    "filesystem",
)  # fmt: skip
#: those that keep a queue's max_length: ours, and RabbitMQ, which confirms what it takes
BOUNDING = ("sqlite", "redis", "rediss", "redis+socket", "sentinel", "amqp", "amqps", "pyamqp")
#: those of Celery 5.7, and ours
RESULTS = (
    "sqlite", "redis", "rediss", "sentinel", "postgresql", "postgres", "rpc", "db", "cache", "memcache", "memcached",
    "django-db", "django-cache", "mongodb", "mongodb+srv", "cassandra", "elasticsearch", "couchbase", "couchdb",
    "arangodb", "dynamodb", "azureblockblob", "cosmosdbsql", "s3", "gs", "gcs", "file", "filesystem", "consul",
    "disabled",
)  # fmt: skip
STATES = ("sqlite", "postgresql", "postgres")
COORDINATION = ("redis", "rediss", "unix", *STATES)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def scheme_of(url: str) -> str:
    """Give the scheme of a URL, empty if it has none."""
    found = _SCHEME.match(url)
    return found[1] if found else ""


def judge(plan: Plan, report: Report) -> None:
    """Report addresses of an unknown kind, and bounds the broker could not keep."""
    _judge_broker(plan, report)
    _judge_results(plan, report)
    _judge_certificates(plan, report)
    state = scheme_of(plan.state)
    if state.partition("+")[0] not in STATES:
        report.add(
            ("state",),
            "PLAN-042",
            f"the records cannot be kept at {_said(state)}.",
            known=STATES,
            fix=write_or(state, STATES, "write sqlite:///.celeriac/records.db"),
            needs=[("broker",)],
        )
    meeting = scheme_of(plan.coordination)
    if plan.coordination != plan.state and meeting.partition("+")[0] not in COORDINATION:
        report.add(
            ("coordination",),
            "PLAN-047",
            f"processes cannot agree by {_said(meeting)}.",
            known=COORDINATION,
            fix=write_or(meeting, COORDINATION, "remove it, so that they agree by the database of `state`"),
        )
    for name, queue in plan.queues.items():
        boundless = [kind for kind in map(scheme_of, plan.candidates) if kind not in BOUNDING]
        if queue.max_length is not None and boundless:
            report.add(
                ("queues", name, "max_length"),
                "PLAN-043",
                f'queue "{clipped(name)}" is bounded, which {_said(boundless[0])} brokers do not keep.',
                fix="remove max_length, or use a redis, amqp or sqlite broker",
                needs=[("broker",)],
            )
        if queue.max_length is None and queue.when_full != "block":
            report.add(
                ("queues", name, "when_full"),
                "PLAN-044",
                f'queue "{clipped(name)}" says what happens when it is full, but has no bound.',
                fix="add max_length, or remove when_full",
                needs=[("queues", name, "max_length")],
            )


def _judge_broker(plan: Plan, report: Report) -> None:
    for url, count in Counter(plan.candidates).items():
        if count > 1:
            report.add(
                ("broker",),
                "PLAN-049",
                f"a {_said(scheme_of(url))} broker is named {count} times.",
                fix="name each broker once, in the order in which they are to be tried",
            )
    # kombu takes several addresses of one cluster, parted by semicolons.
    for url in ";".join(plan.candidates).split(";"):
        scheme = scheme_of(url)
        if scheme not in BROKERS:
            report.add(
                ("broker",),
                "PLAN-040",
                f"there is no broker of the kind {_said(scheme)}.",
                known=BROKERS,
                fix=write_or(scheme, BROKERS, "write a URL that starts with a known kind and ://"),
            )


def _judge_results(plan: Plan, report: Report) -> None:
    scheme = scheme_of(plan.results) or plan.results.partition(":")[0]
    if scheme.partition("+")[0] not in RESULTS and scheme not in RESULTS:
        report.add(
            ("results",),
            "PLAN-041",
            f"results of the kind {_said(scheme)} are not known here; an installed backend may know them.",
            known=RESULTS,
            fix=write_or(scheme, RESULTS, "see that a package brings this result backend"),
            severity="warning",
            needs=[("broker",)],
        )


def _judge_certificates(plan: Plan, report: Report) -> None:
    """Report TLS that would take any certificate: kombu checks none unless told to, and Celery's results refuse."""
    named = [(("broker",), url) for url in dict.fromkeys(plan.candidates)]
    if plan.results not in plan.candidates:
        named.append((("results",), plan.results))
    for path, url in named:
        if scheme_of(url) == "rediss" and "ssl_cert_reqs=" not in url.partition("?")[2]:
            report.add(
                path,
                "PLAN-085",
                "a rediss URL does not say whether the server's certificate is checked, and then it is not.",
                known=["ssl_cert_reqs=required", "ssl_cert_reqs=optional", "ssl_cert_reqs=none"],
                fix="end the URL in ?ssl_cert_reqs=required, with &ssl_ca_certs=/path for an authority of your own",
            )

        elif re.search(r"[?&]ssl_cert_reqs=(CERT_)?NONE(&|$)", url, re.IGNORECASE):
            report.add(
                path,
                "PLAN-086",
                "the server's certificate is not checked: whoever gets in between reads and writes everything.",
                fix="write ssl_cert_reqs=required, with &ssl_ca_certs=/path for an authority of your own",
                severity="warning",
            )


def _said(scheme: str) -> str:
    return f'"{clipped(scheme)}"' if scheme else "no scheme"
