"""Counting deaths where the broker does not."""

from __future__ import annotations

from kombu.message import Message

from celeriac.tasks import deaths
from celeriac.tasks.deaths import DeathCount, reported_deliveries


def test_the_brokers_count_is_read_from_where_it_keeps_it():
    assert reported_deliveries(Message(delivery_info={"deliveries": 2})) == 2
    assert reported_deliveries(Message(headers={"x-delivery-count": 3})) == 3
    assert reported_deliveries(Message(headers={"x-delivery-count": "many"})) == 0
    assert reported_deliveries(Message()) == 0


def test_deaths_add_up_where_nobody_else_counts():
    count = DeathCount()
    assert [count.add("a", 0) for _ in range(3)] == [1, 2, 3]
    assert count.add("b", 0) == 1


def test_the_higher_of_both_counts_holds():
    count = DeathCount()
    assert count.add("a", 4) == 5
    assert count.add("a", 0) == 6


def test_a_task_that_has_ended_starts_anew():
    count = DeathCount()
    count.add("a", 0)
    count.forget("a")
    assert count.add("a", 0) == 1


def test_only_so_many_tasks_are_remembered(monkeypatch):
    monkeypatch.setattr(deaths, "_REMEMBERED", 2)
    count = DeathCount()
    for name in "abc":
        count.add(name, 0)
    assert [count.add(name, 0) for name in "ca"] == [2, 1]
