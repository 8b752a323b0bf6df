"""An independent record of everything offered, accepted, receipted and notified, compared with the store when a test ends.

It lives outside the agent and outside the hub: one file of JSON lines, appended by any number of processes, that survives their deaths.
Nothing receipted may be missing, nothing may stand twice, nothing may stand that was not sent.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

RECEIPTED = frozenset({"stored", "duplicate"})


@dataclass(frozen=True)
class Findings:
    """What does not add up, by id; all empty means that the promise was kept."""

    receipted_missing: tuple[str, ...] = ()
    accepted_missing: tuple[str, ...] = ()
    twice: tuple[str, ...] = ()
    never_sent: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    notified_without_cause: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Nothing to complain about?"""
        return not any(getattr(self, name) for name in self.__dataclass_fields__)

    def __str__(self) -> str:
        found = [f"{name}: {len(ids)} (first {ids[0]})" for name in self.__dataclass_fields__ if (ids := getattr(self, name))]
        return "; ".join(found) or "clean"


@dataclass
class Ledger:
    """Append with the verbs, then `check` against the store; `path` may be shared between processes."""

    path: Path
    _fd: int = field(default=-1, repr=False)

    def __post_init__(self) -> None:
        self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write(self, event: str, message_id: str, **rest: str) -> None:
        line = json.dumps({"event": event, "id": message_id, **rest}) + "\n"
        os.write(self._fd, line.encode())  # one write of a short line with O_APPEND: whole or not at all between processes

    def offered(self, message_id: str, content_hash: str) -> None:
        """About to be handed to an agent (or to the hub): it may stand in the store from now on."""
        self._write("offered", message_id, hash=content_hash)

    def accepted(self, message_id: str) -> None:
        """The agent took it: it must reach the store in the end."""
        self._write("accepted", message_id)

    def receipted(self, message_id: str, status: str) -> None:
        """A receipt was seen: where it says stored or duplicate, the message must stand in the store from now on."""
        self._write("receipted", message_id, status=status)

    def notified(self, notice_id: str, message_id: str) -> None:
        """A notice about a message went out."""
        self._write("notified", message_id, notice=notice_id)

    def events(self) -> list[dict[str, str]]:
        """Everything recorded so far; a torn last line of a killed writer is left out."""
        lines = self.path.read_text(encoding="utf-8").split("\n")
        return [json.loads(line) for line in lines[:-1]]

    def ids(self, event: str) -> list[str]:
        """Ids of one kind of event, in order, with repetitions."""
        return [line["id"] for line in self.events() if line["event"] == event]

    def check(self, stored: Iterable[tuple[str, str]], *, drained: bool = True) -> Findings:
        """Compare with the store's (id, content hash) pairs, every row once; `drained`: everything accepted must have arrived by now."""
        rows = list(stored)
        counts = Counter(message_id for message_id, _ in rows)
        offered: dict[str, set[str]] = {}
        for line in self.events():
            if line["event"] == "offered":
                offered.setdefault(line["id"], set()).add(line["hash"])
        receipted = [line["id"] for line in self.events() if line["event"] == "receipted" and line["status"] in RECEIPTED]
        rejected = {line["id"] for line in self.events() if line["event"] == "receipted" and line["status"] == "rejected"}
        accepted = [one for one in self.ids("accepted") if one not in rejected]
        return Findings(
            receipted_missing=_missing(receipted, counts),
            accepted_missing=_missing(accepted, counts) if drained else (),
            twice=tuple(sorted(one for one, count in counts.items() if count > 1)),
            never_sent=tuple(sorted(one for one in counts if one not in offered)),
            changed=tuple(sorted({one for one, digest in rows if one in offered and digest not in offered[one]})),
            notified_without_cause=_missing(self.ids("notified"), counts),
        )


def _missing(wanted: Iterable[str], counts: Counter[str]) -> tuple[str, ...]:
    return tuple(sorted({one for one in wanted if not counts[one]}))
