"""Checks the change chain link by link and names the first bad row. Pure: rows come in, a verdict goes out.

The chain alone shows edits, gaps and swaps. Whoever can write the database can also compute the whole chain anew, or cut its end off:
that is what the signed heads show, which are kept outside the database too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from hub.domain.change import GENESIS, body_hash, link_hash
from hub.domain.signature import Head, head_holds

DESTROYED: Final = "personal_data.destroyed"
"""The kind of change whose body says which bodies were destroyed by law; every other missing body is a flaw."""


class Link(NamedTuple):
    """A row of the chain as it stands in the store, with the salt and body where there are any."""

    seq: Any
    kind: Any
    at: Any
    actor: Any
    subject: Any
    incident_id: Any
    department_id: Any
    drill: Any
    body_sha256: Any
    prev_hash: Any
    hash: Any
    salt: Any = None
    body: Any = None


class Flaw(Struct, frozen=True, kw_only=True):
    """The first bad row: its number, a stable code, and what is wrong in both languages."""

    seq: int
    code: str
    zh: str
    en: str


class Verdict(Struct, frozen=True, kw_only=True):
    """What checking came to: how many changes hold, up to which head, how many bodies were destroyed by law, and the first flaw."""

    ok: bool
    changes: int
    seq: int
    hash: str
    heads: int
    head_seq: int
    destroyed: int
    flaw: Flaw | None = None


class Span(NamedTuple):
    """Sequence numbers from `first` to `last`, both included."""

    first: int
    last: int


def spans(seqs: Iterable[int]) -> list[Span]:
    """Ascending numbers as spans."""
    out: list[Span] = []
    for seq in seqs:
        if out and out[-1].last + 1 == seq:
            out[-1] = Span(out[-1].first, seq)
        else:
            out.append(Span(seq, seq))
    return out


class _Destroyed(Struct, frozen=True):
    spans: list[tuple[int, int]]


class Checker:
    """Feed it links in order with `look`, then `verdict`. `after` and `previous` begin in the middle of a chain (an extract).

    `bodies` False takes an extract without bodies. `keys` are the hub's public keys by id; `heads` the signed heads to hold it against.
    """

    def __init__(self, heads: Iterable[Head] = (), keys: dict[str, str] | None = None, *, after: int = 0, previous: str = GENESIS,
                 bodies: bool = True, hub_id: str | None = None) -> None:
        self.seq = after
        self.hash = previous
        self.after = after
        self.count = 0
        self.flaw: Flaw | None = None
        self.bodies = bodies
        self.held = 0
        self.head_seq = 0
        self._missing: set[int] = set()
        self._destroyed = 0
        self._heads: dict[int, Head] = {}
        for head in sorted(heads, key=lambda h: h.seq):
            self._take_head(head, keys or {}, hub_id)

    def _take_head(self, head: Head, keys: dict[str, str], hub_id: str | None) -> None:
        if not head_holds(head, keys) or (hub_id is not None and head.hub_id != hub_id):
            self._bad(head.seq, "head_forged", "链头签名无效", f"the signature of the head at {head.seq} does not hold")
        elif head.seq in self._heads and self._heads[head.seq].hash != head.hash:
            self._bad(head.seq, "rewritten", "同一序号有两个不同的已签名链头", "two signed heads of this number differ: the chain was rewritten")
        elif head.seq > self.after or (head.seq == self.after and self.after):
            self._heads[head.seq] = head

    def look(self, link: Link) -> bool:
        """Check the next link; False once there is a flaw, and from then on nothing more is checked."""
        if self.flaw is not None:
            return False
        expected = self.seq + 1
        if link.seq != expected:
            return self._order(link, expected)
        found = self._metadata(link) or self._content(link)
        if found is not None:
            return self._bad(expected, *found)
        self.seq, self.hash = expected, link.hash
        self.count += 1
        head = self._heads.pop(expected, None)
        if head is not None:
            if head.hash != link.hash:
                since = f"{self.head_seq + 1}–{expected}"
                return self._bad(self.head_seq + 1, "rewritten", f"与签名链头不符：第 {since} 条之间被改写",
                                 f"the chain does not meet its signed head at {expected}: rewritten somewhere in {since}")
            self.held += 1
            self.head_seq = expected
        return True

    def _order(self, link: Link, expected: int) -> bool:
        if isinstance(link.seq, int) and link.seq > expected:
            return self._bad(expected, "missing", "此条缺失", f"the change {expected} is missing; the next one there is {link.seq}")
        return self._bad(expected, "out_of_order", "序号错乱", f"a row numbered {link.seq!r} stands where {expected} belongs")

    def _metadata(self, link: Link) -> tuple[str, str, str] | None:
        if link.prev_hash != self.hash:
            return "broken_link", "与前一条的哈希不衔接（被调换、插入或删除）", "does not follow the change before it: swapped, inserted or cut"
        if link.drill not in (0, 1) or not isinstance(link.body_sha256, str):
            return "metadata", "元数据被修改", "its metadata was edited"
        computed = link_hash(link.prev_hash, link.seq, link.kind, link.at, link.actor, link.subject, link.incident_id, link.department_id,
                             bool(link.drill), link.body_sha256)
        if computed != link.hash:
            return "metadata", "元数据被修改", "its metadata was edited"
        return None

    def _content(self, link: Link) -> tuple[str, str, str] | None:
        if link.body is None and link.salt is None:
            if self.bodies:
                self._missing.add(link.seq)
            return None
        if not isinstance(link.body, str) or not isinstance(link.salt, bytes) or body_hash(link.salt, link.body.encode()) != link.body_sha256:
            return "body", "内容被修改", "its body was edited"
        if link.kind == DESTROYED:
            try:
                destroyed = msgspec.json.decode(link.body, type=_Destroyed).spans
            except msgspec.MsgspecError:
                return "body", "销毁记录格式有误", "it is no record of destruction"
            for first, last in destroyed:
                for seq in range(first, last + 1):
                    self._destroyed += seq in self._missing
                    self._missing.discard(seq)
        return None

    def _bad(self, seq: int, code: str, zh: str, en: str) -> bool:
        if self.flaw is None:
            self.flaw = Flaw(seq=seq, code=code, zh=f"第 {seq} 条：{zh}", en=f"change {seq}: {en}")
        return False

    def verdict(self) -> Verdict:
        """After the last link: was the end cut off, is a body gone that no act of destruction names?"""
        if self.flaw is None and self._heads:
            head = min(self._heads)
            self._bad(self.seq + 1, "truncated", f"链被截断：签名链头在第 {max(self._heads)} 条",
                      f"the chain was cut off: there is a signed head at {max(self._heads)}" if head > self.seq else "a head was not met")
        if self._missing and (self.flaw is None or min(self._missing) < self.flaw.seq):
            self.flaw = None
            self._bad(min(self._missing), "body_missing", "内容被删除，且没有依法销毁记录", "its body is gone, and no record of destruction names it")
        return Verdict(ok=self.flaw is None, changes=self.count, seq=self.seq, hash=self.hash, heads=self.held, head_seq=self.head_seq,
                       destroyed=self._destroyed, flaw=self.flaw)
