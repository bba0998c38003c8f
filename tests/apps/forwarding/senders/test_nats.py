"""Records to another NATS: JSON or Arrow, acknowledged by a stream or by the server."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nats as client
import pyarrow as pa
import pytest

from apps.forwarding.world import SPEED, World, eventually, vin
from engines_nats import Nats
from motorcade.apps.forwarding.parcel import Away, Name, Parcel
from motorcade.apps.forwarding.senders.nats import Sender, Target, check
from motorcade.errors import Invalid

pytestmark = pytest.mark.engines


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[Nats]:
    """Somebody else's server, with a stream ``FLEET`` on ``fleet.>``."""
    (tmp_path / "other").mkdir()
    async with Nats(tmp_path / "other") as server:
        connection = await client.connect(server.engine.url)
        await connection.jetstream().add_stream(name="FLEET", subjects=["fleet.>"])
        await connection.close()
        yield server


def settings(server: Nats, **more: Any) -> dict[str, Any]:
    parts = urlsplit(server.engine.url)
    return {
        "url": f"nats://127.0.0.1:{parts.port}",
        "user": parts.username,
        "password": parts.password,
        **more,
    }


async def messages(server: Nats, count: int) -> list[Any]:
    connection = await client.connect(server.engine.url)
    try:
        jetstream = connection.jetstream()
        return [await jetstream.get_msg("FLEET", number) for number in range(1, count + 1)]
    finally:
        await connection.close()


async def test_from_the_log_to_a_stream(world: World, other: Nats) -> None:
    await world.tenant("acme", 2)
    forwarder = await world.forwarder("acme", "up", "nats", settings(other))
    world.start()
    await world.ready(forwarder)
    await world.report("acme", [vin(1), vin(2)], {SPEED: [40.0, 50.5]})

    async def sent() -> bool:
        return (await world.state("acme", "up")).sent == 2

    await eventually(sent)
    found = {one.subject: one for one in await messages(other, 2)}
    assert set(found) == {f"fleet.acme.{vin(1)}.report", f"fleet.acme.{vin(2)}.report"}
    assert b'"Vehicle.Speed":50.5' in found[f"fleet.acme.{vin(2)}.report"].data


async def test_a_table_holds_many_vehicles(world: World, other: Nats) -> None:
    await world.tenant("acme", 3)
    cars = [vin(1), vin(2), vin(3)]
    names = {world.vehicles[one]: Name(one) for one in cars}
    parcel = Parcel([world.batch("acme", cars, {SPEED: [1.0, 2.0, 3.0]})], names)
    wanted = settings(other, format="arrow", subject="fleet.{tenant}.{kind}")
    sender = Sender(Target(**wanted), world.around("acme"))
    await sender.send(parcel)
    assert parcel.counts == (0, 3, 0, 0)
    (message,) = await messages(other, 1)
    table = pa.ipc.open_stream(message.data).read_all()
    assert table.column("vin").to_pylist() == cars
    assert table.column(SPEED).to_pylist() == [1.0, 2.0, 3.0]
    assert not {"tenant", "vehicle"} & set(table.column_names)
    await sender.close()


async def _with_guest(server: Nats) -> dict[str, str]:
    """Add a user who may publish reports to ``fleet``, and nothing else."""
    conf = server.engine._conf
    known = "users: [ "
    guest = (
        '{ user: guest, password: secret, permissions: { publish: "fleet.*.*.report",'
        ' subscribe: "_INBOX.>" } }, '
    )
    conf.write_text(conf.read_text().replace(known, known + guest, 1))
    assert server._process is not None
    server._process.send_signal(signal.SIGHUP)
    return {"user": "guest", "password": "secret"}


