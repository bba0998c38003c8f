"""Files of alarms: what is missing, what proves a number, what is made of connections for them."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pytest

from motorcade.errors import Invalid
from motorcade.protocols.frames import Frames, Reject
from motorcade.protocols.jt808.answers import answer
from motorcade.protocols.jt808.attachments import (
    FILES_MAX,
    RANGES_MAX,
    Attachments,
    File,
    Piece,
    attachment_number,
    attachment_request,
    finished,
    is_proof,
    join_file,
    made,
    missing,
    read_file,
    read_made,
)
from motorcade.protocols.jt808.decode import decode
from motorcade.protocols.jt808.encode import encode, plain_of
from motorcade.protocols.jt808.events import FileAnnounced, LoginRequested, Refused
from motorcade.protocols.jt808.framing import cut
from motorcade.protocols.jt808.hear import hear
from motorcade.protocols.jt808.messages import read_message
from motorcade.protocols.jt808.packets import Packet, packet
from motorcade.protocols.jt808.rows import is_record, messages
from motorcade.protocols.jt808.session import Session
from motorcade.protocols.jt808.side import aside
from motorcade.protocols.jt808.words import FILE_JUDGED, PACKET

NOW = 1_750_000_000_000_000
HOUR = 3_600_000_000
PHONE = "13900000001"
SIGN = b"T000001" + bytes.fromhex("250615100000") + b"\1\1\0"
ENDS = b"\x05a.jpg\x00" + (10).to_bytes(4, "big")


def entered(edition: int = 2013) -> Session:
    """A session that 1210 opened."""
    session = Session()
    body = b"T000001" + SIGN + attachment_number("code", "7") + bytes(2)
    event = session.handle(encode(0x1210, PHONE, body, edition=edition), NOW)
    assert isinstance(event, LoginRequested)
    assert event.is_side
    assert event.credential is None
    assert event.is_proven_by(sha256(b"code").digest())
    assert not event.is_proven_by(sha256(b"other").digest())
    assert not session.is_side
    event.reply(1, NOW)
    assert session.is_side
    return session


def heard(session: Session, *parts: bytes) -> tuple[Frames, list[Reject]]:
    made_of = hear(cut([b"".join(parts)]).frames, [session], NOW)
    return made_of.frames, list(made_of.rejects)


@pytest.mark.parametrize("edition", [2013, 2019])
def test_packets_become_media_and_the_end_is_answered(edition: int) -> None:
    session = entered(edition)
    begin = encode(0x1211, PHONE, ENDS, serial=1, edition=edition)
    end = encode(0x1212, PHONE, ENDS, serial=9, edition=edition)
    frames, rejects = heard(
        session, begin, packet("a.jpg", 0, b"\x7e}01"), packet("a.jpg", 7, b"789"), end
    )
    assert not rejects
    assert messages(frames).tolist() == [0x1211, PACKET, PACKET, FILE_JUDGED]
    assert is_record(frames).tolist() == [False, True, True, True]
    assert isinstance(session.handle(frames.bytes_of(0), NOW), FileAnnounced)
    decoded = decode(frames, NOW)
    (batch,) = decoded.batches
    assert batch.kind == "media"
    assert batch.column("raw").to_pylist() == [b"\x7e}01", b"789"]
    assert batch.column("Vehicle.Media.Offset").to_pylist() == [0, 7]
    assert batch.column("Vehicle.Media.FileSize").to_pylist() == [10, 10]
    assert batch.numpy("event_time").tolist() == [NOW - NOW % HOUR] * 2
    flags = np.array([0, 1, 1, 1], np.uint8)
    answers = answer(frames, flags, np.zeros(4, bool), NOW)
    assert answers.length.tolist() == [0, 0, 0, len(answers.buffer)]
    (said,) = [answers.buffer]
    body = plain_of(said)[17 if edition == 2019 else 12 :]
    assert read_message(0x9212, body, 2013) == {
        "name": "a.jpg",
        "type": 0,
        "result": 1,
        "missing": [{"offset": 4, "length": 3}],
    }
    # What is not stored is not answered.
    none = answer(frames, np.zeros(4, np.uint8), np.zeros(4, bool), NOW)
    assert none.buffer == b""


def test_the_same_packet_is_the_same_record() -> None:
    frames, _ = heard(entered(), *[packet("a.jpg", 0, b"123")] * 2, packet("b.jpg", 0, b"123"))
    (batch,) = decode(frames, NOW).batches
    first, second, third = batch.numpy("record").tolist()
    assert first == second != third


def test_other_connections_take_no_packets_and_nobody_may_make_ours() -> None:
    main = Session()
    main.role = "terminal"
    forged = encode(PACKET, PHONE, bytes(80))
    frames, rejects = heard(main, packet("a", 0, b"1"), forged, encode(0x0002, PHONE))
    assert messages(frames).tolist() == [0x0002]
    assert [reject.code for reject in rejects] == ["message", "attachment"]
    told = Session().handle(packet("a", 0, b"1"), NOW)
    assert isinstance(told, Refused)
    assert told.reply(0, NOW) == b""
    again = aside(encode(0x0200, PHONE, bytes(28)), Attachments((2013, bytes(6))), 0)
    assert isinstance(again, Reject)
    short = encode(0x1212, PHONE, b"\x05a")
    assert aside(short, Attachments((2013, bytes(6))), 0) is short
    event = entered().handle(short, NOW)
    assert isinstance(event, Refused)
    cut_short = Session().handle(encode(0x1210, PHONE, b"T"), NOW)
    assert isinstance(cut_short, Refused)
    assert cut_short.owed


def test_what_is_missing() -> None:
    assert missing([], 0) == []
    assert missing([], 5) == [(0, 5)]
    assert missing([(3, 4), (0, 2), (1, 3)], 4) == []
    assert missing([(2, 3), (5, 90)], 9) == [(0, 2), (3, 2)]


def test_bounds() -> None:
    kept = Attachments((2013, bytes(6)))
    for place in range(RANGES_MAX + 5):
        kept.add(Packet(b"a", 2 * place, b"1"))
    assert len(kept.missing(File(b"a", 0, 1000))) == RANGES_MAX
    for number in range(FILES_MAX):
        kept.begin(File(b"%d" % number, 0, 4))
    assert kept.missing(File(b"a", 0, 10)) == [(0, 10)]
    assert len(finished(b"\xff" + bytes(260), [(0, 1)] * 300)) <= 1_023


def test_numbers_prove_a_code_and_do_not_tell_it() -> None:
    number = attachment_number("code-1", "alarm-12")
    assert len(number) == 32
    assert b"code-1" not in number
    assert is_proof(number.decode(), sha256(b"code-1").digest())
    assert not is_proof("é", sha256(b"code-1").digest())
    for wrong in ("x" * 17, "报警"):
        with pytest.raises(Invalid):
            attachment_number("code-1", wrong)
    body = attachment_request("192.0.2.1", 10808, SIGN, number)
    facts = read_message(0x9208, body, 2013)
    assert (facts["address"], facts["tcp_port"]) == ("192.0.2.1", 10808)
    assert facts["alarm"] == number.rstrip(b"\0").decode()
    with pytest.raises(Invalid):
        attachment_request("192.0.2.1", 10808, SIGN[1:], number)


def test_files_are_joined_from_rows() -> None:
    pieces = [Piece("a", 6, 4, b"EFG"), Piece("a", 6, 0, b"AB"), Piece("a", 6, 0, b"ab")]
    assert join_file(pieces) == (b"ab\0\0EF", [(2, 2)])
    assert join_file([]) == (b"", [])
    assert join_file([Piece("a", None, 1, b"x")]) == (b"\0x", [(0, 1)])
    assert read_made(made(Packet(b"a", 3, b"x"), None)) == (Packet(b"a", 3, b"x"), None)
    assert read_file(ENDS) == File(b"a.jpg", 0, 10)
