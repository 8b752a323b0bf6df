"""Incidents are found by the cell of a grid that they lie in, so that looking for duplicates costs the same however many happen at a time."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def numbered(dialect: str) -> str:
    """The statement that gives every incident with a point its cell, as `hub.domain.coordinates.cell_of` does."""
    whole = "CAST({} AS INTEGER)" if dialect == "sqlite" else "CAST(floor({}) AS INTEGER)"  # SQLite cuts off, PostgreSQL rounds
    column, row = whole.format("(lon + 180) * 20"), whole.format("(lat + 90) * 20")
    return f"UPDATE incident SET cell = {column} * 10000 + {row} WHERE lon IS NOT NULL AND lat IS NOT NULL"  # noqa: S608 words of our own


def upgrade() -> None:
    """Add the cell and its index."""
    op.add_column("incident", sa.Column("cell", sa.Integer(), nullable=True))
    op.execute(numbered(op.get_bind().dialect.name))
    op.create_index("ix_incident_cell_occurred", "incident", ["cell", "occurred_at"])
