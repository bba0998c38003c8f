"""Sub-packages as rows: what was answered is kept, whole or in pieces."""

from __future__ import annotations

import numpy as np
import pytest

from motorcade.protocols.frames import frames_from
from motorcade.protocols.jt808.answers import answer, flags_for
from motorcade.protocols.jt808.decode import decode
from motorcade.protocols.jt808.encode import encode, escaped, plain_of
from motorcade.protocols.jt808.framing import cut
from motorcade.protocols.jt808.heads import read_heads
from motorcade.protocols.jt808.hear import hear
from motorcade.protocols.jt808.pieces import are_pieces, join_pieces, piece_batch
from motorcade.protocols.jt808.session import Session
from motorcade.signals.batch import SignalBatch

PHONE = "13900000001"
NOW = 1_761_566_522_000_000
HOUR = 3_600_000_000
BODY = bytes(range(256)) * 8


def pieces(message: int = 0x0900, edition: int = 2013, first: int = 100) -> list[bytes]:
    cuts = [BODY[at : at + 600] for at in range(0, len(BODY), 600)]
    return [
        encode(message, PHONE, one, serial=first + n, edition=edition, part=(len(cuts), n + 1))
        for n, one in enumerate(cuts)
    ]


def batch_of(frames: list[bytes], now: int = NOW) -> SignalBatch:
    made = decode(frames_from(frames), now)
    assert not made.rejects
    (batch,) = made.batches
    assert made.rows[0].tolist() == list(range(len(frames)))
    return batch


@pytest.mark.parametrize("edition", [2013, 2019])
@pytest.mark.parametrize("message", [0x0801, 0x0704, 0x0200, 0x0900])
def test_a_piece_is_a_row_with_its_header_and_bytes(message: int, edition: int) -> None:
    sent = pieces(message, edition)
    batch = batch_of(sent)
    assert batch.kind == "event"
    assert batch.column("raw").to_pylist() == [plain_of(one) for one in sent]
    link = "Vehicle.Connectivity"
    assert batch.column(f"{link}.MessageId").to_pylist() == [message] * 4
    assert batch.column(f"{link}.MessagePart").to_pylist() == [1, 2, 3, 4]
    assert batch.column(f"{link}.MessageParts").to_pylist() == [4] * 4
    assert batch.numpy("event_time").tolist() == [NOW - NOW % HOUR] * 4
    assert batch.numpy("ingest_time").tolist() == [NOW] * 4
    same = piece_batch(frames_from(sent), read_heads(frames_from(sent)), np.arange(4), NOW)
    assert same.data.equals(batch.data)


def test_a_piece_that_comes_again_is_the_same_record() -> None:
    first, again = batch_of(pieces()), batch_of(pieces(), NOW + 60_000_000)
    for name in ("event_time", "record"):
        assert first.column(name).equals(again.column(name))
    other = batch_of(pieces(first=500))
    assert not set(first.numpy("record")) & set(other.numpy("record"))


def test_pieces_are_answered_as_such_under_their_own_serials() -> None:
    frames = frames_from(pieces(0x0801))
    flags = flags_for(frames, decode(frames, NOW).rejects)
    answers = read_heads(cut([answer(frames, flags, np.zeros(4, bool), NOW).buffer]).frames)
    assert answers.message.tolist() == [0x8001] * 4
    said = [answers.body_of(row).hex() for row in range(4)]
    assert said == [f"{serial:04x}080100" for serial in range(100, 104)]


@pytest.mark.parametrize("edition", [2013, 2019])
def test_the_way_back(edition: int) -> None:
    raws = batch_of(pieces(edition=edition)).column("raw").to_pylist()
    assert join_pieces(raws) == [(0x0900, BODY)]
    assert join_pieces([raws[2], raws[0], raws[1], raws[0], raws[3]]) == [(0x0900, BODY)]
    assert join_pieces(raws[:3]) == []
    assert join_pieces([]) == []


def test_encrypted_pieces_are_refused_and_joined_with_nothing() -> None:
    plain = bytearray(plain_of(pieces()[0]))
    plain[2] |= 0x04
    frame = escaped(bytes(plain))
    session = Session()
    heard = hear(cut([frame]).frames, [session], NOW)
    assert session.fragments is None
    assert [one.code for one in decode(heard.frames, NOW).rejects] == ["cipher"]


def test_pieces_of_what_is_no_record_wait_unanswered() -> None:
    sent = pieces(0x0F01)
    session = Session()
    first = hear(cut([b"".join(sent[:-1])]).frames, [session], NOW)
    assert (len(first.frames), first.replies) == (0, ())
    whole = hear(cut([sent[-1]]).frames, [session], NOW).frames
    heads = read_heads(whole)
    assert heads.body_of(0) == BODY
    assert not are_pieces(heads).any()
