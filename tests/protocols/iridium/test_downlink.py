"""Messages to modems: what Iridium's gateway is sent and says, commands and their answers."""

from __future__ import annotations

import pytest

from motorcade.errors import FrameError, Invalid
from motorcade.protocols.commands import Command
from motorcade.protocols.iridium.downlink import (
    COMMANDS,
    HIGH_PRIORITY,
    MT_STATUSES,
    MtSession,
    answers,
    encode_command,
    encode_mt,
    read_mt_confirmation,
    read_mt_header,
)
from motorcade.protocols.iridium.elements import (
    MT_CONFIRMATION,
    MT_HEADER,
    MT_PAYLOAD,
    encode,
    read_elements,
)
from motorcade.protocols.iridium.framing import cut
from motorcade.wire.compact.command import CompactAnswer, pack_answer, read_command
from protocols.iridium.messages import FRAMES, IMEI, NOON_S, mo


def confirmation(status: int, client_id: int = 7) -> bytes:
    value = client_id.to_bytes(4, "big") + IMEI.encode() + bytes([0, 0, 1, 2])
    return encode([(MT_CONFIRMATION, value + status.to_bytes(2, "big", signed=True))])


def test_a_message_for_a_modem() -> None:
    message = encode_mt(IMEI, b"hello", 0x4D736731, HIGH_PRIORITY)
    first, second = read_elements(message, 3)
    assert first[0] == MT_HEADER
    assert read_mt_header(first[1]) == (0x4D736731, IMEI.encode(), 16)
    assert second == (MT_PAYLOAD, b"hello")
    assert len(read_elements(encode_mt(IMEI, b"", 1, 2), 3)) == 1


@pytest.mark.parametrize("imei", ["", "30043400000000", "30043400000000x", "\u0663" * 15])
def test_what_is_no_imei_is_refused(imei: str) -> None:
    with pytest.raises(Invalid):
        encode_mt(imei, b"x", 1)


def test_what_no_modem_takes_is_refused() -> None:
    with pytest.raises(Invalid):
        encode_mt(IMEI, bytes(1891), 1)


@pytest.mark.parametrize("status", [0, 1, 50])
def test_a_message_that_is_taken(status: int) -> None:
    said = read_mt_confirmation(confirmation(status))
    assert (said.client_id, said.imei, said.auto_id) == (7, IMEI.encode(), 258)
    assert said.is_taken
    assert said.word == "queued"


@pytest.mark.parametrize("status", [*MT_STATUSES, -99])
def test_a_message_that_is_refused(status: int) -> None:
    said = read_mt_confirmation(confirmation(status))
    assert not said.is_taken
    assert said.word == MT_STATUSES.get(status, f"status_{status}")
    assert said.is_retryable == (said.word in ("queue_full", "resources", "not_attached"))


def test_a_session_sends_once_and_hears_the_confirmation_in_pieces() -> None:
    session = MtSession(b"message")
    assert session.data_to_send() == b"message"
    assert session.data_to_send() == b""
    for byte in confirmation(3):
        assert session.confirmation is None
        session.receive_data(bytes([byte]))
    assert session.confirmation is not None
    assert session.confirmation.status == 3


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n", mo()])
def test_a_session_refuses_what_is_no_confirmation(answer: bytes) -> None:
    with pytest.raises(FrameError):
        MtSession(b"message").receive_data(answer)


def test_a_command_is_the_same_in_every_attempt() -> None:
    command = Command(
        id="0" * 32, number=17, kind="charge_limit", parameters={"soc_percent": 80},
        time_us=1, deadline_us=NOON_S * 1_000_000 + 1,
    )  # fmt: skip
    sealed = encode_command(command, IMEI)
    assert sealed == encode_command(command, IMEI)
    said = read_command(sealed.data)
    assert (said.kind, said.number, said.deadline_s) == ("charge_limit", 17, NOON_S + 1)
    assert len(sealed.data) <= 50
    assert "charge_limit" in COMMANDS
    told = pack_answer(CompactAnswer(17, "failed", "busy", 1))
    ((row, answer),) = answers(cut([mo(), mo(told)]).frames)
    assert (row, answer.key, answer.outcome, answer.code) == (1, sealed.key, "failed", "busy")


def test_only_answers_are_answers() -> None:
    assert [row for row, _ in answers(cut(FRAMES).frames)] == [4]
    assert answers(cut([mo(b"\xc2 and more")]).frames) == []
