"""Keys in the store: shown once, kept as a hash, revoked for good."""

import hashlib
import re
from pathlib import Path

import pytest
from sqlalchemy import select, text

from xiaoer_server.errors import BadRequest, NotFound
from xiaoer_server.store import schema
from xiaoer_server.store.engine import Store
from xiaoer_server.store.keys import ApiKey, Keys
from xiaoer_server.store.tenants import Tenants


@pytest.fixture
async def keys(store: Store) -> Keys:
    for tenant in ("demo", "other"):
        await Tenants(store).ensure(tenant, name=tenant)
    return Keys(store)


async def test_a_key_comes_back_as_it_was_made(store: Store, keys: Keys) -> None:
    secret, key = await keys.create(
        "demo",
        "前台 desk",
        models=["gpt-4.1", "模型"],
        requests_per_minute=60,
        tokens_per_minute=100_000,
        streams=5,
        budget=12.345678901,
        expires_at=4_000_000_000_000,
    )
    assert re.fullmatch(r"xk-[A-Za-z0-9_-]{43}", secret)
    assert key.hint == secret[:7] + "…"
    assert await keys.all() == [key]
    assert await Keys(store).hashes() == [(hashlib.sha256(secret.encode()).digest(), key)]


async def test_no_key_is_like_another(keys: Keys) -> None:
    secrets = {(await keys.create("demo", "same name"))[0] for _ in range(50)}
    assert len(secrets) == 50
    assert len({key.id for key in await keys.all()}) == 50


async def test_keys_belong_to_tenants(keys: Keys) -> None:
    _, first = await keys.create("demo", "a")
    _, second = await keys.create("other", "b")
    assert await keys.all("demo") == [first]
    assert await keys.all("other") == [second]
    assert await keys.all("none") == []
    with pytest.raises(NotFound, match="no tenant 'none'"):
        await keys.create("none", "c")


async def test_revoking(keys: Keys) -> None:
    _, key = await keys.create("demo", "a")
    _, other = await keys.create("demo", "b")
    assert await keys.revoke(key.id)
    assert not await keys.revoke(key.id), "it was already"
    assert not await keys.revoke("none")
    revoked, untouched = await keys.all()
    assert revoked.revoked_at is not None
    assert revoked.revoked_at >= key.created_at
    assert untouched == other


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "\x1b[31m"}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"models": [""]}, "model"),
        ({"requests_per_minute": -1}, "requests_per_minute"),
        ({"tokens_per_minute": 1 << 62}, "tokens_per_minute"),
        ({"streams": -1}, "streams"),
        ({"budget": -0.5}, "budget"),
        ({"budget": float("nan")}, "budget"),
    ],
)
async def test_what_a_key_cannot_be(keys: Keys, values: dict[str, object], named: str) -> None:
    with pytest.raises(BadRequest, match=f"^{named}: "):
        await keys.create(**({"tenant": "demo", "name": "n"} | values))  # type: ignore[arg-type]
    assert await keys.all() == []


async def test_the_secret_is_nowhere_on_the_disk(tmp_path: Path, store: Store, keys: Keys) -> None:
    secret, key = await keys.create("demo", "a")
    await store.writer.run(text("UPDATE alembic_version SET version_num = version_num"), {})
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    everything = b"".join(path.read_bytes() for path in files)
    assert key.id.encode() in everything, "the test looks at the right files"
    assert secret.encode() not in everything
    assert secret.removeprefix("xk-").encode() not in everything
    async with store.engine.connect() as connection:
        row = (await connection.execute(select(schema.api_keys))).one()
    assert all(secret not in str(value) for value in row)
    assert secret not in repr(key)


async def test_an_error_of_the_database_does_not_show_the_hash(store: Store, keys: Keys) -> None:
    _, key = await keys.create("demo", "a")
    with pytest.raises(Exception, match="UNIQUE") as caught:
        await store.writer.run(text("INSERT INTO api_keys SELECT * FROM api_keys WHERE id = :id"), {"id": key.id})
    [(hashed, _)] = await keys.hashes()
    assert hashed.hex() not in str(caught.value)


def test_a_key_takes_no_others_list() -> None:
    assert ApiKey("1", "t", "n", "h").models is not ApiKey("2", "t", "n", "h").models
