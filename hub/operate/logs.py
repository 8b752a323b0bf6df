"""Log lines: one a fact, to standard error, as words or as JSON."""

from __future__ import annotations

import logging
import sys
import time

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


def set_up(*, json_lines: bool, level: int = logging.INFO) -> None:
    """Send the log to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if json_lines else logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("amqtt", "transitions", "aiosqlite", "aiohttp.access", "apscheduler", "alembic", "asyncio", "apprise", "mqtt"):
        logging.getLogger(noisy).setLevel(max(level, logging.WARNING))


def writes_json() -> bool:
    """Does this process write its log as JSON?"""
    return any(isinstance(handler.formatter, _Json) for handler in logging.getLogger().handlers)
