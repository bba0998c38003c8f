"""One connection of Iridium's gateway."""

from __future__ import annotations

from motorcade.protocols.iridium.elements import CONFIRMED
from motorcade.protocols.iridium.session import Refused, Session
from protocols.iridium.messages import FRAMES, IMEI, mo


def test_every_message_is_confirmed_once_it_is_whole() -> None:
    session = Session()
    message = mo()
    session.receive_data(message[:-1])
    assert session.data_to_send() == b""
    session.receive_data(message[-1:])
    assert session.frames_received() == [message]
    assert session.data_to_send() == CONFIRMED


def test_what_only_the_platform_sends_is_refused() -> None:
    session = Session()
    assert session.handle(FRAMES[0], 0) is None
    for frame in FRAMES[5:7]:
        event = session.handle(frame, 0)
        assert isinstance(event, Refused)
        assert (event.code, event.owed, event.vin) == ("direction", 0, IMEI)
        assert event.reply(1, 0) == b""
