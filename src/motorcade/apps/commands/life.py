"""The life of a command: what each thing that can happen makes of it, one outcome at the most.

In: a command's row, locked, and what happened. Out: the row changed; whether it was is told. No
I/O: the same steps in the same order give the same row, so a replay after a crash changes nothing.

=============  ==========================================================================
``sent``       the gateway wrote it to a link: queued → sent; again, another attempt
``unsent``     the gateway could not: another attempt, no other state
``silent``     no answer within the bearer's time: another link, or a pause
``answered``   delivered, succeeded or failed; after the end a note
``expired``    the deadline passed: the end
``given_up``   no link can say it, or it was tried as often as it may: the end
=============  ==========================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from motorcade.apps.commands.row import Row, plain
from motorcade.apps.commands.rules import OPEN
from motorcade.limits import COMMAND_ATTEMPTS_KEPT, COMMAND_NOTES_KEPT
from motorcade.log.events import CommandAnswered

__all__ = [
    "ENDED",
    "REACHED",
    "answered",
    "claimed_again",
    "expired",
    "given_up",
    "released",
    "sent",
    "silent",
    "unsent",
]

REACHED: Final[Mapping[str, int]] = {
    "queued": 1,
    "sent": 2,
    "delivered": 4,
    "succeeded": 8,
    "failed": 8,
    "expired": 8,
    "cancelled": 8,
}
"""The bit of each state in ``reached`` and ``told``."""

ENDED: Final = 8
"""The bit of an outcome, whichever it is."""

_DETAIL_MAX: Final = 500


def sent(row: Row, attempt: Mapping[str, Any], key: str, wait_us: int) -> None:
    """A link has it since ``attempt["at_us"]``; silence is borne until ``wait_us``."""
    _attempt(row, {**attempt, "code": "sent"})
    if key and "\0" not in key and key not in row.keys:
        row.keys = [*row.keys, key][-COMMAND_ATTEMPTS_KEPT:]
    if row.state == "queued":
        row.state = "sent"
        row.reached |= REACHED["sent"]
        row.sent_us = _after(row, attempt["at_us"])
    if row.state == "sent":
        row.wait_us = min(wait_us, row.deadline_us)


def unsent(row: Row, attempt: Mapping[str, Any], code: str, detail: str) -> None:
    """A link did not take it. It stays claimed; the caller tries another link or lets go."""
    _attempt(row, {**attempt, "code": code, "detail": plain({"": detail[:_DETAIL_MAX]})[""]})
    row.tries = max(row.tries - 1, 0)


def silent(row: Row) -> None:
    """The last attempt got no answer in time."""
    if row.attempts and row.attempts[-1]["code"] == "sent":
        row.attempts = [*row.attempts[:-1], {**row.attempts[-1], "code": "silent"}]


def claimed_again(row: Row, wait_us: int) -> None:
    """Another try follows at once."""
    row.tries += 1
    row.wait_us = wait_us


def released(row: Row, next_us: int) -> None:
    """No try is out; the next not before ``next_us``."""
    row.wait_us = 0
    row.next_us = next_us


def answered(row: Row, answer: CommandAnswered) -> bool:
    """The vehicle said something. Returns whether the row changed."""
    if row.state not in OPEN:
        return _noted(row, answer)
    if answer.at_us > row.deadline_us:
        expired(row)
        return _noted(row, answer)
    if row.sent_us is None:  # its own process died between sending and remembering it
        row.sent_us = _after(row, answer.at_us - 1)
        row.reached |= REACHED["sent"]
    if answer.outcome == "delivered":
        return _delivered(row, answer)
    _ended(row, answer.outcome, answer.code, _after(row, answer.at_us))
    row.detail = plain({"": answer.detail[:_DETAIL_MAX]})[""]
    row.facts = plain(answer.facts)
    return True


def expired(row: Row) -> None:
    """The deadline is past: that is when it ended."""
    code = "never_sent" if row.sent_us is None else "no_answer"
    _ended(row, "expired", code, row.deadline_us)


def given_up(row: Row, code: str, detail: str, at_us: int) -> None:
    """It cannot be, by any link there is."""
    _ended(row, "failed", code, _after(row, at_us))
    row.detail = plain({"": detail[:_DETAIL_MAX]})[""]


def _delivered(row: Row, answer: CommandAnswered) -> bool:
    if row.state == "delivered":
        return False
    row.state = "delivered"
    row.reached |= REACHED["delivered"]
    row.delivered_us = _after(row, answer.at_us)
    row.wait_us = 0
    row.facts = plain(answer.facts)
    return True


def _ended(row: Row, state: str, code: str, at_us: int) -> None:
    row.state = state
    row.code = plain({"": code})[""]
    row.reached |= REACHED[state]
    row.ended_us = at_us
    row.wait_us = 0


def _after(row: Row, at_us: int) -> int:
    """A time after the states before, whatever the clocks of two machines say."""
    return max(at_us, 1 + max(row.made_us, row.sent_us or 0, row.delivered_us or 0))


def _noted(row: Row, answer: CommandAnswered) -> bool:
    """An answer that came after the end: kept to be seen, unless it says what is known."""
    if answer.outcome in ("delivered", row.state):
        return False
    note = {
        "at_us": answer.at_us,
        "outcome": answer.outcome,
        "code": plain({"": answer.code})[""],
        "link": answer.link,
    }
    if note in row.notes or len(row.notes) >= COMMAND_NOTES_KEPT:
        return False
    row.notes = [*row.notes, note]
    return True


def _attempt(row: Row, attempt: dict[str, Any]) -> None:
    row.attempts = [*row.attempts, attempt][-COMMAND_ATTEMPTS_KEPT:]
