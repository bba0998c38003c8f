"""Enumerations as codes and as words (``docs/decisions/0005-enums-travel-as-codes.md``).

In: columns of ``uint8`` codes, as batches carry them. Out: dictionary columns of words, as tables
and answers show them; and back.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from motorcade.errors import Invalid
from motorcade.signals.catalogue import Catalogue, Signal

__all__ = ["to_words", "to_codes", "code_of", "as_stored", "as_carried"]


def to_words(signal: Signal, codes: pa.Array) -> pa.DictionaryArray:
    """The words of ``uint8`` codes, type ``signal.stored_type``; null where there is no such word.

    Costs no copy where all codes are known.
    """
    highest = pc.max(codes).as_py()
    if highest is not None and highest >= len(signal.words):
        known = pc.less(codes, pa.scalar(len(signal.words), pa.uint8()))
        codes = pc.if_else(known, codes, pa.scalar(None, pa.uint8()))
    return pa.DictionaryArray.from_arrays(codes.view(pa.int8()), pa.array(signal.words))


def to_codes(signal: Signal, words: pa.Array) -> pa.UInt8Array:
    """The codes of words (strings or a dictionary of them); null where a word is unknown."""
    if pa.types.is_dictionary(words.type):
        words = words.cast(words.type.value_type)
    return pc.index_in(words, value_set=pa.array(signal.words)).cast(pa.uint8())


def code_of(signal: Signal, word: str) -> int:
    """The code of one word; ``Invalid`` says which words there are."""
    try:
        return signal.words.index(word)
    except ValueError:
        raise Invalid(
            f"{signal.path} is never {word!r}; it is one of {', '.join(signal.words)}",
            path=signal.path,
            words=signal.words,
        ) from None


def as_stored(data: pa.RecordBatch, catalogue: Catalogue) -> pa.RecordBatch:
    """``data`` with every enumeration column turned into words; other columns are shared."""
    return _mapped(data, catalogue, stored=True)


def as_carried(data: pa.RecordBatch, catalogue: Catalogue) -> pa.RecordBatch:
    """``data`` with every enumeration column turned into codes; undoes ``as_stored``."""
    return _mapped(data, catalogue, stored=False)


def _mapped(data: pa.RecordBatch, catalogue: Catalogue, *, stored: bool) -> pa.RecordBatch:
    columns, fields = list(data.columns), list(data.schema)
    for place, field in enumerate(fields):
        signal = catalogue.get(field.name)
        if signal is None or not signal.is_enum:
            continue
        if stored == (field.type == pa.uint8()):
            columns[place] = (to_words if stored else to_codes)(signal, columns[place])
            fields[place] = field.with_type(columns[place].type)
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))
