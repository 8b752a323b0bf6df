"""What a screen shows of a notice stands in both languages, so that its reader chooses."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the English half; notices from before have none and keep both in one text."""
    op.add_column("notice", sa.Column("title_en", sa.Text(), nullable=True))
    op.add_column("notice", sa.Column("body_en", sa.Text(), nullable=True))
