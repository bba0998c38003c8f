"""A session by itself: what a platform that accepts everything well-formed would answer a stream.

``Session.receive_data`` uses it, for tests, for ``motorcade decode`` and for simulated platforms;
the gateway asks the same parts one by one for many sessions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from motorcade.protocols.frames import Frames
from motorcade.protocols.mqtt.answers import answer, flags_for
from motorcade.protocols.mqtt.decode import decode
from motorcade.protocols.mqtt.events import LoginRequested, Refused
from motorcade.protocols.mqtt.framing import cut
from motorcade.protocols.mqtt.hearing import hear
from motorcade.protocols.mqtt.rows import is_record
from motorcade.protocols.mqtt.words import FATAL

if TYPE_CHECKING:
    from motorcade.protocols.mqtt.session import Session

__all__ = ["one_reply", "take"]


def take(session: Session, data: bytes, now: int) -> tuple[bytes, list[bytes], bytes]:
    """The unfinished tail, the complete packets, and the answers owed. What follows a fatal fault
    is dropped."""
    found = cut([data])
    replies: list[bytes] = []
    packets = [found.frames.bytes_of(row) for row in range(len(found.frames))]
    for row in range(len(packets)):
        said, fatal = one_reply(session, found.frames.take(np.array([row])), now)
        replies.append(said)
        if fatal:
            return b"", packets, b"".join(replies)
    if found.rejects:
        from motorcade.protocols.mqtt.session import goodbye

        replies.append(goodbye(session, found.rejects[0].code))
    return found.remainder.get(0, b""), packets, b"".join(replies)


def one_reply(session: Session, frame: Frames, now: int) -> tuple[bytes, bool]:
    """What is owed for one packet as it was cut, and whether it ends the connection."""
    from motorcade.protocols.mqtt.session import goodbye

    heard = hear(frame, [session], now)
    said = b"".join(reply for _, reply in heard.replies)
    for reject in heard.rejects:
        if reject.code in FATAL:
            return said + goodbye(session, reject.code), True
    for row in range(len(heard.frames)):
        one = heard.frames.take(np.array([row]))
        if is_record(one)[0]:
            said += answer(one, flags_for(one, decode(one, now).rejects)).buffer
            continue
        event = session.handle(one.bytes_of(0), now)
        if event is None:
            continue
        said += event.reply(1, now)
        if isinstance(event, Refused) and event.code in FATAL:
            return said + goodbye(session, event.code), True
        if isinstance(event, LoginRequested) and not session.identity:
            session.identity = "UNKNOWN"
    return said, False
