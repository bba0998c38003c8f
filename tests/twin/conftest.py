"""What the twin's tests share: the catalogue, and batches from plain records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from motorcade.signals.batch import Quality, SignalBatch
from motorcade.signals.catalogue import Catalogue, load_catalogue
from motorcade.twin.reader import TwinReader
from motorcade.twin.writer import TwinWriter

T0 = 1_750_000_000
"""The tests' time, Unix seconds."""

Make = Callable[..., SignalBatch]


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture(scope="session")
def make(catalogue: Catalogue) -> Make:
    """``make([(vehicle, second, {path: value or Quality}), …])``: a batch, a row each.

    Seconds count from ``T0`` and may be fractions. Enumerations are given as words.
    """

    def build(
        records: Sequence[tuple[int, float, dict[str, Any]]],
        tenant: int | Sequence[int] = 7,
        kind: str = "report",
        ingest_s: float | None = None,
    ) -> SignalBatch:
        count = len(records)
        event = np.array([round((T0 + second) * 1_000_000) for _, second, _ in records], np.int64)
        ingest = event if ingest_s is None else np.full(count, (T0 + ingest_s) * 1e6, np.int64)
        paths = sorted({path for _, _, signals in records for path in signals})
        columns = {}
        quality: list[list[int] | None] = [[] for _ in records]
        for path in paths:
            signal = catalogue[path]
            values: list[Any] = []
            for index, (_, _, signals) in enumerate(records):
                value = signals.get(path)
                if isinstance(value, Quality):
                    quality[index].append(signal.number * 4 + value)  # type: ignore[union-attr]
                    value = None
                values.append(signal.words.index(value) if signal.is_enum and value else value)
            columns[path] = pa.array(values, signal.arrow_type)
        meta = {
            "tenant": np.broadcast_to(np.asarray(tenant, np.uint32), count),
            "vehicle": np.array([vehicle for vehicle, _, _ in records], np.uint64),
            "event_time": event,
            "ingest_time": ingest,
            "record": np.arange(count, dtype=np.uint64),
            "reissued": np.zeros(count, np.bool_),
            "quality": pa.array([entry or None for entry in quality], _quality_type()),
        }
        return SignalBatch.build(kind, meta, columns)

    return build


@pytest.fixture
def writer(tmp_path: Path, catalogue: Catalogue) -> Any:
    twin = TwinWriter(tmp_path, 0, 1, catalogue)
    yield twin
    twin.close()


@pytest.fixture
def reader(tmp_path: Path, catalogue: Catalogue) -> TwinReader:
    return TwinReader(tmp_path, 1, catalogue)


def _quality_type() -> pa.DataType:
    return pa.list_(pa.field("item", pa.uint32(), nullable=False))
