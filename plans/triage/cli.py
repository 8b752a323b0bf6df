"""The command `tocsin triage`: text in on standard input, drafts out as JSON. An edge: it reads, prints and holds no rules."""

from __future__ import annotations

import codecs
import json
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import IO, Annotated

import msgspec
import typer

from hub.errors import Rejected
from plans.triage import Draft
from plans.triage import triage as read

LINE_BYTES = 1_000_000  # a JSON line beyond this is refused unread; a text of 200,000 characters fits in it


class Line(msgspec.Struct, frozen=True):
    """One line of `--lines`: further fields are ignored."""

    text: str
    id: str | int | None = None


def drafts(lines: Iterable[bytes], now: datetime, *, plans: bool) -> Iterator[Draft | tuple[int, Rejected]]:
    """A draft for each JSON line, or its line number and why it was refused; blank lines are skipped."""
    for number, raw in enumerate(lines, start=1):
        if not raw.strip():
            continue
        try:
            yield _one(raw, now, plans=plans)
        except Rejected as refusal:
            yield number, refusal


def _one(raw: bytes, now: datetime, *, plans: bool) -> Draft:
    if len(raw) > LINE_BYTES:
        raise Rejected("too_long", f"这一行超过{LINE_BYTES}字节", f"this line is longer than {LINE_BYTES} bytes", field="text")
    try:
        line = msgspec.json.decode(raw, type=Line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected(
            "bad_line", '每行应是 {"id": …, "text": …} 的 JSON', f'each line must be JSON {{"id": …, "text": …}}: {error}', field="line"
        ) from error
    return read(line.text, now, id=None if line.id is None else str(line.id), plans=plans)


def _whole(stream: IO[bytes]) -> str:
    raw = stream.read(LINE_BYTES + 1)
    if len(raw) > LINE_BYTES:
        raise Rejected(
            "too_long", f"文本超过{LINE_BYTES}字节，请只粘贴事件部分", f"the text is longer than {LINE_BYTES} bytes", field="text"
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Rejected("not_utf8", "文本不是 UTF-8 编码", f"the text is not UTF-8: byte {error.start}", field="text") from error


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Lines of bounded length: of a longer one only its head is kept, enough to refuse it. A byte order mark before the first is none of it."""
    opening = True
    while raw := stream.readline(LINE_BYTES + 1):
        head = raw.removeprefix(codecs.BOM_UTF8) if opening else raw
        opening = False
        while not raw.endswith(b"\n") and (raw := stream.readline(LINE_BYTES)):
            pass
        yield head


def _refuse(refusal: Rejected, *, line: int | None = None) -> None:
    row = {"error": refusal.code, "line": line, "field": refusal.field, "zh": refusal.zh, "en": refusal.en}
    sys.stderr.write(json.dumps({k: v for k, v in row.items() if v is not None}, ensure_ascii=False) + "\n")


def triage(
    as_json: Annotated[bool, typer.Option("--json", help="print JSON / 输出 JSON")] = False,
    lines: Annotated[bool, typer.Option("--lines", help='read JSON lines {"id","text"}, one draft per line / 逐行读入')] = False,
    plans: Annotated[bool, typer.Option("--plans", help="add matching plan ids, best first / 附匹配预案")] = False,
) -> None:
    """Read a Chinese text from standard input into a draft report. 把标准输入的中文文本读成事件快报草稿。"""
    now = datetime.now(UTC)
    if lines:
        refused = False
        for outcome in drafts(_lines(sys.stdin.buffer), now, plans=plans):
            if isinstance(outcome, Draft):
                sys.stdout.write(msgspec.json.encode(outcome).decode() + "\n")
                sys.stdout.flush()
            else:
                refused = True
                _refuse(outcome[1], line=outcome[0])
        if refused:
            raise typer.Exit(1)
        return
    try:
        draft = read(_whole(sys.stdin.buffer), now, plans=plans)
    except Rejected as refusal:
        _refuse(refusal)
        raise typer.Exit(1) from refusal
    encoded = msgspec.json.encode(draft)
    sys.stdout.write((encoded if as_json else msgspec.json.format(encoded, indent=2)).decode() + "\n")