@pytest.mark.parametrize("jetstream", [True, False])
async def test_what_may_not_be_published_is_refused_and_the_rest_flows(
    world: World, other: Nats, jetstream: bool
) -> None:
    guest = await _with_guest(other)
    await world.tenant("acme", 2)
    cars = [vin(1), vin(2)]
    names = {world.vehicles[one]: Name(one) for one in cars}
    batches = [
        world.batch("acme", cars, {SPEED: [1.0, 2.0]}),
        world.batch("acme", cars, {}, kind="login"),
        world.batch("acme", cars, {SPEED: [3.0, 4.0]}),
    ]
    wanted = settings(other, jetstream=jetstream, **guest)
    sender = Sender(Target(**wanted), world.around("acme"))

    async def there() -> bool:
        with contextlib.suppress(Away):
            await sender.idle()
            return True
        return False

    await eventually(there)
    parcel = Parcel(batches, names)
    await sender.send(parcel)
    assert parcel.counts == (0, 4, 2, 0)
    assert "does not let us publish to fleet.acme." in parcel.reasons[0]
    assert parcel.reasons[0].endswith(".login")
    assert len(await messages(other, 4)) == 4
    await sender.close()


@pytest.mark.parametrize("form", ["json", "arrow"])
async def test_what_is_too_large_for_the_stream_is_refused_and_the_rest_flows(
    world: World, other: Nats, form: str
) -> None:
    connection = await client.connect(other.engine.url)
    jetstream = connection.jetstream()
    await jetstream.update_stream(name="FLEET", subjects=["fleet.>"], max_msg_size=4_000)
    await connection.close()
    await world.tenant("acme", 3)
    cars = [vin(1), vin(2), vin(3)]
    names = {world.vehicles[one]: Name(one) for one in cars}
    text = "Vehicle.VehicleIdentification.Brand"
    batch = world.batch("acme", cars, {text: ["a", "b" * 5_000, "c"]})
    parcel = Parcel([batch], names)
    subject = "fleet.{tenant}.{vin}" if form == "json" else "fleet.{tenant}"
    wanted = settings(other, format=form, subject=subject)
    sender = Sender(Target(**wanted), world.around("acme"))
    await sender.send(parcel)
    assert parcel.counts == (0, 2, 1, 0)
    assert "message size exceeds maximum allowed" in parcel.reasons[0]
    await sender.close()


async def test_refused_rows_are_told_and_hold_up_nothing(world: World, other: Nats) -> None:
    guest = await _with_guest(other)
    await world.tenant("acme", 2)
    forwarder = await world.forwarder(
        "acme", "up", "nats", settings(other, **guest), records=("report", "login")
    )
    world.start()
    await world.ready(forwarder)
    await world.report("acme", [vin(1), vin(2)], {}, kind="login")
    await world.report("acme", [vin(1), vin(2)], {SPEED: [40.0, 50.5]})

    async def done() -> bool:
        state = await world.state("acme", "up")
        return (state.sent, state.refused, state.lag_rows) == (2, 2, 0)

    await eventually(done)
    refusals = (await world.state("acme", "up")).refusals
    assert {one.reason.rpartition(".")[2] for one in refusals} == {"login"}


async def test_a_server_that_cannot_store_is_tried_again(world: World, other: Nats) -> None:
    await world.tenant("acme", 1)
    names = {world.vehicles[vin(1)]: Name(vin(1))}
    parcel = Parcel([world.batch("acme", [vin(1)], {SPEED: [1.0]})], names)
    nowhere = Sender(Target(**settings(other, subject="nowhere.{vin}")), world.around("acme"))
    with pytest.raises(Away, match="no stream"):
        await nowhere.send(parcel)
    await nowhere.close()
    heard = Sender(
        Target(**settings(other, subject="nowhere.{vin}", jetstream=False)), world.around("acme")
    )
    await heard.idle()
    other.kill()
    with pytest.raises(Away):
        await heard.send(parcel)
    assert parcel.counts[0] == 1
    await other.start()
    await heard.send(parcel)
    assert parcel.counts == (0, 1, 0, 0)
    await heard.close()
    wrong = Sender(Target(**settings(other, password="wrong")), world.around("acme"))
    with pytest.raises(Away, match="NATS"):
        await wrong.idle()
    await wrong.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://x"}, {"url": "nats://user@x"}, {"url": "nats://x:99999"},
        {"subject": "fleet.>"}, {"subject": "fleet..x"}, {"subject": "$JS.x"}, {"subject": ""},
        {"subject": "a.{plate}"}, {"format": "arrow"},
    ],
)  # fmt: skip
def test_settings_that_cannot_be(wrong: dict[str, Any]) -> None:
    check(Target(url="nats://nats.example.com"))
    with pytest.raises(Invalid, match="target: "):
        check(Target(**{"url": "nats://nats.example.com", **wrong}))
