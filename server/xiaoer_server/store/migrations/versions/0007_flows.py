"""Dialogue flows: their versions, and in a conversation's log the state of the dialogue."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

MYSQL: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}


def _long_text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")


def upgrade() -> None:
    op.add_column("entries", sa.Column("state", _long_text()))
    op.create_table(
        "flows",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("version", sa.String(16), nullable=False),
        sa.Column("source", _long_text(), nullable=False),
        sa.Column("imported_at", sa.BigInteger(), nullable=False),
        sa.Column("retired_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("tenant", "name", "version", name="pk_flows"),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name="fk_flows_tenants"),
        **MYSQL,
    )


def downgrade() -> None:
    op.drop_table("flows")
    op.drop_column("entries", "state")
