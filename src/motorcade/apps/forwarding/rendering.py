"""Records as people and programs read them: ``{vin, event_time, kind, signals}`` objects.

In: a batch and its vehicles' names. Out: a dict a row, for the targets that speak JSON. The words
and units are those of the API and its stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from motorcade.apps.forwarding.parcel import Name
from motorcade.signals.batch import SignalBatch
from motorcade.signals.catalogue import Catalogue
from motorcade.signals.quality import qualities
from motorcade.signals.text import iso_times, plain_column, shown_column

__all__ = ["identities", "records"]


def records(
    batch: SignalBatch, names: Mapping[int, Name], catalogue: Catalogue
) -> list[dict[str, Any]]:
    """One object a row. ``signals`` holds what was reported and valid, ``quality`` (where there is
    any) what was reported ``invalid`` or ``abnormal``; ``reissued`` only where true."""
    columns = {}
    for name, column in zip(batch.data.schema.names, batch.data.columns, strict=True):
        if name in batch.paths and column.null_count < len(column):
            signal = catalogue.get(name)
            columns[name] = plain_column(column) if signal is None else shown_column(signal, column)
    values = zip(*columns.values(), strict=True) if columns else iter([()] * len(batch))
    faults = qualities(batch, catalogue)
    found = []
    for number, moment, late, fault, row in zip(
        batch.numpy("vehicle").tolist(),
        iso_times(batch.numpy("event_time")),
        batch.column("reissued").to_pylist(),
        faults,
        values,
        strict=True,
    ):
        one: dict[str, Any] = {
            "vin": names[number].vin,
            "event_time": moment,
            "kind": batch.kind,
            "signals": {
                path: value for path, value in zip(columns, row, strict=True) if value is not None
            },
        }
        if fault:
            one["quality"] = fault
        if late:
            one["reissued"] = True
        found.append(one)
    return found


def identities(batch: SignalBatch) -> list[str]:
    """A text a row that is the record's alone, the same whenever it is sent: vehicle, event time,
    kind and the hash of its data unit."""
    return [
        f"{vehicle}-{moment}-{batch.kind}-{record:016x}"
        for vehicle, moment, record in zip(
            batch.numpy("vehicle").tolist(),
            batch.numpy("event_time").tolist(),
            batch.numpy("record").tolist(),
            strict=True,
        )
    ]
