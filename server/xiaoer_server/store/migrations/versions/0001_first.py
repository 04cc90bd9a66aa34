"""Tenants, visitors, conversations, entries, words."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import MEDIUMTEXT

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MYSQL: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}


def upgrade() -> None:
    op.create_table(
        "tenants",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("allowed_sites", sa.JSON(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tenants"),
        **MYSQL,
    )
    op.create_table(
        "visitors",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("external_id", sa.String(255)),
        sa.Column("profile", sa.JSON()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_visitors"),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name="fk_visitors_tenants"),
        **MYSQL,
    )
    op.create_table(
        "conversations",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("visitor", sa.String(36), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("read_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_conversations"),
        sa.ForeignKeyConstraint(
            ["tenant", "visitor"], ["visitors.tenant", "visitors.id"], name="fk_conversations_visitors"
        ),
        **MYSQL,
    )
    op.create_index("ix_conversations_tenant_visitor", "conversations", ["tenant", "visitor"])
    op.create_table(
        "entries",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("conversation", sa.String(36), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("text", sa.Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("client_id", sa.String(64)),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("finish_reason", sa.String(32)),
        sa.Column("sources", sa.JSON()),
        sa.Column("flags", sa.JSON()),
        sa.Column("answered_by", sa.String(128)),
        sa.PrimaryKeyConstraint("tenant", "conversation", "seq", name="pk_entries"),
        sa.ForeignKeyConstraint(
            ["tenant", "conversation"],
            ["conversations.tenant", "conversations.id"],
            name="fk_entries_conversations",
        ),
        **MYSQL,
    )
    # Why SQLite goes without: see store/schema.py.
    if op.get_bind().dialect.name != "sqlite":
        op.create_unique_constraint(
            "uq_entries_tenant_conversation_client_id", "entries", ["tenant", "conversation", "client_id"]
        )
    op.create_index("ix_entries_at", "entries", ["at"])
    op.create_index(
        "ix_entries_streaming",
        "entries",
        ["status", "tenant", "conversation", "seq"],
        sqlite_where=sa.text("status = 'streaming'"),
        postgresql_where=sa.text("status = 'streaming'"),
    )
    op.create_table(
        "words",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("text", sa.String(255), nullable=False),
        sa.Column("level", sa.SmallInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "text", name="pk_words"),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name="fk_words_tenants"),
        **MYSQL,
    )


def downgrade() -> None:
    for table in ("words", "entries", "conversations", "visitors", "tenants"):
        op.drop_table(table)
