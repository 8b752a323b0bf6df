"""Certificates at enrolment, renewal and revocation of an agent: the CA's act and the change that records it, in one transaction."""

from __future__ import annotations

from sqlalchemy import update

from hub.domain.agent import AgentView
from hub.domain.proof import CertificateIssued, CertificateRevoked
from hub.settings import Settings
from hub.store import Transaction
from hub.store.schema import agent


async def certify(tx: Transaction, settings: Settings, device: AgentView, csr: str | None) -> str | None:
    """Sign an agent's request; None without a request or a CA. Raises Rejected `wrong_csr`, and the enrolment is undone then."""
    from hub.operate.ca import Authority

    authority = Authority.open(settings.data_path)
    if authority is None or csr is None:
        return None
    pem, issued = authority.issue_agent(csr, device.id, tx.now)
    await tx.conn.execute(update(agent).where(agent.c.id == device.id).values(certificate_serial=issued.serial))
    tx.record(CertificateIssued(name=device.id, purpose=issued.purpose, serial=issued.serial, not_after=issued.not_after),
              actor=f"agent:{device.id}", subject=f"certificate:{issued.serial}", department_id=device.department_id)
    return pem


def withdraw(tx: Transaction, settings: Settings, agent_id: str, reason: str, *, by: str) -> None:
    """Revoke every certificate of an agent."""
    from hub.operate.ca import Authority

    authority = Authority.open(settings.data_path)
    for row in authority.revoke(agent_id, tx.now, reason) if authority is not None else ():
        tx.record(CertificateRevoked(name=row.name, serial=row.serial, reason=reason), actor=by, subject=f"certificate:{row.serial}")
