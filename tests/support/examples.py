"""A valid example of any struct that a route takes, made from its type: so that a test reaches the permission check behind the decoder."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import inspect

_PATTERNS = ("fire-rescue", "general", "12D00", "320707108", "1005", "0" * 64, "11A", "abc-1", "268", "0197f000-0000-7000-8000-000000000001")


def example(kind: Any) -> Any:
    """A value of `kind` as plain values, with only what is required filled in."""
    return _of(inspect.type_info(kind))


def _of(info: Any) -> Any:
    match info:
        case inspect.StructType():
            return {field.encode_name: _of(field.type) for field in info.fields if field.required}
        case inspect.StrType():
            return _text(info)
        case inspect.IntType() | inspect.FloatType():
            return info.ge if info.ge is not None else 1
        case inspect.BoolType():
            return True
        case inspect.EnumType():
            return next(iter(info.cls)).value
        case inspect.LiteralType():
            return info.values[0]
        case inspect.DateTimeType():
            return "2026-11-24T06:00:00Z"
        case inspect.DateType():
            return "2026-11-23"
        case inspect.ListType() | inspect.VarTupleType() | inspect.SetType():
            return [_of(info.item_type)] * (info.min_length or 0)
        case inspect.TupleType():
            return [_of(item) for item in info.item_types]
        case inspect.DictType():
            return {}
        case inspect.UnionType():
            return _of(next(one for one in info.types if not isinstance(one, inspect.NoneType)))
        case inspect.Metadata():
            return _of(info.type)
        case inspect.AnyType() | inspect.RawType():
            return {}
    return None


def _text(info: Any) -> str:
    if info.pattern is not None:
        return next((text for text in _PATTERNS if re.search(info.pattern, text)), "a")
    return "x" * max(info.min_length or 0, 3)


def is_valid(kind: Any, value: Any) -> bool:
    """Does the decoder take it?"""
    try:
        msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError:
        return False
    return True
