"""One tenant's key never reads another tenant's anything: every route, every key, every id."""

from __future__ import annotations

import itertools
from typing import Any

import httpx
import pytest
import websockets

from api.world import World, device, vin

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]

PUBLIC = {"/v1/health", "/metrics"}
BODIES: dict[str, Any] = {
    "create_tenant": {"name": "gamma"},
    "change_tenant": {"vin_check_digit": False},
    "create_key": {"role": "reader"},
    "ingest": [{"vin": "LZZTEST0000000098", "ts": 1_767_268_800, "Vehicle.Speed": 1}],
    "command_vehicle": {"kind": "lock"},
    "command_many": {"kind": "lock", "label": "nobody"},
    "change_bulk_job": {"state": "paused"},
    "set_policy": {},
    "set_desired": {"signals": {"Vehicle.Cabin.HVAC.IsAirConditioningActive": True}},
    "change_desired": {"signals": {"Vehicle.Cabin.HVAC.IsAirConditioningActive": None}},
    "create_forwarder": {
        "name": "walk",
        "kind": "webhook",
        "target": {"url": "https://walk.example/"},
    },
    "change_forwarder": {"signals": ["Vehicle.Speed"]},
    "add_identity": {"kind": "phone", "value": "13800000000"},
    "create_credential": {"kind": "token"},
    "add_vehicles": [{"vin": "LZZTEST0000000099", "model": "walk"}],
}


def operations(world: World) -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of everything the OpenAPI document names."""
    return [
        (method, path, operation)
        for path, item in world.openapi()["paths"].items()
        for method, operation in item.items()
        if isinstance(operation, dict)
    ]


def secrets(world: World, of: str) -> list[str]:
    """Texts that only ``of``'s answers may hold."""
    place = {"alpha": "31.2", "beta": "39.9"}[of]
    return [*(vin(of, n) for n in range(1, 6)), f"{of}-model", f"garbage of {of}",
            world.key_ids[of], f"{of} reader", place, f"{of}-box", f"{of}-hook",
            world.credential_ids[of]]  # fmt: skip


def asked(
    method: str, path: str, operation: dict[str, Any], world: World, of: str
) -> httpx.Request:
    """A request for ``of``'s things."""
    path = path.replace("{vin}", vin(of, 1)).replace("{name}", of)
    path = path.replace("{key_id}", world.key_ids[of])
    path = path.replace("{kind}", "device").replace("{value}", device(of))
    path = path.replace("{credential_id}", world.credential_ids[of])
    return world.client.build_request(
        method.upper(), path, json=BODIES.get(operation["operationId"])
    )


async def test_the_walk_has_no_gaps(world: World) -> None:
    """The document names every route that is served, so walking it walks them all."""
    from litestar.routes import HTTPRoute

    from motorcade.api.app import build

    served = {
        (method, entry.path_format)
        for entry in build(world.services).routes
        if isinstance(entry, HTTPRoute)
        for method, (handler, _) in entry.route_handler_map.items()
        if handler.opt.get("role") != "public" and method != "OPTIONS"
    }
    walked = {(method.upper(), path) for method, path, _ in operations(world)}
    assert served <= walked


async def test_without_a_key_nothing_is_read(world: World) -> None:
    for method, path, operation in operations(world):
        if path in PUBLIC:
            continue
        for header in ({}, {"Authorization": "Bearer mc_000000000000_" + "x" * 43}):
            request = asked(method, path, operation, world, "alpha")
            request.headers.update(header)
            answer = await world.client.send(request)
            assert answer.status_code == 401, (method, path)
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.json()["code"] == "caller.unauthorized"


async def test_a_tenants_key_reads_nothing_of_another(world: World) -> None:
    for method, path, operation in operations(world):
        if path in PUBLIC or operation["operationId"] in ("stream", "create_tenant"):
            continue
        for (mine, other), role, naming in itertools.product(
            (("alpha", "beta"), ("beta", "alpha")),
            ("reader", "operator", "admin"),
            ("theirs", "tenant"),
        ):
            request = asked(method, path, operation, world, other)
            if naming == "tenant":
                request.url = request.url.copy_merge_params({"tenant": other})
            request.headers.update(world.headers(mine, role))
            answer = await world.client.send(request)
            held = [text for text in secrets(world, other) if text in _beyond(answer, request)]
            assert not held, f"{role} of {mine} read {held} by {method} {request.url}"
            if naming == "tenant" and "tenant" not in _parameters(operation):
                assert answer.status_code in (400, 403), f"{method} {request.url} {answer.text}"
            elif naming == "tenant" or "{" in path:
                assert answer.status_code in (403, 404), f"{method} {request.url} {answer.text}"


async def test_what_is_anothers_is_as_if_it_were_not(world: World) -> None:
    """404, in the same words as for what nobody has: existence is not told."""
    unknown = vin("gamma", 7)
    for suffix in ("", "/state", "/history"):
        other = await world.get("alpha", f"/v1/vehicles/{vin('beta', 1)}{suffix}")
        nobody = await world.get("alpha", f"/v1/vehicles/{unknown}{suffix}")
        assert other.status_code == nobody.status_code == 404
        assert other.json()["detail"].replace(vin("beta", 1), unknown) == nobody.json()["detail"]


