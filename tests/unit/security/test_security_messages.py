"""Sealed and signed messages: what was sent opens, and nothing else does."""

from __future__ import annotations

import copy
import json
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.message import Message

import celeriac
from celeriac import wire
from celeriac.errors import MessageRefused, SecurityError
from celeriac.plan import Plan, Policy, Security, Sender
from celeriac.security import Guard, as_received, guard_of, new_key, new_signing_pair
from celeriac.security.calls import tasks_of

OLD, NEW = new_key(), new_key()
WEB, WORKER = new_signing_pair(), new_signing_pair()
SENDERS = {"web": Sender(key=WEB[1], tasks=("shop.*",)), "worker": Sender(key=WORKER[1], tasks=("*",))}
NOTHING = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def guard(policies: dict[str, Policy] | None = None, **security: Any) -> Guard:
    plan = {"keys": NEW, "encrypt": True, **security}
    return Guard(Security(**plan), lambda name: (policies or {}).get(name, Policy()), lambda: ["json"])


def sent(
    by: Guard, *, task: str = "shop.add", embed: dict[str, Any] | None = None, args: Any = (1, 2), **said: Any
) -> dict[str, Any]:
    """A message of a task as a broker has it, JSON and back."""
    compression = said.pop("compression", None)
    headers: dict[str, Any] = {
        "lang": "py", "task": task, "id": uuid.uuid4().hex, "root_id": "r", "parent_id": None, "group": None,
        "retries": 0, "eta": None, "expires": None, "timelimit": (None, None), "celeriac-sent": 1763726400.25,
        **said,
    }  # fmt: skip
    properties = {"correlation_id": headers["id"], "reply_to": "somewhere"}
    body = by.close(
        (args, {}, embed or NOTHING), headers, properties, serializer="json", compression=compression
    )
    return {
        "body": body.body,
        "content_type": body.content_type,
        "content_encoding": body.content_encoding,
        "headers": json.loads(json.dumps(headers)),
        "properties": properties,
    }


def came(parts: dict[str, Any]) -> Message:
    return Message(**copy.deepcopy(parts), accept={"application/json"})


def refusal(by: Guard, parts: dict[str, Any]) -> MessageRefused:
    message = came(parts)
    with pytest.raises(MessageRefused) as refused:
        by.open(message)
    assert message.body == parts["body"]
    assert message.headers == parts["headers"]
    return refused.value


def test_what_was_sealed_opens_with_its_arguments_and_without_marks():
    message = came(sent(guard()))
    guard().open(message)
    assert message.payload == [[1, 2], {}, NOTHING]
    assert wire.SEALED not in message.headers
    assert wire.SEALED in as_received(message).headers


def test_a_sealed_body_shows_nothing_of_the_arguments_and_is_never_the_same_twice():
    first, second = (sent(guard(), args=("planted secret",))["body"] for _ in range(2))
    assert b"planted" not in first
    assert first != second


def test_a_sealed_body_is_packed_before_it_is_sealed():
    parts = sent(guard(), args=("a" * 10_000,), compression="gzip")
    assert len(parts["body"]) < 1000
    message = came(parts)
    guard().open(message)
    assert message.payload[0] == ["a" * 10_000]


HEADERS = (
    "lang", "task", "id", "root_id", "parent_id", "group", "retries", "eta", "expires", "timelimit", "celeriac-sent",
    "chord", "stamps", "ignore_result", "group_index", "replaced_task_nesting", "shadow", wire.LETTER, wire.GENERATION,
)  # fmt: skip


@pytest.mark.parametrize(
    "by", [guard(), guard(encrypt=False, senders=SENDERS, sender="web", signing_key=WEB[0])]
)
@pytest.mark.parametrize("name", HEADERS)
def test_a_changed_header_is_refused(by: Guard, name: str):
    parts = sent(by)
    changed = "shop.other" if name == "task" else "2026-01-01T00:00:00" if name in {"eta", "expires"} else 7
    parts["headers"][name] = changed if name != "task" else "shop.other"
    assert refusal(by, parts).reason == "forged"


@pytest.mark.parametrize("name", ["correlation_id", "reply_to"])
def test_an_answer_that_was_sent_elsewhere_is_refused(name: str):
    parts = sent(guard())
    parts["properties"][name] = "the forger"
    assert refusal(guard(), parts).reason == "forged"


