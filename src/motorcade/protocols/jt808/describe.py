"""One frame for people: what ``motorcade decode jt808`` prints."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from motorcade.protocols.frames import Decoded, Frames
from motorcade.protocols.inspect import described
from motorcade.protocols.jt808.answers import STORED, answer, flags_for
from motorcade.protocols.jt808.bodies import BASIC_BYTES, find_bodies
from motorcade.protocols.jt808.decode import decode
from motorcade.protocols.jt808.events import Refused
from motorcade.protocols.jt808.heads import (
    EDITION_2019,
    Heads,
    frames_of,
    identities,
    read_heads,
)
from motorcade.protocols.jt808.leftovers import read_raw
from motorcade.protocols.jt808.messages import read_location, read_message
from motorcade.protocols.jt808.packets import read_packet
from motorcade.protocols.jt808.pieces import are_pieces
from motorcade.protocols.jt808.plan import NESTED, plan
from motorcade.protocols.jt808.repaired import repaired
from motorcade.protocols.jt808.session import Session
from motorcade.protocols.jt808.words import (
    AUTH,
    BATCHES,
    DEREGISTER,
    POSITIONS,
    RECORDS,
    message_name,
)
from motorcade.signals.quality import qualities
from motorcade.signals.text import iso_times, shown_column

__all__ = ["describe"]

_NAME: Final = "jt808"
_EPOCH: Final = "1970-01-01T00:00:00Z"
_TALKS: Final = (AUTH, DEREGISTER)
_SECRETS: Final = ("code", "password")


def describe(
    frame: bytes,
    session: Session | None = None,
    *,
    settings: Any = None,
    now: int | None = None,
) -> dict[str, Any]:
    """A complete frame as the object of ``protocols.inspect``. ``vin`` is what the frame calls its
    vehicle by: the phone number. The reply is what a platform that accepts everything well-formed
    answers."""
    data = read_packet(frame)
    if data is not None:
        told = {"file": data.text, "offset": data.offset, "bytes": len(data.data)}
        return described(_NAME, "alarm attachment data (active safety)", raw=told)
    session = session or Session()
    moment = now or 0
    zero = np.zeros(1, np.int64)
    frames = frames_of(np.frombuffer(frame, np.uint8), zero, zero + len(frame), zero)
    heads = read_heads(frames)
    message = int(heads.message[0])
    raw: dict[str, Any] = {
        "message": f"{message:04X}",
        "edition": 2019 if int(heads.layout[0]) == EDITION_2019 else 2013,
        "serial": int(heads.serial[0]),
    }
    result = described(
        _NAME, message_name(message), vin=identities(heads)[0].decode("ascii"), raw=raw
    )
    if lenient := repaired(heads):
        raw["repaired"] = list(lenient)
    if int(heads.index[0]):
        raw["part"] = f"{int(heads.index[0])} of {int(heads.total[0])}"
        raw["body"] = {"hex": heads.body_of(0).hex()}
        if are_pieces(heads)[0]:
            _decoded(result, frames, moment)
        return _timed(result, now)
    located = message in POSITIONS or message in BATCHES
    if located:
        raw.update(_located(heads, message))
    else:
        raw["body"] = _hidden(read_message(message, heads.body_of(0), raw["edition"]))
    if message in RECORDS:
        _decoded(result, frames, moment)
    else:
        if message in _TALKS:
            _signals(result, decode(frames, moment))
        _talk(result, frame, session, moment)
    return _timed(result, now)


def _timed(result: dict[str, Any], now: int | None) -> dict[str, Any]:
    """No time where nobody told one."""
    if now is None and result["event_time"] == _EPOCH:
        result["event_time"] = None
    return result


def _talk(result: dict[str, Any], frame: bytes, session: Session, now: int) -> None:
    """The answer to everything that is no record."""
    role, session.role = session.role, "terminal"
    event = session.handle(frame, now)
    if event is not None:
        result["reply"] = event.reply(STORED, now).hex() or None
        if isinstance(event, Refused) and event.code != "direction":
            # A platform's own message: nothing to refuse when one only looks at it.
            result["reject"] = {"code": event.code, "reason": event.reason}
    session.role = role


def _decoded(result: dict[str, Any], frames: Frames, now: int) -> None:
    made = decode(frames, now)
    _signals(result, made)
    for reject in made.rejects:
        result["reject"] = {"code": reject.code, "reason": reject.reason}
    flags = flags_for(frames, made.rejects)
    result["reply"] = answer(frames, flags, np.zeros(1, bool), now).buffer.hex()


def _located(heads: Heads, message: int) -> dict[str, Any]:
    """The basic part of every location, and the additional items of the first by the names of their
    tables."""
    bodies = find_bodies(heads, np.ones(1, bool))
    facts: dict[str, Any] = {}
    if POSITIONS.get(message):
        facts["serial"] = int.from_bytes(heads.body_of(0)[: POSITIONS[message]], "big")
    bounds = zip(bodies.start.tolist(), bodies.end.tolist(), strict=True)
    listed = [heads.buffer[begin:end].tobytes() for begin, end in bounds]
    facts["locations"] = [read_location(one[:BASIC_BYTES]) for one in listed]
    items = _items(listed[0]) if listed else []
    return {"body": facts, "items": items}


def _items(body: bytes) -> list[dict[str, Any]]:
    found = []
    at = BASIC_BYTES
    while at + 2 <= len(body) and at + 2 + body[at + 1] <= len(body):
        number, size = body[at], body[at + 1]
        tables = plan().tables(number, size)
        name = "nested items" if number == NESTED else tables[0].item.name if tables else None
        data = body[at + 2 : at + 2 + size]
        found.append({"id": f"0x{number:02X}", "name": name, "hex": data.hex()})
        at += 2 + size
    if at < len(body):
        found.append({"id": None, "name": "bytes behind the last item", "hex": body[at:].hex()})
    return found


def _hidden(facts: dict[str, Any]) -> dict[str, Any]:
    """Facts with what lets somebody in hidden."""
    return {
        name: "*" * len(value) if name in _SECRETS and isinstance(value, str) else value
        for name, value in facts.items()
    }


def _signals(result: dict[str, Any], made: Decoded) -> None:
    """Signals of the first row; the others of a batch stand in ``raw``."""
    catalogue = plan().catalogue
    for batch in made.batches:
        times = iso_times(batch.numpy("event_time"))
        columns = {path: shown_column(catalogue[path], batch.column(path)) for path in batch.paths}
        for row in range(len(batch)):
            signals = {path: column[row] for path, column in columns.items()}
            known = {path: value for path, value in signals.items() if value is not None}
            items: dict[str, Any] = {}
            kept = batch.column("raw")[row].as_py()
            if batch.kind == "media":
                items["bytes"] = len(kept or b"")
            for kind, data in read_raw(kept) if batch.kind == "report" else ():
                items.setdefault(f"0x{kind:02X}", []).append(data.hex())
            if row == 0 and not result["signals"]:
                result["event_time"] = times[0]
                result["signals"] = known
                result["quality"] = qualities(batch, catalogue)[0]
                result["raw"].update(items)
            else:
                more = result["raw"].setdefault("more", [])
                more.append({"event_time": times[row], "signals": known, **items})
