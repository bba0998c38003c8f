"""``/v1/health``: whether the engines behind the API answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

import msgspec
from litestar import Response, get
from litestar.handlers import BaseRouteHandler

from motorcade import __version__, limits
from motorcade.api.context import Context
from motorcade.api.openapi import route
from motorcade.clock import Clock
from motorcade.errors import CapacityError

__all__ = ["Health", "routes"]

_PROBE_S = 2.0

Word = Literal["ok", "down"]
Probe = Callable[[], Awaitable[object]]
"""Asks one engine; raising is unwell."""


class Health(msgspec.Struct, kw_only=True, frozen=True):
    """``status`` is ``ok`` where every engine is; an engine that is not says why."""

    status: Word
    engines: dict[str, str]
    version: str


def routes(context: Context) -> list[BaseRouteHandler]:
    """Ask every engine."""
    services = context.services

    async def postgresql() -> object:
        return await services.fleet.ready()

    async def nats() -> None:
        await services.log.last_sequence(0)
        services.log.check_disk()

    async def twin() -> object:
        return await services.twin.fetch(1, 1, ())

    engines = _Engines(
        {"postgresql": postgresql, "nats": nats, "twin": twin, **services.health}, services.clock
    )
    example = {
        "status": "ok",
        "engines": {"postgresql": "ok", "nats": "ok", "twin": "ok"},
        "version": __version__,
    }

    @get(
        "/v1/health",
        **route(
            "Platform",
            "Is it well?",
            "public",
            Health,
            example=example,
            says="How the engines are; with status 503 where one does not answer.",
        ),
    )
    async def health() -> Response[Health]:
        """For load balancers and people: open to everybody, and tells nothing but this, which is a
        second old at most."""
        words = await engines.words()
        well = all(word == "ok" for word in words.values())
        answer = Health(status="ok" if well else "down", engines=words, version=__version__)
        return Response(answer, status_code=200 if well else 503)

    return [health]


class _Engines:
    """The engines' words, asked for by one caller at a time and believed for a moment."""

    def __init__(self, probes: Mapping[str, Probe], clock: Clock) -> None:
        self._probes = probes
        self._clock = clock
        self._asking = asyncio.Lock()
        self._words: dict[str, str] = {}
        self._until_s = 0.0

    async def words(self) -> dict[str, str]:
        async with self._asking:
            if not self._words or self._clock.monotonic_s() >= self._until_s:
                words = await asyncio.gather(*map(_asked, self._probes.values()))
                self._words = dict(zip(self._probes, words, strict=True))
                self._until_s = self._clock.monotonic_s() + limits.API_HEALTH_CACHE_S
            return self._words


async def _asked(probe: Probe) -> str:
    """``ok`` where the probe returns in time; whatever it raises means the engine is down, a limit
    it is at (a disk without room) is told."""
    try:
        async with asyncio.timeout(_PROBE_S):
            await probe()
    except CapacityError as error:
        return error.detail
    except Exception:
        return "down"
    return "ok"
