"""Messages at the edge of what their type allows, made from the type itself: whatever the wire lets through, the hub must be able to live with."""

from __future__ import annotations

import random
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec import inspect as look

TEXTS = (
    "", " ", "a", "槽罐车侧翻", "'; DROP TABLE report; --", "<script>alert(1)</script>", "{{7*7}}", "%s%n", "\\", '"', "\n", "\t\n\r", "🚒👨‍👩‍👧‍👦", "e\u0301" * 5,
    "\u200b\u200d", "\u3000全角　", "ＡＢＣ１２３", "NULL", "nan", "1e309", "../../etc/passwd", "A" * 300, "一" * 120, "مرحبا", "\U0010ffff", "=1+1", "@SUM(A1)", "%00",
    "&amp;", "0" * 50, "|", "?a=b#c", ";",
)
TIMES = ("0001-01-01T00:00:00+00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-12:00", "1970-01-01T00:00:00Z", "2024-02-29T12:00:00+08:00",
         "1900-01-01T00:00:00+08:05", "2038-01-19T03:14:08Z")
DAYS = ("0001-01-01", "9999-12-31", "2024-02-29")
PATTERNED = ("a", "0", "a-b", "x" * 63, "1005", "0004", "9999", "X886", "268", "7664-41-7", "320707", "320707108", "320707108000", "999999", "ab" * 32, "12H00", "21000")
MANY = 60
"""The most elements of a list; a type allows more than a message has room for."""


def message(dice: random.Random, kind: type[Struct]) -> dict[str, Any]:
    """A message of this type as plain JSON values; only its type's own limits are kept."""
    shape = look.type_info(kind)
    assert isinstance(shape, look.StructType)
    return _struct(dice, shape, likely=0.35)


def _struct(dice: random.Random, shape: look.StructType, likely: float = 0.5) -> dict[str, Any]:
    return {field.encode_name: _value(dice, field.type) for field in shape.fields if field.required or dice.random() < likely}


def _value(dice: random.Random, shape: look.Type) -> Any:
    if isinstance(shape, look.UnionType):
        return _value(dice, dice.choice(shape.types))
    if isinstance(shape, look.StructType):
        return _struct(dice, shape)
    if isinstance(shape, (look.VarTupleType, look.ListType)):
        return [_value(dice, shape.item_type) for _ in range(dice.choice((0, 1, 2, min(shape.max_length or 3, MANY))))]
    if isinstance(shape, look.DictType):
        return {_value(dice, shape.key_type): _value(dice, shape.value_type) for _ in range(dice.choice((0, 1, 5)))}
    if isinstance(shape, look.EnumType):
        return dice.choice(list(shape.cls)).value
    if isinstance(shape, look.StrType):
        return _text(dice, shape)
    if isinstance(shape, (look.IntType, look.FloatType)):
        return _number(dice, shape)
    return _plain(dice, shape)


def _plain(dice: random.Random, shape: look.Type) -> Any:
    some = {
        look.NoneType: (None,), look.BoolType: (False, True), look.DateType: (*DAYS, date.today().isoformat()),
        look.AnyType: (None, 1, -1, 2**53 - 1, 1.5, "x", [], {}, [[[]]], {"a": {"b": None}}, "=1+1", True),
    }
    if isinstance(shape, look.DateTimeType):
        return dice.choice((*TIMES, *(ago(dice) for _ in TIMES)))
    return dice.choice(some[type(shape)])  # a type of the wire that is not known here is a KeyError


def _text(dice: random.Random, shape: look.StrType) -> str:
    if shape.pattern is not None:
        return dice.choice([text for text in PATTERNED if re.search(shape.pattern, text)])
    least, most = shape.min_length or 0, shape.max_length
    text = dice.choice((*TEXTS, "一" * most, "🚒" * most) if most is not None and most <= 300 else TEXTS)[:most]
    return text if len(text) >= least else "x" * least


def _number(dice: random.Random, shape: look.IntType | look.FloatType) -> float:
    widest = 2**53 - 1 if isinstance(shape, look.IntType) else 1.7e308
    low, high = shape.ge if shape.ge is not None else -widest, shape.le if shape.le is not None else widest
    return dice.choice((low, high, 0 if low <= 0 else low, dice.randint(int(max(low, -1000)), int(min(high, 1000)))))


def ago(dice: random.Random) -> str:
    """A time that is believed."""
    return (datetime.now(UTC) - timedelta(seconds=dice.choice((0, 60, 86_400, 86_400 * 300)))).isoformat()
