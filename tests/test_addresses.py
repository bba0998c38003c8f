"""Addresses as people write them: ``host:port``, IPv6 in brackets."""

from __future__ import annotations

import pytest

from motorcade.addresses import shown_address, split_address
from motorcade.errors import Invalid


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:80", "127.0.0.1", 80),
        ("fleet.example:0", "fleet.example", 0),
        ("[::1]:65535", "::1", 65_535),
        (":80", "", 80),
    ],
)
def test_host_and_port_are_taken_apart_and_shown_again(text: str, host: str, port: int) -> None:
    assert split_address(text) == (host, port)
    assert shown_address(host, port) == text


def test_who_names_no_host_means_the_one_given() -> None:
    assert split_address(":80", "0.0.0.0") == ("0.0.0.0", 80)
    assert split_address("[]:80", "0.0.0.0") == ("0.0.0.0", 80)


@pytest.mark.parametrize(
    "wrong",
    ["", "x", "x:", "x:y", "x:65536", "8000", "x:-1", "x: 80", "x:²", "x:٣", "x:" + "9" * 5_000],
)
def test_what_is_no_address_is_told(wrong: str) -> None:
    """Digits of other scripts, and numbers that Python would not even read, among it."""
    with pytest.raises(Invalid, match="is not host:port"):
        split_address(wrong)
