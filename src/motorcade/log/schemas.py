"""The schemas of logged batches: stored once per name, before their first use, and never changed.

A stream ``SCHEMAS`` holds one message per schema on ``schemas.<id>``. A writer stores a schema with
"nobody has stored this yet" as a condition, so a race of two writers leaves one copy; a reader
fetches what it does not know and keeps the last few hundred.
"""

from __future__ import annotations

import base64
from collections import OrderedDict
from hashlib import blake2b
from typing import Final

import msgspec
import pyarrow as pa

from motorcade.errors import CorruptionError, DependencyError, Invalid
from motorcade.limits import LOG_SCHEMAS_CACHED_MAX
from motorcade.log.connection import Connection, refused
from motorcade.signals.batch import schema_id

__all__ = ["STREAM", "Schemas"]

STREAM: Final = "SCHEMAS"
_WRONG_LAST_SEQUENCE: Final = frozenset({10071, 10164})
_NO_MESSAGE: Final = 10037
_TIMEOUT_S: Final = 5.0


class Schemas:
    """What this process knows of the registry."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._schemas: OrderedDict[str, pa.Schema] = OrderedDict()

    async def name(self, schema: pa.Schema) -> str:
        """The id of a schema, stored durably when this returns.

        Raises ``Invalid`` for dictionary columns (their dictionaries would be lost),
        ``DependencyError`` and ``CapacityError`` as ``append`` does.
        """
        name = schema_id(schema)
        if self.cached(name) is None:
            for field in schema:
                if pa.types.is_dictionary(field.type):
                    raise Invalid(f"the log cannot hold the dictionary column {field.name}")
            await self._store(name, schema)
        return name

    def cached(self, name: str) -> pa.Schema | None:
        """The schema of an id, where this process has seen it."""
        schema = self._schemas.get(name)
        if schema is not None:
            self._schemas.move_to_end(name)
        return schema

    async def fetch(self, name: str) -> pa.Schema:
        """The schema of an id. Raises ``CorruptionError`` where nobody stored it, or what is
        stored is not it; ``DependencyError`` where the server does not answer."""
        known = self.cached(name)
        if known is not None:
            return known
        data = await self._nearest(name)
        if data is None:
            data = await self._leaders(name)
        # The name is of the stored bytes; another Arrow may write the same schema in others.
        if blake2b(data, digest_size=8).hexdigest() != name:
            raise CorruptionError(f"what is stored as schema {name} is another one", schema=name)
        try:
            schema = pa.ipc.read_schema(pa.py_buffer(data))
        except (pa.ArrowException, OSError) as error:
            raise CorruptionError(f"schema {name} cannot be read: {error}") from error
        self._keep(name, schema)
        return schema

    async def _nearest(self, name: str) -> bytes | None:
        """The bytes as any server of the cluster has them; None where that one has none."""
        answer = await self._connection.ask(
            f"$JS.API.DIRECT.GET.{STREAM}.schemas.{name}", b"", _TIMEOUT_S
        )
        status = (answer.headers or {}).get("Status")
        if status is not None and status != "404":
            raise DependencyError(f"the schema registry answered {status}", schema=name)
        return None if status else bytes(answer.data)

    async def _leaders(self, name: str) -> bytes:
        """The bytes as the stream's leader has them: a follower may lag behind."""
        question = msgspec.json.encode({"last_by_subj": f"schemas.{name}"})
        answer = await self._connection.ask(
            f"$JS.API.STREAM.MSG.GET.{STREAM}", question, _TIMEOUT_S
        )
        if (answer.headers or {}).get("Status") is not None:
            raise DependencyError("the schema registry does not answer", schema=name)
        result = msgspec.json.decode(answer.data)
        error = result.get("error")
        if error is not None and error.get("err_code") == _NO_MESSAGE:
            raise CorruptionError(f"no schema is stored as {name}", schema=name)
        if error is not None:
            raise refused(error, "fetch a schema")
        return base64.b64decode(result["message"]["data"])

    async def _store(self, name: str, schema: pa.Schema) -> None:
        payload = schema.serialize().to_pybytes()
        headers = {"Nats-Expected-Last-Subject-Sequence": "0"}
        answer = await self._connection.ask(f"schemas.{name}", payload, _TIMEOUT_S, headers)
        status = (answer.headers or {}).get("Status")
        if status is not None:
            raise DependencyError(f"the schema registry answered {status}", schema=name)
        error = msgspec.json.decode(answer.data).get("error")
        if error is not None and error.get("err_code") not in _WRONG_LAST_SEQUENCE:
            raise refused(error, "store a schema")
        self._keep(name, schema)

    def _keep(self, name: str, schema: pa.Schema) -> None:
        self._schemas[name] = schema
        if len(self._schemas) > LOG_SCHEMAS_CACHED_MAX:
            self._schemas.popitem(last=False)
