"""Alembic runs this file. The connection comes from `migrations.upgrade`; there is no offline mode."""

from __future__ import annotations

from alembic import context

from xiaoer_server.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite cannot alter most of a table; Alembic copies it instead.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
