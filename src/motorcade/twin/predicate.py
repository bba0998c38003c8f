"""A small language over signals: ``Vehicle.Speed > 60 AND Vehicle.IsMoving``.

::

    or         := and { OR and }
    and        := not { AND not }
    not        := NOT not | term
    term       := '(' or ')' | comparison | boolean signal
    comparison := operand ( = | == | != | <> | < | <= | > | >= ) operand
                | signal [NOT] BETWEEN literal AND literal
                | signal [NOT] IN '(' literal { ',' literal } ')'
                | signal IS [NOT] NULL
    operand    := signal | literal
    literal    := number | 'text' | "text" | TRUE | FALSE

Values are in catalogue units; words of an enumeration are texts. As in SQL, a comparison with a
signal the vehicle has not reported is neither true nor false, and does not select. Pure: what it
reads is named by ``Predicate.paths``, what it is given are Arrow arrays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from motorcade.errors import Invalid
from motorcade.limits import PREDICATE_CHARS_MAX, PREDICATE_DEPTH_MAX, PREDICATE_TERMS_MAX
from motorcade.signals.catalogue import Catalogue, Signal

__all__ = ["Predicate", "parse"]

_Evaluate = Callable[[Mapping[str, pa.Array]], pa.Array]

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
    r"|(?P<text>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)"
    r"|(?P<sign><=|>=|<>|!=|==|=|<|>|\(|\)|,))"
)
_COMPARE: Final[Mapping[str, Any]] = {
    "=": pc.equal,
    "==": pc.equal,
    "!=": pc.not_equal,
    "<>": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
_MIRRORED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_EQUALITY: Final = frozenset({"=", "==", "!=", "<>"})
_KEYWORDS: Final = frozenset({"AND", "OR", "NOT", "IN", "IS", "NULL", "BETWEEN", "TRUE", "FALSE"})


@dataclass(frozen=True, slots=True)
class Predicate:
    """A parsed predicate: what it reads, and a mask for columns of values."""

    text: str
    paths: frozenset[str]
    """Signals it reads."""
    _evaluate: _Evaluate

    def mask(self, columns: Mapping[str, pa.Array], rows: int) -> NDArray[np.bool_]:
        """Which of ``rows`` rows it selects. ``columns`` holds the signals of ``paths``, in their
        ``arrow_type`` or ``stored_type``; one that is missing counts as not reported."""
        absent = {path: columns[path] if path in columns else pa.nulls(rows) for path in self.paths}
        answer = self._evaluate(absent)
        if isinstance(answer, pa.Scalar):
            return np.full(rows, bool(answer.as_py()), np.bool_)
        chosen: NDArray[np.bool_] = pc.fill_null(answer, False).to_numpy(zero_copy_only=False)
        return chosen


def parse(text: str, catalogue: Catalogue) -> Predicate:
    """Read a predicate; ``Invalid`` says where (character, from 1) and what would be right."""
    if len(text) > PREDICATE_CHARS_MAX:
        raise Invalid(f"The predicate is longer than {PREDICATE_CHARS_MAX} characters.")
    parser = _Parser(text, catalogue)
    evaluate = parser.parse()
    return Predicate(text, frozenset(parser.paths), evaluate)


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


class _Literal(NamedTuple):
    value: bool | int | float | str
    at: int


class _Operand(NamedTuple):
    signal: Signal
    at: int


class _Parser:
    def __init__(self, text: str, catalogue: Catalogue) -> None:
        self.paths: set[str] = set()
        self._catalogue = catalogue
        self._tokens = _tokens(text)
        self._next = 0
        self._depth = 0
        self._terms = 0

    def parse(self) -> _Evaluate:
        evaluate = self._or()
        if self._peek.kind != "end":
            raise _wrong(self._peek.at, f"expected AND, OR or the end, not {self._peek.text!r}")
        return evaluate

    @property
    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def _word(self, word: str) -> bool:
        """Take a keyword or sign if it is next."""
        token = self._peek
        if token.kind in ("name", "sign") and token.text.upper() == word:
            self._take()
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._word(word):
            raise _wrong(self._peek.at, f"expected {word}")

    def _or(self) -> _Evaluate:
        left = self._and()
        while self._word("OR"):
            left = _joined(pc.or_kleene, left, self._and())
        return left

    def _and(self) -> _Evaluate:
        left = self._not()
        while self._word("AND"):
            left = _joined(pc.and_kleene, left, self._not())
        return left

    def _not(self) -> _Evaluate:
        self._depth += 1
        if self._depth > PREDICATE_DEPTH_MAX:
            raise _wrong(self._peek.at, f"more than {PREDICATE_DEPTH_MAX} levels of brackets")
        if self._word("NOT"):
            evaluate = _negated(self._not())
        elif self._word("("):
            evaluate = self._or()
            self._expect(")")
        else:
            evaluate = self._comparison()
        self._depth -= 1
        return evaluate

    def _comparison(self) -> _Evaluate:
        self._terms += 1
        if self._terms > PREDICATE_TERMS_MAX:
            raise _wrong(self._peek.at, f"more than {PREDICATE_TERMS_MAX} comparisons")
        left = self._operand()
        token = self._peek
        if token.kind == "sign" and token.text in _COMPARE:
            return _compared(left, self._take(), self._operand())
        if isinstance(left, _Literal):
            raise _wrong(token.at, "expected a comparison such as = or >")
        if self._word("IS"):
            absent = not self._word("NOT")
            self._expect("NULL")
            return _null(left.signal.path, absent)
        negate = self._word("NOT")
        if self._word("BETWEEN"):
            evaluate = self._between(left, token)
        elif self._word("IN"):
            evaluate = self._in(left, token)
        elif negate:
            raise _wrong(self._peek.at, "expected IN or BETWEEN after NOT")
        elif left.signal.datatype == "boolean":
            return _compared(left, _Token("sign", "=", left.at), _Literal(True, left.at))
        else:
            raise _wrong(token.at, "expected a comparison such as = or >")
        return _negated(evaluate) if negate else evaluate

    def _between(self, left: _Operand, token: _Token) -> _Evaluate:
        low = _compared(left, token._replace(text=">="), self._literal())
        self._expect("AND")
        high = _compared(left, token._replace(text="<="), self._literal())
        return _joined(pc.and_kleene, low, high)

    def _in(self, left: _Operand, token: _Token) -> _Evaluate:
        equal = token._replace(text="=")
        self._expect("(")
        evaluate = _compared(left, equal, self._literal())
        while self._word(","):
            self._terms += 1
            evaluate = _joined(pc.or_kleene, evaluate, _compared(left, equal, self._literal()))
            if self._terms > PREDICATE_TERMS_MAX:
                raise _wrong(self._peek.at, f"more than {PREDICATE_TERMS_MAX} comparisons")
        self._expect(")")
        return evaluate

    def _literal(self) -> _Literal:
        operand = self._operand()
        if isinstance(operand, _Literal):
            return operand
        raise _wrong(operand.at, "expected a number, a text, TRUE or FALSE")

    def _operand(self) -> _Operand | _Literal:
        token = self._take()
        if token.kind == "number":
            plain = token.text.lstrip("+-").isdigit() and len(token.text) < 19
            return _Literal(int(token.text) if plain else float(token.text), token.at)
        if token.kind == "text":
            quote = token.text[0]
            return _Literal(token.text[1:-1].replace(quote * 2, quote), token.at)
        if token.kind != "name" or token.text.upper() in _KEYWORDS - {"TRUE", "FALSE"}:
            shown = "the end" if token.kind == "end" else repr(token.text)
            raise _wrong(token.at, f"expected a signal or a value, not {shown}")
        if token.text.upper() in ("TRUE", "FALSE"):
            return _Literal(token.text.upper() == "TRUE", token.at)
        return _Operand(self._signal(token), token.at)

    def _signal(self, token: _Token) -> Signal:
        signal = self._catalogue.get(token.text)
        if signal is None:
            near = get_close_matches(token.text, list(self._catalogue), n=1)
            hint = f"; did you mean {near[0]}?" if near else "; `motorcade signals` lists them"
            raise _wrong(token.at, f"there is no signal {token.text}{hint}")
        self.paths.add(signal.path)
        return signal


def _tokens(text: str) -> list[_Token]:
    tokens = []
    at = 0
    end = len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            raise _wrong(at, f"cannot read {text[at : at + 10]!r}")
        tokens.append(_Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
        at = match.end()
    tokens.append(_Token("end", "", end))
    return tokens


def _wrong(at: int, what: str) -> Invalid:
    return Invalid(f"The predicate, at character {at + 1}: {what}.", position=at + 1)


def _joined(kernel: Any, left: _Evaluate, right: _Evaluate) -> _Evaluate:
    return lambda columns: kernel(left(columns), right(columns))


def _negated(evaluate: _Evaluate) -> _Evaluate:
    return lambda columns: pc.invert(evaluate(columns))


def _null(path: str, absent: bool) -> _Evaluate:
    kernel = pc.is_null if absent else pc.is_valid
    return lambda columns: kernel(columns[path])


def _compared(left: _Operand | _Literal, sign: _Token, right: _Operand | _Literal) -> _Evaluate:
    """A comparison, its types checked now and not at the first row."""
    operator = sign.text
    if isinstance(left, _Literal):
        if isinstance(right, _Literal):
            raise _wrong(left.at, "a comparison needs a signal on one side")
        left, right, operator = right, left, _MIRRORED.get(operator, operator)
    kernel = _COMPARE[operator]
    signal = left.signal
    group = _group(signal, left.at)
    if group in ("word", "boolean") and operator not in _EQUALITY:
        raise _wrong(sign.at, f"{signal.path} has no order; use = or !=")
    path = signal.path
    if isinstance(right, _Literal):
        value = _scalar(signal, group, right)
        return lambda columns: kernel(_values(columns[path], value.type), value)
    other = right.signal
    same = _group(other, right.at) == group and (group != "word" or signal.words == other.words)
    if not same:
        raise _wrong(right.at, f"{other.path} cannot be compared with {path}")
    kind = pa.float64() if group == "number" else signal.arrow_type
    return lambda columns: kernel(_values(columns[path], kind), _values(columns[other.path], kind))


def _group(signal: Signal, at: int) -> str:
    if signal.is_list:
        raise _wrong(at, f"{signal.path} is a list; a predicate compares single values")
    if signal.is_enum:
        return "word"
    return signal.datatype if signal.datatype in ("string", "boolean") else "number"


def _scalar(signal: Signal, group: str, literal: _Literal) -> pa.Scalar:
    """The literal in the type the column is compared in."""
    value, at = literal
    if group == "word":
        if value not in signal.words:
            words = ", ".join(signal.words[:12])
            raise _wrong(at, f"{signal.path} is one of {words}; not {value!r}")
        return pa.scalar(signal.words.index(str(value)), pa.uint8())
    kinds = {"string": (str, "a text in quotes"), "boolean": (bool, "TRUE or FALSE")}
    wanted, name = kinds.get(group, ((int, float), "a number"))
    if not isinstance(value, wanted) or (group == "number" and isinstance(value, bool)):
        raise _wrong(at, f"{signal.path} is compared with {name}")
    if signal.datatype == "float":  # 54.3 means the float32 nearest to it, which is what is stored
        return pa.scalar(float(value), pa.float32())
    if group == "number":
        return pa.scalar(value, pa.int64() if isinstance(value, int) else pa.float64())
    return pa.scalar(value, signal.arrow_type)


def _values(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """A column in the type it is compared in; codes of an enumeration stored as words."""
    if pa.types.is_dictionary(array.type):
        array = array.indices
    return array if array.type == kind else array.cast(kind, safe=False)
