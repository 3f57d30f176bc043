"""What is held of SQS, against a client that notes what it is asked."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from celeriac.transports.sqs.delays import delay_of, hiding_of
from celeriac.transports.sqs.leases import Leases
from servers.waiting import eventually

JOBS, MAIL = "http://sqs/1/jobs", "http://sqs/1/mail"
AWAY = EndpointConnectionError(endpoint_url="http://sqs")


class Client:
    """Notes its calls; raises `trouble` if it is set, and says of handles in `gone` that they are."""

    def __init__(self) -> None:
        self.renewed: list[tuple[str, list[str]]] = []
        self.deleted: list[str] = []
        self.shown: list[tuple[str, int]] = []
        self.gone: set[str] = set()
        self.trouble: Exception | None = None
        self.tries = 0

    def change_message_visibility_batch(self, *, QueueUrl: str, Entries: list[Any]) -> Any:
        self._fail()
        self.renewed.append((QueueUrl, [it["ReceiptHandle"] for it in Entries]))
        failed = [{"Id": it["Id"], "Code": "Gone"} for it in Entries if it["ReceiptHandle"] in self.gone]
        return {"Failed": failed}

    def change_message_visibility(self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:
        self._fail()
        self.shown.append((ReceiptHandle, VisibilityTimeout))

    def delete_message(self, *, QueueUrl: str, ReceiptHandle: str) -> None:
        self._fail()
        self.deleted.append(ReceiptHandle)

    def _fail(self) -> None:
        self.tries += 1
        if self.trouble is not None:
            raise self.trouble


@pytest.fixture
def client() -> Client:
    return Client()


def leases(client: Client, limit: int = 0, lease_s: int = 600) -> Leases:
    return Leases(lambda url: client, lambda: limit, lease_s)


def test_room_is_what_may_be_held_less_what_is_held_and_claimed(client: Client) -> None:
    held = leases(client, limit=4)
    held.hold(JOBS, ["a"])
    assert held.room() == 3
    assert held.claim(0) == 3
    assert (held.room(), held.claim(0)) == (0, 0)
    held.unclaim(3)
    held.settle(JOBS, "a")
    assert held.room() == 4


def test_sqs_gives_ten_at_most_however_many_may_be_held(client: Client) -> None:
    assert leases(client, limit=0).room() == leases(client, limit=50).room() == 10


def test_who_waits_for_room_has_it_as_soon_as_a_message_is_settled(client: Client) -> None:
    held = leases(client, limit=1)
    held.hold(JOBS, ["a"])
    claimed: list[int] = []
    waiting = threading.Thread(target=lambda: claimed.append(held.claim(60)))
    waiting.start()
    held.settle(JOBS, "a")
    waiting.join(60)
    assert claimed == [1]


def test_leases_are_renewed_ten_at_a_time_and_each_queue_by_itself(client: Client) -> None:
    held = leases(client)
    held.hold(JOBS, [f"j{number}" for number in range(12)])
    held.hold(MAIL, ["m"])
    held.renew()
    assert sorted(len(handles) for _, handles in client.renewed) == [1, 2, 10]
    assert {url for url, handles in client.renewed if "m" in handles} == {MAIL}


def test_what_was_given_back_is_not_hidden_again(client: Client) -> None:
    held = leases(client)
    held.hold(JOBS, ["a", "b"])
    held.hide(JOBS, "a", 0)
    held.renew()
    assert (client.shown, client.renewed) == ([("a", 0)], [(JOBS, ["b"])])


def test_an_ack_that_sqs_did_not_take_stays_hidden_and_is_tried_again(client: Client) -> None:
    held = leases(client, limit=1)
    held.hold(JOBS, ["a"])
    client.trouble = AWAY
    held.settle(JOBS, "a")
    assert held.room() == 1
    client.trouble = None
    held.renew()
    assert client.renewed == [(JOBS, ["a"])]
    held.close()
    assert client.deleted == ["a"]


def test_an_ack_that_sqs_refuses_for_good_is_given_up(client: Client) -> None:
    held = leases(client)
    client.trouble = ClientError({"Error": {"Code": "ReceiptHandleIsInvalid"}}, "DeleteMessage")
    held.settle(JOBS, "a")
    held.close()
    client.trouble = None
    held.renew()
    assert client.renewed == client.deleted == []


def test_renewing_goes_on_when_sqs_is_away_or_has_lost_a_message(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    held = leases(client)
    held.hold(JOBS, ["a", "b"])
    client.trouble = AWAY
    held.renew()
    client.trouble, client.gone = None, {"a"}
    held.renew()
    assert client.renewed == [(JOBS, ["a", "b"])]
    assert "2 messages of queue jobs may be run a second time" in caplog.text
    assert "1 messages of queue jobs may be run a second time" in caplog.text


@pytest.mark.parametrize(
    ("due_in", "delay", "hiding"),
    [
        (-5, None, None),
        (0.5, None, None),
        (10.5, 10, None),
        (100.5, 100, 100),
        (5000.5, 900, 5000),
        (90_000, 900, 43_140),
    ],
)
def test_a_task_waits_at_sqs_for_as_long_as_sqs_can(
    due_in: float, delay: int | None, hiding: int | None
) -> None:
    headers = {"eta": (datetime.now(UTC) + timedelta(seconds=due_in)).isoformat()}
    assert delay_of(headers) == delay
    assert hiding_of(headers) == hiding


@pytest.mark.parametrize("eta", [None, "", "soon", 5, [], "2026-13-01"])
def test_a_time_that_cannot_be_read_delays_nothing(eta: object) -> None:
    assert delay_of({"eta": eta}) is hiding_of({"eta": eta}) is None


def test_the_thread_that_renews_outlives_an_error_that_nobody_foresaw(client: Client) -> None:
    held = leases(client, lease_s=1)
    client.trouble = RuntimeError("a client that went wrong")
    held.hold(JOBS, ["a"])
    eventually(lambda: client.tries >= 2)
    client.trouble = None
    eventually(lambda: client.renewed)
    held.close()
