"""Migrations: Alembic, from inside the package, without a file on the operator's disk.

Revisions form one line; a revision's id is the four digits that its file begins with (`0001_first.py` is `0001`).
So the newest is known without importing Alembic, which takes longer than opening the database.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

FOLDER = Path(__file__).parent


def head() -> str:
    """The newest revision that this version of the program knows."""
    return max(file.name[:4] for file in (FOLDER / "versions").glob("[0-9][0-9][0-9][0-9]_*.py"))


def revision(connection: Connection) -> str | None:
    """The revision that the database is at; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def upgrade(connection: Connection, target: str = "head") -> None:
    """Brings the database to `target`; the caller's transaction decides whether it stays."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    # ConfigParser would read a percent sign in the path as the start of a variable.
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, target)
