"""The articles as pages, for the links that answers name as their sources: `/help/<tenant>/<slug>`."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from litestar import MediaType, route
from litestar.params import FromPath
from litestar.response import Response
from litestar.types import ControllerRouterHandler

from ..brain.knowledge import url_of
from ..errors import NotFound
from ..store.articles import Article, Articles
from .pages import ALWAYS, READING

if TYPE_CHECKING:
    from ..store.tenants import Tenant

STYLE = """
:root{--paper:#f8f4ea;--card:#fffdf8;--ink:#22302a;--quiet:#5b675f;--line:#e4dccb;--tea:#1f6f54;color-scheme:light dark}
@media(prefers-color-scheme:dark){:root{--paper:#141917;--card:#1d2421;--ink:#eef2ec;--quiet:#aab5ad;--line:#323b36;
--tea:#7cc7a9}}
*{box-sizing:border-box}
body{margin:0;padding:4vh 16px;background:var(--paper);color:var(--ink);
font:17px/1.7 system-ui,-apple-system,"Segoe UI","PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif}
main{max-width:42rem;margin:0 auto;padding:clamp(20px,5vw,44px);background:var(--card);border:1px solid var(--line);
border-radius:16px;overflow-wrap:anywhere}
.shop,.other{color:var(--quiet);font-size:.9rem;margin:0}
h1{font-size:1.7rem;line-height:1.3;margin:.3em 0 .8em}
a{color:var(--tea)}
li{margin:.25em 0}
table{border-collapse:collapse;display:block;overflow-x:auto}
th,td{border:1px solid var(--line);padding:.4em .8em;text-align:left}
.other{margin-top:2em;padding-top:1em;border-top:1px solid var(--line)}
"""

_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

#: Nothing may be loaded or run: the page is text and the one style that is written into it.
POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

HEADERS = {**ALWAYS, "content-security-policy": POLICY, "cache-control": "no-cache"}

LANGUAGE_NAMES = {"zh": "中文", "en": "English"}


def help_pages(
    articles: Articles, tenants: Mapping[str, Tenant], render: Callable[[str], str]
) -> list[ControllerRouterHandler]:
    """The handlers.

    Args:
        render: Markdown to safe HTML.
    """

    @route("/help/{tenant:str}/{slug:str}", http_method=READING, include_in_schema=False, media_type=MediaType.HTML)
    async def article(tenant: FromPath[str], slug: FromPath[str]) -> Response[str]:
        shop = tenants.get(tenant)
        found = await articles.get(tenant, slug) if shop is not None else None
        if shop is None or found is None:
            raise NotFound("There is no such article.")
        siblings = await articles.of_topics(tenant, [found.topic])
        return Response(page(shop, found, siblings, render), headers=HEADERS, media_type=MediaType.HTML)

    handlers: list[Any] = [article]
    return handlers


def page(shop: Tenant, article: Article, siblings: list[Article], render: Callable[[str], str]) -> str:
    """The whole HTML page of an article, with links to its translations."""
    others = " · ".join(
        f'<a href="{escape(url_of(shop.id, other.slug))}" hreflang="{other.lang}" lang="{other.lang}">'
        f"{LANGUAGE_NAMES[other.lang]}</a>"
        for other in siblings
        if other.slug != article.slug
    )
    footer = f'<p class="other">{others}</p>' if others else ""
    title = escape(article.title)
    return (
        f'<!doctype html>\n<html lang="{article.lang}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title} – {escape(shop.name)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f'<p class="shop">{escape(shop.name)}</p>\n<h1>{title}</h1>\n{render(article.body)}'
        f"{footer}\n</main>\n</body>\n</html>\n"
    )
