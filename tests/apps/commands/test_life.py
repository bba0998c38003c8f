"""A command's life step by step: one outcome, whatever the order."""

from __future__ import annotations

import random

import pytest

from motorcade.apps.commands import life
from motorcade.apps.commands.asking import Asked, new_id, row_for
from motorcade.apps.commands.row import Row
from motorcade.apps.commands.rules import OPEN
from motorcade.limits import COMMAND_ATTEMPTS_KEPT, COMMAND_NOTES_KEPT
from motorcade.log.events import CommandAnswered

NOW = 1_764_000_000_000_000


def row(ttl_us: int = 10_000_000) -> Row:
    asked = Asked(
        kind="lock", parameters={}, message_class="interactive", priority=70, ttl_us=ttl_us
    )
    return row_for(asked, 1, 7, partitions=2, now_us=NOW)


def answer(outcome: str, at_us: int = NOW + 1_000, **more: object) -> CommandAnswered:
    fields: dict[str, object] = {
        "vehicle": 7, "tenant": 1, "link": "l", "protocol": "jt808", "key": "808:1",
        "outcome": outcome, "code": "ok", "detail": "", "facts": {}, "at_us": at_us,
    }  # fmt: skip
    return CommandAnswered(**{**fields, **more})  # type: ignore[arg-type]


def sent(of: Row, at_us: int = NOW + 10, key: str = "808:1") -> None:
    life.sent(of, {"at_us": at_us, "link": "l"}, key, at_us + 5_000_000)


def test_sent_delivered_succeeded() -> None:
    one = row()
    sent(one)
    assert (one.state, one.wait_us, one.keys) == ("sent", NOW + 5_000_010, ["808:1"])
    assert life.answered(one, answer("delivered", NOW + 20))
    assert (one.state, one.wait_us) == ("delivered", 0)
    assert life.answered(one, answer("succeeded", NOW + 30, facts={"a": 1}))
    assert (one.state, one.facts, one.reached) == ("succeeded", {"a": 1}, 15)
    assert NOW < (one.sent_us or 0) < (one.delivered_us or 0) < (one.ended_us or 0)


def test_a_late_answer_is_a_note_and_no_second_outcome() -> None:
    one = row()
    sent(one)
    assert life.answered(one, answer("succeeded", one.deadline_us + 1))
    assert (one.state, one.ended_us, one.code) == ("expired", one.deadline_us, "no_answer")
    assert [note["outcome"] for note in one.notes] == ["succeeded"]
    assert not life.answered(one, answer("succeeded", one.deadline_us + 1)), "said before"
    for n in range(2 * COMMAND_NOTES_KEPT):
        life.answered(one, answer("failed", one.deadline_us + 2 + n))
    assert len(one.notes) == COMMAND_NOTES_KEPT
    assert one.state == "expired"


def test_an_answer_before_the_deadline_counts_however_late_it_is_read() -> None:
    one = row()
    sent(one)
    assert life.answered(one, answer("succeeded", one.deadline_us))
    assert one.state == "succeeded"


def test_one_that_was_never_sent_says_so() -> None:
    one = row()
    life.expired(one)
    assert (one.state, one.code, one.ended_us) == ("expired", "never_sent", one.deadline_us)


def test_an_answer_without_a_remembered_sending_is_taken() -> None:
    """The process died between sending and remembering it."""
    one = row()
    assert life.answered(one, answer("failed", NOW + 50, code="refused", detail="no\0pe"))
    assert (one.state, one.code, one.detail) == ("failed", "refused", "nope")
    assert one.sent_us is not None
    assert one.reached == 1 | 2 | 8


def test_clocks_that_disagree_leave_the_order() -> None:
    one = row()
    sent(one, NOW + 1_000_000)
    life.answered(one, answer("delivered", NOW - 5))
    life.answered(one, answer("succeeded", NOW - 5))
    times = [one.made_us, one.sent_us or 0, one.delivered_us or 0, one.ended_us or 0]
    assert times == sorted(set(times))


def test_attempts_are_bounded_and_count_what_reached_a_link() -> None:
    one = row()
    for n in range(2 * COMMAND_ATTEMPTS_KEPT):
        life.claimed_again(one, NOW)
        life.unsent(one, {"at_us": NOW + n, "link": str(n)}, "no_link", "gone\0")
    assert len(one.attempts) == COMMAND_ATTEMPTS_KEPT
    assert one.tries == 0
    assert one.attempts[-1]["detail"] == "gone"


def test_facts_are_made_storable() -> None:
    one = row()
    facts = {"a": b"\x01\xff", "b\0": float("nan"), "c": ["x\0", {"d": {1: "\ud800"}}]}
    life.answered(one, answer("succeeded", facts=facts))
    assert one.facts["a"] == "01ff"
    assert one.facts["b"] is None
    assert one.facts["c"][0] == "x"
    big = row()
    life.answered(big, answer("succeeded", facts={"a": "x" * 100_000}))
    assert big.facts == {"truncated": True}


@pytest.mark.parametrize("seed", range(50))
def test_whatever_happens_there_is_at_most_one_outcome(seed: int) -> None:
    dice = random.Random(seed)
    one = row(1_000)
    outcome = None
    for step in range(30):
        at = NOW + step * 60
        before = (one.state, one.ended_us, one.code)
        match dice.choice(["sent", "silent", "delivered", "succeeded", "failed", "expired"]):
            case "sent" if one.state in OPEN:
                sent(one, at)
            case "silent" if one.state in OPEN:
                life.silent(one)
            case "expired" if one.state in OPEN and at >= one.deadline_us:
                life.expired(one)
            case "delivered" | "succeeded" | "failed" as said:
                life.answered(one, answer(said, at))
        if outcome is not None:
            assert before == (one.state, one.ended_us, one.code)
        if one.state not in OPEN:
            outcome = one.state
            assert one.wait_us == 0


def test_ids_made_later_are_greater() -> None:
    ids = [new_id(NOW + n * 1_000) for n in range(100)]
    assert ids == sorted(ids)
    assert {one.version for one in ids} == {7}
    assert len({new_id(NOW) for _ in range(1_000)}) == 1_000
