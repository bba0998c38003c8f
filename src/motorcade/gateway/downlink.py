"""Commands for vehicles of this process: from the commands app to the sockets.

In: requests on ``gateway.down.<incarnation>``. Out: bytes on links; for each command whether it was
written, and the key its answer will carry. Nothing is kept here: who asks again is served again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import structlog

from motorcade.errors import Invalid
from motorcade.gateway.peers import Peer
from motorcade.log.downlink import Downlinked, pack_downlinked, read_downlinks
from motorcade.protocols.commands import Command

if TYPE_CHECKING:
    from motorcade.gateway.links import Links
    from motorcade.gateway.listener import Listener

__all__ = ["Downlinks", "sealed_for"]

_log = structlog.get_logger(__name__)


class Downlinks:
    """Answers the requests of one process."""

    def __init__(self, links: Links, listeners: Callable[[], Iterable[Listener]]) -> None:
        self._links = links
        self._listeners = listeners

    async def answer(self, payload: bytes) -> bytes:
        """Handles one request. Raises ``CorruptionError`` for bytes that are none."""
        asked = read_downlinks(payload)
        named = [self._links.number_of(one.link) for one in asked]
        places = {listener.name: listener for listener in self._listeners()}
        slots = {
            name: listener.table.slots_of([n[1] for n in named if n and n[0] == name])
            for name, listener in places.items()
        }
        said = []
        for one, name in zip(asked, named, strict=True):
            if name is None or name[0] not in places:
                said.append(Downlinked(code="no_link"))
                continue
            listener = places[name[0]]
            result = listener.linked.down(name[1], slots[name[0]].get(name[1]), one)
            listener.shared.metrics.commands += result.sent
            said.append(result)
        return pack_downlinked(said)


def sealed_for(
    listener: Listener, name: str, peer: Peer, command: Command, **more: Any
) -> Downlinked:
    """Say a command to a peer in its protocol. ``name`` is what the vehicle is called there;
    ``more``: the key to sign with."""
    if command.kind not in listener.traits.commands:
        return Downlinked(code="unsupported", detail=f"{listener.name} has no {command.kind}")
    try:
        sealed = listener.protocol.encode_command(command, name, peer.session, **more)
    except Invalid as error:
        return Downlinked(code="invalid", detail=error.detail)
    except Exception:
        _log.exception("a command could not be encoded", protocol=listener.name, id=command.id)
        return Downlinked(code="invalid", detail="The platform failed to write this command.")
    peer.send(sealed.data)
    return Downlinked(code="sent", key=sealed.key)
