"""The one lease of this hub's processes: for reactors, recordings and open views alike."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

LEASE: Final = timedelta(seconds=15)
"""How long a process need not say that it still works at something before another one takes it over or ends it (our own choice: a dead process is
replaced within it, and one whose store is away for some seconds loses nothing)."""
