"""The registry as a whole: every method names its tenant or says it acts for the platform."""

from __future__ import annotations

import inspect

import pytest

from motorcade.fleet.registry import Fleet

PLATFORM = {
    "create_tenant",
    "tenants",
    "tenant_named",
    "settings_stamp",
    "gateway_settings",
    "create_platform_key",
    "platform_keys",
    "revoke_platform_key",
    "verify_key",
    "platform_login",
    "resolve",
    "identify",
    "bind",
    "auth_code",
    "auth_codes",
    "keep_sessions",
    "kept_sessions",
    "forget_sessions",
}
LIFE = {"connect", "migrate", "close", "ready"}


def test_every_method_names_its_tenant_or_says_it_acts_for_the_platform() -> None:
    methods = {
        name: value
        for name, value in inspect.getmembers(Fleet, inspect.isfunction)
        if not name.startswith("_")
    }
    bound = {
        name
        for name, value in methods.items()
        if list(inspect.signature(value).parameters)[1:2] == ["tenant"]
    } | {"tenant"}
    assert set(methods) - {"connect"} == (bound | PLATFORM | LIFE) - {"connect"}
    for name in PLATFORM - {"settings_stamp"}:
        assert "platform" in (methods[name].__doc__ or "").lower(), name


@pytest.mark.engines
async def test_it_is_ready(fleet: Fleet) -> None:
    assert await fleet.ready()
