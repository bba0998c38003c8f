"""The application as a whole: every route declares who may call it, and sits where its module
says."""

from __future__ import annotations

import re

import pytest
from litestar.routes import HTTPRoute, WebSocketRoute

from api.world import World
from motorcade.api import v1
from motorcade.api.app import build, route_modules
from motorcade.api.auth import PUBLIC, ROLES

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]

OPEN = {
    "/",
    "/docs",
    "/docs/{path:str}",
    "/docs/openapi.json",
    "/openapi.json",
    "/metrics",
    "/v1/health",
}


async def test_every_route_declares_its_role(world: World) -> None:
    for entry in build(world.services).routes:
        handlers = (
            [entry.route_handler]
            if isinstance(entry, WebSocketRoute)
            else [handler for handler, _ in entry.route_handler_map.values()]
            if isinstance(entry, HTTPRoute)
            else []
        )
        assert handlers, entry.path
        for handler in handlers:
            if handler.handler_name == "options_handler":
                continue
            role = handler.opt.get("role")
            assert role in {*ROLES, PUBLIC}, f"{entry.path} names no role"
            assert (role == PUBLIC) == (entry.path in OPEN), entry.path


async def test_options_tells_nobody_anything(world: World) -> None:
    answer = await world.client.options("/v1/vehicles")
    assert answer.status_code in (204, 401, 403)


async def test_the_folder_is_the_path(world: World) -> None:
    for module in route_modules():
        if not module.__name__.startswith(v1.__name__):
            continue
        place = module.__name__.removeprefix(v1.__name__ + ".").split(".")
        for handler in module.routes(_context(world)):
            for path in handler.paths:
                plain = [p for p in path.removeprefix("/v1").split("/") if p and "{" not in p]
                assert plain == [p for p in place if p != "registry"], path


async def test_health_is_open_and_minimal(world: World) -> None:
    answer = await world.client.get("/v1/health")
    assert answer.status_code == 200
    assert answer.json()["engines"] == {"postgresql": "ok", "nats": "ok", "twin": "ok"}


async def test_root_leads_to_the_docs(world: World) -> None:
    answer = await world.client.get("/")
    assert answer.is_redirect
    assert answer.headers["location"] == "/docs"
    page = await world.client.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert not re.search(r'(?:src|href)="https?://', page.text), "the page must work offline"
    for path in world.openapi()["paths"]:
        assert path in page.text


async def test_metrics_name_tenants_to_the_platform_alone(world: World) -> None:
    await world.get("alpha", "/v1/vehicles")
    nobody = (await world.client.get("/metrics")).text
    assert "motorcade_api_requests_total" in nobody
    assert "motorcade_gateway_sessions 2" in nobody
    assert "alpha" not in nobody
    tenant = (await world.get("alpha", "/metrics", "admin")).text
    assert 'tenant="alpha"' not in tenant
    platform = (await world.get("platform", "/metrics", "platform")).text
    assert 'tenant="alpha"' in platform


async def test_a_body_beyond_the_bound_is_refused(world: World) -> None:
    answer = await world.client.post(
        "/v1/keys",
        content=b'{"role":"reader","name":"' + b"x" * (2 << 20) + b'"}',
        headers={**world.headers("alpha", "admin"), "Content-Type": "application/json"},
    )
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


def _context(world: World) -> object:
    from motorcade.api.auth import Access
    from motorcade.api.context import Context
    from motorcade.api.hub import Hub
    from motorcade.api.metrics import Meters
    from motorcade.api.vins import Vins

    services, meters = world.services, Meters()
    vins = Vins(services.fleet, services.clock)
    return Context(
        services=services,
        access=Access(services.fleet, services.clock),
        vins=vins,
        hub=Hub(services.log, vins, services.catalogue, services.config, meters),
        meters=meters,
    )
