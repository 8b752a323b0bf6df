"""What a tier sees of a view: the one mask for REST, the live feed and exports. Pure; it never changes what is stored.

A view may be a frozen Struct (it keeps its type), a mapping, a sequence or a text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from hub.domain.access import Tier

T = TypeVar("T")


class How(StrEnum):
    """How a field is masked."""

    NAME = "name"
    PHONE = "phone"
    PLATE = "plate"
    HIDE = "hide"


class FieldRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `fields` of the sharing policy: by tier, the end of a field's path → how; texts are scrubbed below `scrubbed_below`."""

    source: str
    masked: dict[Tier, dict[str, How]]
    scrubbed_below: Tier = Tier.ASSIST


HIDDEN: Final = "＊＊＊"
# Mainland mobile numbers, landlines with area code, 18-digit identity numbers; never inside an id, a hash or a longer number.
_PRIVATE = re.compile(r"(?<![0-9A-Za-z.-])(?:1[3-9][0-9]{9}|0[0-9]{2,3}-?[0-9]{7,8}|[1-9][0-9]{16}[0-9Xx])(?![0-9A-Za-z-])")


def mask_name(name: str) -> str:
    """The family name and stars: 张三丰 → 张**."""
    return name[:1] + "*" * (len(name) - 1) if len(name) > 1 else "*" * len(name)


def mask_phone(phone: str) -> str:
    """All but the first three and the last four signs: 13812345678 → 138****5678; short numbers are hidden."""
    return f"{phone[:3]}****{phone[-4:]}" if len(phone) >= 9 else "****"


def mask_plate(plate: str) -> str:
    """The place and the last two signs: 苏G12345 → 苏G***45."""
    return f"{plate[:2]}***{plate[-2:]}" if len(plate) >= 5 else "***"


def scrub(text: str) -> str:
    """Take telephone and identity numbers out of running text."""
    return _PRIVATE.sub(lambda found: mask_phone(found[0]), text)


_HOW: Final[Mapping[How, Callable[[str], str]]] = {
    How.NAME: mask_name, How.PHONE: mask_phone, How.PLATE: mask_plate, How.HIDE: lambda _text: HIDDEN,
}


def mask(view: T, tier: Tier | None, rules: FieldRules) -> T:
    """`view` as `tier` may see it: the same object where nothing is masked for that tier. None sees what the lowest tier sees."""
    tier = tier or Tier.INFORMED
    fields = rules.masked.get(tier, {})
    scrubbed = tier.rank < rules.scrubbed_below.rank
    if not fields and not scrubbed:
        return view
    masked: T = _walk(view, (), _Ends(fields), scrubbed)
    return masked


class _Ends:
    """The ends of paths, looked up by their last key."""

    def __init__(self, fields: Mapping[str, How]) -> None:
        self._by_last: dict[str, list[tuple[tuple[str, ...], How]]] = {}
        for path, how in fields.items():
            keys = tuple(path.split("."))
            self._by_last.setdefault(keys[-1], []).append((keys, how))
        for rows in self._by_last.values():
            rows.sort(key=lambda row: -len(row[0]))

    def how(self, path: tuple[str, ...]) -> How | None:
        for keys, how in self._by_last.get(path[-1], ()) if path else ():
            if path[-len(keys):] == keys:
                return how
        return None


def _walk(value: Any, path: tuple[str, ...], ends: _Ends, scrubbed: bool) -> Any:
    how = ends.how(path)
    if how is not None and value is not None and not isinstance(value, Struct | Mapping):
        return _hide(value, how)
    if isinstance(value, str):
        return scrub(value) if scrubbed and type(value) is str else value
    if isinstance(value, Struct):
        return _walk_struct(value, path, ends, scrubbed)
    if isinstance(value, Mapping):
        return {key: _walk(item, (*path, str(key)), ends, scrubbed) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_walk(item, path, ends, scrubbed) for item in value) if not hasattr(value, "_fields") else value
    return value


def _walk_struct(value: Struct, path: tuple[str, ...], ends: _Ends, scrubbed: bool) -> Struct:
    changed = {}
    for name, key in _names(type(value)):
        before = getattr(value, name)
        after = _walk(before, (*path, key), ends, scrubbed)
        if after is not before:
            changed[name] = after
    return msgspec.structs.replace(value, **changed) if changed else value


@lru_cache(maxsize=512)
def _names(kind: type[Struct]) -> tuple[tuple[str, str], ...]:
    return tuple((field.name, field.encode_name) for field in msgspec.structs.fields(kind))


def _hide(value: Any, how: How) -> Any:
    if isinstance(value, str):
        return _HOW[how](value)
    if isinstance(value, list | tuple):
        return type(value)()
    return None
