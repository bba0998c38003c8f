"""``SignalBatch``: the one internal data type, an Arrow record batch with a row per message.

In: columns a protocol decoded. Out: the same columns for the log, the twin and the history.

A batch holds one message kind of any number of tenants
(``docs/decisions/0002-a-log-record-holds-many-tenants.md``): ``report``, ``login``, ``logout``,
``link`` (the session layer's word on links and presence), ``event`` (a message that is no
telemetry: a driver's card, a pass-through) or ``media`` (a picture or sound in ``raw``). Columns:

====================  ======================  =====================================================
``tenant``            uint32                  tenant number
``vehicle``           uint64                  dense vehicle number
``event_time``        timestamp[us, UTC]      when the vehicle says it was
``ingest_time``       timestamp[us, UTC]      when the gateway had it
``record``            uint64                  hash of the message's data unit: with vehicle, event
                                              time and kind the record's identity
``reissued``          bool                    sent from the vehicle's store, not live
``quality``           list<uint32>            signals reported invalid or abnormal in this row:
                                              ``catalogue number * 4 + Quality``; null where none
``raw``               binary                  items without a signal: ``type u8, length u16, bytes``
one per VSS path      by the catalogue        null where not reported, or invalid, or abnormal
====================  ======================  =====================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from hashlib import blake2b
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from motorcade.errors import CorruptionError

__all__ = ["META", "SignalBatch", "Quality", "schema_id", "concat"]

META: Final = pa.schema(
    [
        pa.field("tenant", pa.uint32(), nullable=False),
        pa.field("vehicle", pa.uint64(), nullable=False),
        pa.field("event_time", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("ingest_time", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("record", pa.uint64(), nullable=False),
        pa.field("reissued", pa.bool_(), nullable=False),
        pa.field("quality", pa.list_(pa.field("item", pa.uint32(), nullable=False))),
        pa.field("raw", pa.binary()),
    ]
)
"""The columns every batch begins with."""

_META_NAMES: Final = frozenset(META.names)


class Quality(IntEnum):
    """Why a signal is null, or that it is not. Fits two bits."""

    UNREPORTED = 0
    VALID = 1
    INVALID = 2
    ABNORMAL = 3


@dataclass(frozen=True, slots=True)
class SignalBatch:
    """Rows of one message kind; ``data`` begins with the ``META`` columns."""

    kind: str
    data: pa.RecordBatch

    def __len__(self) -> int:
        return int(self.data.num_rows)

    @property
    def paths(self) -> list[str]:
        """VSS paths of the signal columns, in column order."""
        return [name for name in self.data.schema.names if name not in _META_NAMES]

    def column(self, name: str) -> pa.Array:
        """The Arrow array of a meta column or a VSS path; ``KeyError`` where there is none."""
        return self.data.column(name)

    def numpy(self, name: str) -> NDArray[Any]:
        """A non-null fixed-width meta column as a numpy view; times as int64 microseconds."""
        column = self.data.column(name)
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.int64())
        values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
        return values

    def slice(self, start: int, length: int) -> SignalBatch:
        """Rows ``start`` to ``start + length``, without a copy."""
        return SignalBatch(self.kind, self.data.slice(start, length))

    def take(self, rows: NDArray[Any]) -> SignalBatch:
        """The rows at the given indices, copied."""
        return SignalBatch(self.kind, self.data.take(pa.array(rows)))

    def by_tenant(self) -> Iterator[tuple[int, SignalBatch]]:
        """The batch split into one batch per tenant, tenants ascending, row order kept."""
        tenant = self.numpy("tenant")
        if len(tenant) == 0:
            return
        if (tenant == tenant[0]).all():
            yield int(tenant[0]), self
            return
        order = np.argsort(tenant, kind="stable")
        ordered = self.take(order)
        names, starts = np.unique(tenant[order], return_index=True)
        ends = np.append(starts[1:], len(tenant))
        for name, start, end in zip(names, starts, ends, strict=True):
            yield int(name), ordered.slice(int(start), int(end - start))

    def to_ipc(self) -> bytes:
        """The Arrow IPC record-batch message alone, without its schema."""
        return bytes(self.data.serialize())

    @classmethod
    def from_ipc(cls, kind: str, schema: pa.Schema, data: bytes | memoryview) -> SignalBatch:
        """Read what ``to_ipc`` wrote; ``schema`` is the one it was written with. Nothing is copied.

        ``CorruptionError`` where ``schema`` does not begin with ``META``, or the bytes are no such
        batch or would make a reader leave its buffers. A changed value inside a buffer is not seen.
        """
        _check_meta(schema)
        try:
            batch = pa.ipc.read_record_batch(pa.py_buffer(data), schema)
            batch.validate(full=True)
        except (pa.ArrowException, OSError, EOFError) as error:
            raise CorruptionError(f"a stored batch cannot be read: {error}", kind=kind) from error
        return cls(kind, batch)

    @classmethod
    def build(
        cls, kind: str, meta: Mapping[str, Any], signals: Mapping[str, pa.Array]
    ) -> SignalBatch:
        """A batch from its columns: ``meta`` by ``META`` name (numpy or Arrow; ``quality`` and
        ``raw`` may be left out), ``signals`` by VSS path as Arrow arrays."""
        rows = len(meta["vehicle"])
        arrays = [_meta_array(meta.get(field.name), field.type, rows) for field in META]
        fields = [*META, *(pa.field(path, array.type) for path, array in signals.items())]
        return cls(
            kind, pa.RecordBatch.from_arrays([*arrays, *signals.values()], schema=pa.schema(fields))
        )


def schema_id(schema: pa.Schema) -> str:
    """A stable 16-digit name of a schema: equal schemas, equal name, in every process."""
    return blake2b(schema.serialize().to_pybytes(), digest_size=8).hexdigest()


def concat(batches: Iterable[SignalBatch]) -> list[SignalBatch]:
    """Batches of the same kind joined, columns united (null where a batch lacks one).

    Returns one batch per kind, kinds in order of appearance, rows in order.
    """
    kinds: dict[str, list[pa.RecordBatch]] = {}
    for batch in batches:
        kinds.setdefault(batch.kind, []).append(batch.data)
    return [SignalBatch(kind, _join(parts)) for kind, parts in kinds.items()]


def _join(parts: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    first = parts[0].schema
    if all(part.schema.equals(first) for part in parts):
        return pa.concat_batches(parts)
    tables = [pa.Table.from_batches([part]) for part in parts]
    table = pa.concat_tables(tables, promote_options="default").combine_chunks()
    batches = table.to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)


def _check_meta(schema: pa.Schema) -> None:
    if len(schema) < len(META) or any(
        not schema.field(place).equals(field) for place, field in enumerate(META)
    ):
        raise CorruptionError(
            "a stored batch does not begin with the meta columns", got=schema.names
        )


def _meta_array(values: Any, kind: pa.DataType, rows: int) -> pa.Array:
    if values is None:
        return pa.nulls(rows, kind)
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        return values if values.type == kind else pc.cast(values, kind)
    if pa.types.is_timestamp(kind):
        return pa.array(np.asarray(values, dtype=np.int64)).view(kind)
    return pa.array(values, type=kind)
