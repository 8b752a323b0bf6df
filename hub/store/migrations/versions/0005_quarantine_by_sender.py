"""What waits in quarantine is found by its sender, since no sender may fill it: the index holds the sizes, so that nobody reads past the texts."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the index."""
    op.create_index("ix_quarantine_agent_state", "quarantine", ["agent_id", "state", "size_bytes"])
