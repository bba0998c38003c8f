"""The OpenAPI document holds: generated requests, good and bad, are answered as it says."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.world import World

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="session")]

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)
EXAMPLES = 12
FRAMING = {"content-length", "transfer-encoding"}


async def test_the_document_is_31_with_examples_and_security(world: World) -> None:
    document = (await world.client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert operation["summary"], (method, path)
            assert operation["description"], (method, path)
            good = [a for status, a in operation["responses"].items() if status.startswith("2")]
            for media in good[0].get("content", {}).values():
                shown = "example" in media or media["schema"].get("type") == "string"
                assert shown, f"{method} {path} shows no example"


async def test_generated_requests(world: World) -> None:
    """Bounded: this is a net below the other tests, not a campaign."""
    document = (await world.client.get("/openapi.json")).json()
    schema = schemathesis.openapi.from_dict(document)
    token = world.tokens["alpha"]["admin"]
    await asyncio.to_thread(_walk, schema, world.server.address, token)


def _walk(schema: Any, address: str, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path == "/v1/stream" or operation.method.upper() == "DELETE":
            continue

        _attempts(operation, address, headers)


def _attempts(operation: Any, address: str, headers: dict[str, str]) -> None:
    @given(data=st.data())
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def attempt(data: Any) -> None:
        mode = data.draw(st.sampled_from(list(schemathesis.GenerationMode)))
        case = data.draw(operation.as_strategy(generation_mode=mode))
        # A length that is none is refused by the server below the API, in no words of the API's.
        for name in [name for name in case.headers or () if name.lower() in FRAMING]:
            del case.headers[name]
        answer = case.call(base_url=address, headers=headers)
        case.validate_response(answer, checks=list(CHECKS))

    attempt()
