"""Requests and replies between the commands app and a gateway."""

from __future__ import annotations

import pytest

from motorcade.errors import CorruptionError
from motorcade.log.downlink import (
    CODES,
    Downlink,
    Downlinked,
    down_subject,
    pack_downlinked,
    pack_downlinks,
    read_downlinked,
    read_downlinks,
)
from motorcade.protocols.commands import Command

LINK = "gateway-0.1/jt808/7"


def test_a_request_comes_back_as_it_went() -> None:
    command = Command(
        id="0" * 32, number=17, kind="text", parameters={"text": "停车"}, time_us=5, deadline_us=9
    )
    many = [Downlink(link=LINK, vehicle=(1 << 63) + 1, command=command)] * 3
    assert read_downlinks(pack_downlinks(many)) == many


def test_a_reply_comes_back_as_it_went() -> None:
    many = [Downlinked(code=code, detail="why", key="808:17") for code in CODES]
    assert read_downlinked(pack_downlinked(many)) == many
    assert [one.sent for one in many] == [True, False, False, False, False]


def test_a_gateway_has_its_own_subject() -> None:
    assert down_subject("gateway-0.17") == "gateway.down.gateway-0.17"


@pytest.mark.parametrize("read", [read_downlinks, read_downlinked])
@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x91\x01", b"\x80"])
def test_what_cannot_be_read_is_corruption(read: object, data: bytes) -> None:
    assert callable(read)
    with pytest.raises(CorruptionError, match="cannot be read"):
        read(data)
