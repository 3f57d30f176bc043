"""Canvas on every executor and transport: what is sent together ends together, with the right values and lineage."""

from __future__ import annotations

from typing import Any

import pytest
from celery import chain, chord, group
from celery.canvas import xmap, xstarmap
from celery.exceptions import ChordError
from celery.result import GroupResult

from servers.waiting import eventually

WITHIN_S = 60.0


def test_a_chain_hands_each_value_on_and_knows_its_lineage(shop: Any) -> None:
    result = chain(shop.sig("add", 1, 2), shop.sig("mul", 10), shop.sig("add", 3), app=shop.app).apply_async()
    assert result.get(timeout=WITHIN_S) == 33
    assert [result.parent.get(timeout=WITHIN_S), result.parent.parent.get(timeout=WITHIN_S)] == [30, 3]
    assert result.parent.parent.parent is None


def test_links_of_a_chain_share_one_root_and_follow_their_parents(shop: Any) -> None:
    result = chain(shop.sig("give", 1), shop.sig("about"), app=shop.app).apply_async()
    told = result.get(timeout=WITHIN_S)
    assert (told["root"], told["parent"]) == (result.parent.id, result.parent.id)


def test_a_chain_ends_at_the_link_that_fails(shop: Any) -> None:
    result = chain(
        shop.sig("give", 1), shop.sig("fail"), shop.sig("record", "never"), app=shop.app
    ).apply_async()
    with pytest.raises(ValueError, match="1"):
        result.get(timeout=WITHIN_S)
    assert result.parent.state == "FAILURE"
    # Its failure is that of all that was to follow, so that nobody waits for it in vain; it is written next.
    eventually(lambda: result.state == "FAILURE")
    assert ["never"] not in shop.lines("recorded")


def test_a_group_gives_its_values_in_order(shop: Any) -> None:
    result = group([shop.sig("add", n, n) for n in range(10)], app=shop.app).apply_async()
    assert result.get(timeout=WITHIN_S) == [2 * n for n in range(10)]
    assert result.successful()
    assert result.completed_count() == 10


def test_a_group_is_read_back_by_its_id(shop: Any) -> None:
    result = group([shop.sig("add", n, 1) for n in range(3)], app=shop.app).apply_async()
    result.save()
    again = GroupResult.restore(result.id, app=shop.app)
    assert again is not None
    assert again.get(timeout=WITHIN_S) == [1, 2, 3]
    again.delete()
    assert GroupResult.restore(result.id, app=shop.app) is None


def test_a_chord_calls_its_body_once_with_every_value(shop: Any) -> None:
    result = chord([shop.sig("add", n, n) for n in range(10)], app=shop.app)(shop.sig("total"))
    assert result.get(timeout=WITHIN_S) == 90
    assert result.parent.get(timeout=WITHIN_S) == [2 * n for n in range(10)]


def test_a_chord_of_chains_waits_for_the_ends_of_them(shop: Any) -> None:
    header = [chain(shop.sig("add", n, 1), shop.sig("mul", 2), app=shop.app) for n in range(4)]
    assert chord(header, app=shop.app)(shop.sig("total")).get(timeout=WITHIN_S) == 20


def test_chords_nest_in_headers_and_in_bodies(shop: Any) -> None:
    inner = chord([shop.sig("give", n) for n in range(3)], shop.sig("total"), app=shop.app)
    header = chord([inner, shop.sig("give", 10)], shop.sig("total"), app=shop.app)
    body = chord([shop.sig("add", 1), shop.sig("add", 2)], shop.sig("total"), app=shop.app)
    assert header.apply_async().get(timeout=WITHIN_S) == 13
    nested = chord([shop.sig("give", 2), shop.sig("give", 3)], chain(shop.sig("total"), body, app=shop.app))
    assert nested.apply_async().get(timeout=WITHIN_S) == 13


def test_a_group_in_a_chain_is_a_chord_and_groups_may_follow_each_other(shop: Any) -> None:
    numbers = [shop.sig("give", n) for n in (1, 2, 3)]
    result = chain(
        group(numbers, app=shop.app),
        shop.sig("total"),
        group([shop.sig("add", 10), shop.sig("add", 20)], app=shop.app),
        shop.sig("total"),
        app=shop.app,
    ).apply_async()
    assert result.get(timeout=WITHIN_S) == 42


def test_a_failed_part_fails_the_chord_once_and_calls_the_errback_of_its_body(shop: Any) -> None:
    body = shop.sig("total").on_error(shop.sig("errback"))
    result = chord([shop.sig("give", 1), shop.sig("fail", "part")], app=shop.app)(body)
    with pytest.raises((ChordError, ValueError), match="part"):
        result.get(timeout=WITHIN_S)  # the part's own failure, where that is seen first
    eventually(lambda: isinstance(result.result, ChordError), within=WITHIN_S)
    assert "raised ValueError('part')" in str(result.result)
    mine = ["errback", result.id, "ChordError"]
    eventually(lambda: mine in shop.lines("recorded"), within=WITHIN_S)
    assert shop.lines("recorded").count(mine) == 1


