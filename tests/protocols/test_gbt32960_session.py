"""The conversations of GB/T 32960.3: who may say what, and which answer is owed."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from motorcade.protocols import gbt32960
from motorcade.protocols.gbt32960 import Session, TenantSettings, encode, events
from motorcade.protocols.gbt32960.encode import (
    control_unit,
    login_unit,
    logout_unit,
    platform_login_unit,
    query_unit,
    set_unit,
)
from motorcade.protocols.gbt32960.times import read_time, read_times, time6, times6

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


def test_platform_commands_are_written_as_annex_b_has_them() -> None:
    assert query_unit(THEN, [1, 9]) == time6(THEN) + b"\x02\x01\x09"
    unit = set_unit(THEN, {0x01: 5000, 0x05: "a.b", 0x07: "1.0"})
    assert unit == time6(THEN) + b"\x04\x01\x13\x88\x04\x03\x05a.b\x071.0\0\0"
    assert set_unit(THEN, {2: 30}, 2025) == time6(THEN) + b"\x01\x02\x1e"
    assert control_unit(THEN, 3) == time6(THEN) + b"\x03"


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


@pytest.mark.parametrize("settings", [None, KEY])
def test_bulk_answers_are_the_single_ones(settings: TenantSettings | None) -> None:
    hidden = encode(2, VIN, REPORT[24:-1], settings=KEY)
    frames = [LOGIN, REPORT, HEARTBEAT, TIME_SYNC, LOGOUT, PLATFORM_LOGIN, hidden] * 3
    cut = gbt32960.cut(frames).frames
    platform = np.arange(len(cut)) % 2 == 0
    flags = np.array([1, 2, 1, 1, 0, 3, 1] * 3, np.uint8)
    known = {} if settings is None else {0: settings}
    built = gbt32960.answer(cut, flags, platform, NOW, known)
    for row, frame in enumerate(frames):
        at, size = int(built.offset[row]), int(built.length[row])
        single = gbt32960.answer_one(frame, int(flags[row]), bool(platform[row]), NOW, settings)
        assert built.buffer[at : at + size] == single
        if flags[row]:
            (one,) = [gbt32960.cut([single]).frames]
            assert len(one) == 1
    assert sum(built.length) == len(built.buffer)


def test_no_answers_for_no_frames() -> None:
    none = gbt32960.cut([]).frames
    built = gbt32960.answer(none, np.zeros(0, np.uint8), np.zeros(0, bool), NOW)
    assert built.buffer == b""


def test_an_idle_session_is_small() -> None:
    session = Session()
    talk(session, LOGIN)
    session.frames_received()
    held = [getattr(session, name) for name in ("role", "identity", "sequence")]
    assert sys.getsizeof(session) + sum(map(sys.getsizeof, held)) < 300


def test_times_of_a_century() -> None:
    rng = np.random.default_rng(0)
    us = rng.integers(946_684_800, 4_070_880_000, 5000) * 1_000_000
    read, good = read_times(times6(us).ravel(), np.arange(5000) * 6)
    assert good.all()
    assert (read == us).all()


@pytest.mark.parametrize(
    "wrong",
    [
        "190001000000",
        "190d01000000",
        "190100000000",
        "190120000000",
        "19021d000000",
        "190101180000",
    ],
)
def test_what_is_no_time(wrong: str) -> None:
    assert read_time(bytes.fromhex(wrong)) is None


def test_resync_gives_up_a_frame_that_will_not_come() -> None:
    stalled = bytearray(REPORT)
    stalled[22] = 0xF0
    tail = bytes(stalled) + REPORT
    assert len(gbt32960.cut([tail]).frames) == 0
    cut = gbt32960.resync(tail)
    assert [cut.frames.bytes_of(0)] == [REPORT]
    assert not cut.remainder
