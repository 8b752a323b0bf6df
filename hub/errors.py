"""The two named errors of the product. Everything else is a bug and ends the process, so that the supervisor restarts it.

`Rejected` is the other side's input: it carries a stable code, the field and a sentence in Chinese and English.
`Unavailable` means: nothing is wrong with the input, try again later.
"""

from __future__ import annotations

from collections.abc import Sequence

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
