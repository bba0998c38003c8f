"""NATS: records as JSON messages, or as Arrow tables, to a subject of another NATS.

In: rows. Out: a JSON message a row whose ``Nats-Msg-Id`` is the record's alone, or a message a
batch: an Arrow IPC stream with ``vin`` before the columns of the log. Acknowledged when a stream of
JetStream has them, or with ``jetstream`` off when the server has read them. A row that the server
will never take, because it is too large or its subject not ours to publish to, is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorcade.addresses import shown_address
from motorcade.apps.forwarding.parcel import Away, Parcel, Surroundings
from motorcade.apps.forwarding.rendering import identities, records
from motorcade.apps.forwarding.targets import check_host, resolve, tls_context
from motorcade.apps.forwarding.templates import check_template, fill
from motorcade.errors import DependencyError, Forbidden, Invalid, MotorcadeError
from motorcade.log.publishing import Message, Publisher
from motorcade.signals.batch import SignalBatch
from motorcade.signals.words import as_stored

__all__ = ["RECORDS", "SECRETS", "Sender", "Target", "check"]

RECORDS: Final = ("report",)
SECRETS: Final = frozenset({"password", "token"})
_AT_ONCE: Final = 256
_HEADERS_ROOM: Final = 1024
_ARROW: Final = "application/vnd.apache.arrow.stream"


class Target(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The server and the subject."""

    url: str
    """``nats://host:4222``, or ``tls://host:4222``."""
    subject: str = "fleet.{tenant}.{vin}.{kind}"
    """With ``{tenant}``, ``{forwarder}``, ``{kind}`` and, for JSON, ``{vin}``."""
    format: Literal["json", "arrow"] = "json"
    jetstream: bool = True
    """Wait until a stream has stored each message; off: until the server has read them."""
    user: str = ""
    password: str = ""
    token: str = ""
    ca_pem: str = ""
    """Certificate the server's is signed by; empty: those the system trusts."""


def check(target: Target) -> None:
    """Raise ``Invalid`` for what cannot be."""
    check_host(*_address(target))
    check_template("subject", target.subject, "*> \t")
    parts = target.subject.split(".")
    if "" in parts or parts[0].startswith("$"):
        raise Invalid("target: subject has words between its dots, and does not begin with $")
    if target.format == "arrow" and "{vin}" in target.subject:
        raise Invalid("target: a table holds many vehicles; subject cannot have {vin}")
    tls_context(target.ca_pem)


class Sender:
    """One server's client."""

    def __init__(self, target: Target, around: Surroundings) -> None:
        self._target = target
        self._around = around
        self._publisher: Publisher | None = None

    async def send(self, parcel: Parcel) -> None:
        """Publish the open rows, some at a time."""
        publisher = await self._connected()
        room = publisher.payload_max - _HEADERS_ROOM
        for index, rows, batch in parcel.open():
            if self._target.format == "arrow":
                await self._send_tables(publisher, parcel, index, rows, batch)
                continue
            messages = self._messages(batch, parcel)
            large = np.array([len(payload) > room for _, payload, _ in messages])
            if large.any():
                parcel.refused(index, rows[large], f"larger than the server's {room} bytes")
            fit = np.flatnonzero(~large)
            for start in range(0, len(fit), _AT_ONCE):
                some = fit[start : start + _AT_ONCE]
                outcomes = await self._publish(publisher, [messages[i] for i in some.tolist()])
                _note(parcel, index, rows[some], outcomes)

    async def idle(self) -> None:
        """Be connected."""
        await self._connected()

    async def close(self) -> None:
        """Close. Never raises."""
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            await publisher.close()

    async def _send_tables(
        self,
        publisher: Publisher,
        parcel: Parcel,
        index: int,
        rows: NDArray[np.int64],
        batch: SignalBatch,
    ) -> None:
        """A table, or halves of it until each fits the server and its stream."""
        table = self._table(batch, parcel)
        room = publisher.payload_max - _HEADERS_ROOM
        outcome: MotorcadeError | None = Invalid(f"larger than the server's {room} bytes")
        if len(table) <= room:
            subject = fill(self._target.subject, self._around, "", batch.kind)
            message = (subject, table, {"Content-Type": _ARROW})
            (outcome,) = await self._publish(publisher, [message])
        half = len(batch) // 2
        if isinstance(outcome, Invalid) and half:
            for start, count in ((0, half), (half, len(batch) - half)):
                some, part = rows[start : start + count], batch.slice(start, count)
                await self._send_tables(publisher, parcel, index, some, part)
            return
        _note(parcel, index, rows, [outcome] * len(rows))

    def _messages(self, batch: SignalBatch, parcel: Parcel) -> list[Message]:
        around, subject = self._around, self._target.subject
        return [
            (
                fill(subject, around, one["vin"], batch.kind),
                msgspec.json.encode(one),
                {"Nats-Msg-Id": identity},
            )
            for one, identity in zip(
                records(batch, parcel.names, around.catalogue), identities(batch), strict=True
            )
        ]

    def _table(self, batch: SignalBatch, parcel: Parcel) -> bytes:
        data = as_stored(batch.data, self._around.catalogue)
        vins = [parcel.names[number].vin for number in batch.numpy("vehicle").tolist()]
        data = data.drop_columns(["tenant", "vehicle"]).add_column(0, "vin", pa.array(vins))
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, data.schema) as writer:
            writer.write_batch(data)
        return bytes(sink.getvalue())

    async def _publish(
        self, publisher: Publisher, messages: list[Message]
    ) -> list[MotorcadeError | None]:
        try:
            return await publisher.publish_all(messages, jetstream=self._target.jetstream)
        except MotorcadeError as error:
            if not publisher.connected:
                await self.close()
            raise Away(error.detail) from error

    async def _connected(self) -> Publisher:
        if self._publisher is not None and self._publisher.connected:
            return self._publisher
        await self.close()
        target, config = self._target, self._around.config
        host, port = _address(target)
        address = await resolve(host, port, config.allow_private_addresses)
        secure = target.url.startswith("tls")
        try:
            self._publisher = await Publisher.open(
                f"{'tls' if secure else 'nats'}://{shown_address(address, port)}",
                timeout_s=config.timeout_s,
                user=target.user,
                password=target.password,
                token=target.token,
                tls=tls_context(target.ca_pem) if secure else None,
                tls_hostname=host,
            )
        except DependencyError as error:
            raise Away(error.detail) from error
        return self._publisher


def _note(
    parcel: Parcel, index: int, rows: NDArray[np.int64], outcomes: Sequence[MotorcadeError | None]
) -> None:
    """Give rows their fates. Raises ``Away`` where some have none yet."""
    waits = ""
    for row, outcome in zip(rows.tolist(), outcomes, strict=True):
        if outcome is None:
            parcel.sent(index, row)
        elif isinstance(outcome, Invalid | Forbidden):
            parcel.refused(index, row, outcome.detail)
        else:
            waits = outcome.detail
    if waits:
        raise Away(waits)


def _address(target: Target) -> tuple[str, int]:
    """Host and port; ``Invalid``."""
    try:
        parts = urlsplit(target.url)
        port = 4222 if parts.port is None else parts.port
    except ValueError as error:
        raise Invalid(f"target: {target.url!r} is no URL: {error}") from error
    if parts.scheme not in ("nats", "tls") or not parts.hostname or parts.username or parts.path:
        raise Invalid("target: url is nats://host:port or tls://host:port, without a user")
    return parts.hostname, port
