"""The daily duty on its feet: rows made ahead, digests drafted at their hour, filed reports compared anew; and `daily` messages taken.

Holds no rule and keeps no time of its own: every job asks the store what is due, so a missed tick is caught up by the next.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hub.domain.daily import Content
from hub.domain.duty_rules import DutyRules
from hub.domain.notice import Notice
from hub.errors import Rejected
from hub.operate.secrets import own_secret
from hub.respond.schedule import Schedule
from hub.store import Store, Transaction
from hub.store.access import PolicyBook
from hub.store.daily import By, duty_for, file, make_days, recheck
from hub.store.digest import draft_when_due
from hub.wire import Daily, Receipt

if TYPE_CHECKING:
    from hub.ingest.intake import Intake, Item

MAKE_EVERY_S = 60.0
RECHECK_EVERY_S = 30.0
DIGEST_EVERY_S = 30.0
_IN_MESSAGE: dict[str | None, str | None] = {"late_reason": "note", "based_on": None}
"""Fields of a form that a `daily` message has not: which of its own says so."""


class DailyDuty:
    """What one process does about daily reports. `rules` gives the rules in force: they may change while the hub runs."""

    def __init__(self, store: Store, rules: Callable[[], DutyRules], policies: PolicyBook) -> None:
        self.store = store
        self.rules = rules
        self.policies = policies

    def attach(self, intake: Intake, schedule: Schedule | None) -> None:
        """Take `daily` messages, and (where this process ticks) run the jobs."""
        intake.takers["daily"] = self.take
        if schedule is not None:
            schedule.add("daily rows", MAKE_EVERY_S, self.make)
            schedule.add("daily check", RECHECK_EVERY_S, self.recheck)
            schedule.add("digest", DIGEST_EVERY_S, self.draft)

    async def make(self) -> None:
        """Make the rows that are not there yet."""
        await make_days(self.store, self.rules())

    async def recheck(self) -> None:
        """Compare what was filed with what has become known since."""
        async with self.store.read() as conn:
            policies = await self.policies.read(conn)
        await recheck(self.store, self.rules(), policies.access)

    async def draft(self) -> None:
        """Draft the digest where its hour has come."""
        await draft_when_due(self.store, self.rules())

    async def take(self, tx: Transaction, item: Item) -> Receipt:
        """File a `daily` message in the intake's transaction; the department must be the sender's own."""
        message: Daily = item.message
        sender = item.sender
        if sender.department_id != message.department:
            raise Rejected("wrong_department", "终端只能为所属部门报送日报", "a daily report is filed for the sender's own department", field="department")
        policies = await self.policies.read(tx.conn)
        o = await duty_for(tx, self.rules(), message.department, message.template, message.day)
        content = Content(zero=message.zero, values=message.values, note=message.note, explanation=message.note)
        by = By(sender.actor, str(item.channel), sender.department_id, at_agent=sender.agent_id is not None)
        try:
            _, receipt = await file(tx, self.rules(), policies.access, o.id, content, by, id=message.id)
        except Rejected as refused:
            raise Rejected(refused.code, refused.zh, refused.en, field=_IN_MESSAGE.get(refused.field, refused.field)) from None
        return receipt


# ── signed links ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Links:
    """Signed links, each for one duty: whoever holds it may file that one zero report until the duty locks, and nothing else."""

    def __init__(self, folder: Path, base_url: str) -> None:
        self._key = hashlib.sha256(own_secret(folder, "duty-link").encode()).digest()
        self.base_url = base_url.rstrip("/")

    def token(self, duty_id: str) -> str:
        """The token of a duty: its id and a MAC over it (HMAC-SHA-256, 128 bits)."""
        raw = uuid.UUID(duty_id).bytes
        return base64.urlsafe_b64encode(raw + hmac.digest(self._key, b"zero:" + raw, "sha256")[:16]).rstrip(b"=").decode()

    def duty_of(self, token: str) -> str | None:
        """The duty of a token, or None for one that this hub did not make."""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except ValueError:
            return None
        if len(raw) != 32 or not hmac.compare_digest(raw[16:], hmac.digest(self._key, b"zero:" + raw[:16], "sha256")[:16]):
            return None
        return str(uuid.UUID(bytes=raw[:16]))

    def url(self, duty_id: str) -> str:
        """The link of a duty."""
        return f"{self.base_url}/z/{self.token(duty_id)}"

    def of_notice(self, notice: Notice) -> str | None:
        """The link that goes out with a notice about a duty."""
        return self.url(notice.obligation_id) if notice.obligation_id else None
