"""Traditional Chinese characters as the simplified ones that the tables of plans, triage and hazmat support are written in. Pure over one data file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType


@cache
def pairs() -> Mapping[str, str]:
    """Every traditional character of `data/traditional.txt` with its simplified one."""
    lines = resources.files("plans").joinpath("data", "traditional.txt").read_text("utf-8").splitlines()
    return MappingProxyType({pair[0]: pair[1] for line in lines if not line.startswith("#") for pair in line.split()})


@cache
def _table() -> Mapping[int, str]:
    return MappingProxyType({ord(old): new for old, new in pairs().items()})


def simplified(text: str) -> str:
    """The text with every traditional character written simplified; as long as it was."""
    return text.translate(_table())
