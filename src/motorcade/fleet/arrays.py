"""Many values as one parameter: PostgreSQL's text form of arrays.

In: columns of a batch. Out: what a cast (``%s::bigint[]``) reads. The driver writes lists element
by element, which costs a round of a thousand logins more than PostgreSQL's answer does.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["blobs", "numbers", "texts"]


def numbers(values: Iterable[int]) -> str:
    """For ``bigint[]`` and its kin."""
    return "{" + ",".join(map(str, values)) + "}"


def texts(values: Iterable[str]) -> str:
    """For ``text[]``; no value may hold NUL, which PostgreSQL cannot store."""
    escaped = [value.replace("\\", "\\\\").replace('"', '\\"') for value in values]
    return '{"' + '","'.join(escaped) + '"}' if escaped else "{}"


def blobs(values: Iterable[bytes]) -> str:
    """For ``bytea[]``."""
    return "{" + ",".join(f'"\\\\x{value.hex()}"' for value in values) + "}"
