"""The reading that a search does, in a thread: a search that awaits each of its statements spends most of its time on
the way to the driver's thread and back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import Engine, create_engine, event

from .articles import Article
from .chunks import Found, match_query
from .engine import BUSY_MILLISECONDS, DATABASE, Store

#: Connections that are kept, and more that there may be while very many search at once.
KEPT, MORE = 2, 6

#: bm25 weights of the index's columns: title, asks, body.
_CANDIDATES = (
    # The index has what is needed of all that is ranked; the rows themselves fill a page each.
    "SELECT c.id, c.topic FROM chunks_index"
    " JOIN chunks AS c INDEXED BY ix_chunks_id_tenant_topic ON c.id = chunks_index.rowid"
    " WHERE chunks_index MATCH ? AND c.tenant = ?"
    " ORDER BY bm25(chunks_index, 4.0, 3.0, 1.0) LIMIT ?"
)
# Without the hints SQLite reads all of a tenant's rows, in the order that is asked for, instead of looking up the few.
_TOPICS = "SELECT id, topic FROM chunks WHERE +tenant = ? AND id IN (SELECT value FROM json_each(?))"
_HEADS = (
    "SELECT slug, topic, lang, title, asks FROM articles INDEXED BY ix_articles_tenant_topic"
    " WHERE tenant = ? AND topic IN (SELECT value FROM json_each(?)) ORDER BY slug"
)
_CHUNKS = (
    "SELECT id, slug, topic, number, parts, text FROM chunks INDEXED BY ix_chunks_tenant_topic_parts"
    " WHERE tenant = ? AND topic IN (SELECT value FROM json_each(?)) AND parts <= ?"
    " UNION SELECT id, slug, topic, number, parts, text FROM chunks"
    " WHERE +tenant = ? AND id IN (SELECT value FROM json_each(?))"
    " ORDER BY slug, number"
)


class SearchReader:
    """Reads chunks for searches. Every call names the tenant, blocks, and may be made from any thread.

    All calls raise SQLAlchemyError where the store cannot be read.
    """

    def __init__(self, store: Store) -> None:
        self._engine: Engine = create_engine(
            f"sqlite:///{store.folder / DATABASE}",
            pool_size=KEPT,
            max_overflow=MORE,
            connect_args={"check_same_thread": False},
            hide_parameters=True,  # what visitors ask is none of the log's business
        )

        @event.listens_for(self._engine, "connect")
        def _set_up(connection: Any, _record: object) -> None:
            for pragma in ("query_only = ON", f"busy_timeout = {BUSY_MILLISECONDS}", "cache_size = -65536"):
                connection.execute(f"PRAGMA {pragma}")

        store.before_close(self._engine.dispose)

    def propose(self, tenant: str, phrases: Sequence[str], limit: int) -> list[tuple[int, str]]:
        """(id, topic) of the chunks that bm25 ranks first for any of the phrases, best first."""
        query = match_query(phrases)
        if not query:
            return []
        with self._engine.connect() as connection:
            rows = connection.exec_driver_sql(_CANDIDATES, (query, tenant, limit))
            return [(row[0], row[1]) for row in rows]

    def topics_of(self, tenant: str, ids: Collection[int]) -> dict[int, str]:
        """The topics of these chunks; those that are gone are not in it."""
        with self._engine.connect() as connection:
            rows = connection.exec_driver_sql(_TOPICS, (tenant, _json(ids)))
            return {row[0]: row[1] for row in rows}

    def load(
        self, tenant: str, topics: Collection[str], ids: Collection[int], whole: int
    ) -> tuple[list[Article], list[Found]]:
        """The articles of these topics without their bodies, and chunks of them: these, and all of articles with at
        most `whole` parts."""
        names = _json(topics)
        with self._engine.connect() as connection:
            heads = connection.exec_driver_sql(_HEADS, (tenant, names))
            articles = [Article(row[0], row[1], row[2], row[3], msgspec.json.decode(row[4]), "") for row in heads]
            rows = connection.exec_driver_sql(_CHUNKS, (tenant, names, whole, tenant, _json(ids)))
            return articles, [Found(*row) for row in rows]


def _json(values: Collection[Any]) -> str:
    return msgspec.json.encode(list(values)).decode()