async def test_lists_hold_the_callers_own(world: World) -> None:
    for tenant in ("alpha", "beta"):
        rows = (await world.get(tenant, "/v1/vehicles")).json()["vehicles"]
        assert _owners(rows) == {tenant}
        cars = (await world.get(tenant, "/v1/state", signals="Vehicle.Speed")).json()["vehicles"]
        assert {car["vin"] for car in cars} == {vin(tenant, n) for n in range(1, 6)}
        pieces = (await world.get(tenant, "/v1/quarantine", "operator")).json()["entries"]
        assert {piece["reason"] for piece in pieces} == {f"garbage of {tenant}"}


async def test_cursors_do_not_cross(world: World) -> None:
    page = (await world.get("alpha", "/v1/vehicles", limit=2)).json()
    found = await world.get("beta", "/v1/vehicles", cursor=page["next"])
    assert _owners(found.json()["vehicles"]) <= {"beta"}
    page = (await world.get("alpha", "/v1/state", limit=2)).json()
    found = await world.get("beta", "/v1/state", cursor=page["next"])
    assert "31.2" not in found.text


async def test_the_platform_names_whom_it_acts_for(world: World) -> None:
    answer = await world.get("platform", "/v1/vehicles", "platform")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "tenant"
    for tenant in ("alpha", "beta"):
        rows = await world.get("platform", "/v1/vehicles", "platform", tenant=tenant)
        assert _owners(rows.json()["vehicles"]) == {tenant}
        path = f"/v1/vehicles/{vin(tenant, 1)}/state"
        state = await world.get("platform", path, "platform", tenant=tenant)
        assert state.status_code == 200
    nobody = await world.get("platform", "/v1/vehicles", "platform", tenant="nobody")
    assert nobody.status_code == 404


async def test_a_stream_of_anothers_vehicle_is_refused(world: World) -> None:
    for query in (f"vin={vin('beta', 1)}", "tenant=beta"):
        answer = await world.client.get(f"/v1/stream?{query}", headers=world.headers("alpha"))
        assert answer.status_code == 404
        address = world.server.address.replace("http", "ws") + f"/v1/stream?{query}"
        with pytest.raises(websockets.InvalidStatus):
            await websockets.connect(address, additional_headers=world.headers("alpha"))


async def test_roles_are_held_to(world: World) -> None:
    """A key below the declared role is refused, whatever it asks."""
    ranks = {"reader": 1, "operator": 2, "admin": 3, "platform": 4}
    for method, path, operation in operations(world):
        needed = operation["x-role"]
        for role in ("reader", "operator", "admin"):
            if needed == "public" or ranks[role] >= ranks[needed]:
                continue
            request = asked(method, path, operation, world, "alpha")
            request.headers.update(world.headers("alpha", role))
            answer = await world.client.send(request)
            assert answer.status_code == 403, (role, method, path)
            assert answer.json()["code"] == "caller.forbidden"


async def test_no_tenant_claims_what_another_has_claimed(world: World) -> None:
    """A WMI prefix over, under or equal to another's would take its new vehicles."""

    platform = world.headers("platform", "platform")

    async def claims(whose: str, *prefixes: str) -> httpx.Response:
        body = {"auto_register_wmi": prefixes}
        own = world.headers(whose, "admin")
        refused = await world.client.patch(f"/v1/tenants/{whose}", json=body, headers=own)
        assert refused.status_code == 403
        return await world.client.patch(f"/v1/tenants/{whose}", json=body, headers=platform)

    try:
        assert (await claims("beta", "LBTE")).status_code == 200
        for prefix in ("LBT", "LBTE", "LBTES"):
            for prefixes in ((prefix,), ("LAT", prefix)):
                answer = await claims("alpha", *prefixes)
                assert answer.status_code == 409, prefixes
                assert answer.json()["code"] == "caller.conflict"
                assert "beta" not in answer.text
                own = await world.get("alpha", "/v1/tenants/alpha", "admin")
                assert own.json()["settings"]["auto_register_wmi"] == []
        assert (await claims("alpha", "LAT", "LBX")).status_code == 200
    finally:
        assert (await claims("alpha")).status_code == 200
        assert (await claims("beta")).status_code == 200


async def test_a_tenants_admin_makes_no_platform_key(world: World) -> None:
    for body, status in (
        ({"role": "platform"}, 403),
        ({"role": "reader", "tenant": "beta"}, 404),
    ):
        answer = await world.client.post(
            "/v1/keys", json=body, headers=world.headers("alpha", "admin")
        )
        assert answer.status_code == status


def _owners(rows: list[dict[str, Any]]) -> set[str]:
    """Whose vehicles these are, by what their VINs say; those the walk itself adds say nothing."""
    of = {vin("alpha", 0)[:2]: "alpha", vin("beta", 0)[:2]: "beta"}
    return {of.get(row["vin"][:2], "nobody") for row in rows if row["vin"][:3] != "LZZ"}


def _parameters(operation: dict[str, Any]) -> set[str]:
    return {parameter["name"] for parameter in operation.get("parameters", [])}


def _beyond(answer: httpx.Response, request: httpx.Request) -> str:
    """The answer without what the caller itself said: a problem repeats path and parameters."""
    if answer.headers.get("content-type") != "application/problem+json":
        return answer.text
    said = [*request.url.path.split("/"), *request.url.params.values()]
    text = answer.text
    for word in filter(None, said):
        text = text.replace(word, "")
    return text
