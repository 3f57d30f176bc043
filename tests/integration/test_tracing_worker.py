"""Traces and failure reports of real workers, as a collector and a Sentry on the other side receive them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from servers.http_receiver import HttpReceiver, receiving
from servers.project import Project

PLAN = """\
[celeriac]
name = "shop"
imports = ["shop_tasks"]

[queues.default]

[pools.web]
queues = ["default"]
executor = "prefork"
concurrency = 2

[tasks."shop.flaky"]
retry = {{ limit = 2, backoff = "10ms", jitter = false }}
[tasks."shop.stuck"]
time_limit = "1s"

{table}
"""

TASKS = """\
import time
from celery import shared_task

@shared_task(name="shop.add")
def add(x, y=1):
    return x + y

@shared_task(name="shop.flaky", bind=True)
def flaky(self, x):
    if self.request.retries < 1:
        raise OSError("lost redis://:s3cret@cache/0")
    return x

@shared_task(name="shop.total")
def total(parts):
    return sum(parts)

@shared_task(name="shop.lose", bind=True)
def lose(self):
    raise ValueError("lost redis://:s3cret@cache/0")

@shared_task(name="shop.expected", throws=(KeyError,))
def expected():
    raise KeyError("as told")

@shared_task(name="shop.stuck")
def stuck():
    time.sleep(60)
"""

SEND = """\
from celeriac import create_app
import shop_tasks as t
from celery import chain, chord
app = create_app("celeriac.toml")
app.set_current()
{what}
app.celeriac_done = True
from opentelemetry import trace
flush = getattr(trace.get_tracer_provider(), "force_flush", None)
flush and flush()
"""


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with receiving() as it:
        yield it


def spans_of(receiver: HttpReceiver) -> list[dict[str, str]]:
    """Decode what was received: name, trace, id, parent, attempt and status code of each span."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    found = []
    for body in receiver.bodies("/v1/traces"):
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    attributes = {each.key: each.value for each in span.attributes}
                    found.append(
                        {
                            "name": span.name,
                            "trace": span.trace_id.hex(),
                            "id": span.span_id.hex(),
                            "parent": span.parent_span_id.hex(),
                            "attempt": str(attributes["celery.attempt"].int_value),
                            "status": str(span.status.code),
                            "events": str(list(span.events)),
                        }
                    )
    return found


def send(shop: Project, what: str) -> None:
    sent = shop.run("python", "-c", SEND.format(what=what))
    assert sent.returncode == 0, sent.stderr


def test_a_chain_with_a_retry_is_one_trace_from_send_to_run(
    project: Callable[..., Project], receiver: HttpReceiver, eventually: Callable[..., object]
) -> None:
    table = f'[tracing]\nendpoint = "http://127.0.0.1:{receiver.port}"'
    shop = project(plan=PLAN.format(table=table), tasks=TASKS)
    worker = shop.start_celeriac("worker", "web")
    worker.wait_for_log("ready.")
    send(shop, "chain(t.add.s(1), t.flaky.s(), t.add.s()).apply_async()")

    worker.wait_for_log("shop.flaky")
    eventually(lambda: worker.log.count("succeeded") == 3, within=60)
    assert worker.stop() == 0
    spans = spans_of(receiver)
    assert len({span["trace"] for span in spans}) == 1
    by_id = {span["id"]: span for span in spans}

    def line(span: dict[str, str]) -> list[str]:
        above = by_id.get(span["parent"])
        return [*(line(above) if above else []), f"{span['name']} #{span['attempt']}"]

    lines = [line(span) for span in spans]
    assert max(lines, key=len) == [
        "send shop.add #1",
        "run shop.add #1",
        "send shop.flaky #1",
        "run shop.flaky #1",
        "send shop.flaky #2",
        "run shop.flaky #2",
        "send shop.add #1",
        "run shop.add #1",
    ]
    assert "s3cret" not in str(receiver.posts)


def test_a_chord_is_one_trace_though_nothing_was_traced_before_it(
    project: Callable[..., Project], receiver: HttpReceiver, eventually: Callable[..., object]
) -> None:
    table = f'[tracing]\nendpoint = "http://127.0.0.1:{receiver.port}"'
    shop = project(plan=PLAN.format(table=table), tasks=TASKS)
    worker = shop.start_celeriac("worker", "web")
    worker.wait_for_log("ready.")
    send(shop, "chord([t.add.s(n) for n in range(3)], t.total.s()).apply_async()")
    eventually(lambda: worker.log.count("succeeded") == 4, within=60)
    assert worker.stop() == 0
    spans = spans_of(receiver)
    assert sorted(span["name"] for span in spans) == [
        *["run shop.add"] * 3,
        "run shop.total",
        *["send shop.add"] * 3,
        "send shop.total",
    ]
    assert len({span["trace"] for span in spans}) == 1


def test_sentry_hears_of_what_failed_for_good_once_each_and_of_no_password(
    project: Callable[..., Project], receiver: HttpReceiver, eventually: Callable[..., object]
) -> None:
    table = f'[sentry]\ndsn = "http://public@127.0.0.1:{receiver.port}/7"'
    shop = project(plan=PLAN.format(table=table), tasks=TASKS)
    worker = shop.start_celeriac("worker", "web")
    worker.wait_for_log("ready.")
    send(shop, "t.expected.delay(); t.flaky.delay(1); t.lose.delay(); t.stuck.delay()")
    eventually(lambda: worker.log.count("became letter") == 3, within=60)
    assert worker.stop() == 0

    events = []
    for body in receiver.bodies("/api/7/envelope/"):
        header, *parts = body.split(b"\n")
        assert json.loads(header)
        events += [json.loads(part) for part in parts if part.startswith(b"{") and b'"event_id"' in part]
    assert "s3cret" not in json.dumps(events)
    raised = [event for event in events if "exception" in event]
    (lost,) = raised
    assert lost["exception"]["values"][-1]["type"] == "ValueError"
    assert lost["exception"]["values"][-1]["value"] == "lost redis://:***@cache/0"
    assert {name: lost["tags"][name] for name in ("task", "queue", "attempt")} == {
        "task": "shop.lose",
        "queue": "default",
        "attempt": 1,
    }
    assert len(lost["tags"]["task_id"]) == 36
    (killed,) = [event for event in events if "exception" not in event]
    assert "shop.stuck became a letter: timeout" in json.dumps(killed)


@pytest.mark.parametrize(
    ("table", "code", "module"),
    [
        ("[tracing]", "APP-040", "opentelemetry"),
        ('[sentry]\ndsn = "http://public@127.0.0.1:1/7"', "APP-041", "sentry_sdk"),
    ],
)
def test_a_missing_extra_is_named_with_its_remedy(
    project: Callable[..., Project], table: str, code: str, module: str
) -> None:
    shop = project(plan=PLAN.format(table=table), tasks=TASKS)
    # A stand-in that cannot be imported, found before the real one.
    shop.write(
        f"{module}.py", f"raise ModuleNotFoundError(\"No module named '{module}'\", name='{module}')\n"
    )
    asked = shop.celeriac("send", "shop.add", "1")
    assert asked.returncode == 1
    assert code in asked.stderr
    assert f'there is no module "{module}"' in asked.stderr
    assert "pip install 'celeriac[" in asked.stderr