def test_a_chord_sent_by_a_task_fires(shop: Any) -> None:
    sender = shop.send("send_chord")
    assert shop.app.AsyncResult(sender.get(timeout=WITHIN_S)).get(timeout=WITHIN_S) == 6


def test_a_part_may_add_another_part(shop: Any) -> None:
    result = chord([shop.sig("add_part", 1), shop.sig("add_part", 2)], app=shop.app)(shop.sig("total"))
    assert result.get(timeout=WITHIN_S) == 303


def test_an_empty_group_has_nothing_to_wait_for(shop: Any) -> None:
    assert group([], app=shop.app).apply_async().get(timeout=WITHIN_S) == []


def test_map_and_starmap_run_over_their_arguments_in_one_task(shop: Any) -> None:
    mapped = xmap(shop.sig("total"), [[1, 2], [3, 4]], app=shop.app).apply_async()
    starred = xstarmap(shop.sig("plain_add"), [(1, 2), (3, 4)], app=shop.app).apply_async()
    assert mapped.get(timeout=WITHIN_S) == [3, 7]
    assert starred.get(timeout=WITHIN_S) == [3, 7]


def test_chunks_are_a_group_of_starmaps(shop: Any) -> None:
    from celery.canvas import chunks

    cut = chunks(shop.sig("add"), [(n, n) for n in range(10)], 4, app=shop.app)
    assert cut.group().apply_async().get(timeout=WITHIN_S) == [[0, 2, 4, 6], [8, 10, 12, 14], [16, 18]]


def test_a_link_is_called_with_the_value_and_an_immutable_one_without(shop: Any) -> None:
    key = shop.key()
    result = shop.send(
        "add", 2, 3, link=[shop.sig("record", key), shop.sig("record", key, "fixed").set(immutable=True)]
    )
    assert result.get(timeout=WITHIN_S) == 5
    wanted = [["5", key], [key, "fixed"]]
    eventually(lambda: all(each in shop.lines("recorded") for each in wanted), within=WITHIN_S)
    assert [shop.lines("recorded").count(each) for each in wanted] == [1, 1]


def test_both_kinds_of_errback_are_told_of_a_failure_once(shop: Any) -> None:
    result = shop.send("fail", link_error=[shop.sig("errback"), shop.sig("errback_by_id")])
    with pytest.raises(ValueError, match="no"):
        result.get(timeout=WITHIN_S)
    wanted = [["errback", result.id, "ValueError"], ["errback-by-id", result.id]]
    eventually(lambda: all(each in shop.lines("recorded") for each in wanted), within=WITHIN_S)
    assert [shop.lines("recorded").count(each) for each in wanted] == [1, 1]


def test_a_task_may_be_replaced_by_another_a_chain_or_a_group(shop: Any) -> None:
    assert shop.send("swap", 2, 3).get(timeout=WITHIN_S) == 5
    assert shop.send("swap_for_chain", 4).get(timeout=WITHIN_S) == 50
    assert shop.send("swap_for_group", [1, 2]).get(timeout=WITHIN_S) == [2, 4]


def test_what_follows_a_replaced_task_gets_the_value_of_its_replacement(shop: Any) -> None:
    result = chain(shop.sig("swap", 2, 3), shop.sig("mul", 10), app=shop.app).apply_async()
    assert result.get(timeout=WITHIN_S) == 50
    summed = chord([shop.sig("swap", 1, 1), shop.sig("give", 5)], app=shop.app)(shop.sig("total"))
    assert summed.get(timeout=WITHIN_S) == 7


def test_children_of_a_task_are_known_by_its_result(shop: Any) -> None:
    result = shop.send("parent")
    assert result.get(timeout=WITHIN_S) == "parent"
    assert [child.get(timeout=WITHIN_S) for child in result.children] == [2, 4]
    assert {value for _, value in result.collect(timeout=WITHIN_S)} == {"parent", 2, 4}


def test_stamps_and_headers_reach_every_link(shop: Any) -> None:
    sent = chain(shop.sig("give", 1), shop.sig("about"), app=shop.app)
    sent.stamp(tenant="acme")
    assert sent.apply_async().get(timeout=WITHIN_S)["stamps"] == {"tenant": "acme"}
    alone = shop.send("about", headers={"x-trace": "abc"})
    assert alone.get(timeout=WITHIN_S)["headers"] == {"x-trace": "abc"}
