"""/api/admin/kb and the commands of `xiaoer kb`: whose articles, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar, Request

from xiaoer_server import cli, cli_kb
from xiaoer_server.brain.kb_commands import Commands
from xiaoer_server.brain.knowledge import Knowledge
from xiaoer_server.desk.kb import kb_handlers
from xiaoer_server.edge.faults import exception_handlers
from xiaoer_server.errors import BadRequest, NotFound, Unauthorized
from xiaoer_server.store.articles import Articles
from xiaoer_server.store.engine import Store

BASE = "/api/admin/kb"


def tenant_of(request: Request[Any, Any, Any]) -> str:
    """As the desk's own: the key says whose administration it opens."""
    key = request.headers.get("authorization", "").removeprefix("Bearer ")
    if key not in ("demo", "other"):
        raise Unauthorized("A key is needed.")
    return key


@pytest.fixture
async def client(store: Store, knowledge: Knowledge) -> AsyncIterator[httpx.AsyncClient]:
    handlers = kb_handlers(knowledge, Articles(store), tenant_of, threshold=0.5)
    app = Litestar(handlers, exception_handlers=exception_handlers, openapi_config=None)
    # In the test's own loop, where the store is.
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    headers = {"authorization": "Bearer demo"}
    async with httpx.AsyncClient(transport=transport, base_url="http://desk.test", headers=headers) as client:
        yield client


async def test_a_file_is_uploaded_found_and_deleted(client: httpx.AsyncClient) -> None:
    other = {"authorization": "Bearer other"}
    sent = await client.post(f"{BASE}/articles", params={"name": "fee.md"}, content="# 运费\n\n满 99 元包邮。".encode())
    assert (sent.status_code, sent.json()["added"]) == (200, 1)
    assert [row["slug"] for row in (await client.get(f"{BASE}/articles")).json()] == ["fee"]
    assert (await client.get(f"{BASE}/articles/fee")).json()["title"] == "运费"
    found = (await client.get(f"{BASE}/search", params={"q": "邮费"})).json()
    assert found["passages"][0]["article"] == "fee"
    assert found["passages"][0]["score"] >= found["threshold"] == 0.5
    for request in (
        client.get(f"{BASE}/articles/fee", headers=other),
        client.delete(f"{BASE}/articles/fee", headers=other),
    ):
        assert (await request).status_code == 404
    assert (await client.get(f"{BASE}/search", params={"q": "运费"}, headers=other)).json()["passages"] == []
    assert (await client.delete(f"{BASE}/articles/fee")).status_code == 204
    assert (await client.get(f"{BASE}/articles")).json() == []


async def test_what_is_bad_is_said(client: httpx.AsyncClient) -> None:
    bad = (await client.post(f"{BASE}/articles", params={"name": "x.pdf"}, content=b"nothing")).json()
    assert (bad["added"], bad["refused"]) == (0, [{"name": "x.pdf", "reason": "is no PDF"}])
    assert (
        await client.post(f"{BASE}/articles", params={"name": "x.md", "lang": "fr"}, content=b"x")
    ).status_code == 400
    assert (
        await client.post(f"{BASE}/articles", params={"name": "x.md"}, content=b"x" * (21 << 20))
    ).status_code == 413
    assert (await client.post(f"{BASE}/curated", content=b"[[")).status_code == 400
    assert (await client.post(f"{BASE}/curated", json={"questions": [], "answer": "x"})).status_code == 400
    assert (await client.delete(f"{BASE}/curated/none")).status_code == 404
    for path in ("articles", "search?q=x", "unanswered", "curated"):
        assert (await client.get(f"{BASE}/{path}", headers={"authorization": ""})).status_code == 401


