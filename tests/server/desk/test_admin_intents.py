"""The administration over HTTP: who is let in, and what it does to intents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.datastructures import State

from support.words_encoder import WordsInfer, train_here
from xiaoer_server.brain.intents import Intents
from xiaoer_server.desk import auth
from xiaoer_server.desk.intents import intent_routes
from xiaoer_server.edge.faults import exception_handlers
from xiaoer_server.llm.keyring import Keyring
from xiaoer_server.store.engine import Store
from xiaoer_server.store.keys import Keys
from xiaoer_server.store.tenants import Tenants

AT = "/api/admin/intents"
ROUTES = [
    ("GET", ""), ("PUT", ""), ("POST", "/train"), ("POST", "/versions/1/use"), ("POST", "/try"), ("GET", "/versions"),
    ("DELETE", "/examples/a"), ("PUT", "/examples/a"), ("GET", "/examples/a"),
]  # fmt: skip
SHOP = {
    "refund": ["refund my money", "money back refund", "I want a refund", "refund refund please"],
    "parcel": ["where is my parcel", "parcel where", "my parcel is late", "the parcel please"],
    "invoice": ["invoice for tax", "need an invoice", "send the invoice", "tax invoice"],
    "coupon": ["coupon code", "use a coupon", "coupon expired coupon", "which coupon"],
}


class Desk:
    def __init__(self, client: httpx.AsyncClient, keyring: Keyring) -> None:
        self.client, self.keyring = client, keyring

    async def key(self, tenant: str = "shop", **limits: Any) -> dict[str, str]:
        secret, _ = await self.keyring.create(tenant, "k", **({"admin": True} | limits))
        return {"authorization": f"Bearer {secret}"}


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr("xiaoer_server.infer.train_process.run", train_here)
    store = await Store.open(tmp_path / "data")
    for tenant in ("shop", "bank"):
        await Tenants(store).ensure(tenant, name=tenant)
    keyring = Keyring(Keys(store))
    app = Litestar(
        [intent_routes(Intents(store, WordsInfer(), threshold=0.3))],
        state=State({auth.STATE: keyring}),
        exception_handlers=exception_handlers,
        logging_config=None,
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk") as client:  # type: ignore[arg-type]
        yield Desk(client, keyring)
    await store.close()


async def test_only_admin_keys_are_let_in(desk: Desk) -> None:
    plain = await desk.key(admin=False)
    for headers, status, code in (
        ({}, 401, "unauthorized"),
        ({"authorization": "Bearer "}, 401, "unauthorized"),
        ({"authorization": "Basic abc"}, 401, "unauthorized"),
        ({"authorization": "Bearer xk-nonsense"}, 401, "invalid_api_key"),
        ({"authorization": "Bearer " + "x" * 5_000}, 401, "invalid_api_key"),
        (plain, 403, "admin_required"),
    ):
        for method, path in ROUTES:
            reply = await desk.client.request(method, AT + path, headers=headers)
            assert (reply.status_code, reply.json()["code"]) == (status, code), (method, path)
            assert reply.headers["content-type"] == "application/problem+json"
            assert ("www-authenticate" in reply.headers) == (status == 401)


async def test_a_revoked_or_expired_key_opens_nothing(desk: Desk) -> None:
    secret, key = await desk.keyring.create("shop", "k", admin=True)
    headers = {"authorization": f"bearer {secret}"}
    assert (await desk.client.get(AT, headers=headers)).status_code == 200
    await desk.keyring.revoke(key.id)
    assert (await desk.client.get(AT, headers=headers)).status_code == 401
    assert (await desk.client.get(AT, headers=await desk.key(expires_at=1))).status_code == 401


async def test_examples_to_version_to_rollback(desk: Desk) -> None:
    shop, bank = await desk.key("shop"), await desk.key("bank")
    put = await desk.client.put(AT, headers=shop, json={"intents": SHOP})
    assert put.json() == [{"intent": intent, "examples": 4} for intent in sorted(SHOP)]
    reply = await desk.client.put(
        f"{AT}/examples/refund", headers=shop, json={"examples": [*SHOP["refund"], " pay me "]}
    )
    assert reply.json()["examples"][-1] == "pay me"
    assert (await desk.client.post(f"{AT}/try", headers=shop, json={"text": "parcel"})).status_code == 404
    first = (await desk.client.post(f"{AT}/train", headers=shop)).json()
    assert (first["version"], first["in_use"], first["examples"]) == (1, True, 17)
    await desk.client.put(
        f"{AT}/examples/thanks", headers=shop, json={"examples": ["thanks", "thank you", "thx", "ta"]}
    )
    assert (await desk.client.delete(f"{AT}/examples/invoice", headers=shop)).status_code == 204
    assert (await desk.client.post(f"{AT}/train", headers=shop)).json()["version"] == 2
    tried = (await desk.client.post(f"{AT}/try", headers=shop, json={"text": "where is my parcel"})).json()
    assert (tried["intent"], tried["version"]) == ("parcel", "2")
    versions = (await desk.client.post(f"{AT}/versions/1/use", headers=shop)).json()
    assert [version["in_use"] for version in versions] == [True, False]
    tried = (await desk.client.post(f"{AT}/try", headers=shop, json={"text": "send the tax invoice"})).json()
    assert (tried["intent"], tried["version"]) == ("invoice", "1")

    # The other tenant sees and can use none of it.
    assert (await desk.client.get(AT, headers=bank)).json() == []
    assert (await desk.client.get(f"{AT}/versions", headers=bank)).json() == []
    assert (await desk.client.get(f"{AT}/examples/refund", headers=bank)).status_code == 404
    assert (await desk.client.post(f"{AT}/versions/1/use", headers=bank)).json()["code"] == "unknown_version"
    assert (await desk.client.post(f"{AT}/try", headers=bank, json={"text": "parcel"})).json()["code"] == "no_intents"
    await desk.client.put(AT, headers=bank, json={"intents": {}})
    assert len((await desk.client.get(AT, headers=shop)).json()) == 4


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("", b"{", "invalid_json"),
        ("", b"\xff", "invalid_json"),
        ("", b'{"intents":' + b"[" * 100_000, "invalid_request"),
        ("", b'{"intents":{"a":["x"],"b":["X"]}}', "invalid_examples"),
        ("", b'{"intents":{"A b":["x"]}}', "invalid_examples"),
        ("", b'{"intents":{"a":[1]}}', "invalid_request"),
        ("", b'{"intents":{},"more":1}', "invalid_request"),
        ("/examples/a", b'{"examples":["a\\u0000b"]}', "invalid_examples"),
        ("/examples/a", b'{"examples":["  "]}', "invalid_examples"),
        ("/examples/" + "a" * 65, b'{"examples":["x"]}', "invalid_request"),
        ("/examples/A", b'{"examples":["x"]}', "invalid_request"),
    ],
)
async def test_bad_bodies_are_refused_and_change_nothing(desk: Desk, path: str, body: bytes, code: str) -> None:
    headers = await desk.key()
    await desk.client.put(f"{AT}/examples/kept", headers=headers, json={"examples": ["x y"]})
    reply = await desk.client.put(AT + path, headers=headers, content=body)
    assert (reply.status_code, reply.json()["code"]) == (400, code)
    assert (await desk.client.get(AT, headers=headers)).json() == [{"intent": "kept", "examples": 1}]


async def test_training_on_nothing_is_a_plain_refusal(desk: Desk) -> None:
    reply = await desk.client.post(f"{AT}/train", headers=await desk.key())
    assert (reply.status_code, reply.json()["code"]) == (400, "too_few_examples")


async def test_the_schema_has_the_routes(desk: Desk) -> None:
    schema = (await desk.client.get("/schema/openapi.json")).json()
    assert {path for path in schema["paths"] if path.startswith(AT)} == {
        AT, f"{AT}/examples/{{intent}}", f"{AT}/train", f"{AT}/versions", f"{AT}/versions/{{version}}/use", f"{AT}/try",
    }  # fmt: skip
    assert schema["paths"][AT]["get"]["security"] == [{"admin": []}]
