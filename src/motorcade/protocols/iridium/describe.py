"""One DirectIP message for people: what ``motorcade decode iridium`` prints."""

from __future__ import annotations

from typing import Any, Final

from motorcade.errors import MessageError
from motorcade.protocols.inspect import described
from motorcade.protocols.iridium.decode import decode
from motorcade.protocols.iridium.downlink import answers, read_mt_confirmation, read_mt_header
from motorcade.protocols.iridium.elements import (
    CONFIRMED,
    MO_CONFIRMATION,
    MO_HEADER,
    MO_PAYLOAD,
    MT_CONFIRMATION,
    MT_HEADER,
    MT_PAYLOAD,
    STATUSES,
    read_elements,
    read_mo_header,
)
from motorcade.protocols.iridium.framing import cut
from motorcade.protocols.iridium.session import Session
from motorcade.signals.quality import qualities
from motorcade.signals.text import iso_time, shown_column
from motorcade.wire.compact.command import read_command
from motorcade.wire.compact.signals import catalogue

__all__ = ["describe"]

_NAME: Final = "iridium"
_READ: Final = (MO_HEADER, MO_CONFIRMATION, MT_HEADER, MT_PAYLOAD, MT_CONFIRMATION)


def describe(
    frame: bytes, session: Session | None = None, *, settings: Any = None, now: int | None = None
) -> dict[str, Any]:
    """A complete message as the object of ``protocols.inspect``; the modem's IMEI is in ``raw``."""
    first = dict(reversed(read_elements(frame, 3)))
    raw: dict[str, Any] = {}
    result = described(_NAME, raw=raw)
    if MO_HEADER in first:
        _originated(result, frame, first)
    elif MT_CONFIRMATION in first:
        result["message"] = "MT confirmation"
        said = read_mt_confirmation(frame)
        raw.update(_named(said.imei), client_id=said.client_id, auto_id=said.auto_id)
        raw.update(status=said.status, outcome=said.word)
    elif MT_HEADER in first:
        _terminated(result, first)
    else:
        result["message"] = "MO confirmation"
        raw["success"] = first.get(MO_CONFIRMATION) == b"\x01"
    if MO_HEADER not in first:
        _rest(result, frame[3:])
    return result


def _originated(result: dict[str, Any], frame: bytes, first: dict[int, bytes]) -> None:
    header = read_mo_header(first[MO_HEADER])
    result["raw"].update(
        _named(header.imei),
        cdr=header.cdr,
        momsn=header.momsn,
        mtmsn=header.mtmsn,
        status=STATUSES.get(header.status, header.status),
        session_time=iso_time(header.session_s * 1_000_000),
    )
    result["reply"] = CONFIRMED.hex()
    frames = cut([frame]).frames
    (batch,) = decode(frames, 0).batches
    result["message"] = "MO message" if MO_PAYLOAD in first else "MO session"
    for _, told in answers(frames):
        result["message"] = "MO answer to a command"
        result["raw"]["answer"] = {"key": told.key, "outcome": told.outcome, "code": told.code}
    result["event_time"] = iso_time(int(batch.numpy("event_time")[0]))
    result["quality"] = qualities(batch, catalogue())[0]
    for path in batch.paths:
        (value,) = shown_column(catalogue()[path], batch.column(path))
        if value is not None:
            result["signals"][path] = value
    _rest(result, batch.column("raw")[0].as_py())


def _terminated(result: dict[str, Any], first: dict[int, bytes]) -> None:
    client_id, imei, disposition = read_mt_header(first[MT_HEADER])
    result["message"] = "MT message"
    result["raw"].update(_named(imei), client_id=client_id, disposition=disposition)
    payload = first.get(MT_PAYLOAD, b"")
    result["raw"]["payload"] = payload.hex()
    try:
        said = read_command(payload)
    except MessageError:
        return
    result["raw"]["command"] = {**said._asdict(), "parameters": dict(said.parameters)}


def _rest(result: dict[str, Any], elements: bytes) -> None:
    """Elements that nothing else tells of, as hex."""
    for iei, value in read_elements(elements):
        if iei not in _READ:
            result["raw"].setdefault(f"0x{iei:02X}", []).append(value.hex())


def _named(imei: bytes) -> dict[str, str]:
    digits = imei.isdigit()
    return {"imei": imei.decode() if digits else imei.hex()}
