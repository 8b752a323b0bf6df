"""The two named errors of the product. Everything else is a bug and ends the process, so that the supervisor restarts it.

`Rejected` is the other side's input: it carries a stable code, the field and a sentence in Chinese and English.
`Unavailable` means: nothing is wrong with the input, try again later.
"""

from __future__ import annotations


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
