"""Who is let in next: a quota for each agent, fair turns between agents, urgent first. Bounded; says what it refuses.

An agent over its quota is told when to come back (its outbox keeps the report), so that its flood never stands before the others' reports.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, Protocol, TypeVar

from hub.errors import Unavailable


class Turn(Protocol):
    """What stands in the queue: whose turn it takes, and whether it goes first."""

    source: str
    urgent: bool


T = TypeVar("T", bound=Turn)


class Bucket:
    """A token bucket: `per_minute` on average, `at_once` in one go (one minute's worth unless said otherwise)."""

    __slots__ = ("at_once", "at_s", "per_minute", "tokens")

    def __init__(self, per_minute: int, now_s: float, at_once: int | None = None) -> None:
        self.per_minute = per_minute
        self.at_once = per_minute if at_once is None else at_once
        self.tokens = float(self.at_once)
        self.at_s = now_s

    def take(self, now_s: float) -> float:
        """Take one token: 0.0 where there was one, otherwise the seconds until there will be."""
        self.tokens = min(self.at_once, self.tokens + (now_s - self.at_s) * self.per_minute / 60)
        self.at_s = now_s
        if self.tokens >= 1:
            self.tokens -= 1
            return 0.0
        return (1 - self.tokens) * 60 / self.per_minute


class Admission(Generic[T]):
    """The waiting line. `limit` bounds all that wait, `share` what one source may have waiting."""

    def __init__(self, *, limit: int, quota_per_minute: int) -> None:
        self.limit = limit
        self.share = max(10, limit // 4)
        self.quota_per_minute = quota_per_minute
        self.refused = 0
        self._buckets: dict[str, Bucket] = {}
        self._waiting: dict[str, deque[T]] = {}
        self._urgent: dict[str, deque[T]] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def admit(self, item: T, now_s: float, quota_per_minute: int | None = None) -> None:
        """Let an item in; raises Unavailable `over_quota` or `busy` with the time to come back. Urgent ones pass the quota twice over."""
        bucket = self._buckets.get(item.source)
        if bucket is None or bucket.per_minute != (quota_per_minute or self.quota_per_minute):
            bucket = self._buckets[item.source] = Bucket(quota_per_minute or self.quota_per_minute, now_s)
        wait_s = bucket.take(now_s)
        if wait_s and item.urgent and bucket.tokens > -bucket.per_minute:
            bucket.tokens -= 1  # on credit, up to one more minute's worth
            wait_s = 0.0
        if wait_s:
            self.refused += 1
            raise Unavailable("over_quota", "发送过快，请稍后自动重发", "faster than this agent's quota; send again later",
                              retry_after_s=max(1.0, round(wait_s + 60 / bucket.per_minute, 1)))
        lines = self._urgent if item.urgent else self._waiting
        line = lines.get(item.source)
        if self._size >= self.limit or (line is not None and len(line) >= self.share):
            self.refused += 1
            raise Unavailable("busy", "接收队列已满，请稍后自动重发", "the hub is busy; send again later", retry_after_s=5)
        if line is None:
            line = lines[item.source] = deque()
        line.append(item)
        self._size += 1

    def take(self, most: int) -> list[T]:
        """Up to `most` items: the urgent first, then one of each source in turn."""
        out: list[T] = []
        for lines in (self._urgent, self._waiting):
            self._round(lines, most, out)
        self._size -= len(out)
        return out

    @staticmethod
    def _round(lines: dict[str, deque[T]], most: int, out: list[T]) -> None:
        while lines and len(out) < most:
            for source in list(lines):
                if len(out) >= most:
                    # who was not served this time is first next time
                    return
                line = lines.pop(source)
                out.append(line.popleft())
                if line:
                    lines[source] = line
