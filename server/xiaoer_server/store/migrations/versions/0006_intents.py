"""Intents: examples, trained versions, which of them is in use; and the admin right of a key."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import LONGBLOB, MEDIUMTEXT

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

MYSQL: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("admin", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "intent_examples",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("intent", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("text", sa.Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "intent", "number", name="pk_intent_examples"),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name="fk_intent_examples_tenants"),
        **MYSQL,
    )
    op.create_table(
        "intent_versions",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("encoder", sa.String(128), nullable=False),
        sa.Column("examples", sa.Integer(), nullable=False),
        sa.Column("intents", sa.Integer(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("head", sa.LargeBinary().with_variant(LONGBLOB(), "mysql", "mariadb"), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "version", name="pk_intent_versions"),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name="fk_intent_versions_tenants"),
        **MYSQL,
    )
    op.create_table(
        "intents_in_use",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", name="pk_intents_in_use"),
        sa.ForeignKeyConstraint(
            ["tenant", "version"],
            ["intent_versions.tenant", "intent_versions.version"],
            name="fk_intents_in_use_intent_versions",
        ),
        **MYSQL,
    )


def downgrade() -> None:
    for table in ("intents_in_use", "intent_versions", "intent_examples"):
        op.drop_table(table)
    op.drop_column("api_keys", "admin")
