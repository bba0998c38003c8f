"""The conversations of GB/T 32960.3: who may say what, and which answer is owed."""

from __future__ import annotations

import sys

from motorcade.protocols import gbt32960
from motorcade.protocols.gbt32960 import Session, TenantSettings, encode, events
from motorcade.protocols.gbt32960.encode import (
    login_unit,
    logout_unit,
    platform_login_unit,
    set_unit,
)
from motorcade.protocols.gbt32960.times import read_time, time6

VIN = "LTEST000000000001"
THEN = 1_761_566_522_000_000
"""2025-10-27 12:02:02 UTC."""
NOW = THEN + 5_000_000
LOGIN = encode(1, VIN, login_unit(THEN, 12, "89860000000000000001", ["A1", "A2"]))
REPORT = encode(2, VIN, time6(THEN) + bytes.fromhex("040107d00000"))
LOGOUT = encode(4, VIN, logout_unit(THEN, 12))
HEARTBEAT = encode(7, VIN)
TIME_SYNC = encode(8, VIN)
PLATFORM_LOGIN = encode(5, "PLATFORM0001", platform_login_unit(THEN, 3, "maker", "secret"))
KEY = TenantSettings(aes_key=bytes(range(16)))


def talk(session: Session, *frames: bytes, now: int = NOW) -> list[bytes]:
    session.receive_data(b"".join(frames), now)
    cut = gbt32960.cut([session.data_to_send()])
    assert not cut.rejects
    return [cut.frames.bytes_of(row) for row in range(len(cut.frames))]


def test_a_terminal_gets_its_login_back_with_flag_and_time_changed() -> None:
    session = Session()
    (answer,) = talk(session, LOGIN)
    assert session.role == "terminal"
    assert session.identity == VIN
    assert answer[3] == 1
    assert read_time(answer[24:]) == NOW
    assert answer[30:-1] == LOGIN[30:-1]


def test_a_platform_gets_header_and_its_own_time_back() -> None:
    session = Session()
    answers = talk(session, PLATFORM_LOGIN, LOGIN, REPORT, LOGOUT)
    assert session.role == "platform"
    assert [answer[2] for answer in answers] == [5, 1, 2, 4]
    for answer in answers:
        assert len(answer) == 31
        assert answer[3] == 1
        assert read_time(answer[24:]) == THEN


def test_heartbeat_and_time_sync_on_both_links() -> None:
    for opening in (LOGIN, PLATFORM_LOGIN):
        session = Session()
        talk(session, opening)
        heartbeat, sync = talk(session, HEARTBEAT, TIME_SYNC)
        assert heartbeat == encode(7, VIN, flag=1)
        assert sync == encode(8, VIN, time6(NOW), flag=1)


def test_a_report_before_login_is_dropped_without_answer() -> None:
    session = Session()
    event = session.handle(REPORT, NOW)
    assert isinstance(event, events.Refused)
    assert event.code == "login"
    assert event.reply(1, NOW) == b""
    assert talk(session, REPORT) == []


def test_a_report_after_login_is_nobodys_event() -> None:
    session = Session()
    talk(session, LOGIN)
    assert session.handle(REPORT, NOW) is None


def test_a_refused_login_leaves_the_role() -> None:
    session = Session()
    event = session.handle(LOGIN, NOW)
    assert isinstance(event, events.LoginRequested)
    assert (event.vin, event.sequence, event.iccid) == (VIN, 12, "89860000000000000001")
    assert event.facts["codes"] == ["A1", "A2"]
    assert event.reply(event.refusal("unknown_vin"), NOW)[3] == 2
    assert session.role == ""
    assert event.reply(1, NOW)[3] == 1
    assert session.role == "terminal"


def test_refusals_by_edition() -> None:
    old = Session().handle(LOGIN, NOW)
    new = Session().handle(encode(1, VIN, login_unit(THEN, 1, "1", (), 2025), edition=2025), NOW)
    assert old is not None
    assert new is not None
    codes = ("unknown_vin", "duplicate", "structure", "cipher", "signature", "other")
    assert [old.refusal(code) for code in codes] == [2, 3, 2, 2, 2, 2]
    assert [new.refusal(code) for code in codes] == [4, 3, 6, 7, 5, 2]


