"""What vehicles prove themselves with: shown once, stored as digests, ended when revoked."""

from __future__ import annotations

import numpy as np
import psycopg
import pytest

from motorcade.clock import SteerableClock
from motorcade.errors import Conflict, Invalid, NotFound
from motorcade.fleet import credentials
from motorcade.fleet.codes import code_digest
from motorcade.fleet.registry import Config, Fleet
from motorcade.fleet.rows import NewVehicle
from motorcade.fleet.vin import build
from motorcade.limits import TOKENS_PER_VEHICLE_MAX

pytestmark = pytest.mark.engines

A = build(np.random.default_rng(5), "LSV", 7)
B = build(np.random.default_rng(5), "LFV", 1)


async def _fill(fleet: Fleet) -> None:
    for number, (name, vins) in enumerate((("a", A), ("b", B)), 1):
        await fleet.create_tenant(name)
        await fleet.add_vehicles(number, [NewVehicle(vin=vin) for vin in vins])


async def test_made_listed_revoked(fleet: Fleet, clock: SteerableClock) -> None:
    await _fill(fleet)
    token = await fleet.create_credential(1, A[0], name="workshop")
    clock.advance(1)
    key = await fleet.create_credential(1, A[0].lower(), "key")
    assert token.secret.startswith("vt_")
    assert len(token.secret) == 46
    assert len(bytes.fromhex(key.secret)) == 16
    assert await fleet.credentials(1, A[0]) == [token.credential, key.credential]
    assert await fleet.credentials(1, A[1]) == []
    gone = await fleet.revoke_credential(1, A[0], token.credential.id)
    clock.advance(1)
    assert (await fleet.revoke_credential(1, A[0], token.credential.id)).revoked == gone.revoked
    assert [one.revoked for one in await fleet.credentials(1, A[0])] == [gone.revoked, None]


async def test_one_key_at_a_time(fleet: Fleet) -> None:
    await _fill(fleet)
    old = await fleet.create_credential(1, A[0], "key")
    new = await fleet.create_credential(1, A[0], "key")
    assert (await fleet.identify("vin", A[:1]))[A[0]].key == bytes.fromhex(new.secret)
    shown = {one.id: one.revoked for one in await fleet.credentials(1, A[0])}
    assert shown[old.credential.id] is not None
    assert shown[new.credential.id] is None


async def test_keys_that_vehicles_were_made_with(fleet: Fleet, clock: SteerableClock) -> None:
    await _fill(fleet)
    old = await fleet.create_credential(1, A[0], "key")
    clock.advance(1)
    own = [(vin, bytes([place]) * 16) for place, vin in enumerate(A)]
    for _ in range(2):
        await fleet.set_keys(1, own, "factory")
    found = await fleet.identify("vin", A)
    assert {vin: found[vin].key for vin in A} == dict(own)
    kept = await fleet.credentials(1, A[0])
    assert [(one.id == old.credential.id, one.revoked is None) for one in kept] == [
        (True, False),
        (False, True),
    ]
    made = await fleet.create_credential(1, A[1], "key", key=b"k" * 16)
    assert made.secret == (b"k" * 16).hex()
    assert (await fleet.identify("vin", [A[1]]))[A[1]].key == b"k" * 16
    with pytest.raises(NotFound):
        await fleet.set_keys(1, [(A[2], b"n" * 16), (B[0], b"n" * 16)])
    assert (await fleet.identify("vin", [A[2]]))[A[2]].key == own[2][1]
    for kind, key in (("key", b"short"), ("token", b"k" * 16)):
        with pytest.raises(Invalid):
            await fleet.create_credential(1, A[0], kind, key=key)  # type: ignore[arg-type]
    with pytest.raises(Invalid):
        await fleet.set_keys(1, [(A[0], b"")])


async def test_of_another_tenant(fleet: Fleet) -> None:
    await _fill(fleet)
    made = await fleet.create_credential(1, A[0])
    for tenant, vin in ((2, A[0]), (1, "nobody")):
        with pytest.raises(NotFound):
            await fleet.create_credential(tenant, vin)
        with pytest.raises(NotFound):
            await fleet.credentials(tenant, vin)
        with pytest.raises(NotFound):
            await fleet.revoke_credential(tenant, vin, made.credential.id)
    for tenant, vin in ((1, A[1]), (2, B[0])):
        with pytest.raises(NotFound):
            await fleet.revoke_credential(tenant, vin, made.credential.id)
    with pytest.raises(NotFound, match="1 of the vehicles"):
        await fleet.create_tokens(1, [A[0], B[0], A[1]])
    assert await fleet.credentials(2, B[0]) == []
    assert await fleet.credentials(1, A[1]) == []


async def test_wrong_words(fleet: Fleet) -> None:
    await _fill(fleet)
    for kind, name in (("password", ""), ("token", "n" * 101), ("token", "a\0")):
        with pytest.raises(Invalid):
            await fleet.create_credential(1, A[0], kind, name)  # type: ignore[arg-type]


async def test_so_many_tokens(fleet: Fleet) -> None:
    await _fill(fleet)
    made = [await fleet.create_credential(1, A[0]) for _ in range(TOKENS_PER_VEHICLE_MAX)]
    with pytest.raises(Conflict):
        await fleet.create_credential(1, A[0])
    with pytest.raises(Conflict):
        await fleet.create_tokens(1, A)
    assert await fleet.credentials(1, A[1]) == []
    await fleet.revoke_credential(1, A[0], made[0].credential.id)
    await fleet.create_credential(1, A[0])
    await fleet.create_credential(1, A[0], "key")


async def test_tokens_for_many_at_once(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    await _fill(fleet)
    monkeypatch.setattr(credentials, "_TOKENS_AT_ONCE", 3)
    kept = await fleet.create_credential(1, A[0])
    made = await fleet.create_tokens(1, [*A, A[0]], "load")
    assert [vin for vin, _ in made] == A
    found = await fleet.identify("vin", A)
    for vin, token in made:
        assert code_digest(token) in found[vin].secrets
    assert await fleet.create_tokens(1, []) == []
    assert await fleet.remove_tokens(2, "load") == 0
    assert await fleet.remove_tokens(1, "load") == 7
    found = await fleet.identify("vin", A)
    assert [one.secrets for one in found.values()] == [(code_digest(kept.secret),)] + [()] * 6


async def test_no_token_is_stored(fleet: Fleet, config: Config) -> None:
    await _fill(fleet)
    made = [await fleet.create_credential(1, A[0]), await fleet.create_credential(1, A[0])]
    tokens = [one.secret for one in made] + [token for _, token in await fleet.create_tokens(1, A)]
    code = await fleet.auth_code(1)
    with psycopg.connect(config.owner_url) as connection:
        connection.execute("SET motorcade.platform = 'on'")
        rows = connection.execute("SELECT * FROM credentials").fetchall()
        rows += connection.execute("SELECT * FROM vehicles").fetchall()
    assert len(rows) > len(tokens)
    assert not [token for token in [*tokens, code] if token[3:] in repr(rows)]
