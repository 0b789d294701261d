"""Tenants with their limits, and their instructions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tenants",
        sa.Column("tenant_id", sa.String(200), primary_key=True),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("max_concurrent_calls", sa.BigInteger, nullable=True),
        sa.Column("reserved_calls", sa.BigInteger, nullable=False),
        sa.Column("fallback_allowed", sa.Boolean, nullable=False),
    )
    op.create_table(
        "instructions",
        sa.Column("tenant_id", sa.String(200), primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("instructions")
    op.drop_table("tenants")
