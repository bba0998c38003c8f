"""The application: route modules found in the folder, one guard, one shape of errors, one gate."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Final

from litestar import Litestar
from litestar.handlers import BaseRouteHandler

from motorcade import limits
from motorcade.api import pages, v1
from motorcade.api.auth import Access
from motorcade.api.context import Context
from motorcade.api.gate import Gate
from motorcade.api.hot import HotState
from motorcade.api.hot_commands import HotCommand
from motorcade.api.hub import Hub
from motorcade.api.metrics import Meters
from motorcade.api.openapi import openapi_config
from motorcade.api.problems import HANDLERS
from motorcade.api.queries import Queries
from motorcade.api.services import Services
from motorcade.api.vins import Vins

__all__ = ["HUB", "build", "route_modules"]

HUB: Final = "hub"
"""Where the application's state keeps its ``Hub``, for whoever serves it and has to end it."""


def build(services: Services) -> Litestar:
    """The ASGI application over ``services``; its lifespan ends open streams, not the services."""
    meters = Meters()
    vins = Vins(services.fleet, services.clock)
    context = Context(
        services=services,
        access=Access(services.fleet, services.clock),
        vins=vins,
        hub=Hub(services.log, vins, services.catalogue, services.config, meters),
        meters=meters,
    )

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await context.hub.close()

    app = Litestar(
        list(_handlers(context)),
        guards=[context.access.guard, Queries().guard],
        middleware=[Gate(meters, services.clock, services.config.request_timeout_s)],
        exception_handlers=HANDLERS,
        lifespan=[lifespan],
        openapi_config=openapi_config(),
        request_max_body_size=limits.API_JSON_BODY_BYTES_MAX,
        logging_config=None,
        debug=False,
        pdb_on_exception=False,
    )
    app.state[HUB] = context.hub
    app.asgi_handler = HotCommand(HotState(app.asgi_handler, context), context)
    return app


def route_modules() -> Iterator[ModuleType]:
    """Every module below ``api/v1`` and ``api/pages`` that defines ``routes``, by name."""
    for package in (pages, v1):
        found = pkgutil.walk_packages(package.__path__, package.__name__ + ".")
        for info in sorted(found, key=lambda item: item.name):
            module = importlib.import_module(info.name)
            if hasattr(module, "routes"):
                yield module


def _handlers(context: Context) -> Iterator[BaseRouteHandler]:
    for module in route_modules():
        yield from module.routes(context)
