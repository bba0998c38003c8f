"""The entrance of protocols that keep a session: who is it, does it prove it, may it in.

In: login and registration events of waiting peers. Out: rows of kind ``login`` in the log,
sessions, answers after the fsync. All that came up are decided together: one question to the
registry, one append.

A login proves itself by a secret the registry knows (MQTT: the password; JT/T 808: the code it was
given when it registered) or by a client certificate whose common name is the vehicle's. The code is
told to the terminal that registered first by a phone number, and to no other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from hmac import compare_digest
from types import ModuleType
from typing import TYPE_CHECKING, Final

import numpy as np

from motorcade.errors import CallerError, MotorcadeError
from motorcade.gateway.directory import Identified
from motorcade.gateway.peers import NOTED, Peer
from motorcade.gateway.shared import Shared
from motorcade.protocols.frames import Decoded, Frames, frames_from

if TYPE_CHECKING:
    from motorcade.gateway.listener import Listener
    from motorcade.gateway.logins import Logins, Request

__all__ = ["Entrance"]

_REASONS: Final = {
    "unknown_vin": "Nobody registered a vehicle of this name.",
    "credentials": "The login brings no secret of the vehicle's.",
    "duplicate": "The name is another vehicle's.",
    "other_terminal": "Another terminal has registered by this number.",
}


class Entrance:
    """Decides one round of logins."""

    def __init__(
        self, protocol: ModuleType, shared: Shared, listener: Listener, logins: Logins
    ) -> None:
        self._protocol = protocol
        self._shared = shared
        self._listener = listener
        self._logins = logins

    async def admit(self, batch: Sequence[Request]) -> None:
        """Let in, or refuse, everybody of ``batch``."""
        login_us = self._shared.clock.now_us()
        names = list(dict.fromkeys(one.name for one in batch))
        kind = self._listener.traits.identity
        # Who proves nothing must not make the registry grow.
        register = self._listener.rules.credentials == "optional"
        registering = [one for one in batch if hasattr(one.event, "terminal")]
        try:
            known = await self._shared.directory.identify(
                kind, names, register=register, terminals=self._terminals(registering)
            )
        except MotorcadeError as error:
            self._shared.metrics.unstored[error.code] += len(batch)
            await self._answer([(one, "unavailable") for one in batch])
            return
        if registering:
            await self._register(registering, known)
        wanting = [one for one in batch if not hasattr(one.event, "terminal")]
        if wanting:
            await self._let_in(wanting, known, login_us)

    async def _let_in(
        self, batch: Sequence[Request], known: Mapping[str, Identified], login_us: int
    ) -> None:
        found = [known.get(one.name) for one in batch]
        codes = [self._objection(one, who) for one, who in zip(batch, found, strict=True)]
        frames = frames_from([one.frame for one in batch]).addressed(
            np.array(
                [
                    0 if who is None or code else who.vehicle
                    for who, code in zip(found, codes, strict=True)
                ],
                np.uint64,
            ),
            np.array([0 if who is None else who.tenant for who in found], np.uint32),
        )
        rows = np.flatnonzero(frames.vehicle)
        read: Decoded = self._protocol.decode(frames.take(rows), login_us)
        self._shared.metrics.repaired.update(read.repaired)
        flag = np.zeros(len(frames), np.uint8)
        accepted = await self._logins.stored(frames, read.batches, flag)
        if not read.batches:  # nothing of the login is worth a row
            accepted = rows.tolist()
        await self._logins.settled()
        for row in set(rows.tolist()).difference(accepted):
            codes[row] = "unavailable"
        if self._listener.traits.keeps:
            await self._resume(batch, frames, accepted, codes, login_us=login_us)
        self._logins.sign_on(frames, batch, accepted, login_us)
        for one, code, who in zip(batch, codes, found, strict=True):
            if code and code != "unavailable":
                self._logins.keep(code, _REASONS[code], one, 0 if who is None else who.tenant)
        await self._answer(list(zip(batch, codes, strict=True)))

    async def _resume(
        self,
        batch: Sequence[Request],
        frames: Frames,
        accepted: list[int],
        codes: list[str],
        *,
        login_us: int,
    ) -> None:
        """Go on with sessions that are not clean. While the registry does not answer, these are
        told to come again: a session taken for new would lose what it asked for."""
        wanted = [(batch[row].event, int(frames.vehicle[row])) for row in accepted]
        try:
            await self._listener.linked.keeping.resumed(wanted, login_us)
        except MotorcadeError as error:
            self._shared.metrics.unstored[error.code] += 1
            for row in [row for row in accepted if not batch[row].event.clean]:
                accepted.remove(row)
                codes[row] = "unavailable"

    def _objection(self, one: Request, who: Identified | None) -> str:
        """Why a login is refused; empty for none."""
        if who is None:
            return "unknown_vin"
        event = one.event
        if event.credential is not None:
            digest = sha256(event.credential.encode()).digest()
            right = any(compare_digest(digest, secret) for secret in who.secrets)
            return "" if right else "credentials"
        if getattr(event, "is_side", False) and any(map(event.is_proven_by, who.secrets)):
            return ""
        if certified_name(one.peer) in (one.name, who.vin):
            return ""
        return "" if self._listener.rules.credentials == "optional" else "credentials"

    async def _register(self, batch: Sequence[Request], known: Mapping[str, Identified]) -> None:
        """JT/T 808 0x0100: known terminals are given their codes, others by the same phone number
        are not. An unknown one may be bound to the vehicle it names, where the operator allows
        that."""
        codes, refused, tenants = {}, {}, {}
        try:
            for place, one in enumerate(batch):
                who = known.get(one.name)
                try:
                    who = who or await self._bound(one)
                except CallerError:
                    refused[place] = "duplicate"
                    continue
                if who is not None and self._is_another(one, who):
                    refused[place], tenants[place] = "other_terminal", who.tenant
                elif who is not None:
                    codes[place] = who.code
        except MotorcadeError as error:
            self._shared.metrics.unstored[error.code] += len(batch)
            codes, refused = {}, dict.fromkeys(range(len(batch)), "unavailable")
        now_us = self._shared.clock.now_us()
        for place, one in enumerate(batch):
            secret = codes.get(place, "")
            if secret:
                one.peer.send(one.event.reply(1, now_us, code=secret))
                continue
            code = refused.get(place, "unknown_vin")
            one.peer.send(one.event.reply(one.event.refusal(code), now_us))
            if code == "other_terminal":
                self._other(one, tenants[place])
            elif code != "unavailable":
                self._logins.keep(code, _REASONS[code], one, 0)

    def _terminals(self, registering: Sequence[Request]) -> dict[str, str]:
        """Who is to be remembered, by phone number: the first of a round, as of a lifetime."""
        if self._listener.rules.terminals == "any":
            return {}
        return {one.name: one.event.terminal for one in reversed(registering)}

    def _is_another(self, one: Request, who: Identified) -> bool:
        """Whether a registration's phone number is of another terminal."""
        return self._listener.rules.terminals == "first" and who.terminal != one.event.terminal

    def _other(self, one: Request, tenant: int) -> None:
        """Another terminal by a known phone number: counted, and once per peer to be seen by the
        vehicle's people."""
        if one.peer.state & NOTED:
            self._shared.metrics.rejects["other_terminal"] += 1
            return
        one.peer.state |= NOTED
        self._logins.keep("other_terminal", _REASONS["other_terminal"], one, tenant)

    async def _bound(self, one: Request) -> Identified | None:
        """The vehicle a registration names, now bound to its terminal."""
        event = one.event
        if not self._listener.rules.bind_on_registration or len(event.vin) != 17:
            return None
        directory, kind = self._shared.directory, self._listener.traits.identity
        who = (await directory.resolve([event.vin])).get(event.vin)
        if who is None:
            return None
        await directory.bind(kind, event.identity, who.vehicle)
        asked, terminals = [event.identity], self._terminals([one])
        return (await directory.identify(kind, asked, terminals=terminals)).get(event.identity)

    async def _answer(self, decided: Sequence[tuple[Request, str]]) -> None:
        now_us = self._shared.clock.now_us()
        fatal = self._listener.traits.fatal
        for one, code in decided:
            if one.peer.slot < 0:
                continue
            flag = one.event.refusal(code) if code else 1
            if not code and not one.event.identity:
                one.peer.session.identity = one.name  # its certificate said who it is
            one.peer.send(one.event.reply(flag, now_us))
            if code in fatal:
                self._listener.close(one.peer, code, flushing=True)


def certified_name(peer: Peer) -> str | None:
    """The common name of the client certificate a peer has shown; the TLS layer has checked it."""
    transport = peer.transport
    shown = transport.get_extra_info("peercert") if transport is not None else None
    for part in (shown or {}).get("subject", ()):
        for name, value in part:
            if name == "commonName":
                return str(value)
    return None
