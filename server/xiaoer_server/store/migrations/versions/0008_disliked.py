"""Pairs of question and cached answer that a visitor disliked."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

MYSQL: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}


def upgrade() -> None:
    op.create_table(
        "disliked",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("asked", sa.String(24), nullable=False),
        sa.Column("answered", sa.String(24), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "asked", "answered", name="pk_disliked"),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name="fk_disliked_tenants"),
        **MYSQL,
    )
    op.create_index("ix_disliked_tenant_at", "disliked", ["tenant", "at"])


def downgrade() -> None:
    op.drop_table("disliked")
