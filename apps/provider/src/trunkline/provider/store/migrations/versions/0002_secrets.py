"""Table secrets: what our Record-Routes are marked with outlives a restart without being configured."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "secrets",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("value", sa.String(64), nullable=False, server_default=""),
    )


def downgrade() -> None:
    """Drop the table: dialogs that nobody watches lose their path, as at every restart before it."""
    op.drop_table("secrets")
