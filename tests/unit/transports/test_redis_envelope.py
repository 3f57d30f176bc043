"""A message in a list says what stock kombu would have it say, and its body comes back byte for byte."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kombu.utils.json import dumps

from celeriac.transports.payload import MalformedEnvelope
from celeriac.transports.redis.delivery import Fetched, Held, to_payload
from celeriac.transports.redis.envelope import encode
from celeriac.transports.sending import Outgoing

odd = (
    st.binary(max_size=8)
    | st.uuids()
    | st.datetimes(timezones=st.just(UTC))
    | st.dates()
    | st.floats()
    | st.decimals(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=10) | odd,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)


def _encoded(body: Any, headers: dict[str, Any], properties: dict[str, Any]) -> bytes:
    message = {
        "body": body,
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": properties,
    }
    return encode(message, headers, "jobs", "1.a.2.3", Outgoing(message, "", "jobs", None))


@given(
    st.binary(max_size=50) | st.text(max_size=50),
    st.dictionaries(st.text(max_size=4), values, max_size=4),
    st.dictionaries(st.sampled_from("abcd"), values, max_size=4),
)
@settings(max_examples=500, deadline=None)
def test_any_message_reads_as_kombus_own_does(
    body: bytes | str, headers: dict[str, Any], properties: dict[str, Any]
) -> None:
    said = body if isinstance(body, bytes) else body.encode()
    as_kombu = dumps(
        {
            "body": b64encode(said).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": headers,
            "properties": {
                **properties,
                "delivery_info": {"exchange": "", "routing_key": "jobs"},
                "delivery_tag": "1.a.2.3",
                "body_encoding": "base64",
            },
        }
    )
    # Compared as text, where NaN equals itself, and 1 and 1.0 differ.
    ours = json.loads(_encoded(body, headers, properties))
    assert json.dumps(ours) == json.dumps(json.loads(as_kombu))


@pytest.mark.parametrize("size", [0, 1, 2, 3, 100, 100_001])
def test_a_body_comes_back_byte_for_byte(size: int) -> None:
    body = bytes(number % 256 for number in range(size))
    raw = _encoded(body, {}, {"when": date(2026, 1, 1), "much": Decimal("1.50"), "at": datetime.now(UTC)})
    for each in (raw, _encoded(body, {}, {})):
        assert to_payload(Fetched(Held("jobs", 1, "me"), 0, None, each))["body"] in (body, body or "")


@pytest.mark.parametrize(("body", "read"), [("/Aww=", b"\xfc\x0c0"), ("TQ==", b"M"), ("", "")])
def test_base64_of_others_is_read_as_python_reads_it(body: str, read: bytes | str) -> None:
    assert to_payload(_fetched(body))["body"] == read


@pytest.mark.parametrize("body", ["TQ", "T Q==", "T\nQ==", "Té==", "====", "T"])
def test_what_is_no_base64_is_malformed(body: str) -> None:
    with pytest.raises(MalformedEnvelope, match="base64"):
        to_payload(_fetched(body))


def _fetched(body: str) -> Fetched:
    raw = json.dumps({"body": body, "headers": {}, "properties": {"body_encoding": "base64"}}).encode()
    return Fetched(Held("jobs", 1, "me"), 0, None, raw)
