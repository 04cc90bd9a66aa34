"""The tables, in SQLAlchemy Core. Every one names its tenant, and every key begins with it.

Times are UTC in milliseconds since the epoch, ids are UUIDv7 as text. The DDL that creates the tables is in
`migrations/`; a test compares the two. JSON columns take what `msgspec.json` can encode, and SQL NULL for None.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.dialects.mysql import MEDIUMTEXT
from sqlalchemy.schema import BaseDDLElement, SchemaItem
from sqlalchemy.sql.compiler import DDLCompiler

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

Slug = String(64)
Id = String(36)
Millis = BigInteger()
# MySQL's TEXT ends at 64 KiB, which a long answer may exceed.
LongText = Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb")
Json = JSON(none_as_null=True)

# Ids and words compare byte by byte; MySQL's default collation takes "Café" and "cafe" for the same key.
MYSQL: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}


def _has_many_writers(
    ddl: BaseDDLElement,
    target: SchemaItem | str,
    bind: Connection | None,
    tables: list[Table] | None = None,
    state: Any | None = None,
    *,
    dialect: Dialect,
    compiler: DDLCompiler | None = None,
    checkfirst: bool,
) -> bool:
    return dialect.name != "sqlite"


tenants = Table(
    "tenants",
    metadata,
    Column("id", Slug, primary_key=True),
    Column("name", String(255), nullable=False),
    Column("allowed_sites", Json, nullable=False),
    Column("settings", Json, nullable=False),
    Column("created_at", Millis, nullable=False),
    **MYSQL,
)

visitors = Table(
    "visitors",
    metadata,
    Column("tenant", Slug, ForeignKey("tenants.id"), primary_key=True),
    Column("id", Id, primary_key=True),
    Column("external_id", String(255)),
    Column("profile", Json),
    Column("created_at", Millis, nullable=False),
    **MYSQL,
)

conversations = Table(
    "conversations",
    metadata,
    Column("tenant", Slug, primary_key=True),
    Column("id", Id, primary_key=True),
    Column("visitor", Id, nullable=False),
    Column("created_at", Millis, nullable=False),
    Column("read_seq", BigInteger, nullable=False),
    ForeignKeyConstraint(["tenant", "visitor"], ["visitors.tenant", "visitors.id"]),
    Index(None, "tenant", "visitor"),
    **MYSQL,
)

entries = Table(
    "entries",
    metadata,
    Column("tenant", Slug, primary_key=True),
    Column("conversation", Id, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("role", String(16), nullable=False),
    Column("text", LongText, nullable=False),
    Column("at", Millis, nullable=False),
    Column("client_id", String(64)),
    Column("status", String(16), nullable=False),
    Column("finish_reason", String(32)),
    Column("sources", Json),
    Column("flags", Json),
    Column("answered_by", String(128)),
    # Of the dialogue that runs, as of this entry; empty: none does any more. NULL: as before.
    Column("state", LongText),
    ForeignKeyConstraint(["tenant", "conversation"], ["conversations.tenant", "conversations.id"]),
    # On SQLite the one process that holds the folder's lock knows all client ids of an open conversation, so
    # this index could only repeat what `chat/log.py` guarantees, and it doubles the CPU of a group commit
    # (23 instead of 12 µs a row). Where several processes write, the database decides.
    UniqueConstraint("tenant", "conversation", "client_id").ddl_if(callable_=_has_many_writers),
    Index(None, "at"),
    # Answers under way, of which there are few: found at once after a crash, free for all other rows.
    Index(
        "ix_entries_streaming",
        "status",
        "tenant",
        "conversation",
        "seq",
        sqlite_where=text("status = 'streaming'"),
        postgresql_where=text("status = 'streaming'"),
    ),
    **MYSQL,
)

words = Table(
    "words",
    metadata,
    Column("tenant", Slug, ForeignKey("tenants.id"), primary_key=True),
    Column("text", String(255), primary_key=True),
    Column("level", SmallInteger().with_variant(Integer(), "sqlite"), nullable=False),
    Column("action", String(16), nullable=False),
    Column("tags", Json, nullable=False),
    **MYSQL,
)

#: Keys of the gateway under /v1. The secret is not among the columns, only its SHA-256, in hex. Amounts of money are in
#: billionths of whatever currency the prices are in: sums of whole numbers are exact. `used_at` is a day.
api_keys = Table(
    "api_keys",
    metadata,
    Column("tenant", Slug, ForeignKey("tenants.id"), primary_key=True),
    Column("id", Id, primary_key=True),
    Column("hash", String(64), nullable=False),
    Column("hint", String(16), nullable=False),
    Column("name", String(255), nullable=False),
    Column("models", Json, nullable=False),
    Column("requests_per_minute", BigInteger, nullable=False),
    Column("tokens_per_minute", BigInteger, nullable=False),
    Column("streams", BigInteger, nullable=False),
    Column("budget", BigInteger, nullable=False),
    Column("created_at", Millis, nullable=False),
    Column("expires_at", Millis),
    Column("revoked_at", Millis),
    Column("used_at", Millis),
    # Whether it also opens its tenant's administration.
    Column("admin", Boolean, nullable=False, server_default=false()),
    **MYSQL,
)

#: Sums of an hour. No foreign keys: what was used stays on the books whatever happens to its tenant or key, and a row
#: that the database refused would be lost. An empty `api_key` is the chat's own use.
usage = Table(
    "usage",
    metadata,
    Column("tenant", Slug, primary_key=True),
    Column("hour", Millis, primary_key=True, autoincrement=False),
    Column("api_key", Id, primary_key=True),
    Column("model", String(255), primary_key=True),
    Column("provider", Slug, primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("cached", BigInteger, nullable=False),
    Column("prompt", BigInteger, nullable=False),
    Column("completion", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),
    **MYSQL,
)

#: Conversations that wait, or waited, for a human. `number` counts the hand-offs of a conversation from 1: the
#: constraint refuses a second one that is opened at the same time, by whichever process.
handoffs = Table(
    "handoffs",
    metadata,
    Column("tenant", Slug, primary_key=True),
    Column("id", Id, primary_key=True),
    Column("conversation", Id, nullable=False),
    Column("number", Integer, nullable=False),
    Column("reason", String(32), nullable=False),
    Column("language", String(2), nullable=False),
    Column("state", String(16), nullable=False),
    Column("at", Millis, nullable=False),
    ForeignKeyConstraint(["tenant", "conversation"], ["conversations.tenant", "conversations.id"]),
    UniqueConstraint("tenant", "conversation", "number"),
    Index(None, "tenant", "state", "at"),
    **MYSQL,
)
