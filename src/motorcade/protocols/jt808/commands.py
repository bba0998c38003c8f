"""Commands in JT/T 808's words, and what a terminal's answers say about them.

A command's number is the serial of its message, so the key of an answer is that serial. 0x0001 ends
a command unless a message of its own follows, which then ends it: ``SPECIFIC`` tells which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from motorcade.errors import Invalid
from motorcade.protocols.commands import Answer, Command, Sealed
from motorcade.protocols.jt808.encode import BODY_MAX, addressed, encode
from motorcade.protocols.jt808.messages import read_location, read_message
from motorcade.protocols.jt808.parameters import parameter_id, write_parameters
from motorcade.protocols.jt808.words import ANSWERS, RESULTS

if TYPE_CHECKING:
    from motorcade.protocols.jt808.session import Session

__all__ = ["COMMANDS", "encode_command", "general_answer", "specific_answer"]

COMMANDS: Final[Mapping[str, str]] = {
    "lock": "0x8500 vehicle control: doors locked; 0x0500 answers",
    "unlock": "0x8500 vehicle control: doors unlocked; 0x0500 answers",
    "locate": "0x8201 location query, 0x0201 answers; with an interval 0x8202",
    "report_interval": "0x8103 set parameters: 0x0020, 0x0029, asleep 0x0027",
    "read_parameters": "0x8104, or 0x8106 for some; 0x0104 answers",
    "write_parameters": "0x8103 set parameters",
    "text": "0x8300 text",
    "upgrade": "0x8105 terminal control 1: wireless upgrade; 0x0108 tells the result",
    "set": "0x8500 where all it sets is whether the doors are locked",
    "raw": "a message by its id",
}
"""What the kinds become. ``horn_lights``, ``climate`` and the ``charge_…`` kinds: no message of the
standard says them."""

_LOCKED: Final = ".IsLocked"
_CONTROL: Final = 0x8105
_UPGRADE: Final = 0x8108
_SPECIFIC: Final = frozenset(ANSWERS.values()) - {0x8302, _UPGRADE}

Body = tuple[int, bytes]


def encode_command(command: Command, identity: str, session: Session | None) -> Sealed:
    """The bytes for one link. ``identity`` is the phone number without leading zeros; ``session``
    knows the edition and how the terminal writes its number. ``Invalid`` for what the standard
    cannot say."""
    maker = _MAKERS.get(command.kind)
    if maker is None:
        raise Invalid(f"JT/T 808 has no message for {command.kind}")
    known = None if session is None else session.address
    edition = known[0] if known else 2019 if len(identity) > 12 else 2013
    message, body = maker(dict(command.parameters), edition)
    if len(body) > BODY_MAX:
        raise Invalid(f"the message would have {len(body)} bytes, more than {BODY_MAX}")
    if session is not None and command.kind == "upgrade":
        session.upgrading = command.number
    if known:
        data = addressed(message, known, body, command.number)
    else:
        data = encode(message, identity, body, serial=command.number, edition=edition)
    return Sealed(data, f"808:{command.number}")


def general_answer(facts: Mapping[str, Any], upgrading: int) -> Answer:
    """What 0x0001 says: ``delivered`` where a message of its own is still to come."""
    serial, message, result = facts["serial"], facts["message"], facts["result"]
    code = RESULTS.get(result, "failed")
    if result != 0:
        return Answer(key=f"808:{serial}", outcome="failed", code=code)
    more = message in _SPECIFIC or (message in (_CONTROL, _UPGRADE) and serial == upgrading)
    return Answer(key=f"808:{serial}", outcome="delivered" if more else "succeeded")


def specific_answer(message: int, body: bytes, edition: int, upgrading: int) -> Answer | None:
    """What an answer of its own says; None where it names no command."""
    facts = read_message(message, body, edition)
    if message == 0x0108:
        if not upgrading:
            return None
        facts["serial"] = upgrading
    if message == 0x0201:
        facts = {"serial": int.from_bytes(body[:2], "big"), **_position(body[2:])}
    serial = facts.pop("serial", None)
    if serial is None:
        return None
    result = facts.get("result", 0)
    if result == 0:
        return Answer(key=f"808:{serial}", outcome="succeeded", facts=facts)
    return Answer(
        key=f"808:{serial}",
        outcome="failed",
        code=_FAILURES.get(result, "failed"),
        facts=facts,
    )


_FAILURES: Final = {1: "failed", 2: "unsupported"}


def _position(body: bytes) -> dict[str, Any]:
    return {"location": read_location(body[:28])} if len(body) >= 28 else {}


def _lock(parameters: dict[str, Any], edition: int, locked: bool = True) -> Body:
    doors = parameters.get("doors", "all")
    if doors != "all":
        raise Invalid(f"JT/T 808 locks all doors or none, not {doors}")
    if edition == 2019:
        return 0x8500, b"\x00\x01\x00\x01" + bytes([0 if locked else 1])
    return 0x8500, bytes([1 if locked else 0])


def _unlock(parameters: dict[str, Any], edition: int) -> Body:
    return _lock(parameters, edition, False)


def _set(parameters: dict[str, Any], edition: int) -> Body:
    signals = parameters.get("signals") or {}
    wanted = {bool(value) for value in signals.values()}
    if not signals or len(wanted) > 1 or not all(path.endswith(_LOCKED) for path in signals):
        raise Invalid("JT/T 808 can set whether all doors are locked and nothing else")
    return _lock({}, edition, wanted.pop())


def _locate(parameters: dict[str, Any], edition: int) -> Body:
    interval = int(parameters.get("interval_s") or 0)
    if not interval:
        return 0x8201, b""
    duration = int(parameters.get("duration_s") or 0)
    return 0x8202, interval.to_bytes(2, "big") + duration.to_bytes(4, "big")


def _report_interval(parameters: dict[str, Any], edition: int) -> Body:
    values = {"0x0020": 0, "0x0029": int(parameters["interval_s"])}
    if parameters.get("sleep_interval_s"):
        values["0x0027"] = int(parameters["sleep_interval_s"])
    return 0x8103, write_parameters(values)


def _read_parameters(parameters: dict[str, Any], edition: int) -> Body:
    ids = [parameter_id(one) for one in parameters.get("ids") or ()]
    if not ids:
        return 0x8104, b""
    return 0x8106, bytes([len(ids)]) + b"".join(one.to_bytes(4, "big") for one in ids)


def _write_parameters(parameters: dict[str, Any], edition: int) -> Body:
    return 0x8103, write_parameters(parameters["values"])


def _text(parameters: dict[str, Any], edition: int) -> Body:
    urgent, text = bool(parameters.get("urgent")), str(parameters["text"])
    flags = 4 * bool(parameters.get("display", True)) + 8 * bool(parameters.get("speak"))
    data = text.encode("gb18030", "replace")
    if edition == 2019:
        return 0x8300, bytes([flags | (2 if urgent else 1), 2]) + data
    return 0x8300, bytes([flags | urgent]) + data


def _upgrade(parameters: dict[str, Any], edition: int) -> Body:
    port = parameters.get("port") or ""
    words = (
        parameters["url"],
        parameters.get("apn", ""),
        parameters.get("user", ""),
        parameters.get("password", ""),
        parameters.get("address", ""),
        port,
        "",
        parameters.get("manufacturer", ""),
        parameters.get("hardware_version", ""),
        parameters.get("version", ""),
        parameters.get("timeout_min") or "",
    )
    if any(";" in str(word) for word in words):
        raise Invalid("an upgrade's parameters cannot hold semicolons")
    return _CONTROL, b"\x01" + ";".join(map(str, words)).encode("gb18030")


def _raw(parameters: dict[str, Any], edition: int) -> Body:
    if parameters.get("protocol") != "jt808":
        raise Invalid(f"this link speaks jt808, not {parameters.get('protocol')}")
    try:
        body = bytes.fromhex(str(parameters.get("hex", "")))
    except ValueError as error:
        raise Invalid("the body is no hex") from error
    return int(parameters.get("message", 0)), body


_MAKERS: Final[Mapping[str, Callable[[dict[str, Any], int], Body]]] = {
    "lock": _lock,
    "unlock": _unlock,
    "locate": _locate,
    "report_interval": _report_interval,
    "read_parameters": _read_parameters,
    "write_parameters": _write_parameters,
    "text": _text,
    "upgrade": _upgrade,
    "set": _set,
    "raw": _raw,
}
