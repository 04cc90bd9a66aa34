"""The keys in memory, on a real store."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from xiaoer_server.errors import NotFound, RateLimited, Unauthorized
from xiaoer_server.llm.keyring import Keyring
from xiaoer_server.store.engine import Store
from xiaoer_server.store.keys import Keys
from xiaoer_server.store.tenants import Tenants


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(tmp_path / "data")
    await Tenants(store).ensure("demo", name="Demo")
    yield store
    await store.close()


@pytest.fixture
def keyring(store: Store) -> Keyring:
    return Keyring(Keys(store))


async def test_a_secret_finds_its_caller(keyring: Keyring) -> None:
    secret, key = await keyring.create("demo", "a", models=["m"])
    await keyring.create("demo", "b")
    found = keyring.find(secret.encode())
    assert found is not None
    assert (found.tenant, found.key) == ("demo", key)
    assert keyring.find(secret.encode()) is found, "limits are counted in one place"


@pytest.mark.parametrize(
    "change",
    [
        lambda secret: secret[:-1],
        lambda secret: secret + b"x",
        lambda secret: b" " + secret,
        lambda secret: secret.swapcase(),
        lambda secret: secret * 3,
        lambda secret: b"",
        lambda secret: bytes(range(256)) * 1000,
    ],
)
async def test_nothing_else_does(keyring: Keyring, change: object) -> None:
    secret, _ = await keyring.create("demo", "a")
    assert keyring.find(change(secret.encode())) is None  # type: ignore[operator]


async def test_neither_hint_nor_id_nor_hash_is_a_secret(store: Store, keyring: Keyring) -> None:
    _, key = await keyring.create("demo", "a")
    [(digest, _)] = await Keys(store).hashes()
    for wrong in (key.hint.encode(), key.id.encode(), digest, digest.hex().encode()):
        assert keyring.find(wrong) is None


async def test_keys_survive_a_restart_and_so_does_their_end(store: Store, keyring: Keyring) -> None:
    kept, _ = await keyring.create("demo", "kept")
    gone, key = await keyring.create("demo", "gone")
    assert await keyring.revoke(key.id)
    again = Keyring(Keys(store))
    assert again.find(kept.encode()) is None, "nothing is known before load"
    await again.load()
    assert again.find(kept.encode()) is not None
    assert again.find(gone.encode()) is None
    assert len(again) == 1


async def test_a_revoked_key_ends_at_once_also_for_who_holds_its_caller(keyring: Keyring) -> None:
    secret, key = await keyring.create("demo", "a")
    caller = keyring.find(secret.encode())
    assert caller is not None
    caller.admit("m", stream=True, prompt_estimate=1)
    assert await keyring.revoke(key.id)
    assert keyring.find(secret.encode()) is None
    with pytest.raises(Unauthorized):
        caller.admit("m", stream=True, prompt_estimate=1)
    caller.leave(True, 1)
    assert not await keyring.revoke(key.id)
    assert not await keyring.revoke("none")


async def test_a_revocation_that_is_not_stored_is_none(store: Store, keyring: Keyring) -> None:
    secret, key = await keyring.create("demo", "a")
    await store.writer.close()
    with pytest.raises(Exception, match="closed"):
        await keyring.revoke(key.id)
    assert keyring.find(secret.encode()) is not None


async def test_expiry(store: Store) -> None:
    now = [1_000_000.0]
    keyring = Keyring(Keys(store), wall=lambda: now[0])
    secret, key = await keyring.create("demo", "a", expires_at=1_000_060_000)
    assert keyring.find(secret.encode()) is not None
    assert keyring.state(key) == "active"
    now[0] += 59.999
    assert keyring.find(secret.encode()) is not None
    now[0] += 0.001
    assert keyring.find(secret.encode()) is None
    assert keyring.state(key) == "expired"
    await keyring.revoke(key.id)
    assert [keyring.state(each) for each in await keyring.all()] == ["revoked"]


async def test_what_was_spent_counts_after_a_restart(store: Store, keyring: Keyring) -> None:
    secret, key = await keyring.create("demo", "a", budget=2.0)
    again = Keyring(Keys(store))
    await again.load({key.id: 2.0, "another": 1.0})
    caller = again.find(secret.encode())
    assert caller is not None
    with pytest.raises(RateLimited, match="budget"):
        caller.admit("m", stream=False, prompt_estimate=1)


async def test_an_unknown_tenant(keyring: Keyring) -> None:
    with pytest.raises(NotFound):
        await keyring.create("none", "a")
    assert len(keyring) == 0


async def test_the_secret_is_not_logged(keyring: Keyring, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret, key = await keyring.create("demo", "a")
    caller = keyring.find(secret.encode())
    await keyring.revoke(key.id)
    for text in (caplog.text, repr(caller), repr(key), repr(keyring)):
        assert secret not in text
        assert secret[7:] not in text
