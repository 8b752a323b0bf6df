"""The first schema, with the triggers that keep the change tables append-only."""

from alembic import op

from hub.store.append_only import guard
from hub.store.schema import all_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make every table, then the guards."""
    connection = op.get_bind()
    all_tables().create_all(connection)
    guard(connection)
