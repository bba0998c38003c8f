"""A stream reader's place: given back whatever comes, and lost with the key."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from api.world import World
from motorcade.api.auth import Access
from motorcade.api.context import Context
from motorcade.api.hub import Filter, Hub
from motorcade.api.metrics import Meters
from motorcade.api.seats import EventStream, Seat
from motorcade.api.vins import Vins
from motorcade.errors import DependencyError, Unauthorized

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]

FREE = "motorcade_api_streams 0.0"


class Registry:
    """Verifies keys as told: an error is raised, anything else answered; then nobody is known."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)

    @property
    def left(self) -> int:
        return len(self._answers)

    async def verify_key(self, _: str) -> Any:
        answer = self._answers.pop(0) if self._answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer


def made(world: World, fleet: Any = None) -> Context:
    services, meters = world.services, Meters()
    vins = Vins(services.fleet, services.clock)
    return Context(
        services=services,
        access=Access(fleet or services.fleet, services.clock),
        vins=vins,
        hub=Hub(services.log, vins, services.catalogue, services.config, meters),
        meters=meters,
    )


async def taken(context: Context, header: str = "Bearer x") -> Seat:
    seat = await Seat.taken(context, Filter(tenant=1), None, header)
    assert FREE not in context.meters.text()
    return replace(seat, check_s=0.01, grace_s=0.05)


async def test_a_reader_gone_before_the_head_leaves_no_place_taken(world: World) -> None:
    context = made(world)
    seat = await taken(context, world.headers("alpha")["Authorization"])
    response = EventStream(seat).to_asgi_response(None, None)  # type: ignore[arg-type]

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(_: Any) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await response({}, receive, send)  # type: ignore[arg-type]
    assert FREE in context.meters.text()
    await context.hub.close()


async def test_a_reader_that_does_not_read_is_cut_off_when_its_key_ends(world: World) -> None:
    context = made(world, Registry())
    seat = await taken(context)
    async with asyncio.timeout(20), seat.held():
        await asyncio.Event().wait()
    assert isinstance(seat.subscriber.error, Unauthorized)
    assert FREE in context.meters.text()
    await context.hub.close()


async def test_a_registry_that_is_away_ends_no_stream(world: World) -> None:
    registry = Registry(*[DependencyError("away"), OSError("away"), object()] * 3)
    context = made(world, registry)
    seat = await taken(context)
    async with asyncio.timeout(20), seat.held():
        while not seat.subscriber.closed:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert registry.left == 0
    await context.hub.close()


async def test_what_fails_inside_is_not_taken_for_the_end(world: World) -> None:
    context = made(world)
    seat = await taken(context)
    with pytest.raises(TimeoutError):
        async with seat.held():
            raise TimeoutError
    assert FREE in context.meters.text()
    await context.hub.close()
