"""Answers wait for gateways' replies, partition by partition, and no position passes one over."""

from __future__ import annotations

from motorcade.apps.commands.inbox import ANSWERS_MAX, Inbox
from motorcade.log.events import CommandAnswered, LinkDown
from motorcade.log.posting import EventRecord


def answer(vehicle: int) -> CommandAnswered:
    return CommandAnswered(
        vehicle=vehicle, tenant=1, link="l", protocol="jt808", key="k", outcome="succeeded",
        code="ok", detail="", facts={}, at_us=1,
    )  # fmt: skip


def record(sequence: int, *vehicles: int) -> EventRecord:
    return EventRecord(sequence, 0, tuple(answer(one) for one in vehicles))


def sure(_: int) -> bool:
    return False


def test_records_come_out_in_order_with_their_position() -> None:
    inbox = Inbox([0, 1])
    down = LinkDown(vehicle=2, tenant=1, link="l", at_us=1, reason="logout")
    inbox.add(0, [EventRecord(1, 0, (down,)), record(2, 2)])
    inbox.add(1, [record(7, 3)])
    found = inbox.ready(sure)
    assert [answer.vehicle for entry in found for answer in entry.answers] == [2, 3]
    assert inbox.sequences(found) == {0: 2, 1: 7}
    assert inbox.ready(sure) == []


def test_one_that_may_be_early_holds_its_partition() -> None:
    inbox = Inbox([0, 1])
    inbox.add(0, [record(1, 2)])
    inbox.add(0, [record(2, 4)])
    inbox.add(0, [record(3, 6)])
    inbox.add(1, [record(1, 3)])
    assert inbox.has_ready(lambda vehicle: vehicle == 4)
    found = inbox.ready(lambda vehicle: vehicle == 4)
    assert inbox.sequences(found) == {0: 1, 1: 1}
    assert not inbox.has_ready(lambda vehicle: vehicle == 4)
    assert inbox.sequences(inbox.ready(sure)) == {0: 3}


def test_what_was_taken_is_passed_over_and_what_failed_comes_again() -> None:
    inbox = Inbox([0])
    inbox.add(0, [record(1, 2), record(2, 4)])
    inbox.add(0, [record(2, 4), record(3, 6)])
    inbox.add(0, [record(3, 6)])
    found = inbox.ready(sure)
    assert [one.vehicle for entry in found for one in entry.answers] == [2, 4, 6]
    inbox.put_back(found)
    assert inbox.ready(sure) == found


def test_it_is_full_at_its_bound_until_some_are_taken() -> None:
    inbox = Inbox([0])
    for sequence in range(ANSWERS_MAX // 100):
        assert not inbox.full
        inbox.add(0, [record(sequence + 1, *range(2, 102))])
    assert inbox.full
    inbox.ready(sure)
    assert not inbox.full
