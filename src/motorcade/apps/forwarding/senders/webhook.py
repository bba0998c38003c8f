"""Webhook: CloudEvents 1.0 in batches over HTTP POST, signed.

In: rows. Out: ``application/cloudevents-batch+json``, an event a row, whose ``source`` and ``id``
together are the record's alone, so that a receiver can drop what comes twice. 2xx is acknowledged;
429 and 5xx are tried again, when ``Retry-After`` says; other 4xx are final; redirects are not
followed. ``X-Motorcade-Signature: t=SECONDS,v1=HEX`` is HMAC-SHA256 over ``SECONDS.BODY``.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec
from numpy.typing import NDArray

from motorcade import __version__
from motorcade.addresses import shown_address
from motorcade.apps.forwarding.parcel import Away, Parcel, Surroundings
from motorcade.apps.forwarding.rendering import identities, records
from motorcade.apps.forwarding.targets import check_host, resolve, tls_context
from motorcade.errors import Invalid

__all__ = ["RECORDS", "SECRETS", "Sender", "Target", "check"]

RECORDS: Final = ("report",)
SECRETS: Final = frozenset({"secret", "authorization"})
_MEDIA_TYPE: Final = "application/cloudevents-batch+json"
_RETRY_AFTER_S_MAX: Final = 3600.0
_ANSWER_SHOWN: Final = 200
_ANSWER_BYTES: Final = 1 << 14
"""What is read of an answer's body, within ``_ANSWER_S``: the status says all that counts."""
_ANSWER_S: Final = 2.0
_FORBIDDEN: Final = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "accept-encoding"}
)
_SECRET: Final = frozenset({"authorization", "proxy-authorization", "cookie"})
"""Headers are shown to whoever may look at the forwarder."""


