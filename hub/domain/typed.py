"""Numbers and dates as people type them into forms and sheets: full-width, with thousands separators, 2027年6月30日; and what a column that counts lines is called. Pure."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from typing import Final

from hub.domain.data import packaged

COUNTERS: Final = frozenset(packaged("table_words")["counters"])
"""Columns that count the lines of a table and say nothing else."""
_FULL_WIDTH: Final = {**{0xFF10 + n: str(n) for n in range(10)}, 0xFF0C: ",", 0xFF0E: ".", 0x3000: " "}
"""Full-width digits, comma, stop and space; nothing else is taken for a digit (10² is not 102)."""
_GROUPED: Final = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", re.ASCII)
_DATE: Final = re.compile(r"(\d{4})(?:[-/.年]\s*)(\d{1,2})(?:[-/.月]\s*)(\d{1,2})日?", re.ASCII)


def plain(text: str) -> str:
    """A text with full-width digits, letters and spaces made plain, without spaces at its ends."""
    return unicodedata.normalize("NFKC", text).strip()


def figures(text: str) -> str:
    """A number as typed, in plain digits and without thousands separators; what separates no thousands (`3,5`) stays, and is no number."""
    said = text.translate(_FULL_WIDTH).strip()
    return said.replace(",", "") if _GROUPED.fullmatch(said) else said


def read_date(text: str) -> date | None:
    """The day that a text names with its year (2027-6-30, 2027/6/30, 2027.6.30, 2027年6月30日); None for anything else, 30 February too."""
    found = _DATE.fullmatch(plain(text))
    try:
        return date(int(found[1]), int(found[2]), int(found[3])) if found else None
    except ValueError:
        return None
