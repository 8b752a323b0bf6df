"""The two named errors of the product. Everything else is a bug and ends the process, so that the supervisor restarts it.

`Rejected` is the other side's input: it carries a stable code, the field and a sentence in Chinese and English.
`Unavailable` means: nothing is wrong with the input, try again later.
"""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct


class Rejected(Exception):
    """Their input cannot be taken; the sentence says what to do about it.

    `code` is stable and documented in docs/wire.md, `field` is a dotted path into the input or None.
    """

    def __init__(self, code: str, zh: str, en: str, *, field: str | None = None) -> None:
        super().__init__(f"{code}: {en}" + (f" ({field})" if field else ""))
        self.code = code
        self.zh = zh
        self.en = en
        self.field = field

    @property
    def message(self) -> str:
        """Both languages in one line, as receipts carry it."""
        return f"{self.zh} / {self.en}"


class Fault(Struct, frozen=True):
    """One thing that is wrong with an input: where (`field`, a dotted path; `row` of a table or line of a sheet), and what to do about it."""

    field: str
    zh: str
    en: str
    row: int | None = None


def refusal(code: str, faults: Sequence[Fault], *, zh: str = "", en: str = "", most: int = 20) -> Rejected:
    """One refusal for all that is wrong: the field of the first fault, the sentences of the first `most`."""
    return Rejected(code, zh + "；".join(f.zh for f in faults[:most]), en + "; ".join(f.en for f in faults[:most]), field=faults[0].field)


def changed_meanwhile() -> Rejected:
    """Somebody else altered it since it was read."""
    return Rejected("changed_meanwhile", "内容已被他人修改，请刷新后重试", "somebody altered it meanwhile; reload and try again")


class Unavailable(Exception):
    """The hub cannot take it now; nothing was stored. `retry_after_s` says when to try again (seconds)."""

    def __init__(self, code: str, zh: str, en: str, *, retry_after_s: float = 5.0) -> None:
        super().__init__(f"{code}: {en}")
        self.code = code
        self.zh = zh
        self.en = en
        self.retry_after_s = retry_after_s

    @property
    def message(self) -> str:
        """Both languages in one line, as receipts carry it."""
        return f"{self.zh} / {self.en}"


_ERRNO: Final = {
    errno.ENOENT: "没有这个文件或目录", errno.ENOTDIR: "不是目录", errno.EISDIR: "这是目录，不是文件", errno.EACCES: "没有权限", errno.EPERM: "没有权限",
    errno.ENOSPC: "磁盘空间不足", errno.EDQUOT: "超出磁盘配额", errno.EROFS: "文件系统只读", errno.EIO: "磁盘读写出错", errno.EEXIST: "已存在",
    errno.EMFILE: "打开的文件过多", errno.ENAMETOOLONG: "名称过长", errno.ELOOP: "链接成环", errno.EBUSY: "正被占用", errno.EADDRINUSE: "端口已被占用",
    errno.EADDRNOTAVAIL: "本机没有这个地址", errno.ECONNREFUSED: "连接被拒绝，没有程序在监听", errno.ECONNRESET: "连接被对方中断", errno.EPIPE: "连接已断开",
    errno.ETIMEDOUT: "连接超时", errno.EHOSTUNREACH: "到对方主机不通", errno.ENETUNREACH: "网络不通",
}
_SQLITE: Final = {3: "没有权限", 5: "正被其他程序占用", 8: "数据库只读", 10: "磁盘读写出错", 11: "数据库文件已损坏", 13: "磁盘空间不足", 14: "无法打开数据库文件",
                  26: "不是数据库文件"}
"""SQLite's primary result codes (sqlite.org/rescode.html): PERM, BUSY, READONLY, IOERR, CORRUPT, FULL, CANTOPEN, NOTADB."""
_PLACE = re.compile(r"line (\d+),? column (\d+)")


def why_zh(error: BaseException) -> str:
    """The system's own reason in Chinese, for the Chinese half of a sentence; where there is no word for it, as the system says it."""
    if (code := (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF) in _SQLITE:
        return _SQLITE[code]
    if isinstance(error, json.JSONDecodeError):
        return f"第 {error.lineno} 行第 {error.colno} 列不是有效的 JSON"
    if isinstance(error, UnicodeError):
        return "不是 UTF-8 文本"
    if isinstance(error, OSError) and error.errno in _ERRNO:
        return _ERRNO[error.errno]
    if isinstance(error, TimeoutError):
        return "超时"
    if place := _PLACE.search(str(error)):
        return f"第 {place[1]} 行第 {place[2]} 列有误"
    return why_en(error)


def why_en(error: BaseException) -> str:
    """The system's own reason in English, without its numbers and the path that the sentence names already."""
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno}, column {error.colno} is not valid JSON"
    if isinstance(error, UnicodeError):
        return "not text in UTF-8"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
