"""Conversations of JT/T 808: who is let in, sub-packages, answers to commands."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from motorcade.limits import JT808_FRAGMENTED_BYTES_MAX, JT808_FRAGMENTED_MESSAGES_MAX
from motorcade.protocols.commands import Answer
from motorcade.protocols.frames import Heard
from motorcade.protocols.jt808.answers import general
from motorcade.protocols.jt808.decode import decode
from motorcade.protocols.jt808.encode import encode, plain_of
from motorcade.protocols.jt808.events import (
    Answered,
    Heartbeat,
    LoggedOut,
    LoginRequested,
    Refused,
    RegistrationRequested,
    TimeSync,
)
from motorcade.protocols.jt808.fragments import Fragments, Part
from motorcade.protocols.jt808.framing import cut
from motorcade.protocols.jt808.heads import read_heads
from motorcade.protocols.jt808.hear import hear
from motorcade.protocols.jt808.reader import Reader, text_of
from motorcade.protocols.jt808.registration import read_auth, read_registration, terminal_of
from motorcade.protocols.jt808.session import Session
from motorcade.protocols.jt808.uplink import auth_body, media_body, registration_body

PHONE = "13900000001"
NOW = 1_761_566_522_000_000
S = 1_000_000


def up(message: int, body: bytes = b"", serial: int = 5, edition: int = 2013) -> bytes:
    return encode(message, PHONE, body, serial=serial, edition=edition)


def logged_in() -> Session:
    session = Session()
    event = session.handle(up(0x0102, b"code"), NOW)
    assert isinstance(event, LoginRequested)
    event.reply(1, NOW)
    return session


@pytest.mark.parametrize("edition", [2011, 2013, 2019])
def test_registration(edition: int) -> None:
    body = registration_body("测A12345", terminal="T000001", edition=edition)
    event = Session().handle(up(0x0100, body, edition=2019 if edition == 2019 else 2013), NOW)
    assert isinstance(event, RegistrationRequested)
    assert (event.identity, event.plate, event.vin) == (PHONE, "测A12345", "")
    assert event.terminal == "MOTOR/T000001"
    assert event.facts["terminal"] == "T000001"
    assert event.facts["model"] == "SIM"
    said = plain_of(event.reply(1, NOW, "secret"))
    assert said[:2] == b"\x81\x00"
    assert said.endswith(b"\x00\x05\x00secret")
    assert plain_of(event.reply(event.refusal("unknown_vin"), NOW))[-3:] == b"\x00\x05\x04"
    assert plain_of(event.reply(event.refusal("duplicate"), NOW))[-1] == 3
    assert plain_of(event.reply(event.refusal("other_terminal"), NOW))[-3:] == b"\x00\x05\x01"
    assert event.reply(event.refusal("unavailable"), NOW) == b""


def test_colour_zero_means_that_a_vin_follows() -> None:
    facts = read_registration(registration_body("LTEST000000000001", colour=0), 2013)
    assert (facts["vin"], facts["plate"]) == ("LTEST000000000001", "")


@pytest.mark.parametrize("size", [4, 5, 12, 24, 36, 40])
def test_short_registrations_are_read_as_far_as_they_go(size: int) -> None:
    facts = read_registration(registration_body("A1")[:size], 2013)
    assert facts["province"] == 31


def test_a_terminal_is_told_by_its_bytes() -> None:
    # 2019 fills up in front, 2013 behind: the same terminal of either edition.
    old = bytes(4) + b"70111" + bytes(20) + b"A42\0\0\0\0" + b"\x01" + b"A1"
    new = bytes(4) + b"70111".rjust(11, b"\0") + bytes(30) + b"A42".rjust(30, b"\0") + b"\x01A1"
    assert terminal_of(old, 2013) == terminal_of(new, 2019) == "70111/A42"
    assert terminal_of(old.replace(b"A42", b"a42"), 2013) == "70111/a42"
    # Bytes that are no text tell terminals apart, and none looks like two names.
    assert terminal_of(old.replace(b"A42", b"\xff/\0"), 2013) == "70111/%FF%2F"
    assert terminal_of(old.replace(b"A42", b"\xfe/\0"), 2013) == "70111/%FE%2F"
    assert terminal_of(bytes(4), 2013) == "/"
    longest = bytes(4) + b"\xff" * 11 + bytes(30) + b"\xff" * 30 + b"\x01A1"
    assert len(terminal_of(longest, 2019)) == 124


def test_authentication() -> None:
    session = Session()
    event = session.handle(up(0x0102, b"s3cret", serial=9), NOW)
    assert isinstance(event, LoginRequested)
    assert (event.identity, event.credential, event.bearer) == (PHONE, "s3cret", "")
    assert session.role == ""
    refused = plain_of(event.reply(event.refusal("credentials"), NOW))
    assert refused[-5:] == b"\x00\x09\x01\x02\x01"
    assert session.role == ""
    assert plain_of(event.reply(1, NOW))[-5:] == b"\x00\x09\x01\x02\x00"
    assert (session.role, session.identity) == ("terminal", PHONE)
    assert session.address == (2013, bytes.fromhex("013900000001"))


def test_authentication_of_2019() -> None:
    body = auth_body("c0de", imei="860000000000001", software="1.2", edition=2019)
    event = Session().handle(up(0x0102, body, edition=2019), NOW)
    assert isinstance(event, LoginRequested)
    assert event.credential == "c0de"
    assert event.facts == {"imei": "860000000000001", "software": "1.2"}
    # Terminals that set bit 14 and send the code alone.
    assert read_auth(b"\xffcode", 2019)["code"].endswith("code")
    assert read_auth(b"", 2013) == {"code": ""}


def test_small_talk() -> None:
    session = logged_in()
    beat = session.handle(up(0x0002), NOW)
    assert isinstance(beat, Heartbeat)
    assert plain_of(beat.reply(1, NOW))[-5:] == b"\x00\x05\x00\x02\x00"
    clock = session.handle(up(0x0004, edition=2019), NOW)
    assert isinstance(clock, TimeSync)
    assert plain_of(clock.reply(1, NOW))[-6:].hex() == "251027120202"
    unknown = session.handle(up(0x0F01), NOW)
    assert isinstance(unknown, Refused)
    assert (unknown.code, plain_of(unknown.reply(0, NOW))[-1]) == ("message", 3)
    short = session.handle(up(0x0100, b"\x00"), NOW)
    assert isinstance(short, Refused)
    assert (short.code, plain_of(short.reply(1, NOW))[-1]) == ("structure", 2)
    down = session.handle(up(0x8001, bytes(5)), NOW)
    assert isinstance(down, Refused)
    assert (down.code, down.reply(1, NOW)) == ("direction", b"")
    bye = session.handle(up(0x0003), NOW)
    assert isinstance(bye, LoggedOut)
    assert plain_of(bye.reply(1, NOW))[-1] == 0
    assert session.role == ""


def test_records_before_login_are_refused() -> None:
    event = Session().handle(up(0x0200, bytes(28)), NOW)
    assert isinstance(event, Refused)
    assert (event.code, event.owed) == ("login", 0)
    assert logged_in().handle(up(0x0200, bytes(28)), NOW) is None


@pytest.mark.parametrize("message", [0x1211, 0x1212])
def test_nobody_is_told_that_an_alarms_file_is_here(message: int) -> None:
    name = b"\x05a.jpg\x00" + (4096).to_bytes(4, "big")
    event = logged_in().handle(up(message, name), NOW)
    assert isinstance(event, Refused)
    assert event.reply(1, NOW) == general(up(message, name), 5, message, 3)


def answered(message: int, body: bytes, session: Session | None = None) -> Answer | None:
    """The answer of a frame, also of one that is a record as well."""
    session = session or logged_in()
    heard = hear(cut([up(message, body)]).frames, [session], NOW)
    event = session.handle(heard.frames.bytes_of(len(heard.frames) - 1), NOW)
    assert isinstance(event, Answered)
    assert event.reply(1, NOW) == b""
    return event.answer


@pytest.mark.parametrize(
    ("asked", "result", "outcome", "code"),
    [
        (0x8300, 0, "succeeded", "ok"),
        (0x8201, 0, "delivered", "ok"),
        (0x8500, 0, "delivered", "ok"),
        (0x8104, 3, "failed", "unsupported"),
        (0x8103, 1, "failed", "failed"),
        (0x8103, 2, "failed", "bad_message"),
        (0x8103, 9, "failed", "failed"),
    ],
)
def test_general_answers(asked: int, result: int, outcome: str, code: str) -> None:
    body = b"\x00\x11" + asked.to_bytes(2, "big") + bytes([result])
    answer = answered(0x0001, body)
    assert answer == Answer(key="808:17", outcome=outcome, code=code)  # type: ignore[arg-type]


def test_answers_of_their_own() -> None:
    location = bytes(22) + bytes.fromhex("241001235959")
    position = answered(0x0201, b"\x00\x11" + location)
    assert position is not None
    assert (position.key, position.outcome) == ("808:17", "succeeded")
    assert position.facts["location"]["time"] == "2024-10-01T15:59:59Z"
    parameters = answered(0x0104, bytes.fromhex("0011 01 00000029 04 0000000a".replace(" ", "")))
    assert parameters is not None
    assert parameters.facts["parameters"] == {"report_s": 10}
    control = answered(0x0500, b"\x00\x11" + location)
    assert control is not None
    assert control.facts["location"]["status"] == 0
    shot = answered(0x0805, b"\x00\x11\x02")
    assert shot is not None
    assert (shot.outcome, shot.code) == ("failed", "unsupported")


def test_an_upgrade_tells_its_result_without_a_serial() -> None:
    assert answered(0x0108, b"\x00\x00") is None
    session = logged_in()
    session.upgrading = 17
    said = answered(0x0001, b"\x00\x11\x81\x05\x00", session)
    assert said is not None
    assert said.outcome == "delivered"
    done = answered(0x0108, b"\x00\x01", session)
    assert done is not None
    assert (done.key, done.outcome) == ("808:17", "failed")


def test_an_answer_that_is_a_record_is_both() -> None:
    session = logged_in()
    frames = cut([up(0x0002) + up(0x0201, bytes(30)) + up(0x0200, bytes(28))]).frames
    heard = hear(frames, [session], NOW)
    assert [int(one) for one in read_heads(heard.frames).message] == [2, 0x0201, 0x0FFF, 0x0200]
    kinds = [batch.kind for batch in decode(heard.frames, NOW).batches]
    assert kinds == ["report"]


# Sub-packages.


def parts_of(body: bytes, size: int, *, message: int = 0x0801, first: int = 100) -> list[bytes]:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return [
        encode(message, PHONE, piece, serial=first + place, part=(len(pieces), place + 1))
        for place, piece in enumerate(pieces)
    ]


def listen(session: Session, frames: list[bytes], now: int = NOW) -> Heard:
    return hear(cut([b"".join(frames)]).frames, [session], now)


PICTURE = media_body(7, bytes(range(256)) * 12, bytes(22) + bytes.fromhex("241001235959"))


def test_parts_in_any_order_become_one_message() -> None:
    session = logged_in()
    parts = parts_of(PICTURE, 700)
    beat, location = up(0x0002), up(0x0200, bytes(28))
    first = listen(session, [parts[2], beat, parts[0], location])
    heads = read_heads(first.frames)
    assert heads.message.tolist() == [0x0801, 0x0002, 0x0801, 0x0200]
    assert heads.index.tolist() == [3, 0, 1, 0]
    assert first.replies == ()
    second = listen(session, [*parts[1:], parts[0]])
    heads = read_heads(second.frames)
    # The one that came once more begins no message that would have to be asked for.
    assert session.next_timer(NOW) == NOW + 60 * S
    assert heads.index.tolist() == [2, 3, 4, 0, 1]
    assert heads.body_of(3) == PICTURE
    pieces, batch = decode(second.frames, NOW).batches
    assert (pieces.kind, len(pieces), batch.kind) == ("event", 4, "media")
    assert batch.column("raw").to_pylist() == [PICTURE[36:]]
    assert batch.column("Vehicle.Media.Id").to_pylist() == [7]


def test_joined_frames_can_be_cut_again() -> None:
    heard = listen(logged_in(), parts_of(PICTURE, 500))
    frame = heard.frames.bytes_of(len(heard.frames) - 1)
    again = cut([frame])
    assert again.frames.bytes_of(0) == frame
    assert not again.rejects


def test_missing_parts_are_asked_for_and_given_up() -> None:
    session = logged_in()
    assert session.next_timer(NOW) is None
    assert session.handle_timer(NOW) == b""
    parts = parts_of(PICTURE, 700)
    listen(session, [parts[0], parts[3]])
    due = session.next_timer(NOW)
    assert due == NOW + 5 * S
    assert session.handle_timer(NOW + S) == b""
    said = plain_of(session.handle_timer(due))
    total = len(parts)
    missing = [one for one in range(1, total + 1) if one not in (1, 4)]
    body = b"\x00\x64" + bytes([len(missing)]) + b"".join(bytes([0, one]) for one in missing)
    assert said[:2] == b"\x80\x03"
    assert said[12:] == body
    for _ in range(2):
        due = session.next_timer(NOW)
        assert due is not None
        assert session.handle_timer(due)
    due = session.next_timer(NOW)
    assert due is not None
    assert session.handle_timer(due) == b""
    assert session.next_timer(NOW) is None
    heard = listen(session, [up(0x0002)])
    assert [(one.code, one.peer) for one in heard.rejects] == [("fragments", 0)]
    assert listen(session, [up(0x0002)]).rejects == []


def test_the_last_part_once_more_is_the_message_once_more() -> None:
    session = logged_in()
    parts = parts_of(PICTURE, 700)
    listen(session, parts)
    again = listen(session, parts[-1:], NOW + 10 * S)
    heads = read_heads(again.frames)
    assert (heads.index.tolist(), heads.body_of(0)) == ([0], PICTURE)
    # So it is when all of them come again; another message is another.
    heads = read_heads(listen(session, parts, NOW + 20 * S).frames)
    assert (heads.index.tolist(), heads.body_of(len(parts) - 1)) == ([1, 2, 3, 4, 0], PICTURE)
    other = parts_of(PICTURE[:-1] + b"x", 700)
    assert read_heads(listen(session, other[-1:], NOW).frames).index.tolist() == [5]
    heads = read_heads(listen(session, other[:-1], NOW).frames)
    assert heads.body_of(len(heads) - 1)[-1:] == b"x"


def test_a_joined_message_is_not_kept_for_ever() -> None:
    session = logged_in()
    parts = parts_of(PICTURE, 700)
    listen(session, parts)
    assert session.next_timer(NOW) == NOW + 60 * S
    assert session.handle_timer(NOW + 60 * S) == b""
    assert session.next_timer(NOW) is None
    again = read_heads(listen(session, parts[-1:], NOW + 61 * S).frames)
    assert again.index.tolist() == [len(parts)]


def test_2019_counts_missing_parts_in_two_bytes() -> None:
    gathered = Fragments()
    frame = encode(0x0801, PHONE, b"x", serial=1, part=(2, 1), edition=2019)
    gathered.add(Part(frame, 0x0801, 1, 1, 2, 1, b"x"), 0)
    assert plain_of(gathered.ask(6 * S))[17:] == b"\x00\x01\x00\x01\x00\x02"


def test_another_message_of_as_many_parts_begins_anew() -> None:
    session = logged_in()
    one, other = parts_of(b"a" * 30, 10), parts_of(b"b" * 30, 10, first=200)
    heard = listen(session, [one[0], one[1], *other])
    heads = read_heads(heard.frames)
    assert heads.index.tolist() == [1, 2, 1, 2, 0]
    assert heads.body_of(4) == b"b" * 30
    assert [reject.code for reject in heard.rejects] == ["fragments"]


def test_gathering_is_bounded() -> None:
    gathered = Fragments()
    many = JT808_FRAGMENTED_MESSAGES_MAX + 2
    for total in range(2, 2 + many):
        gathered.add(Part(up(0x0900), 0x0900, 0, 1, total, 1, b"x"), 0)
    assert len(gathered.given_up) == 2
    gathered.given_up.clear()
    piece = bytes(JT808_FRAGMENTED_BYTES_MAX // 2)
    for index in range(1, 5):
        gathered.add(Part(up(0x0801), 0x0801, 0, index, 9, index, piece), 0)
    assert gathered.given_up
    gathered.add(Part(up(0x0801), 0x0801, 0, 1, 2, 3, b"x"), 0)
    assert gathered.given_up[-1].reason == "This is sub-package 3 of 2."


def test_several_peers_keep_their_parts_apart() -> None:
    sessions = [logged_in(), logged_in()]
    parts = parts_of(b"a" * 30, 10)
    heard = hear(cut([parts[0] + parts[1], parts[2]]).frames, sessions, NOW)
    assert read_heads(heard.frames).index.tolist() == [1, 2, 3]
    assert heard.frames.peer.tolist() == [0, 0, 1]


def test_a_session_alone_answers_what_it_gets() -> None:
    session = Session()
    session.receive_data(b"".join(parts_of(PICTURE, 700)), NOW)
    frames = cut([session.data_to_send()]).frames
    many = len(parts_of(PICTURE, 700))
    assert read_heads(frames).message.tolist() == [0x8001] * (many - 1) + [0x8800]
    assert np.unique(frames.peer).tolist() == [0]


def test_reader() -> None:
    reader: Any = Reader(b"\x01\x02\x00\x00AB\x00")
    assert (reader.number(2), reader.text(4), reader.left()) == (258, "AB", 1)
    assert reader.rest() == b"\x00"
    assert text_of("京A".encode("gb18030") + b"\0zzz") == "京A"