def test_a_removed_header_is_refused():
    for name in ("retries", "expires", "root_id", "celeriac-sent"):
        parts = sent(guard())
        del parts["headers"][name]
        assert refusal(guard(), parts).reason == "forged"


def test_a_body_in_another_message_is_refused():
    parts, other = sent(guard()), sent(guard(), args=(3, 4))
    assert refusal(guard(), {**parts, "body": other["body"]}).code == "SEC-012"


@given(st.integers(min_value=0), st.integers(min_value=0, max_value=7))
def test_a_body_with_any_bit_turned_is_refused(place: int, bit: int):
    parts = sent(guard())
    body = bytearray(parts["body"])
    body[place % len(body)] ^= 1 << bit
    assert refusal(guard(), {**parts, "body": bytes(body)}).reason == "forged"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text() | st.floats(allow_nan=False),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )
)
def test_whatever_is_in_a_header_of_the_team_survives_and_is_held_fast(value: Any):
    parts = sent(guard(), team=value)
    guard().open(came(parts))
    parts["headers"]["team"] = [value]
    assert refusal(guard(), parts).reason == "forged"


def test_what_brokers_put_on_and_take_off_changes_nothing():
    parts = sent(guard(), **{wire.ONCE: "key"})
    del parts["headers"][wire.ONCE]
    parts["headers"].update({"x-death": [{"count": 1}], "x-delivery-count": 2})
    guard().open(came(parts))


def test_a_message_in_clear_is_forged_unless_the_plan_takes_strangers():
    clear = sent(guard(encrypt=False))
    assert refusal(guard(), clear).code == "SEC-010"
    guard(unprotected="accept").open(came(clear))


def test_a_message_in_the_old_protocol_is_forged():
    body = json.dumps({"task": "shop.add", "id": "x", "args": [1, 2], "kwargs": {}})
    old = {"body": body, "content_type": "application/json", "content_encoding": "utf-8", "headers": {}}
    assert refusal(guard(), old).code == "SEC-010"
    with pytest.raises(SecurityError, match="SEC-007"):
        guard().close(json.loads(body), {}, {}, serializer="json")


def test_old_keys_open_and_the_newest_seals():
    before = sent(guard(keys=OLD))
    both = guard(keys=f"{NEW}, {OLD}")
    both.open(came(before))
    after = sent(both)
    guard(keys=NEW).open(came(after))
    assert refusal(guard(keys=NEW), before).reason == "unreadable"


def test_a_policy_seals_its_own_tasks_and_what_leads_to_them():
    policies = {"shop.pay": Policy(encrypt=True)}
    by = guard(policies, encrypt=False)
    assert wire.SEALED not in sent(by)["headers"]
    assert wire.SEALED in sent(by, task="shop.pay")["headers"]
    link = {"task": "celery.group", "kwargs": {"tasks": [{"task": "shop.pay", "args": ["4711"]}]}}
    assert wire.SEALED in sent(by, embed={**NOTHING, "chain": [link]})["headers"]


def test_a_forged_message_cannot_lead_to_a_sealed_task():
    policies = {"shop.pay": Policy(encrypt=True)}
    link = {"task": "shop.pay", "args": ["mine"]}
    forged = sent(guard(encrypt=False), embed={**NOTHING, "callbacks": [link]})
    assert refusal(guard(policies, encrypt=False), forged).reason == "forged"
    unlock = sent(guard(encrypt=False), task="celery.chord_unlock", args=("g", link, [], 1))
    assert refusal(guard(policies, encrypt=False), unlock).reason == "forged"


def test_a_policy_may_leave_a_task_in_clear():
    by = guard({"shop.add": Policy(encrypt=False)})
    assert wire.SEALED not in sent(by)["headers"]
    guard({"shop.add": Policy(encrypt=False)}).open(came(sent(by)))


def web(**security: Any) -> Guard:
    return guard(**{"senders": SENDERS, "sender": "web", "signing_key": WEB[0], **security})


def test_a_signed_message_of_a_declared_sender_is_run():
    message = came(sent(web()))
    web().open(message)
    assert message.payload[0] == [1, 2]
    assert wire.SIGNED not in message.headers


def test_an_unsigned_message_is_forged_though_it_is_sealed():
    assert refusal(web(), sent(guard())).code == "SEC-013"


