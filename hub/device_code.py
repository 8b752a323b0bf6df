"""The 20-digit device code of GB/T 28181 and what its type says: data, read once. A leaf: agents and the core stand on it."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from hub.errors import Rejected

DIGITS: Final = 20


class Pictures(StrEnum):
    """Whose pictures a type of device gives: its own (a camera), those of its channels, or none."""

    OWN = "own"
    CHANNELS = "channels"
    NONE = "none"


class DeviceType(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A type of device by its name in the standard, which does not always say whether it gives pictures (None)."""

    zh: str
    en: str
    pictures: Pictures | None = None


class DeviceTypes(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """hub/data/gb28181_types.yaml, which says what each is and where it comes from."""

    source: str
    edition: str
    valid_from: str
    types: dict[str, DeviceType]


@cache
def device_types() -> DeviceTypes:
    """The types that come with the product."""
    import yaml

    return msgspec.convert(yaml.safe_load((Path(__file__).parent / "data" / "gb28181_types.yaml").read_text("utf-8")), DeviceTypes)


def is_device_code(text: str) -> bool:
    """Does it have the form of a device code?"""
    return len(text) == DIGITS and text.isascii() and text.isdigit()


def type_of(code: str) -> DeviceType | None:
    """The type of a device by digits 11 to 13 of its code; None for one that the standard leaves to extensions."""
    return device_types().types.get(code[10:13])


def check_camera_code(code: str, *, field: str) -> None:
    """Raise Rejected for a text that is no device code, or a code that is no camera's, with what its type says instead."""
    cameras = {number: known for number, known in device_types().types.items() if known.pictures is Pictures.OWN}
    zh, en = "、".join(f"{n} {t.zh}" for n, t in cameras.items()), ", ".join(f"{n} {t.en}" for n, t in cameras.items())
    if not is_device_code(code):
        raise Rejected("wrong_code", f"国标编码应为 {DIGITS} 位数字，第 11–13 位为设备类型（{zh}）",
                       f"a GB/T 28181 code has {DIGITS} digits, the type of device at digits 11 to 13 ({en})", field=field)
    number, found = code[10:13], type_of(code)
    if found is not None and found.pictures is Pictures.OWN:
        return
    said_zh, said_en = (found.zh, found.en) if found else ("标准未定义的类型", "a type that the standard does not define")
    asks_zh, asks_en = ("，请填写其通道的编码", ": give the code of its channel") if found and found.pictures is Pictures.CHANNELS else ("", "")
    raise Rejected("not_a_camera", f"国标编码第 11–13 位为 {number}（{said_zh}），不是摄像机（{zh}）{asks_zh}",
                   f"digits 11 to 13 of the code are {number} ({said_en}), which is no camera ({en}){asks_en}", field=field)
