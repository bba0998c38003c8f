"""One frame for people: what ``motorcade decode gbt32960`` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import numpy as np

from motorcade.errors import Invalid, MessageError
from motorcade.protocols.frames import Decoded, Frames
from motorcade.protocols.gbt32960 import cipher
from motorcade.protocols.gbt32960.answers import answer_one, flags_for
from motorcade.protocols.gbt32960.custom import check_tables
from motorcade.protocols.gbt32960.decode import decode
from motorcade.protocols.gbt32960.events import Event, Refused
from motorcade.protocols.gbt32960.framing import HEADER, OVERHEAD, frames_of
from motorcade.protocols.gbt32960.leftovers import read_raw
from motorcade.protocols.gbt32960.messages import read_message, text_of
from motorcade.protocols.gbt32960.plan import plan
from motorcade.protocols.gbt32960.session import Session
from motorcade.protocols.gbt32960.settings import CustomTable, TenantSettings
from motorcade.protocols.gbt32960.times import read_time
from motorcade.protocols.gbt32960.words import (
    AES128,
    CIPHERS,
    COMMAND,
    LOGIN,
    LOGOUT,
    OK,
    PLAIN,
    PLATFORM_LOGIN,
    PLATFORM_LOGOUT,
    RECORDS,
    TIMED,
    command_name,
    edition_of,
)
from motorcade.protocols.inspect import described
from motorcade.signals.quality import qualities
from motorcade.signals.text import iso_time, shown_column

__all__ = ["describe", "frame_length", "settings_of"]

_NAME: Final = "gbt32960"
_NO_TIME: Final = 946_684_800_000_000
"""2000-01-01 UTC, for answers to frames without a time when the caller has no clock."""
_TIMES: Final = ("time", "from", "until")


def frame_length(begun: bytes) -> int | None:
    """Bytes of the whole frame that begins so; null before its length field (bytes 22 and 23) is
    there."""
    if len(begun) < HEADER:
        return None
    return OVERHEAD + int.from_bytes(begun[HEADER - 2 : HEADER], "big")


def settings_of(*, key: bytes | None = None, custom: Any = None) -> TenantSettings:
    """Settings from a key and a table as JSON has it (a list of ``CustomTable``); ``Invalid`` where
    either is none."""
    if key is not None and len(key) != 16:
        raise Invalid(f"an AES-128 key has 16 bytes, not {len(key)}")
    try:
        tables = msgspec.convert(custom or [], tuple[CustomTable, ...], str_keys=True)
    except msgspec.ValidationError as error:
        raise Invalid(f"the table of custom items: {error}") from error
    check_tables(plan().catalogue, tables)
    return TenantSettings(aes_key=key, custom=tables)


def describe(
    frame: bytes,
    session: Session | None = None,
    *,
    settings: TenantSettings | None = None,
    now: int | None = None,
) -> dict[str, Any]:
    """A complete frame as the object of ``protocols.inspect``.

    The reply is what a platform that accepts everything well-formed and acknowledges reports
    answers: on a platform link once ``session`` saw a platform login, else on a terminal link.
    """
    session = session or Session()
    command, edition = frame[2], edition_of(frame)
    plain = _plain(frame, settings)
    time = read_time(plain[HEADER:-1]) if plain and _timed(plain) else None
    moment = now if now is not None else time if time is not None else _NO_TIME
    raw: dict[str, Any] = {"edition": edition, "command": f"{command:02X}"}
    if frame[21] != PLAIN:
        raw["encryption"] = CIPHERS.get(frame[21], f"{frame[21]:02X}")
    result = described(
        _NAME,
        command_name(command),
        vin=text_of(frame[4:21]),
        event_time=None if time is None else iso_time(time),
        raw=raw,
    )
    if frame[3] != COMMAND:
        result["message"] += " answer"
        raw["flag"] = f"{frame[3]:02X}"
        return _facts(result, plain, edition, True)
    if command in RECORDS or command in (LOGIN, LOGOUT):
        _decoded(result, frame, settings, session, moment)
    if command not in RECORDS:
        _talk(result, frame, plain, settings, session=session, now=moment)
    return result


def _decoded(
    result: dict[str, Any],
    frame: bytes,
    settings: TenantSettings | None,
    session: Session,
    now: int,
) -> None:
    """Signals, quality, raw items and the answer to a report."""
    zero = np.zeros(1, np.int64)
    frames = frames_of(np.frombuffer(frame, np.uint8), zero, zero + len(frame), zero)
    known = {} if settings is None else {0: settings}
    made = decode(frames, now, known)
    _signals(result, made)
    for reject in made.rejects:
        result["reject"] = {"code": reject.code, "reason": reject.reason}
    if frame[2] in RECORDS:
        result["reply"] = _answered(frames, made, session, now, settings)


def _signals(result: dict[str, Any], made: Decoded) -> None:
    catalogue = plan().catalogue
    for batch in made.batches:
        for path in batch.paths:
            (value,) = shown_column(catalogue[path], batch.column(path))
            if value is not None:
                result["signals"][path] = value
        result["quality"] = qualities(batch, catalogue)[0]
        items: dict[str, Any] = {}
        for kind, data in read_raw(batch.column("raw")[0].as_py()):
            items.setdefault(f"0x{kind:02X}", []).append(data.hex())
            if kind < 0x80 and batch.kind == "report":
                items.setdefault("notes", []).append(_note(kind, result["raw"]["edition"]))
        result["raw"].update(items)


def _note(kind: int, edition: int) -> str:
    known = plan().entry[(256 if edition == 2025 else 0) + kind] != plan().stop
    if known:
        return f"0x{kind:02X} comes twice, holds more than four motors, or a code nobody knows"
    return f"0x{kind:02X} is no information type of this edition: nothing behind it can be read"


def _answered(
    frames: Frames,
    made: Decoded,
    session: Session,
    now: int,
    settings: TenantSettings | None,
) -> str:
    flag = int(flags_for(frames, list(made.rejects))[0])
    platform = session.role == "platform"
    return answer_one(frames.bytes_of(0), flag, platform, now, settings).hex()


def _talk(
    result: dict[str, Any],
    frame: bytes,
    plain: bytes | None,
    settings: TenantSettings | None,
    *,
    session: Session,
    now: int,
) -> None:
    """Facts and answer of everything that is no report."""
    if frame[2] == PLATFORM_LOGIN:
        session.role = ""
    elif not session.role and frame[2] != LOGIN:
        session.role = "platform" if frame[2] == PLATFORM_LOGOUT else "terminal"
    event: Event | None = session.handle(frame, now, settings)
    if event is None:
        return
    result["reply"] = event.reply(OK, now).hex() or None
    if not isinstance(event, Refused):
        _facts(result, plain, result["raw"]["edition"], False)
        return
    if event.code == "direction":
        # A platform's own command: nothing to refuse when one only looks at it.
        result["reply"] = None
        _facts(result, plain, result["raw"]["edition"], False)
    elif result["reject"] is None:
        result["reject"] = {"code": event.code, "reason": event.reason}


def _facts(
    result: dict[str, Any], plain: bytes | None, edition: int, answered: bool
) -> dict[str, Any]:
    if plain is None:
        return result
    try:
        facts = read_message(plain[2], plain[HEADER:-1], edition, answered)
    except MessageError as error:
        result["raw"]["unit"] = plain[HEADER:-1].hex()
        result["reject"] = {"code": error.facts.get("kind", "structure"), "reason": error.detail}
        return result
    result["raw"].update(_shown(facts))
    return result


def _shown(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts without the time (it has its own key) and with a password hidden."""
    shown = {}
    for name, value in facts.items():
        if name == "password":
            shown[name] = "*" * len(value)
        elif name != "time":
            shown[name] = iso_time(value) if name in _TIMES else value
    return shown


def _timed(frame: bytes) -> bool:
    return (frame[2] in TIMED or frame[3] != COMMAND) and len(frame) >= HEADER + 7


def _plain(frame: bytes, settings: TenantSettings | None) -> bytes | None:
    if frame[21] == PLAIN:
        return frame
    if frame[21] == AES128 and settings is not None:
        return cipher.opened(frame, settings)
    return None
