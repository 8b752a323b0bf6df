"""Which messages are under way, and when each is due again. Pure: monotonic seconds come in as an argument, nothing is sent here.

Timers are kept here and not on disk, by a clock that does not jump: after a restart everything unreceipted is due at once.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from agents.outbox import Entry


class UnderWay:
    """One message without a receipt: `first_s` when it was first published, `due_s` when it is published again, unless it is still `leaving`."""

    __slots__ = ("attempts", "deferred", "due_s", "entry", "first_s", "leaving")

    def __init__(self, entry: Entry, now_s: float) -> None:
        self.entry = entry
        self.first_s = now_s
        self.due_s = now_s
        self.attempts = 0
        self.deferred = False
        self.leaving = False


class Window:
    """At most `size` messages under way. `resend_after_s` without a receipt makes one due again; `unavailable` defers it.

    That time counts from the broker's acknowledgement: a copy put behind a message that has not yet left would only make a slow line slower.
    """

    def __init__(self, size: int, resend_after_s: float, *, longest_defer_s: float = 300.0, dice: random.Random | None = None) -> None:
        self.size = size
        self.resend_after_s = resend_after_s
        self.longest_defer_s = longest_defer_s
        self.resends = 0
        self.deferrals = 0
        self._dice = dice or random.Random()
        self._under_way: dict[str, UnderWay] = {}
        self._paused_until_s = 0.0

    def __len__(self) -> int:
        return len(self._under_way)

    def __contains__(self, message_id: str) -> bool:
        return message_id in self._under_way

    def ids(self) -> list[str]:
        """Everything under way."""
        return list(self._under_way)

    def room(self, now_s: float) -> tuple[int, bool]:
        """(how many messages may be taken from the outbox now, only urgent ones?).

        While the hub says `unavailable`, or the window is full, urgent reports alone go on, in a reserve as large as the window.
        """
        free = self.size - len(self._under_way)
        if now_s < self._paused_until_s or free <= 0:
            return max(0, 2 * self.size - len(self._under_way)), True
        return free, False

    def add(self, entries: Iterable[Entry], now_s: float) -> None:
        """Put messages under way, due at once."""
        for entry in entries:
            self._under_way.setdefault(entry.id, UnderWay(entry, now_s))

    def due(self, now_s: float) -> list[UnderWay]:
        """Messages to publish now, urgent first, then in the order of acceptance."""
        ready = [one for one in self._under_way.values() if one.due_s <= now_s and not one.leaving]
        return sorted(ready, key=lambda one: (not one.entry.urgent, one.entry.seq))

    def published(self, message_id: str, now_s: float) -> None:
        """A message was handed to the link: it leaves until the broker acknowledges it, or until the link is made anew."""
        one = self._under_way.get(message_id)
        if one is None:
            return
        if one.attempts == 0:
            one.first_s = now_s
        else:
            self.resends += 1
        one.attempts += 1
        one.deferred = False
        one.leaving = True

    def acknowledged(self, message_id: str, now_s: float) -> None:
        """The broker has it: without a receipt it is due again after `resend_after_s`, less up to a tenth."""
        one = self._under_way.get(message_id)
        if one is not None and one.leaving:
            one.leaving = False
            if not one.deferred:
                one.due_s = now_s + self.resend_after_s * self._dice.uniform(0.9, 1.0)

    def settled(self, message_id: str) -> UnderWay | None:
        """A final receipt came: the message leaves the window."""
        return self._under_way.pop(message_id, None)

    def deferred(self, message_id: str, retry_after_s: float, now_s: float) -> None:
        """The hub said `unavailable`: this one is due after `retry_after_s` plus up to a quarter, and nothing that is not urgent before.

        The wait is at least 0.1 s and at most `longest_defer_s`, whatever the hub asks for.
        """
        self.deferrals += 1
        retry_after_s = min(max(retry_after_s, 0.1), self.longest_defer_s)
        self._paused_until_s = max(self._paused_until_s, now_s + retry_after_s)
        one = self._under_way.get(message_id)
        if one is not None:
            one.deferred, one.leaving = True, False
            one.due_s = now_s + retry_after_s * self._dice.uniform(1.0, 1.25)

    def link_is_back(self, now_s: float) -> None:
        """After a new connection everything under way is due at once, except what the hub deferred."""
        for one in self._under_way.values():
            one.leaving = False
            if not one.deferred:
                one.due_s = now_s

    def next_due_s(self, now_s: float) -> float | None:
        """When the next message may be due or the pause ends, or None where nothing waits for a time."""
        times = [now_s + self.resend_after_s if one.leaving else one.due_s for one in self._under_way.values()]
        if self._paused_until_s > now_s:
            times.append(self._paused_until_s)
        return min(times, default=None)
