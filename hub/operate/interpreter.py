"""The interpreter's own settings for a hub that runs: how often it collects, and how long a thread keeps it."""

from __future__ import annotations

import gc
import sys

SWITCH_S = 0.0005
"""How long one thread may keep the interpreter while another waits. The writer's thread comes back from the database some forty times in a
batch: at Python's 5 ms it would wait out a fifth of a second while the loop reads the next messages."""


def settle() -> None:
    """What is open now stays open: the collector passes it over, and looks less often at the many small things that pass through.

    Measured: a tenth of the cost of a report was the collector's, and a quarter of a tick with 10,000 due duties.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    sys.setswitchinterval(SWITCH_S)
