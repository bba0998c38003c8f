"""Names besides the VIN: who is behind them, that they are one's own, that tenants never mix."""

from __future__ import annotations

import asyncio

import numpy as np
import psycopg
import pytest

from motorcade.errors import Conflict, NotFound
from motorcade.fleet.codes import code_digest
from motorcade.fleet.identities import Identified
from motorcade.fleet.registry import Config, Fleet
from motorcade.fleet.rows import NewVehicle
from motorcade.fleet.settings import TenantSettings
from motorcade.fleet.vin import build
from motorcade.limits import IDENTITIES_PER_VEHICLE_MAX

pytestmark = pytest.mark.engines

A = build(np.random.default_rng(5), "LSV", 3)
B = build(np.random.default_rng(5), "LFV", 3)


async def _fill(fleet: Fleet) -> None:
    for number, (name, vins) in enumerate((("a", A), ("b", B)), 1):
        await fleet.create_tenant(name)
        await fleet.add_vehicles(number, [NewVehicle(vin=vin) for vin in vins])


async def test_who_is_behind_a_number(fleet: Fleet) -> None:
    await _fill(fleet)
    assert await fleet.bind("phone", "013800001111", 1)
    assert not await fleet.bind("phone", "13800001111", 1)
    assert await fleet.bind("imei", "300234010753370", 4)
    found = await fleet.identify("phone", ["13800001111", "13800002222", "300234010753370", "\0"])
    code = await fleet.auth_code(1)
    assert len(code) == 16
    assert found == {"13800001111": Identified(1, 1, A[0], (code_digest(code),), b"", code)}
    other = await fleet.identify("imei", ["300234010753370"])
    assert other == {"300234010753370": Identified(4, 2, B[0], (), b"")}
    assert await fleet.identify("device", ["13800001111"]) == {}
    assert await fleet.identify("phone", []) == {}


async def test_a_number_is_of_the_terminal_that_registers_first(fleet: Fleet) -> None:
    await _fill(fleet)
    names = [(vin, "phone", str(number)) for number, vin in enumerate(A[:2], 1)]
    await fleet.add_identities(1, names)
    await fleet.add_identity(1, A[0], "device", "00000000000000b7")

    async def knock(**terminals: str) -> dict[str, str]:
        asked = {name[1:]: terminal for name, terminal in terminals.items()}
        found = await fleet.identify("phone", ["1", "2", "3"], terminals=asked)
        return {value: who.terminal for value, who in found.items()}

    assert await knock() == {"1": "", "2": ""}
    assert await knock(n1="M/1", n3="M/3") == {"1": "M/1", "2": ""}
    # At once, from several gateways: one of them is first.
    long = 41 * "%FF"
    both = await asyncio.gather(*(knock(n2=f"{n}{long}", n1="M/2") for n in range(8)))
    assert len({tuple(one.items()) for one in both}) == 1
    assert both[0]["1"] == "M/1"
    shown = {one.kind: one.terminal for one in await fleet.identities_of(1, A[0])}
    assert shown == {"phone": "M/1", "device": None}
    # Given again by whatever way it stays; taken away and given again it is forgotten.
    await fleet.add_identities(1, names)
    assert (await fleet.add_identity(1, A[0], "phone", "1")).terminal == "M/1"
    await fleet.unbind(1, A[0], "phone", "1")
    assert (await fleet.add_identity(1, A[0], "phone", "1")).terminal is None
    assert (await knock(n1="M/2"))["1"] == "M/2"


async def test_by_vin_as_resolve_does(fleet: Fleet) -> None:
    await _fill(fleet)
    await fleet.create_tenant("c", TenantSettings(auto_register_wmi=("LNS",)))
    new = build(np.random.default_rng(1), "LNS", 2)
    assert await fleet.identify("vin", [A[0], new[0]], register=False) == {
        A[0]: Identified(1, 1, A[0])
    }
    found = await fleet.identify("vin", [A[0], new[0], "nobody", A[0]])
    assert found == {A[0]: Identified(1, 1, A[0]), new[0]: Identified(7, 3, new[0])}
    known = await fleet.resolve(new)
    assert (known[new[0]].vehicle, known[new[1]].vehicle) == (7, 8)


