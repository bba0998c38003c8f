"""Which addresses may be connected to, and templates of names."""

from __future__ import annotations

import pytest

from motorcade.apps.forwarding.parcel import Away
from motorcade.apps.forwarding.targets import check_host, resolve
from motorcade.apps.forwarding.templates import check_template
from motorcade.errors import Invalid


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "::1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
     "fe80::1", "fc00::1", "224.0.0.1", "0.0.0.0", "::ffff:127.0.0.1", "240.0.0.1", "::",
     "::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::",
     "fec0::1"],
)  # fmt: skip
async def test_own_networks_are_refused_unless_allowed(address: str) -> None:
    with pytest.raises(Away, match="allow_private_addresses"):
        await resolve(address, 80, False)
    if not address.startswith("fe80"):
        assert await resolve(address, 80, True)


async def test_public_addresses_are_taken() -> None:
    assert await resolve("93.184.215.14", 443, False) == "93.184.215.14"
    with pytest.raises(Away, match="not to be found"):
        await resolve("no-such-host.invalid", 443, False)


def test_hosts_that_cannot_be() -> None:
    for host, port in (("", 1), ("a b", 1), ("a/b", 1), ("u@h", 1), ("h", 0), ("h", 65_536)):
        with pytest.raises(Invalid):
            check_host(host, port)


def test_templates() -> None:
    check_template("topic", "a/{vin}/{kind}/{tenant}/{forwarder}", "+#")
    for wrong in ("", "a/{plate}", "a/+", "a/{", "a\n", "x" * 600):
        with pytest.raises(Invalid, match="target: topic"):
            check_template("topic", wrong, "+#")
