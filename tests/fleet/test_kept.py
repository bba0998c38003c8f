"""Sessions kept for a vehicle's next connection."""

from __future__ import annotations

import pytest

from motorcade.clock import SteerableClock
from motorcade.fleet.kept import KeptSession
from motorcade.fleet.registry import Fleet
from motorcade.fleet.rows import NewVehicle

pytestmark = pytest.mark.engines

VINS = ("LMTCAR00000000001", "LMTCAR00000000002")


async def cars(fleet: Fleet) -> tuple[int, list[int]]:
    tenant = await fleet.create_tenant("one")
    await fleet.add_vehicles(tenant.number, [NewVehicle(vin=vin) for vin in VINS])
    known = await fleet.numbers_of(tenant.number, VINS)
    return tenant.number, [known[vin] for vin in VINS]


async def test_a_session_is_kept_until_its_time_and_the_last_word_holds(
    fleet: Fleet, clock: SteerableClock
) -> None:
    tenant, (first, second) = await cars(fleet)
    now = clock.now_us()
    await fleet.keep_sessions(
        "mqtt",
        [
            KeptSession(first, tenant, b"old", now + 9_000_000),
            KeptSession(first, tenant, b"new", now + 5_000_000),
            KeptSession(second, tenant, b"other", now + 9_000_000),
            KeptSession(999_999, tenant, b"nobody", now + 9_000_000),
        ],
    )
    assert await fleet.kept_sessions("mqtt", [first, second, 999_999]) == {
        first: b"new",
        second: b"other",
    }
    assert await fleet.kept_sessions("jt808", [first]) == {}
    clock.advance(6.0)
    assert await fleet.kept_sessions("mqtt", [first, second]) == {second: b"other"}
    assert await fleet.forget_sessions() == 1


async def test_an_empty_state_forgets_and_a_vehicle_takes_its_own_along(
    fleet: Fleet, clock: SteerableClock
) -> None:
    tenant, (first, second) = await cars(fleet)
    until = clock.now_us() + 9_000_000
    some = [KeptSession(number, tenant, b"x", until) for number in (first, second)]
    await fleet.keep_sessions("mqtt", some)
    await fleet.keep_sessions("mqtt", [KeptSession(first, tenant, b"", 0)])
    assert list(await fleet.kept_sessions("mqtt", [first, second])) == [second]
    await fleet.remove_vehicle(tenant, VINS[1])
    assert await fleet.kept_sessions("mqtt", [first, second]) == {}


async def test_what_an_older_login_says_later_does_not_undo_a_newer_ones(
    fleet: Fleet, clock: SteerableClock
) -> None:
    """A gateway that was not told that its vehicle is elsewhere ends the link in its time."""
    tenant, (first, second) = await cars(fleet)
    now = clock.now_us()
    until, older, newer = now + 9_000_000, now - 2_000_000, now - 1_000_000
    await fleet.keep_sessions(
        "mqtt",
        [
            KeptSession(first, tenant, b"new", until, newer),
            KeptSession(second, tenant, b"new", until, newer),
        ],
    )
    await fleet.keep_sessions(
        "mqtt",
        [
            KeptSession(first, tenant, b"old", until, older),
            KeptSession(second, tenant, b"", 0, older),
        ],
    )
    both = [first, second]
    assert await fleet.kept_sessions("mqtt", both) == dict.fromkeys(both, b"new")
    await fleet.keep_sessions(
        "mqtt",
        [
            KeptSession(first, tenant, b"more", until, newer),
            KeptSession(second, tenant, b"", 0, newer),
        ],
    )
    assert await fleet.kept_sessions("mqtt", both) == {first: b"more"}
    await fleet.keep_sessions("mqtt", [KeptSession(second, tenant, b"old", until, older)])
    assert await fleet.kept_sessions("mqtt", both) == {first: b"more"}
    await fleet.keep_sessions("mqtt", [KeptSession(second, tenant, b"again", until, newer)])
    assert await fleet.kept_sessions("mqtt", both) == {first: b"more", second: b"again"}


async def test_what_does_not_hold_any_more_is_forgotten(
    fleet: Fleet, clock: SteerableClock
) -> None:
    tenant, (first, second) = await cars(fleet)
    now = clock.now_us()
    await fleet.keep_sessions(
        "mqtt",
        [
            KeptSession(first, tenant, b"x", now + 1_000_000),
            KeptSession(second, tenant, b"x", now + 9_000_000),
        ],
    )
    assert await fleet.forget_sessions() == 0
    clock.advance(2.0)
    assert await fleet.forget_sessions() == 1
    assert list(await fleet.kept_sessions("mqtt", [first, second])) == [second]
