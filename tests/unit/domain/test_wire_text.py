"""What no text may hold is found in every message, written as it is or as an escape; what only looks like it is let through."""

from __future__ import annotations

import json

import pytest

from hub import wire
from hub.errors import Rejected
from hub.ids import new_id

CONTROLS = (*range(0x00, 0x09), 0x0B, 0x0C, *range(0x0E, 0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF, 0xFFFE, 0xFFFF)
UNESCAPED = tuple(code for code in CONTROLS if code >= 0x20)
"""JSON knows the others as escapes alone (RFC 8259, section 7)."""


def report(title: str, **more: object) -> dict[str, object]:
    return {"id": new_id(), "kind": "initial", "occurred_at": "2026-11-23T14:05:00+08:00", "title": title, "place": {"text": "G204 赣马镇段"}} | more


@pytest.mark.parametrize("code", CONTROLS, ids=hex)
def test_a_control_is_refused_as_an_escape(code: int) -> None:
    for escape in (f"\\u{code:04x}", f"\\u{code:04X}"):
        payload = json.dumps(report("槽罐车@侧翻"), ensure_ascii=False).replace("@", escape).encode()
        with pytest.raises(Rejected, match="control") as refused:
            wire.decode_report(payload)
        assert (refused.value.code, refused.value.field) == ("control_characters", "title")


@pytest.mark.parametrize("code", UNESCAPED, ids=hex)
def test_a_control_is_refused_as_it_is(code: int) -> None:
    for words in ("tanker@over", "槽罐车@侧翻"):
        with pytest.raises(Rejected) as refused:
            wire.decode_report(json.dumps(report(words.replace("@", chr(code))), ensure_ascii=False).encode())
        assert refused.value.code == "control_characters"


@pytest.mark.parametrize("title", ["a\tb", "一行\n二行", "“引号”　全角", "é Ω 你好 🚒", "C:\\temp", "zero\u200bwidth", "\u3000"])
def test_what_is_no_control_is_kept_as_it_was_written(title: str) -> None:
    for ascii_only in (False, True):
        for indent in (None, 2):
            assert wire.decode_report(json.dumps(report(title, text="正文"), ensure_ascii=ascii_only, indent=indent).encode()).title == title


@pytest.mark.parametrize(("number", "refused"), [(wire.MOST, False), (wire.MOST + 1, True), (10**15, False), (-wire.MOST - 1, True), (2**62, True)])
def test_a_number_that_no_reader_keeps_is_refused(number: int, refused: bool) -> None:
    daily = {"id": new_id(), "department": "fire-rescue", "day": "2026-11-23", "template": "daily", "values": {"calls": number}, "zero": False}
    payload = json.dumps(daily).encode()
    if not refused:
        assert wire.decode_daily(payload).values == {"calls": number}
        return
    with pytest.raises(Rejected) as error:
        wire.decode_daily(payload)
    assert (error.value.code, error.value.field) == ("out_of_range", "values.calls")


def test_digits_in_a_text_are_no_number() -> None:
    assert wire.decode_report(json.dumps(report("运单 12345678901234567890")).encode()).title == "运单 12345678901234567890"


@pytest.mark.parametrize("unseen", ["\u200b", "\u200b\u200d\u2060", " \u3000\u00ad", "\ufe0f", "\u3164", "\u2800", "\u034f"], ids=ascii)
def test_a_title_or_a_place_of_which_nothing_shows_is_none(unseen: str) -> None:
    for said, field in ((report(unseen), "title"), (report("侧翻", place={"text": unseen}), "place")):
        with pytest.raises(Rejected) as refused:
            wire.decode_report(json.dumps(said).encode())
        assert (refused.value.code, refused.value.field) == ("missing_field", field)
    assert wire.decode_report(json.dumps(report(f"侧{unseen}翻")).encode()).title == f"侧{unseen}翻"