async def test_secrets_that_fit_now(fleet: Fleet) -> None:
    await _fill(fleet)
    first = await fleet.create_credential(1, A[0])
    second = await fleet.create_credential(1, A[0])
    key = await fleet.create_credential(1, A[0], "key")
    found = (await fleet.identify("vin", [A[0]]))[A[0]]
    assert set(found.secrets) == {code_digest(first.secret), code_digest(second.secret)}
    assert found.key == bytes.fromhex(key.secret)
    await fleet.revoke_credential(1, A[0], first.credential.id)
    await fleet.revoke_credential(1, A[0], key.credential.id)
    await fleet.bind("phone", "1", 1)
    found = (await fleet.identify("phone", ["1"]))["1"]
    code = await fleet.auth_code(1)
    assert set(found.secrets) == {code_digest(second.secret), code_digest(code)}
    assert found.key == b""
    again = await fleet.create_credential(1, A[0], "auth_code")
    assert again.secret != code
    assert again.secret == await fleet.auth_code(1)
    found = (await fleet.identify("phone", ["1"]))["1"]
    assert code_digest(again.secret) in found.secrets
    assert code_digest(code) not in found.secrets


async def test_codes_outlive_the_process(fleet: Fleet, config: Config) -> None:
    await _fill(fleet)
    elsewhere = await Fleet.connect(config, fleet._clock)
    assert await elsewhere.auth_code(3) == await fleet.auth_code(3)
    await elsewhere.close()
    with pytest.raises(NotFound):
        await fleet.auth_code(99)


async def test_a_name_is_one_vehicles(fleet: Fleet) -> None:
    await _fill(fleet)
    await fleet.add_identity(1, A[0], "phone", "013800001111")
    for call in (fleet.bind("phone", "13800001111", 2), fleet.bind("phone", "13800001111", 5)):
        with pytest.raises(Conflict, match="not available"):
            await call
    with pytest.raises(Conflict) as refused:
        await fleet.add_identity(2, B[0], "phone", "13800001111")
    assert A[0] not in str(refused.value)
    again = await fleet.add_identity(1, A[0].lower(), "phone", "13800001111")
    assert again.value == "13800001111"
    with pytest.raises(NotFound):
        await fleet.bind("phone", "2", 99)
    for tenant, vin in ((2, A[0]), (1, B[0]), (1, "nobody")):
        with pytest.raises(NotFound):
            await fleet.add_identity(tenant, vin, "phone", "2")
        with pytest.raises(NotFound):
            await fleet.identities_of(tenant, vin)
        with pytest.raises(NotFound):
            await fleet.unbind(tenant, vin, "phone", "13800001111")
    assert [one.value for one in await fleet.identities_of(1, A[0])] == ["13800001111"]
    assert await fleet.identities_of(2, B[0]) == []
    await fleet.unbind(1, A[0], "phone", "013800001111")
    with pytest.raises(NotFound):
        await fleet.unbind(1, A[0], "phone", "13800001111")
    await fleet.add_identity(2, B[0], "phone", "13800001111")


async def test_names_for_many_at_once(fleet: Fleet) -> None:
    await _fill(fleet)
    names = [(vin, "phone", f"01380000{n:04d}") for n, vin in enumerate(A)]
    for _ in range(2):
        await fleet.add_identities(1, names)
    assert len(await fleet.identify("phone", [f"1380000{n:04d}" for n in range(9)])) == len(A)
    await fleet.add_identities(1, [])
    fresh = (A[0], "device", "00000000000000b0")
    for tenant, wrong in ((1, (A[1], "phone", "13800000000")), (1, (B[0], "phone", "5")),
                          (2, (B[0], "phone", "13800000000"))):  # fmt: skip
        with pytest.raises(Conflict):
            await fleet.add_identities(tenant, [fresh, wrong] if tenant == 1 else [wrong])
    assert await fleet.identify("device", ["00000000000000b0"]) == {}


async def test_names_go_with_their_vehicle(fleet: Fleet, config: Config) -> None:
    await _fill(fleet)
    await fleet.add_identity(1, A[0], "device", "00000000000000b7")
    await fleet.create_credential(1, A[0])
    await fleet.create_credential(1, A[0], "key")
    await fleet.remove_vehicle(1, A[0])
    assert await fleet.identify("device", ["00000000000000b7"]) == {}
    with psycopg.connect(config.owner_url) as connection:
        for table in ("identities", "credentials"):
            connection.execute("SET motorcade.platform = 'on'")
            assert connection.execute(f"SELECT * FROM {table}".encode()).fetchall() == []
    await fleet.bind("device", "00000000000000b7", 5)


async def test_a_vehicle_has_so_many_names(fleet: Fleet) -> None:
    await _fill(fleet)
    for number in range(IDENTITIES_PER_VEHICLE_MAX):
        assert await fleet.bind("device", f"{number:016x}", 1)
    with pytest.raises(Conflict, match="at most"):
        await fleet.bind("device", "00000000000000ff", 1)
    assert not await fleet.bind("device", f"{3:016x}", 1)
    assert await fleet.bind("device", "00000000000000ff", 2)
