"""Passwords: proven once, remembered right and wrong, and guessers hold nobody up."""

from __future__ import annotations

import asyncio

import pytest

from motorcade.clock import SteerableClock
from motorcade.errors import CapacityError
from motorcade.fleet.passwords import PASSWORD_PROVEN_S, PASSWORD_WRONG_S, Passwords
from motorcade.limits import PASSWORDS_WAITING_PER_ACCOUNT_MAX


async def test_each_password_is_hashed_once_while_it_is_remembered(clock: SteerableClock) -> None:
    passwords = Passwords(clock)
    stored = await passwords.make("right")
    assert passwords.hashed == 1
    for _ in range(3):
        assert await passwords.fits("a", "right", stored)
        assert not await passwords.fits("a", "wrong", stored)
    assert passwords.hashed == 3
    clock.advance(PASSWORD_WRONG_S + 1)
    assert not await passwords.fits("a", "wrong", stored)
    assert passwords.hashed == 4
    clock.advance(PASSWORD_PROVEN_S - 1)
    assert await passwords.fits("a", "right", stored)
    assert passwords.hashed == 5


async def test_a_hundred_links_that_come_back_hash_once(clock: SteerableClock) -> None:
    passwords = Passwords(clock)
    stored = await passwords.make("right")
    assert all(await asyncio.gather(*(passwords.fits("a", "right", stored) for _ in range(100))))
    assert passwords.hashed == 2


async def test_guesses_at_one_account_take_few_places_in_the_queue(clock: SteerableClock) -> None:
    passwords = Passwords(clock)
    stored = await passwords.make("right")
    guesses = [
        asyncio.create_task(passwords.fits("attacked", f"guess {n}", stored)) for n in range(200)
    ]
    await asyncio.sleep(0)
    before = passwords.hashed
    assert await passwords.fits("other", "right", stored)
    assert passwords.hashed - before <= PASSWORDS_WAITING_PER_ACCOUNT_MAX + 1
    answers = await asyncio.gather(*guesses, return_exceptions=True)
    assert answers.count(False) == PASSWORDS_WAITING_PER_ACCOUNT_MAX
    assert sum(isinstance(one, CapacityError) for one in answers) == 200 - answers.count(False)
    assert await passwords.fits("attacked", "right", stored)


async def test_an_unknown_user_costs_no_hash(clock: SteerableClock) -> None:
    passwords = Passwords(clock)
    assert not await passwords.fits("nobody", "x", None)
    assert passwords.hashed == 0


async def test_a_caller_who_goes_leaves_the_others_their_answer(clock: SteerableClock) -> None:
    passwords = Passwords(clock)
    stored = await passwords.make("right")
    first = asyncio.create_task(passwords.fits("a", "right", stored))
    second = asyncio.create_task(passwords.fits("a", "right", stored))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await second
