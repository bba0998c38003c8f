"""One frame for people: what ``motorcade decode jt808`` prints."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from motorcade.protocols.frames import Decoded, Frames
from motorcade.protocols.inspect import described
from motorcade.protocols.jt808.answers import STORED, answer, flags_for
from motorcade.protocols.jt808.decode import decode
from motorcade.protocols.jt808.events import Refused
from motorcade.protocols.jt808.heads import EDITION_2019, frames_of, identities, read_heads
from motorcade.protocols.jt808.leftovers import read_raw
from motorcade.protocols.jt808.plan import plan
from motorcade.protocols.jt808.session import Session
from motorcade.protocols.jt808.words import RECORDS, message_name
from motorcade.signals.quality import qualities
from motorcade.signals.text import iso_times, shown_column

__all__ = ["describe"]

_NAME: Final = "jt808"


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
    if message in RECORDS:
        _decoded(result, frames, moment)
        return result
    role, session.role = session.role, "terminal"
    event = session.handle(frame, moment, settings)
    session.role = role
    if event is not None:
        result["reply"] = event.reply(STORED, moment).hex() or None
        if isinstance(event, Refused) and event.code != "direction":
            result["reject"] = {"code": event.code, "reason": event.reason}
    return result


def _decoded(result: dict[str, Any], frames: Frames, now: int) -> None:
    made = decode(frames, now)
    _signals(result, made)
    for reject in made.rejects:
        result["reject"] = {"code": reject.code, "reason": reject.reason}
    flags = flags_for(frames, made.rejects)
    result["reply"] = answer(frames, flags, np.zeros(1, bool), now).buffer.hex()


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
            for kind, data in read_raw(batch.column("raw")[row].as_py()):
                items.setdefault(f"0x{kind:02X}", []).append(data.hex())
            if row == 0:
                result["event_time"] = times[0]
                result["signals"] = known
                result["quality"] = qualities(batch, catalogue)[0]
                result["raw"].update(items)
            else:
                more = result["raw"].setdefault("more", [])
                more.append({"event_time": times[row], "signals": known, **items})
