"""Articles, and their full-text index on SQLite."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import MEDIUMTEXT

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

MYSQL: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}

# Each trigger is part of the transaction of the statement that fires it. With external content FTS5 keeps no copy
# of the text, and must be told the old one to forget it.
INDEX = (
    """
    CREATE VIRTUAL TABLE articles_index USING fts5(
        tenant UNINDEXED, title_terms, asks_terms, body_terms,
        content='articles', content_rowid='id', tokenize='trigram'
    )
    """,
    """
    CREATE TRIGGER articles_index_insert AFTER INSERT ON articles BEGIN
        INSERT INTO articles_index(rowid, tenant, title_terms, asks_terms, body_terms)
        VALUES (new.id, new.tenant, new.title_terms, new.asks_terms, new.body_terms);
    END
    """,
    """
    CREATE TRIGGER articles_index_delete AFTER DELETE ON articles BEGIN
        INSERT INTO articles_index(articles_index, rowid, tenant, title_terms, asks_terms, body_terms)
        VALUES ('delete', old.id, old.tenant, old.title_terms, old.asks_terms, old.body_terms);
    END
    """,
    """
    CREATE TRIGGER articles_index_update AFTER UPDATE ON articles BEGIN
        INSERT INTO articles_index(articles_index, rowid, tenant, title_terms, asks_terms, body_terms)
        VALUES ('delete', old.id, old.tenant, old.title_terms, old.asks_terms, old.body_terms);
        INSERT INTO articles_index(rowid, tenant, title_terms, asks_terms, body_terms)
        VALUES (new.id, new.tenant, new.title_terms, new.asks_terms, new.body_terms);
    END
    """,
)


def upgrade() -> None:
    long_text = sa.Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb")
    op.create_table(
        "articles",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("slug", sa.String(128), nullable=False),
        sa.Column("topic", sa.String(128), nullable=False),
        sa.Column("lang", sa.String(2), nullable=False),
        sa.Column("title", sa.String(255), nullable=False),
        sa.Column("asks", sa.JSON(), nullable=False),
        sa.Column("body", long_text, nullable=False),
        sa.Column("title_terms", long_text, nullable=False),
        sa.Column("asks_terms", long_text, nullable=False),
        sa.Column("body_terms", long_text, nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_articles"),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name="fk_articles_tenants"),
        sa.UniqueConstraint("tenant", "slug", name="uq_articles_tenant_slug"),
        **MYSQL,
    )
    op.create_index("ix_articles_tenant_topic", "articles", ["tenant", "topic"])
    if op.get_bind().dialect.name == "sqlite":
        for statement in INDEX:
            op.execute(statement)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.drop_table("articles_index")
    op.drop_table("articles")