class Target(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Where and how to post."""

    url: str
    """``https://…`` or ``http://…``."""
    secret: str = ""
    """Key of the signature; empty: unsigned."""
    authorization: str = ""
    """Value of the ``Authorization`` header, ``Bearer …``."""
    headers: dict[str, str] = {}
    """Further headers; they are shown."""
    batch_rows_max: int = 500
    """Events of one request at most, 1 to 5,000."""
    timeout_s: float = 30.0
    """How long an answer may take, 1 to 300 s."""
    ca_pem: str = ""
    """Certificate the server's is signed by; empty: those the system trusts."""


def check(target: Target) -> None:
    """Raise ``Invalid`` for what cannot be."""
    parts = _parts(target)
    check_host(parts[0], parts[1])
    if not 1 <= target.batch_rows_max <= 5_000:
        raise Invalid("target: batch_rows_max is 1 to 5000")
    if not 1 <= target.timeout_s <= 300:
        raise Invalid("target: timeout_s is 1 to 300 s")
    for name, value in {**target.headers, "Authorization": target.authorization}.items():
        if name.lower() in _SECRET and name in target.headers:
            raise Invalid(f"target: headers are shown; {name!r} goes into authorization instead")
        if name.lower() in _FORBIDDEN or not name.replace("-", "").isalnum():
            raise Invalid(f"target: the header {name!r} cannot be set")
        if not value.isprintable() or not value.isascii():
            raise Invalid(f"target: the header {name} holds signs that are no printable ASCII")
    tls_context(target.ca_pem)


class Sender:
    """One webhook's client."""

    def __init__(self, target: Target, around: Surroundings) -> None:
        self._target = target
        self._around = around
        self._host, self._port, self._path = _parts(target)
        self._source = f"/motorcade/{around.tenant_name}"
        verify: Any = tls_context(target.ca_pem) if target.url.startswith("https") else False
        self._client = httpx.AsyncClient(
            timeout=None, follow_redirects=False, verify=verify, trust_env=False
        )

    async def send(self, parcel: Parcel) -> None:
        """Post the open rows, a request after the other."""
        for index, rows, events in self._requests(parcel):
            body = msgspec.json.encode(events)
            answer, words = await self._post(body)
            if answer.is_success:
                parcel.sent(index, rows)
                continue
            said = f"HTTP {answer.status_code} {words}".strip()
            if answer.status_code == 429 or not 400 <= answer.status_code < 500:
                raise Away(said, self._retry_after_s(answer))
            parcel.refused(index, rows, said)

    async def idle(self) -> None:
        """A request comes when there is something to say."""

    async def close(self) -> None:
        """Close what is open."""
        await self._client.aclose()

    def _requests(self, parcel: Parcel) -> Iterator[tuple[int, NDArray[Any], list[dict[str, Any]]]]:
        for index, rows, batch in parcel.open():
            found = records(batch, parcel.names, self._around.catalogue)
            events = [
                {
                    "specversion": "1.0",
                    "id": identity,
                    "source": self._source,
                    "type": f"motorcade.{batch.kind}",
                    "subject": one["vin"],
                    "time": one["event_time"],
                    "datacontenttype": "application/json",
                    "data": one,
                }
                for identity, one in zip(identities(batch), found, strict=True)
            ]
            for start in range(0, len(events), self._target.batch_rows_max):
                end = start + self._target.batch_rows_max
                yield index, rows[start:end], events[start:end]

    async def _post(self, body: bytes) -> tuple[httpx.Response, str]:
        """To the address that was checked, under the host's own name: the answer, and the first of
        its words."""
        config, target = self._around.config, self._target
        try:
            async with asyncio.timeout(target.timeout_s):
                address = await resolve(self._host, self._port, config.allow_private_addresses)
                scheme = urlsplit(target.url).scheme
                request = self._client.build_request(
                    "POST",
                    f"{scheme}://{shown_address(address, self._port)}{self._path}",
                    content=body,
                    headers=self._headers(body),
                    extensions={"sni_hostname": self._host},
                )
                answer = await self._client.send(request, stream=True)
        except TimeoutError as error:
            raise Away(f"{target.url}: no answer within {target.timeout_s:g} s") from error
        except httpx.HTTPError as error:
            raise Away(f"{target.url}: {str(error) or type(error).__name__}") from error
        try:
            return answer, (await _start_of(answer)).decode(errors="replace")[:_ANSWER_SHOWN]
        finally:
            await answer.aclose()

    def _headers(self, body: bytes) -> dict[str, str]:
        target = self._target
        headers = {
            "User-Agent": f"motorcade/{__version__}",
            **target.headers,
            "Host": urlsplit(target.url).netloc.rpartition("@")[2],
            "Content-Type": _MEDIA_TYPE,
            "Accept-Encoding": "identity",
        }
        if target.authorization:
            headers["Authorization"] = target.authorization
        if target.secret:
            now = str(self._around.clock.now_us() // 1_000_000)
            mac = hmac.new(target.secret.encode(), now.encode() + b"." + body, hashlib.sha256)
            headers["X-Motorcade-Signature"] = f"t={now},v1={mac.hexdigest()}"
        return headers

    def _retry_after_s(self, answer: httpx.Response) -> float | None:
        """Seconds, or a date (RFC 9110, section 10.2.3)."""
        text = answer.headers.get("retry-after", "").strip()
        if not text:
            return None
        if text.isdecimal():
            return min(float(text), _RETRY_AFTER_S_MAX)
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        now = datetime.fromtimestamp(self._around.clock.now_us() / 1e6, UTC)
        wait_s = (moment.astimezone(UTC) - now).total_seconds()
        return min(max(wait_s, 0.0), _RETRY_AFTER_S_MAX)


async def _start_of(answer: httpx.Response) -> bytes:
    """The first bytes of a body; it may be of any length, and end never."""
    found = b""
    with contextlib.suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout(_ANSWER_S):
            async for part in answer.aiter_raw():
                found += part
                if len(found) >= _ANSWER_BYTES:
                    break
    return found[:_ANSWER_BYTES]


def _parts(target: Target) -> tuple[str, int, str]:
    """Host, port and the rest of the URL; ``Invalid``."""
    try:
        parts = urlsplit(target.url)
        usual = 443 if parts.scheme == "https" else 80
        port = usual if parts.port is None else parts.port
    except ValueError as error:
        raise Invalid(f"target: {target.url!r} is no URL: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise Invalid("target: url begins with https:// or http:// and a host, without a user")
    query = f"?{parts.query}" if parts.query else ""
    return parts.hostname, port, (parts.path or "/") + query
