"""An article's page: safe, small, and another tenant's articles are not there."""

from collections.abc import AsyncIterator

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from xiaoer_server.brain import markdown
from xiaoer_server.brain.knowledge import Knowledge, url_of
from xiaoer_server.edge.faults import exception_handlers
from xiaoer_server.edge.help_pages import STYLE, help_pages
from xiaoer_server.store.articles import Article, Articles
from xiaoer_server.store.engine import Store
from xiaoer_server.store.tenants import Tenants

SHOP = [
    Article("zh-fee", "fee", "zh", "运费 <b>&", ["?"], "满 **99** 元包邮。\n\n<script>alert(1)</script>"),
    Article("en-fee", "fee", "en", "Delivery fee", [], "Free from ¥99."),
]


@pytest.fixture
async def client(store: Store, knowledge: Knowledge) -> AsyncIterator[AsyncTestClient[Litestar]]:
    await knowledge.replace("demo", SHOP)
    await knowledge.replace("other", [Article("theirs", "theirs", "en", "Theirs", [], "Secret.")])
    tenants = {tenant.id: tenant for tenant in await Tenants(store).all()}
    app = Litestar(
        help_pages(Articles(store), tenants, markdown.render),
        exception_handlers=exception_handlers,
        openapi_config=None,
    )
    async with AsyncTestClient(app) as client:
        yield client


async def test_an_article_is_a_page_without_scripts(client: AsyncTestClient[Litestar]) -> None:
    response = await client.get("/help/demo/zh-fee", headers={"accept-language": "en"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "<strong>99</strong>" in response.text
    assert "运费 &lt;b&gt;&amp;" in response.text
    assert "<script" not in response.text
    assert '<html lang="zh">' in response.text
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert f"<style>{STYLE}</style>" in response.text


async def test_translations_are_linked(client: AsyncTestClient[Litestar]) -> None:
    assert (
        '<a href="/help/demo/en-fee" hreflang="en" lang="en">English</a>'
        in (await client.get("/help/demo/zh-fee")).text
    )
    assert "中文" in (await client.get("/help/demo/en-fee")).text
    assert "hreflang" not in (await client.get("/help/other/theirs")).text


@pytest.mark.parametrize(
    "path",
    ["/help/demo/theirs", "/help/demo/nothing", "/help/nobody/zh-fee", "/help/demo/..%2f..%2fetc", "/help/demo/%00"],
)
async def test_what_is_not_there_is_a_problem(client: AsyncTestClient[Litestar], path: str) -> None:
    response = await client.get(path)
    assert response.status_code == 404
    assert response.headers["content-type"].startswith("application/problem+json")
    assert response.json()["code"] == "not_found"


def test_addresses_are_quoted() -> None:
    assert url_of("demo", "a/b c?") == "/help/demo/a%2Fb%20c%3F"