def test_nobody_can_sign_for_another():
    parts = sent(web(encrypt=False))
    parts["headers"][wire.SIGNED]["by"] = "worker"
    assert refusal(web(encrypt=False), parts).code == "SEC-014"
    parts["headers"][wire.SIGNED] = {"by": "nobody", "signature": "AAAA"}
    assert refusal(web(encrypt=False), parts).code == "SEC-014"
    parts["headers"][wire.SIGNED] = ["web"]
    assert refusal(web(encrypt=False), parts).code == "SEC-013"


def test_a_sender_may_not_send_what_is_not_theirs_nor_what_leads_there():
    with pytest.raises(SecurityError, match="SEC-006"):
        sent(web(), task="admin.drop")
    everything = {**SENDERS, "web": Sender(key=WEB[1], tasks=("*",))}
    greedy = sent(web(senders=everything), task="admin.drop")
    assert refusal(web(), greedy).reason == "forbidden"
    link = {"task": "admin.drop", "args": []}
    chained = sent(web(senders=everything), embed={**NOTHING, "chain": [link]})
    assert refusal(web(), chained).reason == "forbidden"


def test_a_signed_message_that_is_packed_on_the_way_is_still_signed():
    app = celeriac.create_app(
        Plan(security=Security(senders=SENDERS, sender="web", signing_key=WEB[0]), broker="memory://")
    )
    found = guard_of(app)
    assert found is not None
    parts = sent(found, compression="gzip")
    # What a producer does with it afterwards: it packs the body, and says so in a header that is free.
    parts["headers"]["compression"] = "application/x-gzip"
    import zlib

    message = Message(**{**parts, "body": zlib.compress(parts["body"])}, accept={"application/json"})
    found.open(message)
    assert message.payload[0] == [1, 2]


def test_who_says_nothing_of_himself_or_lies_cannot_send():
    with pytest.raises(SecurityError, match="SEC-004"):
        sent(web(sender=""))
    with pytest.raises(SecurityError, match="SEC-005"):
        sent(web(signing_key=WORKER[0]))


def test_no_key_and_a_bad_key_are_said_without_showing_it():
    with pytest.raises(SecurityError, match="SEC-001"):
        guard(keys="").prove()
    with pytest.raises(SecurityError, match="SEC-002") as told:
        guard(keys="hunter2").prove()
    assert "hunter2" not in str(told.value)


def test_no_repr_shows_a_key():
    plan = Plan(security=Security(keys=NEW, signing_key=WEB[0]))
    assert NEW not in repr(plan)
    assert WEB[0] not in repr(plan)
    assert NEW not in repr(plan.security)


def test_settings_and_pickles_of_an_app_hold_no_key():
    import pickle

    app = celeriac.create_app(Plan(security=Security(keys=NEW, encrypt=True), broker="memory://"))
    assert NEW not in repr(app.conf.table(with_defaults=True))
    assert NEW.encode() not in pickle.dumps(app)
    with pytest.raises(SecurityError, match="SEC-009"):
        guard_of(pickle.loads(pickle.dumps(app)))


def test_code_that_wants_a_task_sealed_is_refused_where_the_plan_names_no_keys():
    app = celeriac.create_app(Plan(broker="memory://"))

    @app.task(name="shop.pay", policy=Policy(encrypt=True), shared=False)
    def pay() -> None: ...

    with pytest.raises(SecurityError, match="SEC-008"):
        app.finalize()


def test_an_app_that_sends_by_a_class_of_its_own_is_refused():
    from celery import Celery

    app = Celery("own", amqp="celery.app.amqp:AMQP")
    app.amqp  # noqa: B018 - made before it is adopted
    with pytest.raises(SecurityError, match="SEC-017"):
        celeriac.adopt(app, Plan(security=Security(keys=NEW, encrypt=True), broker="memory://"))


def test_what_a_message_leads_to_is_found_however_deep():
    deep: Any = {"task": "shop.last"}
    for _ in range(500):
        deep = {"task": "celery.group", "kwargs": {"tasks": [deep]}}
    assert "shop.last" in list(tasks_of("shop.add", [[], {}, {**NOTHING, "errbacks": [deep]}]))
    assert list(tasks_of("shop.add", [[{"task": "shop.other"}], {}, NOTHING])) == ["shop.add"]
