"""Log lines: one a fact, to standard error, as words or as JSON."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable

import msgspec

_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {"at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
                "level": record.levelname.lower(), "from": record.name, "message": record.getMessage()}
        line.update({k: str(v) for k, v in vars(record).items() if k not in _USUAL})
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


NOISY = ("amqtt", "transitions", "aiosqlite", "aiohttp.access", "apscheduler", "alembic", "asyncio", "apprise", "mqtt")
"""Libraries of which warnings and errors alone are of use."""
A_MINUTE_OF_EACH = 10
"""How many lines of one statement of a library are written in a minute (our own choice): amqtt writes a traceback for each message that somebody does
not acknowledge, and two agents that sent too fast had filled a log with 57,000 lines in 25 s, from the loop in which reports wait."""


class Sparing(logging.Filter):
    """Lets ten lines a minute of each statement of a noisy library pass; the first of the next minute says how many did not.

    That somebody was slow is said in a line: where in the library it was noticed helps nobody.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """May it be written?"""
        if record.name.partition(".")[0] not in NOISY:
            return True
        if record.exc_info and isinstance(record.exc_info[1], TimeoutError):
            record.exc_info = None
        now, place = self._clock(), (record.name, record.lineno)
        since, count = self._seen.get(place, (now, 0))
        if now - since >= 60:
            if count > A_MINUTE_OF_EACH:
                record.msg, record.args = f"{record.getMessage()} (and {count - A_MINUTE_OF_EACH} more since)", ()
            since, count = now, 0
        self._seen[place] = (since, count + 1)
        return count < A_MINUTE_OF_EACH


def set_up(*, json_lines: bool, level: int = logging.INFO) -> None:
    """Send the log to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Sparing())
    handler.setFormatter(_Json() if json_lines else logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(max(level, logging.WARNING))


def writes_json() -> bool:
    """Does this process write its log as JSON?"""
    return any(isinstance(handler.formatter, _Json) for handler in logging.getLogger().handlers)