async def test_fixed_answers_and_what_nobody_could_answer(client: httpx.AsyncClient, knowledge: Knowledge) -> None:
    made = (await client.post(f"{BASE}/curated", json={"questions": ["几点开门"], "answer": "九点。"})).json()
    [passage] = (await client.get(f"{BASE}/search", params={"q": "几点开门？"})).json()["passages"]
    assert (passage["fixed"], passage["text"], passage["url"]) == (True, "九点。", "")
    assert (await client.delete(f"{BASE}/curated/{made['id']}")).status_code == 204
    assert (await client.get(f"{BASE}/curated")).json() == []
    await knowledge.unanswered.note("demo", "有没有实体店")
    [group] = (await client.get(f"{BASE}/unanswered")).json()
    assert (group["question"], group["count"]) == ("有没有实体店", 1)
    assert (await client.get(f"{BASE}/unanswered", headers={"authorization": "Bearer other"})).json() == []
    assert (await client.delete(f"{BASE}/unanswered/{group['id']}")).status_code == 204
    assert (await client.get(f"{BASE}/unanswered")).json() == []


async def test_commands(store: Store, knowledge: Knowledge, tmp_path: Path) -> None:
    commands = Commands(knowledge, store, {"demo"}).all()
    (tmp_path / "a.md").write_text("# Kettle\n\nRinse it.")
    number = await commands["kb.import"]({"tenant": "demo", "places": [str(tmp_path / "a.md"), str(tmp_path / "b.md")]})
    for _ in range(200):
        report = await commands["kb.import_state"](number)
        if report["finished"]:
            break
        await asyncio.sleep(0.02)
    assert (report["added"], report["done"], report["total"], report["refusals"]) == (1, 2, 2, 1)
    answer = await commands["kb.search"]({"tenant": "demo", "question": "kettle"})
    assert answer["passages"][0]["article"] == "a"
    (tmp_path / "q.jsonl").write_text('{"question": "kettle", "slugs": ["a"]}\n{"question": "moon", "slugs": []}\n')
    [figures] = (await commands["kb.eval"]({"tenant": "demo", "file": str(tmp_path / "q.jsonl")}))["figures"]
    assert (figures["recall"], figures["mrr"], figures["right"], figures["false"]) == (1, 1, 1, 0)
    assert (await commands["kb.state"]({"tenant": "demo"}))["articles"] == 1
    assert (await commands["kb.delete"]({"tenant": "demo", "slugs": ["a", "b"]})) == {"deleted": ["a"]}
    for command, arguments, error in (
        ("kb.delete", {"tenant": "demo", "slugs": ["a"]}, NotFound),
        ("kb.list", {"tenant": "other"}, NotFound),
        ("kb.list", {}, BadRequest),
        ("kb.import", {"tenant": "demo", "places": []}, BadRequest),
        ("kb.import_state", {"import": 99}, NotFound),
        ("kb.search", {"tenant": "demo", "question": "x", "by": "luck"}, BadRequest),
        ("kb.eval", {"tenant": "demo", "file": "/none"}, BadRequest),
    ):
        with pytest.raises(error):
            await commands[command](arguments)


def test_the_command_line_works_on_the_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(cli._GROUPS, "kb", cli_kb)
    (tmp_path / "a.md").write_text("# Kettle\n\nRinse it.")
    (tmp_path / "b.pdf").write_bytes(b"broken")

    def run(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(["kb", *arguments, "--data", str(tmp_path / "data")])
        return code, *capsys.readouterr()

    code, out, err = run("import", str(tmp_path / "a.md"), str(tmp_path / "b.pdf"))
    assert (code, out) == (0, "1 added, 0 changed, 0 as before, 1 left out\n")
    assert err.endswith("b.pdf: is no PDF\n")
    assert "Kettle" in run("list")[1]
    assert run("import", str(tmp_path / "none"))[0] == 66
    assert run("import", str(tmp_path / "b.pdf"))[0] == 65
    assert "a human would be offered" in run("search", "weather on the moon")[2]
    assert "fixed answer" in run("curate", "Is there a shop?", "--answer", "Yes, in Suzhou.")[1]
    assert "Yes, in Suzhou." in run("search", "is there a shop")[1]
    assert run("unanswered")[0] == 0
    assert "deleted: a" in run("delete", "a")[1]
    assert run("delete", "a")[0] == 65
