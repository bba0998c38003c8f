"""``/v1/forwarders``: made, looked at, changed, paused; checked, and secrets never shown.

The routes are those of ``motorcade.api.v1.forwarders.registry``,
``motorcade.api.v1.forwarders.pause``
and ``motorcade.api.v1.forwarders.resume``.
"""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from api.world import World
from motorcade.api.v1.forwarders.views import EXAMPLE, ForwarderView

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]

HOOK = {"url": "https://hooks.example.com/cars", "secret": "never-shown-again"}


async def ask(
    world: World, method: str, path: str, body: Any = None, role: str = "admin"
) -> httpx.Response:
    headers = world.headers("alpha", role)
    return await world.client.request(method, path, json=body, headers=headers)


async def test_a_forwarders_life(world: World) -> None:
    body = {
        "name": "life", "kind": "webhook", "target": HOOK,
        "filter": {"labels": ["alpha"], "where": "Vehicle.Speed > 30"},
        "signals": ["Vehicle.Speed"],
    }  # fmt: skip
    made = await ask(world, "POST", "/v1/forwarders", body)
    assert made.status_code == 201, made.text
    shown = made.json()
    assert shown["target"] == {"url": HOOK["url"], "secret": "set"}
    assert shown["state"]["status"] == "new"
    assert shown["spool_age_s"] == 604800.0
    assert (await ask(world, "POST", "/v1/forwarders", body)).status_code == 409
    found = (await ask(world, "GET", "/v1/forwarders", role="operator")).json()["forwarders"]
    names = [one["name"] for one in found]
    assert {"alpha", "life"} <= set(names)
    assert names == sorted(names)
    changed = await ask(
        world, "PATCH", "/v1/forwarders/life", {"target": {"timeout_s": 5.0, "secret": "set"}}
    )
    assert changed.json()["target"] == {"url": HOOK["url"], "timeout_s": 5.0, "secret": "set"}
    assert changed.json()["filter"]["where"] == "Vehicle.Speed > 30"
    paused = await ask(world, "POST", "/v1/forwarders/life/pause", role="operator")
    assert paused.json()["paused"] is True
    resumed = await ask(world, "POST", "/v1/forwarders/life/resume", role="operator")
    assert resumed.json()["paused"] is False
    unset = await ask(world, "PATCH", "/v1/forwarders/life", {"target": {"secret": ""}})
    assert "secret" not in unset.json()["target"]
    assert (await ask(world, "DELETE", "/v1/forwarders/life")).status_code == 204
    assert (await ask(world, "GET", "/v1/forwarders/life")).status_code == 404
    assert "never-shown-again" not in made.text + str(found) + changed.text


async def test_secrets_do_not_follow_to_another_address(world: World) -> None:
    """Whoever may change a forwarder may not read its secrets by having them sent to himself."""
    body = {"name": "moving", "kind": "webhook", "target": HOOK}
    assert (await ask(world, "POST", "/v1/forwarders", body)).status_code == 201
    for url in ("https://elsewhere.example.com/cars", "http://hooks.example.com/cars"):
        for secret in ({}, {"secret": "set"}):
            change = {"target": {"url": url, **secret}}
            answer = await ask(world, "PATCH", "/v1/forwarders/moving", change)
            assert answer.status_code == 400
            assert "target: secret is for another address" in answer.json()["detail"]
    path = {"target": {"url": "https://hooks.example.com/other"}}
    kept = await ask(world, "PATCH", "/v1/forwarders/moving", path)
    assert kept.json()["target"]["secret"] == "set"
    moved = {"target": {"url": "https://elsewhere.example.com/cars", "secret": "another"}}
    assert (await ask(world, "PATCH", "/v1/forwarders/moving", moved)).status_code == 200
    bare = {"target": {"url": "https://third.example.com/cars", "secret": ""}}
    answer = await ask(world, "PATCH", "/v1/forwarders/moving", bare)
    assert "secret" not in answer.json()["target"]
    assert (await ask(world, "DELETE", "/v1/forwarders/moving")).status_code == 204


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "pigeon"}, "kind: there is no 'pigeon'; there are: gbt32960, "),
        ({"target": {}}, "target: Object missing required field `url`"),
        ({"target": {"url": "ftp://x"}}, "url begins with"),
        ({"target": {**HOOK, "colour": 1}}, "target: Object contains unknown field `colour`"),
        ({"filter": {"where": "Vehicle.Sped > 1"}}, "filter.where: The predicate, at character 1"),
        ({"signals": ["Vehicle.Nothing"]}, "signals: there is no signal"),
        ({"filter": {"labels": ["a\0"]}}, "filter: holds the character U+0000"),
        ({"target": {**HOOK, "secret": "a\0b"}}, "target: holds the character U+0000"),
        ({"spool_bytes_max": 5}, "spool_bytes_max: "),
        ({"spool_age_s": 5.0}, "spool_age_s: "),
    ],
)
async def test_what_cannot_be_is_said(world: World, change: dict[str, Any], said: str) -> None:
    body = {"name": "wrong", "kind": "webhook", "target": HOOK, **change}
    answer = await ask(world, "POST", "/v1/forwarders", body)
    assert answer.status_code == 400
    assert said in answer.json()["detail"]


async def test_roles_and_empty_changes(world: World) -> None:
    assert (await ask(world, "GET", "/v1/forwarders", role="reader")).status_code == 403
    body = {"name": "no", "kind": "webhook", "target": HOOK}
    assert (await ask(world, "POST", "/v1/forwarders", body, "operator")).status_code == 403
    assert (await ask(world, "PATCH", "/v1/forwarders/alpha", {})).status_code == 400
    assert (await ask(world, "POST", "/v1/forwarders/none/pause")).status_code == 404
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/pause"), ("POST", "/resume")):
        answer = await ask(world, method, f"/v1/forwarders/a%00b{path}")
        assert answer.status_code == 404, answer.text


async def test_the_example_is_one() -> None:
    """Modules ``pause``, ``registry`` and ``resume`` show it."""
    assert msgspec.to_builtins(msgspec.convert(EXAMPLE, ForwarderView))["name"] == "crm"
