"""The knowledge base over REST, for the holder of a tenant's admin key: /api/admin/kb.

The tenant is the key's. Nothing in a request names one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from litestar import Request, delete, get, post
from litestar.params import FromPath, QueryParameter
from litestar.types import ControllerRouterHandler

from ..brain.importers.document import MOST_BYTES
from ..brain.importers.job import Import, Report
from ..brain.knowledge import Knowledge, Passage
from ..errors import BadRequest, NotFound, PayloadTooLarge
from ..store.articles import Article, Articles, Listed
from ..store.curated import FixedAnswer
from ..store.unanswered import Group

#: Articles of a page.
PAGE = 500

TenantOf = Callable[[Request[Any, Any, Any]], str]

ADMIN = "/api/admin/kb"


class CurateRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A fixed answer. `id` names one that is to be changed, `slug` the article that is its source."""

    questions: list[str]
    answer: str
    slug: str | None = None
    id: str | None = None


class SearchAnswer(msgspec.Struct):
    """What a visitor would be answered from. Passages under the threshold are no answer."""

    threshold: float
    passages: list[Passage]


def kb_handlers(
    knowledge: Knowledge, articles: Articles, tenant_of: TenantOf, *, threshold: float, **options: Any
) -> list[ControllerRouterHandler]:
    """The handlers.

    Args:
        tenant_of: `desk.auth.admin_tenant`: the tenant that a request may administer, or 401 or 403.
        threshold: The least evidence that an answer needs.
        options: For each handler, such as `security` and `guards`.
    """
    options = {"tags": ["knowledge"], **options}
    return [
        *_articles(knowledge, articles, tenant_of, options),
        *_search(knowledge, tenant_of, threshold, options),
        *_curated(knowledge, tenant_of, options),
    ]


def _articles(
    knowledge: Knowledge, articles: Articles, tenant_of: TenantOf, options: dict[str, Any]
) -> list[ControllerRouterHandler]:
    @post(
        f"{ADMIN}/articles",
        status_code=200,
        operation_id="uploadArticles",
        summary="Import one file: Markdown, HTML, CSV, PDF or DOCX",
        request_max_body_size=MOST_BYTES,
        **options,
    )
    async def upload(
        request: Request[Any, Any, Any],
        name: Annotated[
            str, QueryParameter(description="the file's name, whose ending says what it is", max_length=300)
        ],
        lang: Annotated[str | None, QueryParameter(description="zh or en")] = None,
    ) -> Report:
        tenant = tenant_of(request)
        if lang not in (None, "zh", "en"):
            raise BadRequest("lang is zh or en.", param="lang")
        data = await request.body()
        if len(data) > MOST_BYTES:
            raise PayloadTooLarge(f"A file has at most {MOST_BYTES >> 20} MB.")
        return await Import(knowledge, articles, tenant, lang=lang).upload(name, data)  # type: ignore[arg-type]

    @get(f"{ADMIN}/articles", operation_id="listArticles", summary="The articles, by slug, a page at a time", **options)
    async def list_articles(
        request: Request[Any, Any, Any],
        after: Annotated[str, QueryParameter(description="the last slug of the page before")] = "",
    ) -> list[Listed]:
        return await articles.listed(tenant_of(request), after, PAGE)

    @get(f"{ADMIN}/articles/{{slug:str}}", operation_id="readArticle", summary="One article", **options)
    async def read_article(request: Request[Any, Any, Any], slug: FromPath[str]) -> Article:
        found = await articles.get(tenant_of(request), slug)
        if found is None:
            raise NotFound("There is no such article.")
        return found

    @delete(
        f"{ADMIN}/articles/{{slug:str}}",
        operation_id="deleteArticle",
        summary="Remove an article, its vectors and what was answered from it",
        **options,
    )
    async def delete_article(request: Request[Any, Any, Any], slug: FromPath[str]) -> None:
        if not await knowledge.delete(tenant_of(request), slug):
            raise NotFound("There is no such article.")

    return [upload, list_articles, read_article, delete_article]


def _search(
    knowledge: Knowledge, tenant_of: TenantOf, threshold: float, options: dict[str, Any]
) -> list[ControllerRouterHandler]:
    @get(f"{ADMIN}/search", operation_id="searchArticles", summary="What a question is answered from", **options)
    async def search(
        request: Request[Any, Any, Any],
        q: Annotated[str, QueryParameter(description="the question", max_length=4_000)],
        limit: Annotated[int, QueryParameter(ge=1, le=20)] = 5,
    ) -> SearchAnswer:
        return SearchAnswer(threshold, await knowledge.search(tenant_of(request), q, limit=limit))

    @get(
        f"{ADMIN}/unanswered",
        operation_id="listUnanswered",
        summary="Questions that nobody could answer, the most asked first",
        **options,
    )
    async def unanswered(request: Request[Any, Any, Any]) -> list[Group]:
        return await knowledge.unanswered.all(tenant_of(request))

    @delete(f"{ADMIN}/unanswered/{{group:str}}", operation_id="deleteUnanswered", summary="Forget a group", **options)
    async def answered(request: Request[Any, Any, Any], group: FromPath[str]) -> None:
        await knowledge.unanswered.delete(tenant_of(request), group)

    return [search, unanswered, answered]


def _curated(knowledge: Knowledge, tenant_of: TenantOf, options: dict[str, Any]) -> list[ControllerRouterHandler]:
    @get(f"{ADMIN}/curated", operation_id="listCurated", summary="The fixed answers", **options)
    async def list_curated(request: Request[Any, Any, Any]) -> list[FixedAnswer]:
        return await knowledge.curated.all(tenant_of(request))

    @post(f"{ADMIN}/curated", status_code=200, operation_id="curate", summary="Add or change a fixed answer", **options)
    async def curate(request: Request[Any, Any, Any]) -> FixedAnswer:
        tenant = tenant_of(request)
        try:
            data = msgspec.json.decode(await request.body(), type=CurateRequest)
        except (msgspec.DecodeError, RecursionError):
            raise BadRequest(
                "The body is not a fixed answer: questions, answer, slug?, id?", code="invalid_json"
            ) from None
        return await knowledge.curated.put(tenant, data.questions, data.answer, slug=data.slug, fixed=data.id)

    @delete(f"{ADMIN}/curated/{{fixed:str}}", operation_id="uncurate", summary="Remove a fixed answer", **options)
    async def uncurate(request: Request[Any, Any, Any], fixed: FromPath[str]) -> None:
        await knowledge.curated.delete(tenant_of(request), fixed)

    return [list_curated, curate, uncurate]
