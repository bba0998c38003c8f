"""``/v1/health``: whether the engines behind the API answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec
from litestar import Response, get
from litestar.handlers import BaseRouteHandler

from motorcade import __version__
from motorcade.api.context import Context
from motorcade.api.openapi import route

__all__ = ["Health", "routes"]

_PROBE_S = 2.0

Word = Literal["ok", "down"]


class Health(msgspec.Struct, kw_only=True, frozen=True):
    """``status`` is ``ok`` where every engine is."""

    status: Word
    engines: dict[str, Word]
    version: str


def routes(context: Context) -> list[BaseRouteHandler]:
    """Ask every engine."""
    services = context.services

    async def postgresql() -> object:
        return await services.fleet.ready()

    async def nats() -> object:
        return await services.log.last_sequence(0)

    async def twin() -> object:
        return await services.twin.fetch(1, 1, ())

    probes = {"postgresql": postgresql, "nats": nats, "twin": twin, **services.health}
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
        """For load balancers and people: open to everybody, and tells nothing but this."""
        words = await asyncio.gather(*map(_asked, probes.values()))
        engines: dict[str, Word] = dict(zip(probes, words, strict=True))
        well = all(word == "ok" for word in words)
        answer = Health(status="ok" if well else "down", engines=engines, version=__version__)
        return Response(answer, status_code=200 if well else 503)

    return [health]


async def _asked(probe: Callable[[], Awaitable[object]]) -> Word:
    """``ok`` where the probe returns in time; whatever it raises means the engine is down."""
    try:
        async with asyncio.timeout(_PROBE_S):
            await probe()
    except Exception:
        return "down"
    return "ok"
