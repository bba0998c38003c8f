"""One datagram for people: what ``motorcade decode compact`` prints."""

from __future__ import annotations

from typing import Any, Final

from motorcade.errors import MessageError
from motorcade.protocols.compact.decode import decode
from motorcade.protocols.compact.downlink import answers
from motorcade.protocols.compact.framing import ACKNOWLEDGEMENT, cut, vins
from motorcade.protocols.compact.session import Session
from motorcade.protocols.compact.signing import BODY, SIGNATURE, verify
from motorcade.protocols.frames import Frames
from motorcade.protocols.inspect import described
from motorcade.signals.quality import qualities
from motorcade.signals.text import iso_time, shown_column
from motorcade.wire.compact.command import COMMAND, read_command
from motorcade.wire.compact.signals import catalogue

__all__ = ["describe", "settings_of"]

_NAME: Final = "compact"


def settings_of(*, key: bytes | None = None, custom: Any = None) -> bytes | None:
    """The key that ``motorcade decode --key`` gives: signatures are checked with it."""
    return key


def describe(
    frame: bytes,
    session: Session | None = None,
    *,
    settings: bytes | None = None,
    now: int | None = None,
) -> dict[str, Any]:
    """A complete datagram as the object of ``protocols.inspect``; the device is in ``raw``. With a
    key, whether it is signed with it, and the acknowledgement."""
    frames = cut([frame]).frames
    body = frame[BODY:-SIGNATURE]
    raw: dict[str, Any] = {
        "device": vins(frames)[0].decode(),
        "signature": frame[-SIGNATURE:].hex(),
    }
    result = described(_NAME, raw=raw)
    if body[0] == ACKNOWLEDGEMENT:
        result["message"] = "acknowledgement"
        raw["result"] = "stored" if body[1] == 0 else "refused"
        raw["number"] = int.from_bytes(body[2:4], "big")
    elif body[0] == COMMAND:
        _command(result, body)
    else:
        _record(result, frames)
    if settings is not None and body[0] != ACKNOWLEDGEMENT:
        raw["signed"] = bool(verify(frames, [settings])[0])
        heard = Session(settings)
        heard.receive_data(frame)
        result["reply"] = heard.data_to_send().hex() or None
    return result


def _command(result: dict[str, Any], body: bytes) -> None:
    result["message"] = "command"
    try:
        said = read_command(body)
    except MessageError as error:
        result["reject"] = {"code": "structure", "reason": error.detail}
        return
    result["raw"].update(kind=said.kind, number=said.number, parameters=dict(said.parameters))
    if said.deadline_s:
        result["raw"]["deadline"] = iso_time(said.deadline_s * 1_000_000)


def _record(result: dict[str, Any], frames: Frames) -> None:
    made = decode(frames, 0)
    result["message"] = "report"
    for reject in made.rejects:
        result["reject"] = {"code": reject.code, "reason": reject.reason}
    for _, told in answers(frames):
        result["message"] = "answer to a command"
        result["raw"]["answer"] = {"key": told.key, "outcome": told.outcome, "code": told.code}
    for batch in made.batches:
        result["event_time"] = iso_time(int(batch.numpy("event_time")[0]))
        result["quality"] = qualities(batch, catalogue())[0]
        for path in batch.paths:
            (value,) = shown_column(catalogue()[path], batch.column(path))
            if value is not None:
                result["signals"][path] = value