def test_a_wrong_report_is_refused_by_the_editions_flag() -> None:
    for edition, flag in ((2016, 2), (2025, 6)):
        session = Session()
        talk(session, LOGIN)
        broken = encode(2, VIN, time6(THEN) + b"\x01\x00", edition=edition)
        (answer,) = talk(session, broken)
        assert answer[3] == flag


def test_an_unknown_command_is_refused_on_a_terminal_link() -> None:
    session = Session()
    talk(session, LOGIN)
    (answer,) = talk(session, encode(0x33, VIN, b"hello"))
    assert answer[2:4] == b"\x33\x02"


def test_logouts_end_their_roles() -> None:
    session = Session()
    talk(session, LOGIN)
    event = session.handle(LOGOUT, NOW)
    assert isinstance(event, events.LoggedOut)
    assert event.matches
    assert event.reply(1, NOW)[3] == 1
    assert session.role == ""
    talk(session, PLATFORM_LOGIN)
    event = session.handle(LOGOUT, NOW)
    assert isinstance(event, events.LoggedOut)
    event.reply(1, NOW)
    assert session.role == "platform"
    gone = session.handle(encode(6, "PLATFORM0001", logout_unit(THEN, 4)), NOW)
    assert isinstance(gone, events.PlatformLoggedOut)
    assert not gone.matches
    assert len(gone.reply(1, NOW)) == 31
    assert session.role == ""


def test_platform_login_says_who() -> None:
    session = Session()
    event = session.handle(PLATFORM_LOGIN, NOW)
    assert isinstance(event, events.PlatformLoginRequested)
    assert (event.user, event.password, event.sequence) == ("maker", "secret", 3)
    assert event.reply(2, NOW)[3] == 2
    assert session.role == ""
    talk(session, LOGIN)
    assert isinstance(session.handle(PLATFORM_LOGIN, NOW), events.Refused)


def test_answers_are_handed_over_and_never_answered() -> None:
    session = Session()
    talk(session, LOGIN)
    answer = encode(0x80, VIN, set_unit(THEN, {2: 30}), flag=1)
    event = session.handle(answer, NOW)
    assert isinstance(event, events.Answered)
    assert event.facts["parameters"] == {"report_period_s": 30}
    assert event.reply(1, NOW) == b""
    assert talk(session, answer) == []


def test_activation_is_answered_by_its_own_command() -> None:
    unit = time6(THEN) + b"C" * 16 + b"\x00\x02\xbe\xef" + VIN.encode() + b"\x01\x00\x01a\x00\x01b"
    frame = encode(9, VIN, unit, edition=2025)
    event = Session().handle(frame, NOW)
    assert isinstance(event, events.ActivationRequested)
    assert event.facts["public_key"] == "beef"
    assert event.reply(1, NOW) == encode(0x0A, VIN, b"\x01\x01", edition=2025)
    assert event.reply(3, NOW) == encode(0x0A, VIN, b"\x02\x03", edition=2025)


def test_encrypted_logins_and_reports() -> None:
    frame = encode(1, VIN, login_unit(THEN, 12, "1"), settings=KEY)
    session = Session()
    refused = session.handle(frame, NOW)
    assert isinstance(refused, events.Refused)
    assert refused.code == "cipher"
    event = session.handle(frame, NOW, KEY)
    assert isinstance(event, events.LoginRequested)
    answer = event.reply(1, NOW)
    assert answer[21] == 3
    again = session.handle(answer[:3] + b"\xfe" + answer[4:], NOW, KEY)
    assert isinstance(again, events.LoginRequested)
    assert again.event_time == NOW


def test_an_idle_session_is_small() -> None:
    session = Session()
    talk(session, LOGIN)
    session.frames_received()
    held = [getattr(session, name) for name in ("role", "identity", "sequence")]
    assert sys.getsizeof(session) + sum(map(sys.getsizeof, held)) < 300
