"""FastAPI and plain ASGI applications that send to a real worker."""

from __future__ import annotations

import asyncio
import contextvars
import time
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.routing import Mount

from celeriac import create_app
from celeriac.errors import IntegrationError
from celeriac.integrations.asgi import Sender, health, lifespan
from celeriac.integrations.fastapi import SendsTasks, health_router

TASKS = """\
from celery import shared_task

@shared_task(name="shop.add")
def add(x, y):
    return x + y

@shared_task(name="shop.fail")
def fail(message):
    raise ValueError(message)
"""


@pytest.fixture
def shop(project):
    made = project(tasks=TASKS)
    celery = create_app(made.folder / "celeriac.toml")
    celery.conf.include = []  # the tasks are the worker's
    return made, celery


def started(made):
    worker = made.start_celeriac("worker", "web")
    worker.wait_for_log("ready.")
    return worker


def test_a_fastapi_application_sends_awaits_and_says_its_health(shop):
    made, celery = shop

    @asynccontextmanager
    async def own(app):
        app.opened = True
        yield {"colour": "green"}
        app.opened = False

    app = FastAPI(lifespan=lifespan(celery, own))
    app.include_router(health_router(celery))

    @app.post("/add/{x}/{y}")
    async def add(x: int, y: int, sender: SendsTasks):
        sent = await sender.send("shop.add", x, y)
        return {"id": sent.id, "sum": await sent.get(timeout=20), "state": await sent.state()}

    @app.post("/fail")
    async def fail(sender: SendsTasks):
        sent = await sender.send_with("shop.fail", ["no"], queue="default")
        try:
            return await sent
        except ValueError as error:
            return {"error": str(error)}

    with TestClient(app) as client:
        assert app.opened
        assert client.get("/health/live").json() == {"live": True}
        assert client.get("/health/ready").json() == {"ready": True, "reasons": []}
        nobody = client.get("/health/celery")
        assert (nobody.status_code, nobody.json()["healthy"]) == (503, False)
        started(made)
        assert client.post("/add/2/3").json()["sum"] == 5
        assert client.post("/fail").json() == {"error": "no"}
        deadline = time.monotonic() + 15
        while not (seen := client.get("/health/celery")).json()["healthy"] and time.monotonic() < deadline:
            time.sleep(0.1)
        assert seen.json() == {"workers": 1, "active_tasks": 0, "healthy": True}
    assert not app.opened
    with TestClient(app) as again:
        assert again.post("/add/4/5").json()["sum"] == 9, "the pools can be opened again"


def test_the_loop_turns_while_a_task_is_sent_and_awaited(shop):
    made, celery = shop
    started(made)
    turns = 0

    async def tick():
        nonlocal turns
        while True:
            await asyncio.sleep(0.005)
            turns += 1

    async def main():
        ticking = asyncio.create_task(tick())
        async with Sender(celery, threads=4) as sender:
            sent = await asyncio.gather(*(sender.send("shop.add", n, n) for n in range(20)))
            before = turns
            values = await asyncio.gather(*sent)
        ticking.cancel()
        return values, before

    values, before = asyncio.run(main())
    assert values == [n * 2 for n in range(20)]
    assert before > 0
    assert turns > before


def test_waiting_ends_in_time_and_a_closed_sender_refuses(shop):
    _, celery = shop

    async def main():
        async with Sender(celery) as sender:
            sent = await sender.send("shop.add", 1, 2)
            with pytest.raises(TimeoutError):
                await sent.get(timeout=0.2)
            assert await sent.state() == "PENDING"
        with pytest.raises(IntegrationError, match="WEB-030"):
            await sender.send("shop.add", 1, 2)

    asyncio.run(main())


def test_context_variables_travel_with_a_send(shop):
    _, celery = shop
    tenant = contextvars.ContextVar("tenant")

    async def main():
        tenant.set("acme")
        async with Sender(celery) as sender:
            return await sender.run(tenant.get)

    assert asyncio.run(main()) == "acme"


def test_a_plain_asgi_application_mounts_the_health_of_its_broker(shop):
    _, celery = shop
    celery.conf.broker_url = "redis://127.0.0.1:1/0"
    app = Starlette(routes=[Mount("/status", health(celery))])
    client = TestClient(app)
    assert client.get("/status/live").status_code == 200
    unready = client.get("/status/ready")
    assert (unready.status_code, unready.json()["ready"]) == (503, False)
    assert "cannot be reached" in unready.json()["reasons"][0]
    unhealthy = client.get("/status/celery")
    assert (unhealthy.status_code, unhealthy.json()["workers"]) == (503, 0)
    assert client.get("/status/nonsense").status_code == 404


def test_an_application_without_the_lifespan_is_told():
    app = FastAPI()

    @app.post("/add")
    async def add(sender: SendsTasks):
        return 1

    with TestClient(app) as client, pytest.raises(IntegrationError, match="WEB-031"):
        client.post("/add")
