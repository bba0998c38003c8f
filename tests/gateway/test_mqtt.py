"""MQTT vehicles at the gateway, by clients of others: aiomqtt (paho), mosquitto_pub."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.test_jt808 import ask
from gateway.test_links import told
from gateway.world import World, eventually, report
from motorcade.gateway.config import ListenerConfig
from motorcade.gateway.gateway import Gateway
from motorcade.gateway.keeping import Keeping
from motorcade.gateway.linked import Linked
from motorcade.gateway.outcome import Outcome
from motorcade.gateway.traits import Traits
from motorcade.gateway.wills import Wills
from motorcade.gateway.wrapped import unwrapped
from motorcade.log.downlink import Downlink
from motorcade.log.events import CommandAnswered, LinkDown, LinkUp
from motorcade.protocols.commands import Command

pytestmark = pytest.mark.engines
assert Keeping
assert Linked
assert Outcome
assert Traits
assert Wills
assert unwrapped

V3 = aiomqtt.ProtocolVersion.V311
V5 = aiomqtt.ProtocolVersion.V5


async def door(world: World, **rules: Any) -> Gateway:
    return await world.gateway(mqtt=ListenerConfig(**{"listen": "127.0.0.1:0", **rules}))


@pytest.fixture
async def gateway(world: World) -> Gateway:
    return await door(world)


def car_of(world: World, token: str = "vt_secret") -> str:
    vin = world.table.add()
    world.table.name("vin", vin, vin, token)
    return vin


@asynccontextmanager
async def client(
    gateway: Gateway, vin: str, version: Any = V5, password: str = "vt_secret", **options: Any
) -> AsyncIterator[aiomqtt.Client]:
    host, port = gateway.addresses["mqtt"][0]
    async with aiomqtt.Client(
        host,
        port,
        username=vin,
        password=password,
        identifier=options.pop("identifier", vin),
        protocol=version,
        **options,
    ) as connected:
        yield connected


def payload(speed: float, second: int = 0) -> str:
    return json.dumps({"ts": 1_750_000_000_000 + second * 1000, "Vehicle.Speed": speed})


@pytest.mark.parametrize("version", [V3, V5])
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_a_publish_becomes_a_row(
    world: World, gateway: Gateway, version: Any, qos: int
) -> None:
    vin = car_of(world)
    async with client(gateway, vin, version) as car:
        await car.publish(f"v/{vin}/up/json", payload(54.5), qos=qos)
    (row,) = await eventually(world.rows)
    assert row["Vehicle.Speed"] == pytest.approx(54.5)
    assert row["vehicle"] == world.table.known[vin].vehicle
    (up,) = await told(world, LinkUp, vin)
    assert (up.protocol, up.reachable) == ("mqtt", False)
    await eventually(lambda: told(world, LinkDown, vin))


@pytest.mark.parametrize("version", [V3, V5])
async def test_who_proves_nothing_is_refused(world: World, gateway: Gateway, version: Any) -> None:
    vin = car_of(world)
    with pytest.raises(aiomqtt.MqttError):
        async with client(gateway, vin, version, password="wrong"):
            pass
    with pytest.raises(aiomqtt.MqttError):
        async with client(gateway, "LMTCAR00009999999", version):
            pass
    rejects = gateway.metrics.rejects
    assert (rejects["credentials"], rejects["unknown_vin"]) == (1, 1)
    await eventually(lambda: gateway.connections == 0)


async def test_secrets_of_refused_logins_are_not_shown(world: World, gateway: Gateway) -> None:
    vin = car_of(world)
    for will in (None, aiomqtt.Will("not/ones/own", b"x")):
        with pytest.raises(aiomqtt.MqttError):
            async with client(gateway, vin, password="vt_of_another", will=will):
                pass

    async def kept() -> Any:
        page = await world.log.quarantined(None, 100)
        return {one.code for one in page.entries} >= {"credentials", "will"} and page.entries

    entries = await eventually(kept)
    assert not any(b"vt_of_another" in one.data for one in entries)
    assert any(vin.encode() in one.data for one in entries)


async def test_topics_of_another_car_are_refused(world: World, gateway: Gateway) -> None:
    vin, other = car_of(world), car_of(world)
    async with client(gateway, vin) as car:
        await car.publish(f"v/{other}/up/json", payload(1.0), qos=0)
        await eventually(lambda: gateway.connections == 0 or gateway.metrics.rejects)
    assert await world.rows() == []


async def test_a_payload_nobody_can_read_costs_nobody_else(world: World, gateway: Gateway) -> None:
    vin = car_of(world)
    async with client(gateway, vin, V3) as car:
        await car.publish(f"v/{vin}/up/json", b"{not json", qos=1)
        await car.publish(f"v/{vin}/up/json", payload(3.0), qos=1)
    (row,) = await eventually(world.rows)
    assert row["Vehicle.Speed"] == 3.0
    assert sum(gateway.metrics.rejects.values()) == 1


async def test_a_payload_may_be_a_frame_of_another_protocol(world: World, gateway: Gateway) -> None:
    vin, other = car_of(world), car_of(world)
    async with client(gateway, vin, V3) as car:
        await car.publish(f"v/{vin}/up/gbt32960", report(vin), qos=1)
        await car.publish(f"v/{vin}/up/gbt32960", report(other), qos=1)
        await car.publish(f"v/{vin}/up/gbt32960", report(vin)[:-1], qos=1)
    (row,) = await eventually(world.rows)
    assert row["vehicle"] == world.table.known[vin].vehicle
    assert row["Vehicle.CurrentLocation.Longitude"] == pytest.approx(121.0)
    assert gateway.metrics.rejects["vin_mismatch"] == 1


def command(vin: str, world: World, link: str) -> Downlink:
    said = Command(id="ab" * 16, number=77, kind="lock", parameters={}, time_us=1)
    return Downlink(link=link, vehicle=world.table.known[vin].vehicle, command=said)


@pytest.mark.parametrize("version", [V3, V5])
async def test_a_command_is_delivered_and_answered(
    world: World, gateway: Gateway, version: Any
) -> None:
    vin = car_of(world)
    async with client(gateway, vin, version) as car:
        await car.subscribe(f"v/{vin}/down/#", qos=1)

        async def reachable() -> Any:
            return [one for one in await told(world, LinkUp, vin) if one.reachable]

        (up,) = await eventually(reachable)
        (result,) = await ask(world, gateway, command(vin, world, up.link))
        assert result.sent
        message = await asyncio.wait_for(anext(aiter(car.messages)), 10)
        assert str(message.topic) == f"v/{vin}/down/command"
        assert isinstance(message.payload, bytes)
        said = json.loads(message.payload)
        assert (said["kind"], said["number"]) == ("lock", 77)
        answer = {"id": said["id"], "number": 77, "outcome": "succeeded"}
        await car.publish(f"v/{vin}/up/answer", json.dumps(answer), qos=1)
        # The PUBACK came, so it is on disk.
        answers = await told(world, CommandAnswered, vin)
        assert [one.outcome for one in answers] == ["delivered", "succeeded"]
        assert {one.key for one in answers} == {result.key}


async def test_an_answer_that_cannot_be_told_holds_nobody_else_back(world: World) -> None:
    class Faulty:
        def __getattr__(self, name: str) -> Any:
            return getattr(world.log, name)

        async def post(self, partition: int, events: Any) -> int:
            if any(isinstance(event, CommandAnswered) for event in events):
                raise OverflowError("a fault of ours")
            return await world.log.post(partition, events)

    gateway = await world.gateway(log=Faulty(), mqtt=ListenerConfig(listen="127.0.0.1:0"))
    first, second = car_of(world), car_of(world)
    answer = json.dumps({"number": 77, "outcome": "succeeded"})
    with contextlib.suppress(aiomqtt.MqttError):
        async with client(gateway, first) as car:
            with pytest.raises(aiomqtt.MqttError):
                await car.publish(f"v/{first}/up/answer", answer, qos=1, timeout=5)
    async with client(gateway, second) as car:
        await car.publish(f"v/{second}/up/json", payload(1.0), qos=1, timeout=5)
    assert gateway.metrics.unstored["bug"] == 1


async def test_who_subscribes_again_and_again_is_told_of_once(
    world: World, gateway: Gateway
) -> None:
    vin = car_of(world)
    async with client(gateway, vin) as car:
        for qos in (0, 1, 0, 1):
            await car.subscribe(f"v/{vin}/down/#", qos=qos)
    await eventually(lambda: told(world, LinkDown, vin))
    assert [one.reachable for one in await told(world, LinkUp, vin)] == [False, True]


async def test_who_unsubscribes_can_be_sent_nothing(world: World, gateway: Gateway) -> None:
    vin = car_of(world)
    async with client(gateway, vin) as car:
        await car.subscribe(f"v/{vin}/down/#", qos=1)
        await car.unsubscribe(f"v/{vin}/down/#")
    await eventually(lambda: told(world, LinkDown, vin))
    assert [one.reachable for one in await told(world, LinkUp, vin)] == [False, True, False]


@pytest.mark.parametrize("place", ["hear", "handle"])
async def test_a_fault_of_ours_closes_who_would_wait_for_ever(
    world: World, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    vin, other = car_of(world), car_of(world)
    (listener,) = [one for one in gateway._listeners if one.name == "mqtt"]
    there = listener.protocol if place == "hear" else listener.protocol.Session
    right, fault = getattr(there, place), ZeroDivisionError("a fault of ours")
    answer = json.dumps({"number": 77, "outcome": "succeeded"})

    def wrong(*given: Any) -> Any:
        if place == "hear" or b"/up/answer" in given[1]:
            raise fault
        return right(*given)

    async with client(gateway, other) as neighbour:
        with contextlib.suppress(aiomqtt.MqttError):
            async with client(gateway, vin) as car:
                monkeypatch.setattr(there, place, wrong)
                with pytest.raises(aiomqtt.MqttError):
                    await car.publish(f"v/{vin}/up/answer", answer, qos=1, timeout=5)
        monkeypatch.setattr(there, place, right)
        await neighbour.publish(f"v/{other}/up/json", payload(1.0), qos=1, timeout=5)
    assert gateway.metrics.closed["internal"] == 1


async def test_a_session_that_is_not_clean_keeps_its_subscription(world: World) -> None:
    first, second = await door(world), await door(world)
    vin = car_of(world)
    async with client(first, vin, V3, clean_session=False) as car:
        await car.subscribe(f"v/{vin}/down/#", qos=1)
    await eventually(lambda: world.table.kept)
    async with client(second, vin, V3, clean_session=False) as car:

        async def reachable() -> Any:
            ups = await told(world, LinkUp, vin)
            return [one for one in ups if one.incarnation == second.links.incarnation]

        (up,) = await eventually(reachable)
        assert up.reachable
        (result,) = await ask(world, second, command(vin, world, up.link))
        assert result.sent
        await asyncio.wait_for(anext(aiter(car.messages)), 10)
    async with client(second, vin, V3, clean_session=True):
        await eventually(lambda: not world.table.kept)


async def test_a_will_is_said_when_the_link_breaks_and_not_after_a_goodbye(
    world: World, gateway: Gateway
) -> None:
    vin = car_of(world)
    will = aiomqtt.Will(f"v/{vin}/up/json", payload(99.0), qos=1)
    async with client(gateway, vin, will=will):
        pass
    await eventually(lambda: gateway.connections == 0)
    assert await world.rows() == []
    async with client(gateway, vin, will=will):
        (listener,) = [one for one in gateway._listeners if one.name == "mqtt"]
        (peer,) = listener.peers()
        listener.close(peer, "idle_timeout")
        (row,) = await eventually(world.rows)
        assert row["Vehicle.Speed"] == 99.0


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_delayed_will_is_not_said_of_who_comes_back(
    world: World, gateway: Gateway, elsewhere: bool
) -> None:
    other = await door(world) if elsewhere else gateway
    will = Properties(PacketTypes.WILLMESSAGE)
    will.WillDelayInterval = 1
    connect = Properties(PacketTypes.CONNECT)
    connect.SessionExpiryInterval = 60
    back, gone = car_of(world), car_of(world)
    (listener,) = [one for one in gateway._listeners if one.name == "mqtt"]

    def said(vin: str, speed: float) -> dict[str, Any]:
        topic = f"v/{vin}/up/json"
        return {
            "will": aiomqtt.Will(topic, payload(speed), qos=1, properties=will),
            "properties": connect,
            "clean_start": False,
        }

    async with client(gateway, back, **said(back, 11.0)), client(gateway, gone, **said(gone, 22.0)):

        def silent() -> None:
            for peer in listener.peers():
                listener.close(peer, "idle_timeout")

        if not elsewhere:  # else its old link is still there when it comes back
            silent()
        async with client(other, back, **said(back, 33.0)):
            if elsewhere:
                await eventually(lambda: listener.table.count == 1)
                silent()
            (row,) = await eventually(world.rows)
            assert row["Vehicle.Speed"] == 22.0


async def test_a_second_connection_takes_over(world: World, gateway: Gateway) -> None:
    vin = car_of(world)
    async with client(gateway, vin, V3), client(gateway, vin, V3) as second:
        await eventually(lambda: gateway.connections == 1)
        await second.publish(f"v/{vin}/up/json", payload(5.0), qos=1)
    assert len(await world.rows()) == 1


async def test_what_the_log_does_not_take_is_not_acknowledged_and_sent_again(
    world: World,
) -> None:
    from motorcade.errors import DependencyError

    class Away:
        away = False

        def __getattr__(self, name: str) -> Any:
            return getattr(world.log, name)

        async def append(self, partition: int, batches: Any) -> int:
            if self.away:
                raise DependencyError("away")
            return await world.log.append(partition, batches)

    log = Away()
    gateway = await world.gateway(log=log, mqtt=ListenerConfig(listen="127.0.0.1:0"))
    vin = car_of(world)
    with contextlib.suppress(aiomqtt.MqttError):
        async with client(gateway, vin, V3) as car:
            log.away = True
            with pytest.raises(aiomqtt.MqttError):
                await car.publish(f"v/{vin}/up/json", payload(7.0), qos=1, timeout=5)
    log.away = False
    assert gateway.metrics.closed["unstored"] == 1
    async with client(gateway, vin, V3) as car:
        await car.publish(f"v/{vin}/up/json", payload(7.0), qos=1)
    assert len(await world.rows()) == 1


@pytest.mark.skipif(
    shutil.which("mosquitto_pub") is None, reason="needs Debian's mosquitto-clients"
)
@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
async def test_mosquitto_pub_and_sub(world: World, gateway: Gateway, version: str) -> None:
    vin = car_of(world)
    host, port = gateway.addresses["mqtt"][0]
    common = ["-h", host, "-p", str(port), "-u", vin, "-P", "vt_secret", "-V", version]
    sub = await asyncio.create_subprocess_exec(
        *["mosquitto_sub", *common, "-i", vin, "-t", f"v/{vin}/down/#", "-q", "1", "-C", "1"],
        stdout=asyncio.subprocess.PIPE,
    )

    async def reachable() -> Any:
        return [one for one in await told(world, LinkUp, vin) if one.reachable]

    (up,) = await eventually(reachable)
    (result,) = await ask(world, gateway, command(vin, world, up.link))
    assert result.sent
    said, _ = await asyncio.wait_for(sub.communicate(), 10)
    assert json.loads(said)["kind"] == "lock"
    pub = await asyncio.create_subprocess_exec(
        *["mosquitto_pub", *common, "-i", vin, "-t", f"v/{vin}/up/json", "-q", "1"],
        *["-m", payload(42.0)],
    )
    assert await asyncio.wait_for(pub.wait(), 10) == 0
    (row,) = await world.rows()
    assert row["Vehicle.Speed"] == 42.0


async def test_a_client_certificate_is_a_credential(world: World, tmp_path: Any) -> None:
    from gateway.certificates import Authority

    authority = Authority(tmp_path)
    vin = car_of(world)
    server = authority.issue("127.0.0.1")
    gateway = await door(
        world,
        listen="",
        tls_listen="127.0.0.1:0",
        tls_certificate=str(server.certificate),
        tls_key=str(server.key),
        tls_client_ca=str(authority.file),
    )
    own = authority.issue(vin)
    context = ssl.create_default_context(cafile=str(authority.file))
    context.load_cert_chain(own.certificate, own.key)
    host, port = gateway.addresses["mqtt"][0]
    async with aiomqtt.Client(host, port, identifier="", tls_context=context, protocol=V5) as car:
        await car.publish(f"v/{vin}/up/json", payload(8.0), qos=1)
    assert len(await world.rows()) == 1
    wrong = authority.issue("LMTCAR00009999999")
    context = ssl.create_default_context(cafile=str(authority.file))
    context.load_cert_chain(wrong.certificate, wrong.key)
    with pytest.raises(aiomqtt.MqttError):
        async with aiomqtt.Client(host, port, username=vin, identifier=vin, tls_context=context):
            pass
